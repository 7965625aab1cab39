//! Auto Scaling groups.

use std::collections::BTreeSet;

use drawgate_rollout::{Release, Step, StepOutcome};

use super::words::{done_or_already, ours, refused, replacing};
use crate::world::*;

impl World {
    pub(super) fn suspend(&mut self, release: &Release, name: &str) -> StepOutcome {
        if let Some(believed) = self.believes_the_first_look(release, name) {
            return believed;
        }
        let group = match self.own_group(release, name) {
            Ok(group) => group,
            Err(refused) => return refused,
        };
        group.tag = Some(release.request.id.to_string());
        group.tag_says = ours(release, name).collect();
        let before = group.suspended.len();
        group.suspended.extend(ours(release, name));
        if group.suspended.len() == before {
            StepOutcome::already()
        } else {
            StepOutcome::done()
        }
    }

    /// What comes of a suspending that believes its first look. Another release's tag, and processes that are
    /// suspended already, are believed only at a second look, once AWS's answers agree.
    fn believes_the_first_look(&mut self, release: &Release, name: &str) -> Option<StepOutcome> {
        let seen = self.stale_group(name)?;
        match self.mutant? {
            Mutant::RefusesOnAStaleTag if seen.is_held_by_other(release) => {
                Some(refused("carries another release's tag"))
            }
            Mutant::BelievesAStaleSuspension
                if ours(release, name).all(|ours| seen.suspended.contains(&ours)) =>
            {
                self.group(name).tag = Some(release.request.id.to_string());
                Some(StepOutcome::already())
            }
            _ => None,
        }
    }

    pub(super) fn group(&mut self, name: &str) -> &mut Scaling {
        self.groups.get_mut(name).unwrap()
    }

    /// The group, which has to exist and must not carry another release's tag.
    pub(super) fn own_group(&mut self, release: &Release, name: &str) -> Result<&mut Scaling, StepOutcome> {
        match self.groups.get_mut(name) {
            None => Err(refused("the Auto Scaling group does not exist")),
            Some(group) if group.is_held_by_other(release) => Err(refused("carries another release's tag")),
            Some(group) => Ok(group),
        }
    }

    pub(super) fn resume(&mut self, release: &Release, name: &str) -> StepOutcome {
        let mutant = self.mutant;
        let Ok(group) = self.own_group(release, name) else {
            return StepOutcome::already();
        };
        let all: Vec<String> = match mutant {
            Some(Mutant::ResumesEverything) => group.suspended.iter().cloned().collect(),
            Some(Mutant::ForgetsOneProcess) => ours(release, name).skip(1).collect(),
            _ => ours(release, name).collect(),
        };
        let before = group.suspended.len();
        for process in all {
            group.suspended.remove(&process);
        }
        let ran = group.suspended.len() == before;
        group.tag = None;
        group.tag_says.clear();
        self.mark_healthy();
        done_or_already(!ran)
    }

    /// Clears the group's mark "unhealthy" from every host that is healthy.
    pub(super) fn mark_healthy(&mut self) {
        for host in self.hosts.values_mut() {
            host.marked &= !host.healthy();
        }
    }

    pub(super) fn let_replace(&mut self, release: &Release, name: &str) -> StepOutcome {
        let mutant = self.mutant;
        let processes: Vec<String> = replacing(release, name).collect();
        let group = match self.own_group(release, name) {
            Ok(group) => group,
            Err(refused) => return refused,
        };
        for process in &processes {
            group.suspended.remove(process);
            if mutant != Some(Mutant::LeavesTheTagInTheWait) {
                group.tag_says.remove(process);
            }
        }
        if mutant != Some(Mutant::ReplacesBeforeMarking) {
            self.mark_healthy();
        }
        if processes
            .iter()
            .any(|process| process == Process::ReplaceUnhealthy.as_str())
        {
            let healthy = self
                .hosts
                .iter()
                .filter(|(_, host)| host.marked && host.healthy());
            let terminated: Vec<&String> = healthy.map(|(instance, _)| instance).collect();
            if !terminated.is_empty() {
                let what = format!(
                    "{terminated:?} are healthy, and terminated because they were marked while they were out"
                );
                self.broken.push(what);
            }
        }
        self.check_tag(release, name);
        StepOutcome::done()
    }

    pub(super) fn suspend_again(&mut self, release: &Release, name: &str) -> StepOutcome {
        if self.mutant == Some(Mutant::ForgetsToSuspendAgain) {
            return StepOutcome::already();
        }
        let ours: Vec<String> = ours(release, name).collect();
        let group = match self.own_group(release, name) {
            Ok(group) => group,
            Err(refused) => return refused,
        };
        group.tag_says.extend(ours.iter().cloned());
        group.suspended.extend(ours);
        self.check_tag(release, name);
        StepOutcome::done()
    }

    /// Checks that the group's tag names exactly the processes of ours that are suspended, also while hosts
    /// may be replaced.
    pub(super) fn check_tag(&mut self, release: &Release, name: &str) {
        let group = &self.groups[name];
        let suspended: BTreeSet<String> = ours(release, name)
            .filter(|process| group.suspended.contains(process))
            .collect();
        if group.tag_says != suspended {
            let what = format!(
                "the tag of {name} says {:?}, and suspended are {suspended:?}",
                group.tag_says
            );
            self.broken.push(what);
        }
    }

    /// Checks that our processes are suspended when a host is taken out. A rollback goes on where they could
    /// not be suspended again.
    pub(super) fn check_suspended(&mut self, release: &Release, instance: &str) {
        let runs = |(name, group): (&String, &Scaling)| {
            let again = Step::SuspendAgain { group: name.clone() };
            let given_up = release.is_rolling_back() && release.was_refused(&again);
            !given_up && ours(release, name).any(|process| !group.suspended.contains(&process))
        };
        if self.groups.iter().any(runs) {
            self.broken
                .push(format!("{instance} deregistered while processes run"));
        }
    }
}
