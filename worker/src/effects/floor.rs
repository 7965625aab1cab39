//! The floor of a target group: whether a host may be taken out of service.

use drawgate_rollout::{Failure, FloorKept, HostPlan, Obstacle, StepOutcome, TargetPlan};
use drawgate_schemas::Direction;
use tokio::time::{Instant, sleep_until};

use super::membership::{CONSISTENCY, Membership, membership};
use super::outcome::{Effect, either};
use super::ports::{HealthPort, MembershipPort};
use super::target_health::{TargetHealth, find};
use super::task::{LAST_WORDS, Task};
use crate::aws::{Target, TargetState};

impl<H: HealthPort, M: MembershipPort> TargetHealth<'_, H, M> {
    /// Looks until the next host may be taken out.
    pub(super) async fn await_floor(&self) -> StepOutcome {
        either(self.try_await_floor().await)
    }

    async fn try_await_floor(&self) -> Effect<StepOutcome> {
        let task = self.task;
        let wait = task.release.sick_wait.as_ref();
        let Some(host) = wait.and_then(|wait| task.release.host(&wait.instance)) else {
            return Ok(StepOutcome::already());
        };
        loop {
            let look_at = Instant::now();
            let Some(kept) = self.kept(host, Direction::Forward, look_at).await? else {
                return Ok(StepOutcome::done());
            };
            // Stops early. A look that finds a host gone takes `CONSISTENCY` longer, and what was seen must
            // be told before the deadline.
            if Instant::now() + CONSISTENCY + LAST_WORDS + task.poll() >= task.deadline {
                let failure = Failure::new(kept_in(task, &kept)).with_obstacle(Obstacle::Floor(kept));
                return Err(StepOutcome::Transient { failure });
            }
            sleep_until(look_at + task.poll()).await;
        }
    }

    /// The target group whose floor keeps this host in service, if any.
    pub(super) async fn kept(
        &self,
        host: &HostPlan,
        direction: Direction,
        not_before: Instant,
    ) -> Effect<Option<FloorKept>> {
        let task = self.task;
        for target in &host.targets {
            // A target group that does not exist any more has no floor.
            let Some(all) = self.targets_of(&target.target_group, not_before).await? else {
                continue;
            };
            if floor_kept(task, host, target, &all, direction).is_none() {
                continue;
            }
            // A terminated host does not count as missing: the step that drops it may be still to come.
            let mut release = task.release.clone();
            let left = Box::pin(self.left(host, target, &all)).await?;
            release.gone.extend(left);
            let release = &release;
            if let Some(kept) = floor_kept(Task { release, ..task }, host, target, &all, direction) {
                return Ok(Some(kept));
            }
        }
        Ok(None)
    }

    /// Other hosts that are unhealthy in this target group because they have left the fleet, which the
    /// release does not know yet.
    async fn left(&self, host: &HostPlan, target: &TargetPlan, all: &[Target]) -> Effect<Vec<String>> {
        let mut left = Vec::new();
        let release = self.task.release;
        let others = release.hosts().filter(|other| other.instance != host.instance);
        let known = |other: &&HostPlan| release.gone.contains(&other.instance);
        let missed = |other: &&HostPlan| is_missed(other, &target.target_group, all);
        for other in others.filter(|other| missed(other) && !known(other)) {
            let seen = membership(self.members, &other.instance, other.group.as_deref()).await?;
            if matches!(seen, Membership::Gone { .. }) {
                left.push(other.instance.clone());
            }
        }
        Ok(left)
    }
}

