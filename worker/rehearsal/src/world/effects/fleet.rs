//! Steps that look at the fleet as a whole.

use drawgate_rollout::{Awaited, Evidence, Failure, Finding, Newcomer, Release, StepOutcome, newcomer, plan};
use drawgate_schemas::Direction;

use super::words::{done, kept_in, refused};
use crate::world::*;

impl World {
    pub(super) fn inspect(&mut self, release: &Release) -> StepOutcome {
        let mut snapshot = self.snapshot();
        // Another release's tag is believed at a second look.
        if self.mutant == Some(Mutant::RefusesOnAStaleTag) {
            for group in &mut snapshot.groups {
                if let Some(before) = self.stale_group(&group.name) {
                    group.suspension_tag.clone_from(&before.tag);
                }
            }
        }
        let there = self.hosts.keys().cloned().collect::<Vec<_>>();
        for instance in there {
            self.is_pending(&instance);
        }
        self.look_at_silent();
        let digest = release.digest.as_ref().unwrap();
        let planned = plan(&release.request, Some(digest), &self.definition, &snapshot);
        if self.other.as_ref().is_some_and(|other| other.is_about_to_end) {
            self.other_ends();
        }
        match planned {
            Ok(plan) => done(Evidence::PreflightPassed { plan: Arc::new(plan) }),
            Err(findings) => {
                let lines: Vec<String> = findings.iter().map(Finding::line).collect();
                done(Evidence::PreflightRefused {
                    touches: snapshot.touches(),
                    failure: Box::new(Failure::new(lines.join("; "))),
                    awaited: Awaited::of(&findings, &self.definition).map(Box::new),
                })
            }
        }
    }

    /// Refuses when a host on the new version is not healthy.
    pub(super) fn watch_canary(&self, release: &Release) -> StepOutcome {
        let through = |instance: &str| release.is_through(instance, Direction::Forward);
        let mut canaries = self.hosts.iter().filter(|(instance, _)| through(instance));
        if canaries.all(|(_, host)| !host.member || host.healthy()) {
            StepOutcome::done()
        } else {
            refused("the canary is not healthy")
        }
    }

    /// Done when the floor lets the next host be taken out.
    pub(super) fn await_healthy(&self, release: &Release) -> StepOutcome {
        let wait = release.sick_wait.as_ref().unwrap();
        let there = self.hosts.get(&wait.instance).is_some_and(|host| host.member);
        let kept = self.kept(release, &wait.instance, Direction::Forward);
        match kept.filter(|_| there) {
            Some(kept) => kept_in(kept),
            None => StepOutcome::done(),
        }
    }

    pub(super) fn detect_joined(&mut self, release: &Release) -> StepOutcome {
        let plan = release.plan.as_ref().unwrap();
        let (mut hosts, mut up_to_date, mut awaited) = (Vec::new(), Vec::new(), None);
        let snapshot = self.snapshot();
        let groups = snapshot.target_groups;
        self.look_at_silent();
        for seen in snapshot.hosts {
            let known = release.everyone().any(|host| host.instance == seen.instance);
            let is_member = self.hosts.get(&seen.instance).is_some_and(|host| host.member);
            if known || !is_member {
                continue;
            }
            if self.is_pending(&seen.instance) {
                awaited = Some(format!("{} joined and is Pending", seen.instance));
                continue;
            }
            match newcomer(&seen, None, &groups, release, plan) {
                Newcomer::Roll(host) => hosts.push(*host),
                Newcomer::UpToDate(host) => up_to_date.push(*host),
                Newcomer::Await(why) => awaited = Some(why),
                Newcomer::LeftOut => {}
            }
        }
        if self.mutant == Some(Mutant::MissesANewcomer) {
            return StepOutcome::done();
        }
        match awaited {
            _ if !hosts.is_empty() || !up_to_date.is_empty() => done(Evidence::Joined { hosts, up_to_date }),
            Some(why) => StepOutcome::Transient {
                failure: Failure::new(why),
            },
            None => done(Evidence::NoneJoined {
                by_themselves: Vec::new(),
            }),
        }
    }
}
