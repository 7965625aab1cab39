//! The effect of each step on the fleet.

mod alarms;
mod desired;
mod fleet;
mod half;
mod hooks;
mod hosts;
mod locks;
mod scaling;
mod targets;
mod watched;
mod words;

use drawgate_rollout::{Calls, Evidence, Failure, Phase, Release, Step, StepOutcome};

use self::words::{booted_host, done_or_already, without_host};
use crate::world::*;

pub(super) use self::words::done;

impl World {
    fn fault(&mut self, step: &Step) -> Option<Fault> {
        let (_, fault, times) = self
            .faults
            .iter_mut()
            .find(|(faulty, _, times)| faulty == step && *times > 0)?;
        let begins_anew = *fault == Fault::Throttled && self.mutant == Some(Mutant::LosesWhatWasDone);
        *times = times.saturating_sub(usize::from(!begins_anew));
        Some(*fault)
    }

    /// Performs a step with its faults, and gives its outcome.
    pub fn perform(&mut self, release: &Release, step: &Step) -> StepOutcome {
        self.arrive(release, step);
        let off = self.switched_off.iter().filter(|(at, _)| at == step);
        for (_, alarm) in off {
            self.alarms.insert(alarm.clone(), false);
            self.alarm_tags.remove(alarm);
        }
        let fires = self.fires.iter().filter(|(at, _)| at == step);
        self.firing.extend(fires.map(|(_, alarm)| alarm.clone()));
        self.end_initial();
        if let Some(expired) = self.without_credentials(step) {
            return expired;
        }
        let failure = || Failure::new("fault");
        match self.fault(step) {
            None => self.effect(release, step),
            Some(Fault::Refused) => StepOutcome::Refused { failure: failure() },
            Some(Fault::FailsVerification) => StepOutcome::Transient {
                failure: Failure::new("does not pass, as it was told to here"),
            },
            Some(Fault::Transient) => StepOutcome::Transient { failure: failure() },
            Some(Fault::UnknownNotDone) => StepOutcome::Unknown { failure: failure() },
            Some(Fault::UnknownHalf) => {
                self.half(release, step);
                StepOutcome::Unknown { failure: failure() }
            }
            Some(Fault::RefusedHalf) => {
                self.half(release, step);
                StepOutcome::Refused { failure: failure() }
            }
            Some(Fault::UnknownDone) => {
                self.effect(release, step);
                StepOutcome::Unknown { failure: failure() }
            }
            Some(Fault::Unconfirmed) => {
                self.effect(release, step);
                StepOutcome::Transient { failure: failure() }
            }
            Some(Fault::UnconfirmedHalf) => {
                self.half(release, step);
                StepOutcome::Transient { failure: failure() }
            }
            Some(Fault::Throttled) => {
                self.half(release, step);
                let failure = Failure::new("ThrottlingException");
                match self.mutant {
                    Some(Mutant::TakesThrottlingForRefusal) => StepOutcome::Refused { failure },
                    _ => StepOutcome::Transient { failure },
                }
            }
            Some(Fault::Gone) => {
                if let Some(host) = step.instance().and_then(|instance| self.hosts.get_mut(instance)) {
                    host.member = false;
                }
                StepOutcome::Done {
                    evidence: Evidence::Gone {
                        why: "terminated in EC2".to_owned(),
                    },
                }
            }
        }
    }

    /// Performs a step whose first look shows what was before the last change.
    pub(crate) fn perform_on_a_stale_look(&mut self, release: &Release, step: &Step) -> StepOutcome {
        self.aws.is_stale = true;
        let outcome = self.perform(release, step);
        self.aws.is_stale = false;
        outcome
    }

    /// Performs a step as far as `extent`; its worker has died and does not hear the outcome.
    pub fn perform_unheard(&mut self, release: &Release, step: &Step, extent: Extent) {
        match extent {
            Extent::None => {}
            Extent::Half => self.half(release, step),
            Extent::Whole => {
                self.perform(release, step);
            }
        }
    }

    fn arrive(&mut self, release: &Release, step: &Step) {
        for (at, instance) in &self.departures {
            if let (true, Some(host)) = (at == step, self.hosts.get_mut(instance)) {
                host.member = false;
            }
        }
        if self.arrivals.is_empty() {
            return;
        }
        let arrived: Vec<String> = self
            .arrivals
            .iter()
            .filter(|(at, _)| at == step)
            .map(|(_, instance)| instance.clone())
            .collect();
        let like = self.newcomer();
        let late = self.performed.contains(&Step::DetectJoined);
        let unseen = self.performed.contains(&Step::Confirm);
        for instance in arrived {
            let wanted = self.boots && self.parameter.as_deref() == Some(VALUE);
            let booted = || {
                if wanted {
                    booted_host(release, self.definition.container().unwrap().restart, &like)
                } else {
                    like.clone()
                }
            };
            let host = self.hosts.get_or_insert_with(&instance, booted);
            host.joined_late = late && !host.disturbed;
            host.joined_unseen = unseen && !host.disturbed;
            self.drop_deleted(&instance);
        }
    }