/// The floor of a target group. Rolling forward, taking this host out must leave as many healthy targets as
/// the plan says. During rollback, as many of the targets healthy now may go out as the plan allows. A host
/// that is not healthy costs nothing.
///
/// Targets of other hosts that this release has out do not count, even if AWS reports them healthy: the
/// answer may be older than their deregistering. Nor do those of hosts that are left out because they do not
/// answer: they may fail at any moment.
fn floor_kept(
    task: Task<'_>,
    host: &HostPlan,
    target: &TargetPlan,
    all: &[Target],
    direction: Direction,
) -> Option<FloorKept> {
    let healthy = |of: &TargetPlan| find(all, of).is_some_and(|own| own.state == TargetState::Healthy);
    if !healthy(target) {
        return None;
    }
    let (release, arn) = (task.release, &target.target_group);
    let group = task.plan.target_groups.get(arn)?;
    let in_group = |other: &HostPlan| other.targets.iter().any(|of| of.target_group == *arn);
    let is_out = |other: &HostPlan| match direction {
        Direction::Forward => release.is_out(other),
        Direction::Back => release.comes_back(other),
    };
    let out: Vec<&HostPlan> = release
        .hosts()
        .filter(|other| other.instance != host.instance && is_out(other) && in_group(other))
        .collect();
    let left_out: Vec<&HostPlan> = release.left_out().map(|left_out| &left_out.host).collect();
    let of_any = |hosts: &[&HostPlan], seen: &Target| {
        let mut targets = hosts.iter().flat_map(|other| &other.targets);
        targets.any(|of| of.target_group == *arn && of.id == seen.id && of.port == seen.port)
    };
    let serving = || {
        all.iter()
            .filter(|seen| seen.state == TargetState::Healthy)
            .filter(|seen| !of_any(&out, seen) && !of_any(&left_out, seen))
    };
    let kept = |healthy: usize, floor: u32, zone: Option<&str>| {
        let is_sick = |other: &&HostPlan| {
            let there = other.instance != host.instance && !release.gone.contains(&other.instance);
            let in_zone = zone.is_none_or(|zone| other.zone == zone);
            there && in_zone && !release.is_out(other) && is_missed(other, arn, all)
        };
        (healthy <= floor as usize).then(|| FloorKept {
            target_group: arn.clone(),
            zone: zone.map(str::to_owned),
            healthy: count(healthy),
            floor,
            sick: release
                .everyone()
                .filter(is_sick)
                .map(|other| other.instance.clone())
                .collect(),
        })
    };
    let all_serving = serving().count();
    let floor = match direction {
        Direction::Forward => release.floor(arn),
        Direction::Back => release.floor_on_rollback(arn, count(all_serving), count(out.len())),
    };
    if let Some(kept) = kept(all_serving, floor, None) {
        return Some(kept);
    }
    group.zone_floors.get(&host.zone)?;
    let in_zone: Vec<&HostPlan> = release.hosts().filter(|other| other.zone == host.zone).collect();
    let serving_in_zone = serving().filter(|seen| of_any(&in_zone, seen)).count();
    let out_in_zone = out.iter().filter(|other| other.zone == host.zone).count();
    let floor = match direction {
        Direction::Forward => release.zone_floor(arn, &host.zone),
        Direction::Back => {
            let (serving, out) = (count(serving_in_zone), count(out_in_zone));
            release.zone_floor_on_rollback(arn, &host.zone, serving, out)
        }
    };
    (floor > 0)
        .then(|| kept(serving_in_zone, floor, Some(&host.zone)))
        .flatten()
}

/// Whether a host has a target in this group that could be healthy and is not.
fn is_missed(host: &HostPlan, arn: &str, all: &[Target]) -> bool {
    let mut targets = host.targets.iter().filter(|of| of.target_group == *arn);
    let healthy = |of: &TargetPlan| find(all, of).is_some_and(|seen| seen.state == TargetState::Healthy);
    targets.any(|of| of.can_be_healthy() && !healthy(of))
}

/// The message about a floor that keeps a host in service.
pub(super) fn kept_in(task: Task<'_>, kept: &FloorKept) -> String {
    let name = task.release.kept_where(kept);
    let FloorKept { healthy, floor, .. } = kept;
    format!("{name} has {healthy} healthy targets, and {floor} must be left when this one is out")
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
