//! Taking targets out of service, and registering them again.

use std::borrow::Cow;
use std::collections::BTreeSet;

use drawgate_rollout::{Evidence, Failure, FloorKept, HostPlan, Obstacle, Release, StepOutcome, TargetPlan};
use drawgate_schemas::Direction;

use super::words::{done, kept_in, number, ran_before, refused};
use crate::world::*;

impl World {
    /// The floor that keeps this host in service, if one does.
    pub(super) fn kept(&self, release: &Release, instance: &str, direction: Direction) -> Option<FloorKept> {
        let mut seen = Cow::Borrowed(release);
        if self.any_left() {
            let left = release.hosts().filter(|host| !self.hosts[&host.instance].member);
            let left = left.map(|host| host.instance.clone());
            seen.to_mut().gone.extend(left);
        }
        let seen = &*seen;
        let groups = seen.plan.iter().flat_map(|plan| plan.target_groups.keys());
        groups
            .filter(|group| !self.aws.deleted.contains(*group))
            .filter(|group| self.state_in(instance, group) == "healthy")
            .find_map(|group| {
                let others_out = || seen.hosts_out().filter(|host| host.instance != instance);
                let is_healthy = |host: &HostPlan| self.state_in(&host.instance, group) == "healthy";
                let unsure = seen.left_out();
                let unsure = unsure.filter(|left_out| is_healthy(&left_out.host));
                let all_healthy = self.healthy_in(group).saturating_sub(number(unsure.count()));
                let (healthy, floor) = match direction {
                    Direction::Back if self.mutant != Some(Mutant::KeepsTheFloorOfTheStart) => {
                        let comes_back = |host: &&HostPlan| match self.mutant {
                            Some(Mutant::StopsAtASickHost) => seen.is_out(host),
                            _ => seen.comes_back(host, self.now),
                        };
                        let settling = others_out().filter(comes_back).filter(|host| is_healthy(host));
                        let healthy = all_healthy.saturating_sub(number(settling.count()));
                        let out = others_out().filter(comes_back).count();
                        (healthy, seen.floor_on_rollback(group, healthy, number(out)))
                    }
                    _ => (all_healthy, seen.floor(group)),
                };
                let floor = match self.mutant {
                    Some(Mutant::TakesTheLastHealthy) if direction == Direction::Back => 0,
                    _ => floor,
                };
                let is_sick = |host: &&HostPlan| {
                    let there = !seen.gone.contains(&host.instance) && host.instance != instance;
                    let in_it = host.targets.iter().any(|target| target.target_group == *group);
                    there && in_it && !seen.is_out(host) && !is_healthy(host)
                };
                let sick = seen.everyone().filter(is_sick);
                (healthy <= floor).then(|| FloorKept {
                    target_group: group.clone(),
                    zone: None,
                    healthy,
                    floor,
                    sick: sick.map(|host| host.instance.clone()).collect(),
                })
            })
    }

    pub(super) fn deregister(
        &mut self,
        release: &Release,
        instance: &str,
        direction: Direction,
    ) -> StepOutcome {
        let mutant = self.mutant;
        let kept = self.kept(release, instance, direction);
        if let Some(kept) = kept.filter(|_| mutant != Some(Mutant::IgnoresTheFloor)) {
            // A host that an earlier attempt has deregistered in part does not count as kept in service.
            return match self.host(instance).registered() {
                true => kept_in(kept),
                false => StepOutcome::Transient {
                    failure: Failure::new("the floor must be kept"),
                },
            };
        }
        self.check_suspended(release, instance);
        let serving = self.serving(release);
        let before = self
            .aws
            .targets_before
            .get(instance)
            .filter(|_| self.aws.is_stale);
        let seen_out = before.is_some_and(|targets| !targets.contains(&Target::Registered));
        let host = self.host(instance);
        host.disturbed = true;
        // A target that an old answer shows deregistered is found by the drain, which looks twice.
        if !host.registered_somewhere() || seen_out {
            return StepOutcome::already();
        }
        host.tagged = true;
        host.marked = true;
        host.taken_sick |= host.sick;
        host.set_targets(Target::Draining);
        let last = !serving.is_subset(&self.serving(release));
        if last && !self.may_serve_nobody(release) {
            self.broken.push(format!(
                "{instance} was the last healthy one, and was deregistered"
            ));
        }
        StepOutcome::done()
    }