    /// How far this step may come before it is broken off.
    pub fn extents(&self, step: &Step) -> &'static [Extent] {
        let registers_twice = match step {
            Step::Host {
                instance,
                phase: Phase::Register,
                ..
            } => self.in_two(instance),
            _ => false,
        };
        if Self::has_half(step) || registers_twice {
            &[Extent::None, Extent::Half, Extent::Whole]
        } else {
            &[Extent::None, Extent::Whole]
        }
    }

    fn in_two(&self, instance: &str) -> bool {
        let host = self.hosts.get(instance);
        host.is_some_and(|host| host.second.is_some())
    }

    /// Every combination of how far these steps may come.
    pub fn combinations<'s>(&self, steps: impl IntoIterator<Item = &'s Step>) -> Vec<Vec<Extent>> {
        let mut all = vec![Vec::new()];
        for step in steps {
            let longer = |shorter: &Vec<Extent>| {
                let shorter = shorter.clone();
                let extents = self.extents(step).iter();
                extents.map(move |extent| [shorter.as_slice(), &[*extent]].concat())
            };
            all = all.iter().flat_map(longer).collect();
        }
        all
    }

    /// Whether the step is made of several calls, so that it can stop between them.
    pub fn has_half(step: &Step) -> bool {
        step.properties().calls == Calls::Several
    }

    pub(super) fn host(&mut self, instance: &str) -> &mut Host {
        self.hosts.get_mut(instance).unwrap()
    }

    fn effect(&mut self, release: &Release, step: &Step) -> StepOutcome {
        let again = matches!(step, Step::Stage { instance } if self.performed.has_pulled(instance));
        self.performed.push(step.clone());
        self.check_locks(release, step);
        self.check_lease(release, step);
        if matches!(step, Step::Inspect | Step::DetectJoined) {
            self.noted = Some((self.locked.clone(), self.frees));
        }
        match step {
            Step::Resolve => done(Evidence::Resolved { digest: digest('d') }),
            Step::Control => unreachable!("a control command is never performed"),
            Step::Inspect => self.inspect(release),
            Step::Lock => self.lock(release),
            Step::TakeLease => self.take_lease(),
            Step::GiveLeaseBack => {
                let ours = self.lease_owner == Some(LeaseOwner::Us);
                self.lease_owner = self.lease_owner.filter(|_| !ours);
                done_or_already(ours)
            }
            _ if self.left(step) => without_host(step),
            Step::ProvePermissions => done(Evidence::Tried { unproved: Vec::new() }),
            Step::ReserveDesired => self.reserve(release),
            Step::PublishDesired => self.publish(release),
            Step::RestoreDesired => self.unpublish(release),
            Step::Canary => self.watch_canary(release),
            Step::Stage { .. } => done_or_already(!again),
            Step::RunAfter => self.run_after(release),
            Step::CreateBefore { .. } => {
                let created = self.one_off.is_none();
                self.one_off.get_or_insert(OneOff::Created);
                done_or_already(created)
            }
            Step::RunBefore { instance } => self.run_before(instance),
            Step::Suspend { group } => self.suspend(release, group),
            Step::LetReplace { group } => self.let_replace(release, group),
            Step::AwaitFloor => self.await_healthy(release),
            Step::SuspendAgain { group } => self.suspend_again(release, group),
            Step::Silence => self.silence(release),
            Step::Renew => self.mute(release),
            Step::Unsilence => self.unsilence(release),
            Step::Resume { group } => self.resume(release, group),
            Step::DetectJoined => self.detect_joined(release),
            Step::Watch => self.look_at_watched(release),
            Step::WatchHosts => self.look_at_hosts(release, false),
            Step::Bake => self.look_at_end_of_bake(release),
            Step::Confirm => self.confirm(release),
            Step::CleanUp { instance } => self.clean_up(release, instance),
            Step::Host {
                instance,
                direction,
                phase,
            } => self.on_host(release, instance, *direction, *phase),
        }
    }

    /// Whether the step's instance is no member of the fleet any more.
    fn left(&self, step: &Step) -> bool {
        let host = step.instance().and_then(|instance| self.hosts.get(instance));
        host.is_some_and(|host| !host.member)
    }

    /// Brings the time nearer at which silent instances answer.
    pub(super) fn look_at_silent(&mut self) {
        for looks in self.silent.values_mut() {
            *looks = looks.saturating_sub(1);
        }
    }

    pub(super) fn is_pending(&mut self, instance: &str) -> bool {
        let Some(looks) = self.pending.get_mut(instance) else {
            return false;
        };
        *looks = looks.saturating_sub(1);
        *looks > 0
    }
}
