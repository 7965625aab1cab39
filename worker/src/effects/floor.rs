//! The floor of a target group: whether a host may be taken out of service.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashSet};

use drawgate_rollout::{Failure, FloorKept, HostPlan, Obstacle, Release, StepOutcome, TargetPlan};
use drawgate_schemas::Direction;
use tokio::time::{Instant, sleep_until};

use super::membership::{Asked, CONSISTENCY, Membership, memberships};
use super::outcome::{Effect, either};
use super::ports::{HealthPort, MembershipPort};
use super::target_health::TargetHealth;
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
        // With those who have left: the step that drops a terminated host may be still to come, and such a
        // host does not count as missing.
        let mut release = Cow::Borrowed(task.release);
        let mut judged = BTreeSet::new();
        for target in &host.targets {
            // A target group that does not exist any more has no floor.
            let Some(all) = self.targets_of(&target.target_group, not_before).await? else {
                continue;
            };
            let floor_kept = |release: &Release| {
                let task = Task { release, ..task };
                floor_kept(task, host, target, &all, direction)
            };
            if floor_kept(&release).is_none() {
                continue;
            }
            let left = Box::pin(self.left(host, target, &all, &mut judged)).await?;
            release.to_mut().gone.extend(left);
            if let Some(kept) = floor_kept(&release) {
                return Ok(Some(kept));
            }
        }
        Ok(None)
    }

    /// Other hosts that are unhealthy in this target group because they have left the fleet, which the
    /// release does not know yet; none of those that were judged before.
    async fn left(
        &self,
        host: &HostPlan,
        target: &TargetPlan,
        all: &[Target],
        judged: &mut BTreeSet<String>,
    ) -> Effect<Vec<String>> {
        let release = self.task.release;
        let arn = &target.target_group;
        let healthy = healthy_in(all);
        let others = release.hosts().filter(|other| other.instance != host.instance);
        let unknown = others.filter(|other| !release.gone.contains(&other.instance));
        let missed = unknown.filter(|other| is_missed(other, arn, &healthy));
        let asked: Vec<Asked<'_>> = missed
            .filter(|other| judged.insert(other.instance.clone()))
            .map(Asked::of)
            .collect();
        let seen = memberships(self.members, &asked).await?.into_iter();
        let left = seen.filter(|(_, membership)| matches!(membership, Membership::Gone { .. }));
        Ok(left.map(|(instance, _)| instance.to_owned()).collect())
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
    let all_healthy = healthy_in(all);
    if !all_healthy.contains(&place(target)) {
        return None;
    }
    let (release, arn) = (task.release, &target.target_group);
    let group = task.plan.target_groups.get(arn)?;
    let in_group = |other: &HostPlan| other.targets.iter().any(|of| of.target_group == *arn);
    let now = task.clock.now();
    let is_out = |other: &HostPlan| match direction {
        Direction::Forward => release.is_out(other),
        Direction::Back => release.comes_back(other, now),
    };
    let out: Vec<&HostPlan> = release
        .hosts()
        .filter(|other| other.instance != host.instance && is_out(other) && in_group(other))
        .collect();
    // A host that was left out does not answer: it is not reckoned with, whatever its target says.
    let left_out: Vec<&HostPlan> = release.left_out().map(|left_out| &left_out.host).collect();
    let mut elsewhere = places(&out, arn);
    elsewhere.extend(places(&left_out, arn));
    let serving: HashSet<Place<'_>> = all_healthy.difference(&elsewhere).copied().collect();
    let kept = |healthy: usize, floor: u32, zone: Option<&str>| {
        let is_sick = |other: &&HostPlan| {
            let there = other.instance != host.instance && !release.gone.contains(&other.instance);
            let in_zone = zone.is_none_or(|zone| other.zone == zone);
            there && in_zone && is_missed(other, arn, &all_healthy) && !release.is_out(other)
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
    let all_serving = serving.len();
    let floor = match direction {
        Direction::Forward => release.floor(arn),
        Direction::Back => release.floor_on_rollback(arn, count(all_serving), count(out.len())),
    };
    if let Some(kept) = kept(all_serving, floor, None) {
        return Some(kept);
    }
    group.zone_floors.get(&host.zone)?;
    let in_zone: Vec<&HostPlan> = release.hosts().filter(|other| other.zone == host.zone).collect();
    let mut places_in_zone = places(&in_zone, arn);
    let others = group.others.iter().filter(|other| other.zone == host.zone);
    places_in_zone.extend(others.map(|other| (other.id.as_str(), other.port)));
    let serving_in_zone = serving.intersection(&places_in_zone).count();
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

/// A target within its group: id and port.
type Place<'a> = (&'a str, u16);

fn place(target: &TargetPlan) -> Place<'_> {
    (&target.id, target.port)
}

/// The healthy targets. A set, because every host of a fleet is looked up in it.
fn healthy_in(all: &[Target]) -> HashSet<Place<'_>> {
    let healthy = all.iter().filter(|seen| seen.state == TargetState::Healthy);
    healthy.map(|seen| (seen.id.as_str(), seen.port)).collect()
}

/// Whether a host has a target in this group that could be healthy and is not.
fn is_missed(host: &HostPlan, arn: &str, healthy: &HashSet<Place<'_>>) -> bool {
    let mut targets = host.targets.iter().filter(|of| of.target_group == *arn);
    targets.any(|of| of.can_be_healthy() && !healthy.contains(&place(of)))
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

/// The targets that these hosts have in a group.
fn places<'a>(hosts: &[&'a HostPlan], arn: &str) -> HashSet<Place<'a>> {
    let targets = hosts.iter().flat_map(|host| &host.targets);
    targets.filter(|of| of.target_group == arn).map(place).collect()
}
