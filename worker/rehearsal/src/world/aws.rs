//! What AWS does beside its calls: answers that are older than the last change, calls that it turns away for a
//! while, target groups that somebody deletes, and changes that take effect later.

use drawgate_rollout::{Failure, Obstacle, Step, StepOutcome, limits};
use jiff::Timestamp;

use super::*;

/// Parameter Store takes a parameter of a name again so long after that name was deleted (AWS Systems Manager API
/// Reference, `DeleteParameter`).
const NAME_FREE_MS: u64 = 30_000;
/// How long the credentials of the worker stay expired: longer than a step of the roll forward is tried again.
const EXPIRED_MS: u64 = 300_000;
/// How long a Network Load Balancer says `initial` of a new target: "a few minutes" (Elastic Load Balancing,
/// "Health checks for Network Load Balancer target groups").
const INITIAL_MS: u64 = 180_000;
/// How long it is to the next minute, at its beginning.
const NEXT_MINUTE_MS: u64 = 59_000;

impl World {
    /// Puts the fleet behind a Network Load Balancer, which says `initial` of a new target for minutes.
    #[must_use]
    pub fn behind_an_nlb(mut self) -> Self {
        for group in &mut self.fleet_mut().target_groups {
            group.passes_connections = true;
        }
        self.aws.initial_ms = INITIAL_MS;
        self
    }

    /// Lets another release of the fleet have ended just now: a look may still show its tag, and the processes
    /// that it had suspended.
    #[must_use]
    pub fn after_another_release(mut self) -> Self {
        for (name, group) in &self.groups {
            let mut before = group.clone();
            before.tag = Some("another-release".to_owned());
            let default = Process::DEFAULT.iter().map(|process| process.as_str().to_owned());
            before.suspended.extend(default);
            self.aws.groups_before.insert(name.clone(), before);
        }
        self
    }

    /// Deletes a target group, with its targets.
    pub fn delete_group(&mut self, arn: &str) {
        self.aws.deleted.insert(arn.to_owned());
        let instances: Vec<String> = self.hosts.keys().cloned().collect();
        for instance in instances {
            self.drop_deleted(&instance);
        }
    }

    /// Takes a target group out of its listener: its targets stay, and no load balancer sends them anything.
    pub fn leave_listener(&mut self, arn: &str) {
        self.aws.unused.insert(arn.to_owned());
        let checked = !self.nobody_checks();
        self.aws.initial.retain(|_, _| checked);
        self.hosts.values_mut().for_each(|host| host.initial &= checked);
    }

    /// Whether no load balancer uses any target group of the fleet.
    fn nobody_checks(&self) -> bool {
        let mut groups = self.fleet.target_groups.iter();
        groups.all(|group| self.aws.unused.contains(&group.arn) || self.aws.deleted.contains(&group.arn))
    }

    /// Takes a host's targets out of the groups that do not exist any more.
    pub(super) fn drop_deleted(&mut self, instance: &str) {
        let arns: Vec<String> = self.arns_of(instance);
        let deleted = |place: usize| arns.get(place).is_some_and(|arn| self.aws.deleted.contains(arn));
        let (first, second) = (deleted(0), deleted(1));
        if let Some(host) = self.hosts.get_mut(instance) {
            if first {
                host.target = Target::GroupGone;
            }
            host.second = host.second.map(|second_was| match second {
                true => Target::GroupGone,
                false => second_was,
            });
        }
    }

    /// Lets the credentials of the worker expire; others come after a while.
    pub fn credentials_expire(&mut self) {
        self.aws.expired_until = Some(limits::after(self.now, EXPIRED_MS));
    }

    /// Lets somebody delete the parameters that the release is about to create.
    pub fn names_are_deleted(&mut self) {
        self.aws.creates_from = Some(limits::after(self.now, NAME_FREE_MS));
    }

    /// Lets the running minute end before the mute rule is made: the rule begins with the next one.
    pub fn minute_ends(&mut self) {
        self.aws.mutes_from = Some(limits::after(self.now, NEXT_MINUTE_MS));
    }

    /// The answer of AWS to a call with expired credentials, where they are.
    pub(super) fn without_credentials(&self, step: &Step) -> Option<StepOutcome> {
        let expired = self.aws.expired_until.is_some_and(|until| self.now < until);
        if !expired || !calls_aws(step) || is_a_watch(step) {
            return None;
        }
        let failure = Failure::new("the security token included in the request is expired");
        let failure = failure.with_obstacle(Obstacle::Credentials);
        Some(match self.mutant {
            Some(Mutant::GivesUpOnExpiredCredentials) => StepOutcome::Refused { failure },
            _ => StepOutcome::Transient { failure },
        })
    }

