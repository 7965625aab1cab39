//! Hosts that turn unhealthy by themselves while the fleet is rolled, and what a roll does about them.
//!
//! ```text
//!   the next host, and the floor forbids it
//!     a host that is still to be rolled is sick   --> it is rolled next: taking it out costs nothing
//!     others of ours are out                      --> their coming back is waited for
//!     else, for roll.sick_wait:                       let sick hosts be replaced -> wait for health -> suspend again -> on
//!     past it                                     --> the release is rolled back, and names who is sick
//! ```
//! During rollback the floor counts from what is healthy now (`floor.rs`), and a few hosts that cannot go back, or do
//! not become healthy with the previous version, keep no other from going back.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::fold::{Release, SickWait};
use super::path;
use super::step_status::StepStatus;
use super::steps::StepState;
use crate::definition::Process;
use crate::failure::{Failure, FloorKept, Obstacle};
use crate::fleet::{GroupPlan, HostPlan};
use crate::journal::{Phase, Step, StepOutcome};
use crate::limits::{self, after, between_ms};
use drawgate_schemas::Direction;

impl StepState {
    /// Notes what the load balancer said at the end of an attempt, or that the attempt ended for another
    /// reason.
    pub(crate) fn meet(&mut self, outcome: &StepOutcome, at: Timestamp) {
        let failure = outcome.failure();
        let obstacle = failure.and_then(|failure| failure.obstacle.as_deref().cloned());
        // The time without credentials is nobody's fault, and not charged.
        if self.awaits_credentials() && !matches!(obstacle, Some(Obstacle::Credentials)) {
            self.patient_from = at;
        }
        let kept = matches!(obstacle, Some(Obstacle::Floor(_)));
        self.always_kept = kept && (self.attempts == 1 || self.always_kept);
        self.kept_since = self.kept_since.or(Some(at)).filter(|_| kept);
        // An attempt that failed without an obstacle says nothing against what an earlier one saw.
        let unhealthy = |obstacle: &Obstacle| matches!(obstacle, Obstacle::Unhealthy { .. });
        let seen_before = self
            .obstacle
            .take()
            .filter(unhealthy)
            .filter(|_| failure.is_some());
        self.obstacle = obstacle.or(seen_before);
    }

    /// The floor that keeps a host in service: the last attempt met it, and no earlier attempt can have taken
    /// the host out.
    pub(crate) fn kept(&self) -> Option<&FloorKept> {
        let Some(Obstacle::Floor(kept)) = &self.obstacle else {
            return None;
        };
        let ended = self.last.is_some();
        (ended && (self.always_kept || self.kept_for_ms() >= limits::SICK_AFTER_MS)).then_some(kept)
    }

    /// Whether AWS did not accept the worker's credentials at the last attempt.
    pub(crate) fn awaits_credentials(&self) -> bool {
        matches!(self.obstacle, Some(Obstacle::Credentials))
    }

    fn kept_for_ms(&self) -> u64 {
        self.kept_since.map_or(0, |since| between_ms(since, self.last_at))
    }
}

impl Release {
    /// The floor that keeps this host in service, where nothing was done to it in that direction.
    pub(crate) fn kept_in(&self, instance: &str, direction: Direction) -> Option<&FloorKept> {
        let deregister = Step::on_host(instance, direction, Phase::Deregister);
        self.steps.get(&deregister).and_then(StepState::kept)
    }

    /// The same, once the floor has forbidden it for long enough to be believed: since the host was first
    /// asked, and since another host came a step further.
    pub(crate) fn kept_for_long(&self, instance: &str) -> Option<&FloorKept> {
        let deregister = Step::on_host(instance, Direction::Forward, Phase::Deregister);
        let state = self.steps.get(&deregister)?;
        // First of all, because hardly any host is kept, and what follows looks at every step.
        let kept = state.kept()?;
        let of_another = |step: &Step| matches!(step, Step::Host { instance: of, .. } if of != instance);
        let others = self.steps.iter().filter(|(step, _)| of_another(step));
        // A host that the floor keeps in service itself came no further.
        let moved = others.filter(|(_, other)| other.kept().is_none());
        let since = moved
            .map(|(_, other)| other.last_at)
            .chain(state.kept_since)
            .max()?;
        let long = between_ms(since, state.last_at) >= limits::SICK_AFTER_MS;
        long.then_some(kept)
    }

    /// Whether a host that is out is not to be reckoned with: it runs the previous version as far as we can bring it
    /// there, and does not become healthy, or a step of its rollback has failed for good.
    pub fn is_lost_on_its_rollback(&self, host: &HostPlan, now: Timestamp) -> bool {
        self.is_sick_on_its_rollback(host) || (self.is_out(host) && self.has_failed_to_go_back(host, now))
    }