    /// Whether the release may leave nobody serving: nobody served at the start, or the service's file allows
    /// an outage.
    pub(super) fn may_serve_nobody(&self, release: &Release) -> bool {
        let mut hosts = release.plan.iter().flat_map(|plan| &plan.hosts);
        let served = |host: &HostPlan| host.targets.iter().any(TargetPlan::was_healthy);
        self.definition.roll.allow_outage || !hosts.any(served)
    }

    /// The target groups that have a healthy target.
    pub(super) fn serving(&self, release: &Release) -> BTreeSet<String> {
        let groups = release.plan.iter().flat_map(|plan| plan.target_groups.keys());
        groups
            .filter(|group| self.healthy_in(group) > 0)
            .cloned()
            .collect()
    }

    pub(super) fn drain(&mut self, release: &Release, instance: &str, direction: Direction) -> StepOutcome {
        if self.mutant == Some(Mutant::SkipsTheDrain) {
            return StepOutcome::done();
        }
        let host = self.host(instance);
        if host.registered_somewhere() {
            // A late registering took effect after the deregistering.
            let again = self.deregister(release, instance, direction);
            if again.failure().is_some() {
                return again;
            }
        }
        self.host(instance).set_targets(Target::Absent);
        StepOutcome::done()
    }

    pub(super) fn register(&mut self, instance: &str) -> StepOutcome {
        let mutant = self.mutant;
        let host = self.host(instance);
        if !host.member {
            return done(Evidence::Gone {
                why: "terminated in EC2".to_owned(),
            });
        }
        let drains = host.targets().any(|target| target == Target::Draining);
        if drains && mutant == Some(Mutant::TakesDrainingForRegistered) {
            return StepOutcome::already();
        }
        if mutant == Some(Mutant::RegistersWithoutThePort) {
            return StepOutcome::done();
        }
        let gone = host.targets().any(|target| target == Target::GroupGone);
        if gone && mutant == Some(Mutant::StopsAtADeletedGroup) {
            return refused("the target group does not exist");
        }
        if !host.registered() {
            self.begin_initial(instance);
        }
        self.host(instance).set_targets(Target::Registered);
        StepOutcome::done()
    }

    pub(super) fn settle(&mut self, planned: &HostPlan, direction: Direction) -> StepOutcome {
        let is_container = self.definition.container().is_some();
        let host = self.host(&planned.instance);
        if !host.member {
            return done(Evidence::Gone {
                why: "terminated in EC2".to_owned(),
            });
        }
        let serves = host.serving(direction).is_some_and(|container| container.running);
        if is_container && (direction == Direction::Forward || ran_before(planned)) && !serves {
            return refused("the container ended, or is gone");
        }
        let waits_for_all = self.mutant == Some(Mutant::WaitsForADeletedGroup);
        let waits_for_unused = self.mutant == Some(Mutant::WaitsForAnUnusedGroup);
        let mut targets = planned.targets.iter().filter(|target| match direction {
            Direction::Forward => target.can_be_healthy(),
            Direction::Back => target.was_healthy(),
        });
        let is_deleted = |target: &TargetPlan| self.aws.deleted.contains(&target.target_group);
        let is_unused = |target: &TargetPlan| self.aws.unused.contains(&target.target_group);
        let waits_in_vain = waits_for_unused && targets.clone().any(is_unused);
        let awaited = targets
            .any(|target| (waits_for_all || !is_deleted(target)) && (waits_for_unused || !is_unused(target)));
        let host = self.host(&planned.instance);
        if awaited && !host.registered() {
            // A late deregistering took effect after the registering.
            self.register(&planned.instance);
        }
        let believes_initial = self.mutant == Some(Mutant::TakesInitialForHealthy);
        let host = self.host(&planned.instance);
        let all_there = host.targets().all(|target| target != Target::GroupGone);
        let healthy = match believes_initial {
            true => host.is_well() && host.registered(),
            false => host.healthy(),
        };
        if awaited && (waits_in_vain || !(healthy && (all_there || !waits_for_all))) {
            let target_group = planned.targets.first().map(|target| target.target_group.clone());
            let failure = Failure::new("unhealthy in web").with_obstacle(Obstacle::Unhealthy {
                target_group: target_group.unwrap_or_default(),
            });
            return StepOutcome::Transient { failure };
        }
        host.tagged = false;
        StepOutcome::done()
    }
}