    /// The answer of Parameter Store to a call that creates a parameter whose name was deleted just now.
    pub(super) fn too_soon_to_create(&self) -> Option<StepOutcome> {
        self.aws.creates_from.filter(|from| self.now < *from)?;
        let failure = Failure::new("TooManyUpdates");
        Some(match self.mutant {
            Some(Mutant::TakesTooManyUpdatesForRefusal) => StepOutcome::Refused { failure },
            _ => StepOutcome::Transient { failure },
        })
    }

    /// Lets targets become healthy whose time as `initial` is over.
    pub(super) fn end_initial(&mut self) {
        let now = self.now;
        let over = |at: &Timestamp| *at <= now;
        for (instance, _) in self.aws.initial.iter().filter(|(_, at)| over(at)) {
            if let Some(host) = self.hosts.get_mut(instance) {
                host.initial = false;
            }
        }
        self.aws.initial.retain(|_, at| !over(at));
    }

    /// Makes the targets of a host `initial` for a while, where its load balancer is one that does.
    pub(super) fn begin_initial(&mut self, instance: &str) {
        if self.aws.initial_ms == 0 || self.nobody_checks() {
            return;
        }
        self.host(instance).initial = true;
        let until = limits::after(self.now, self.aws.initial_ms);
        self.aws.initial.insert(instance.to_owned(), until);
    }

    /// An alarm as the first look of this step shows it.
    pub(super) fn look_at_alarm(&self, name: &str) -> Option<SeenAlarm> {
        let before = self.aws.alarms_before.get(name).filter(|_| self.aws.is_stale);
        before.copied().or_else(|| self.alarm(name))
    }

    fn alarm(&self, name: &str) -> Option<SeenAlarm> {
        Some(SeenAlarm {
            on: *self.alarms.get(name)?,
            ours: self.alarm_tags.contains(name),
            of_others: self.alarms_of_others.contains(name),
        })
    }

    /// An Auto Scaling group as a stale first look of this step shows it.
    pub(super) fn stale_group(&self, name: &str) -> Option<&Scaling> {
        self.aws.groups_before.get(name).filter(|_| self.aws.is_stale)
    }

    /// Whether a look at what this step is about may still show something else than what is there.
    pub(crate) fn may_be_stale(&self, step: &Step) -> bool {
        let alarms = || {
            let mut before = self.aws.alarms_before.iter();
            before.any(|(name, before)| self.alarm(name) != Some(*before))
        };
        let differs = |(name, before): (&String, &Scaling)| self.groups.get(name) != Some(before);
        match step {
            Step::Inspect => self.aws.groups_before.iter().any(differs),
            Step::Suspend { group }
            | Step::Resume { group }
            | Step::LetReplace { group }
            | Step::SuspendAgain { group } => {
                let before = self.aws.groups_before.get(group);
                before.is_some_and(|before| self.groups.get(group) != Some(before))
            }
            Step::Silence | Step::Unsilence => !self.mutes() && alarms(),
            Step::RestoreDesired => {
                let before = self.aws.parameter_before.as_ref();
                before.is_some_and(|before| self.parameter != *before)
            }
            Step::Host {
                instance,
                phase: Phase::Deregister,
                ..
            } => {
                let before = self.aws.targets_before.get(instance);
                let now = self
                    .hosts
                    .get(instance)
                    .map(|host| host.targets().collect::<Vec<_>>());
                before.is_some_and(|before| now.as_ref() != Some(before))
            }
            _ => false,
        }
    }

    /// Remembers what each thing was before the last change, which `previous` shows.
    pub(crate) fn remember(&mut self, previous: &Self) {
        for (name, before) in &previous.groups {
            if self.groups.get(name).is_some_and(|group| group != before) {
                self.aws.groups_before.insert(name.clone(), before.clone());
            }
        }
        for (instance, before) in &previous.hosts {
            let changed = |host: &Host| (host.target, host.second) != (before.target, before.second);
            if self.hosts.get(instance).is_some_and(changed) {
                let targets = before.targets().collect();
                self.aws.targets_before.insert(instance.clone(), targets);
            }
        }
        if self.parameter != previous.parameter {
            self.aws.parameter_before = Some(previous.parameter.clone());
        }
        self.remember_alarms(previous);
    }

    pub(crate) fn remember_alarms(&mut self, previous: &Self) {
        let names: Vec<String> = previous.alarms.keys().cloned().collect();
        for name in names {
            let before = previous.alarm(&name);
            if let Some(before) = before.filter(|_| before != self.alarm(&name)) {
                self.aws.alarms_before.insert(name, before);
            }
        }
    }

    /// Brings AWS's answers up to date, as they are after a worker was away.
    pub(crate) fn answers_agree(&mut self) {
        self.aws.groups_before.clear();
        self.aws.alarms_before.clear();
        self.aws.targets_before.clear();
        self.aws.parameter_before = None;
    }
}