    pub(super) fn is_sick_on_its_rollback(&self, host: &HostPlan) -> bool {
        let settle = Step::on_host(&host.instance, Direction::Back, path::last(self));
        let state = self.steps.get(&settle);
        let met = state.and_then(|state| state.obstacle.as_ref());
        self.is_out(host) && matches!(met, Some(Obstacle::Unhealthy { .. }))
    }

    fn has_failed_to_go_back(&self, host: &HostPlan, now: Timestamp) -> bool {
        let mut ahead = path::steps(self, host, Direction::Back).filter(|step| !self.done(step));
        let next = ahead.next();
        next.is_some_and(|step| matches!(self.step_status(&step, now), StepStatus::Failed(_)))
    }

    /// Whether the processes that replace hosts may run in a group, because the roll waits for sick hosts.
    pub fn may_replace(&self, group: &str) -> bool {
        let let_replace = Step::LetReplace {
            group: group.to_owned(),
        };
        let suspend_again = Step::SuspendAgain {
            group: group.to_owned(),
        };
        self.begun(&let_replace) && !self.done(&suspend_again)
    }

    pub(crate) fn begin_sick_wait(&mut self, wait: SickWait) {
        // The steps of an earlier wait would pass for this one's.
        self.steps.retain(|step| {
            !matches!(
                step,
                Step::LetReplace { .. } | Step::AwaitFloor | Step::SuspendAgain { .. }
            )
        });
        self.sick_waits += 1;
        self.sick_wait = Some(wait);
    }

    /// Ends the wait. The host that was to be next is asked anew, with all its time.
    pub(crate) fn end_sick_wait(&mut self) {
        if let Some(wait) = self.sick_wait.take() {
            let deregister = Step::on_host(&wait.instance, Direction::Forward, Phase::Deregister);
            self.steps.remove(&deregister);
        }
    }

    /// Gives the wait its whole time anew after a takeover, because no worker looked meanwhile.
    pub(crate) fn wait_for_sick_anew(&mut self, at: Timestamp) {
        let Some(most_ms) = self.plan.as_ref().map(|plan| plan.definition.roll.sick_wait_ms) else {
            return;
        };
        if let Some(wait) = &mut self.sick_wait {
            wait.until = wait.until.max(after(at, most_ms));
        }
    }

    /// The failure that tells of sick hosts when the release is rolled back because of them.
    pub(crate) fn sick_for_too_long(&self, kept: &FloorKept, why: &str) -> Failure {
        let name = self.kept_where(kept);
        let who = match kept.sick.len() {
            0 => "none of its unhealthy targets is a host of this release".to_owned(),
            1 => format!("{} is not healthy", ids(&kept.sick)),
            _ => format!("{} are not healthy", ids(&kept.sick)),
        };
        let FloorKept { healthy, floor, .. } = kept;
        let what = format!(
            "{who}: {name} has {healthy} healthy targets, and {floor} must be left when another host is taken out; {why}"
        );
        Failure::new(what)
            .with_hint("see why, and publish again; roll.sick_wait in the service's file is how long sick hosts are waited for")
            .with_obstacle(Obstacle::Floor(kept.clone()))
    }

    /// The target group's name, for a person, with the zone where its targets are counted by zone.
    pub fn kept_where(&self, kept: &FloorKept) -> String {
        let arn = &kept.target_group;
        let group = self.plan.as_ref().and_then(|plan| plan.target_groups.get(arn));
        let name = group.map_or(arn, |group| &group.name);
        match &kept.zone {
            Some(zone) => format!("{name} in {zone}"),
            None => name.clone(),
        }
    }

    /// The groups of sick hosts in which this release suspended the processes that replace them.
    pub(crate) fn groups_of(&self, sick: &BTreeSet<String>) -> Vec<String> {
        let of_sick = |group: &&GroupPlan| {
            let mut hosts = self.everyone();
            hosts.any(|host| sick.contains(&host.instance) && host.group.as_deref() == Some(&group.name))
        };
        let groups = self.plan.iter().flat_map(|plan| &plan.groups);
        groups
            .filter(of_sick)
            .filter(|group| group.replaces().next().is_some())
            .map(|group| group.name.clone())
            .collect()
    }
}

impl GroupPlan {
    /// The processes that are suspended for the roll.
    pub fn suspends(&self) -> impl Iterator<Item = Process> + '_ {
        self.suspend.iter().copied()
    }

    /// The suspended processes that replace unhealthy hosts, in the order in which they are resumed.
    pub fn replaces(&self) -> impl Iterator<Item = Process> + '_ {
        let both = [Process::HealthCheck, Process::ReplaceUnhealthy];
        both.into_iter().filter(|process| self.suspend.contains(process))
    }
}

pub(crate) fn ids(instances: &BTreeSet<String>) -> String {
    let all: Vec<&str> = instances.iter().map(String::as_str).collect();
    all.join(", ")
}
