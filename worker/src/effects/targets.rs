//! A host's way out of its target groups and back in.
//!
//! ```text
//!   floor kept? -> tag -> deregister ... drained (unused or absent, and min_drain) ... register -> healthy -> untag
//! ```

use std::time::Duration;

use drawgate_rollout::definition::RestartPolicy;
use drawgate_rollout::{Evidence, HostPlan, Phase, Step, StepOutcome, TargetPlan};
use drawgate_schemas::Direction;
use tokio::time::{Instant, sleep_until};

use super::membership::{CONSISTENCY, Membership};
use super::names::{target_tag, target_value};
use super::outcome::{Effect, Sorted, either, not_yet};
use super::scaling::is_awaited;
use super::{Effects, Task};
use crate::aws::{Target, TargetId, TargetState};

/// An attempt of a wait ends this much before its deadline, so that what was seen last can be told.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// The load balancer notices the end of a delay by a clock of its own: a look at that very moment would come a little
/// too early, and cost a whole interval.
const DRAIN_NOTICED: Duration = Duration::from_millis(40);

/// The same for its checks, which wait for answers too.
const CHECK_NOTICED: Duration = Duration::from_millis(50);

/// Why a host does not count as healthy.
pub(super) struct Unhealthy {
    /// Whether it is registered in the target group at least.
    registered: bool,
    /// In words.
    pub(super) why: String,
}

impl Effects {
    pub(super) async fn deregister(&self, task: Task<'_>, host: &HostPlan) -> StepOutcome {
        either(self.try_deregister(task, host).await)
    }

    async fn try_deregister(&self, task: Task<'_>, host: &HostPlan) -> Effect<StepOutcome> {
        let poll = poll(task);
        let recent = Instant::now().checked_sub(poll).unwrap_or_else(Instant::now);
        let mut present = Vec::new();
        for target in &host.targets {
            let all = self.targets_of(task, &target.target_group, recent).await?;
            let own = find(&all, target);
            if let Err(too_few) = keeps_floor(task, host, target, &all) {
                // One that was terminated is not missed: its own turn, at which it is dropped, may be to come.
                let left = Box::pin(self.left(task, host)).await?;
                if left.is_empty() {
                    return Err(too_few);
                }
                let mut release = task.release.clone();
                release.gone.extend(left);
                let release = &release;
                keeps_floor(Task { release, ..task }, host, target, &all)?;
            }
            present.extend(
                own.filter(|own| own.state != TargetState::Draining)
                    .map(|_| target),
            );
        }
        if present.is_empty() {
            return Ok(StepOutcome::already());
        }
        for target in &present {
            let value = target_value(&task.id(), target);
            self.aws
                .tag_instance(&host.instance, &target_tag(task.plan, target), &value)
                .await
                .sorted()?;
        }
        for target in &present {
            self.aws
                .deregister(&target.target_group, &[target_id(target)])
                .await
                .sorted()?;
        }
        Ok(StepOutcome::done())
    }

    /// Other hosts of the plan that have left the fleet and are not known to have.
    async fn left(&self, task: Task<'_>, host: &HostPlan) -> Effect<Vec<String>> {
        let mut left = Vec::new();
        let others = task
            .release
            .hosts()
            .filter(|other| other.instance != host.instance);
        for other in others.filter(|other| !task.release.gone.contains(&other.instance)) {
            let standing = self.membership(&other.instance, other.group.as_deref()).await?;
            if matches!(standing, Membership::Gone { .. }) {
                left.push(other.instance.clone());
            }
        }
        Ok(left)
    }

    pub(super) async fn drain(&self, task: Task<'_>, host: &HostPlan, direction: Direction) -> StepOutcome {
        either(self.try_drain(task, host, direction).await)
    }

    async fn try_drain(&self, task: Task<'_>, host: &HostPlan, direction: Direction) -> Effect<StepOutcome> {
        if host.targets.is_empty() {
            return Ok(StepOutcome::already());
        }
        // `draining` lasts for the whole delay, even when nothing is open (Elastic Load Balancing, "Deregistration
        // delay"): the first look before its end would be wasted.
        sleep_until(drained_at(task, host, direction)).await;
        let mut drained_before = !is_doubtful(task, host, direction);
        let mut back_since = None;
        loop {
            let (mut draining, mut is_back) = (None, false);
            for target in &host.targets {
                let state = self.state_of(task, target, Instant::now()).await?;
                if let Some(state) = state.filter(|state| *state != TargetState::Unused) {
                    draining = Some(target);
                    is_back = state != TargetState::Draining;
                    break;
                }
            }
            if for_long(is_back, &mut back_since) {
                // A registering that nobody heard of in time may come after the deregistering.
                tracing::warn!(
                    instance = host.instance,
                    "its target is registered again: deregistered once more"
                );
                self.try_deregister(task, host).await?;
            }
            let late = Instant::now() + LAST_WORDS >= task.deadline;
            match draining {
                Some(target) if late => return not_yet(self.still_draining(task, host, target).await),
                Some(_) => {}
                None if !drained_before => {
                    drained_before = true;
                    sleep_until(Instant::now() + CONSISTENCY).await;
                }
                None => match self.still_open(task, host).await {
                    None => return Ok(StepOutcome::done()),
                    Some(open) if late => return Ok(outlasted(open)),
                    Some(_) => sleep_until(Instant::now() + poll(task)).await,
                },
            }
        }
    }

    /// Connections that outlast the deregistration delay, with the first such target group: a Network Load Balancer
    /// without connection termination keeps them, and only the host knows of them. What cannot be counted is not
    /// waited for.
    async fn still_open(&self, task: Task<'_>, host: &HostPlan) -> Option<(String, u64)> {
        for target in &host.targets {
            let group = task.plan.target_groups.get(&target.target_group);
            let Some(group) = group.filter(|group| group.keeps_connections) else {
                continue;
            };
            let open = self.host(host).open_connections(target.port).await.ok().flatten();
            if let Some(open) = open.filter(|open| *open > 0) {
                return Some((group.name.clone(), open));
            }
        }
        None
    }

    async fn still_draining(&self, task: Task<'_>, host: &HostPlan, target: &TargetPlan) -> String {
        let group = task
            .plan
            .target_groups
            .get(&target.target_group)
            .map_or("", |group| group.name.as_str());
        let open = self.host(host).open_connections(target.port).await.ok().flatten();
        let open = open.map_or_else(
            || "open connections could not be counted".to_owned(),
            |open| format!("{open} connections to port {} are open on the host", target.port),
        );
        format!("still draining in {group} past its deadline; {open}")
    }

    pub(super) async fn register(&self, host: &HostPlan) -> StepOutcome {
        either(self.try_register(host).await)
    }

    async fn try_register(&self, host: &HostPlan) -> Effect<StepOutcome> {
        self.must_be_member(host).await?;
        // No look before it: registering what is registered changes nothing, and a draining target is not registered.
        for target in &host.targets {
            self.aws
                .register(&target.target_group, &[target_id(target)])
                .await
                .sorted()?;
        }
        Ok(StepOutcome::done())
    }

    pub(super) async fn settle(&self, task: Task<'_>, host: &HostPlan, direction: Direction) -> StepOutcome {
        either(self.try_settle(task, host, direction).await)
    }

    async fn try_settle(&self, task: Task<'_>, host: &HostPlan, direction: Direction) -> Effect<StepOutcome> {
        let awaited: Vec<&TargetPlan> = host
            .targets
            .iter()
            .filter(|target| is_awaited(&target.state_before, target.can_be_healthy(), direction))
            .collect();
        let min_healthy = Duration::from_millis(task.plan.min_healthy_ms(host));
        let poll = poll(task);
        let mut healthy_since: Option<Instant> = None;
        let (mut restarts, mut absent_since) = (None, None);
        // Registering has just looked, and no target is healthy the moment it is registered. The checks come at whole
        // seconds from then on, so that looks at the same moments would each come a little too early.
        if !awaited.is_empty() {
            sleep_until(Instant::now() + poll + CHECK_NOTICED).await;
        }
        loop {
            let look_at = Instant::now();
            let unhealthy = self.first_unhealthy(task, host, &awaited, look_at).await?;
            self.still_serves(task, host, direction, &mut restarts).await?;
            self.register_again(host, unhealthy.as_ref(), &mut absent_since)
                .await?;
            match unhealthy {
                None if look_at.duration_since(*healthy_since.get_or_insert(look_at)) >= min_healthy => break,
                None => {}
                Some(_) => healthy_since = None,
            }
            if Instant::now() + LAST_WORDS + poll >= task.deadline {
                let why = unhealthy.map(|unhealthy| unhealthy.why);
                return not_yet(why.unwrap_or_else(|| "not healthy for long enough".to_owned()));
            }
            let soonest =
                healthy_since.map_or(look_at + poll, |since| (since + min_healthy).min(look_at + poll));
            sleep_until(soonest).await;
        }
        for target in &host.targets {
            self.aws
                .untag_instance(&host.instance, &target_tag(task.plan, target))
                .await
                .sorted()?;
        }
        Ok(StepOutcome::done())
    }

    /// A deregistering that nobody heard of in time may come after the registering. What is not registered for longer than AWS's answers
    /// may be old is registered again.
    async fn register_again(
        &self,
        host: &HostPlan,
        unhealthy: Option<&Unhealthy>,
        absent_since: &mut Option<Instant>,
    ) -> Effect<()> {
        let absent = unhealthy.is_some_and(|unhealthy| !unhealthy.registered);
        if !for_long(absent, absent_since) {
            return Ok(());
        }
        tracing::warn!(
            instance = host.instance,
            "its target is gone again: registered once more"
        );
        self.try_register(host).await.map(drop)
    }

    /// What stands in the way of calling the host healthy.
    pub(super) async fn first_unhealthy(
        &self,
        task: Task<'_>,
        host: &HostPlan,
        awaited: &[&TargetPlan],
        not_before: Instant,
    ) -> Effect<Option<Unhealthy>> {
        for target in awaited {
            let all = self.targets_of(task, &target.target_group, not_before).await?;
            let name = task
                .plan
                .target_groups
                .get(&target.target_group)
                .map_or("", |group| group.name.as_str());
            match find(&all, target) {
                Some(own) if own.state == TargetState::Healthy => {}
                Some(own) if own.state != TargetState::Draining => {
                    let why = own
                        .description
                        .as_deref()
                        .or(own.reason.as_deref())
                        .unwrap_or("no reason given");
                    return Ok(Some(Unhealthy {
                        registered: true,
                        why: format!("{} in {name}: {why}", own.state),
                    }));
                }
                _ => {
                    // AWS's answers may be older than our registering: it is waited for like health itself.
                    self.must_be_member(host).await?;
                    return Ok(Some(Unhealthy {
                        registered: false,
                        why: format!("not registered in {name}"),
                    }));
                }
            }
        }
        Ok(None)
    }

    /// The instance is a member still, or the step is over: its host is gone, or not yet to be judged.
    pub(super) async fn must_be_member(&self, host: &HostPlan) -> Effect<()> {
        match self.membership(&host.instance, host.group.as_deref()).await? {
            Membership::InService => Ok(()),
            Membership::Awaited(state) => not_yet(format!("the instance is {state}")),
            Membership::Gone { why, .. } => Err(StepOutcome::Done {
                evidence: Evidence::Gone { why },
            }),
        }
    }

    pub(super) async fn targets_of(
        &self,
        task: Task<'_>,
        arn: &str,
        not_before: Instant,
    ) -> Effect<Vec<Target>> {
        let seen = self
            .watch(&task.plan.definition)
            .look(arn, not_before)
            .await
            .sorted()?;
        Ok(seen.targets.clone())
    }

    pub(super) async fn state_of(
        &self,
        task: Task<'_>,
        target: &TargetPlan,
        not_before: Instant,
    ) -> Effect<Option<TargetState>> {
        let all = self.targets_of(task, &target.target_group, not_before).await?;
        Ok(find(&all, target).map(|own| own.state.clone()))
    }
}

/// The floor of a target group: taking this host out must leave as many healthy as the plan says. A host that is not
/// healthy costs nothing.
///
/// Targets of other hosts that we have out do not count, whatever AWS says of them: its answer may be older than their
/// deregistering.
fn keeps_floor(task: Task<'_>, host: &HostPlan, target: &TargetPlan, all: &[Target]) -> Effect<()> {
    if find(all, target).is_none_or(|own| own.state != TargetState::Healthy) {
        return Ok(());
    }
    let Some(group) = task.plan.target_groups.get(&target.target_group) else {
        return Ok(());
    };
    let of_hosts = |which: &dyn Fn(&HostPlan) -> bool, seen: &Target| {
        let mut targets = task
            .release
            .hosts()
            .filter(|other| which(other))
            .flat_map(|other| &other.targets);
        targets.any(|of| of.target_group == target.target_group && of.id == seen.id && of.port == seen.port)
    };
    let is_out = |other: &HostPlan| other.instance != host.instance && task.release.is_out(other);
    let healthy = || {
        all.iter()
            .filter(|seen| seen.state == TargetState::Healthy && !of_hosts(&is_out, seen))
    };
    let kept = |healthy: usize, floor: u32, of: &str| {
        if healthy > floor as usize {
            return Ok(());
        }
        not_yet(format!(
            "{}{of} has {healthy} healthy targets, and {floor} must be left when this one is out",
            group.name
        ))
    };
    kept(healthy().count(), task.release.floor(&target.target_group), "")?;
    let floor = task.release.zone_floor(&target.target_group, &host.zone);
    if floor == 0 {
        return Ok(());
    }
    let in_zone = |other: &HostPlan| other.zone == host.zone;
    let in_zone = healthy().filter(|seen| of_hosts(&in_zone, seen)).count();
    kept(in_zone, floor, &format!(" in {}", host.zone))
}

/// Whether that is so for longer than AWS's answers may be old. Said once, and then again after as long.
fn for_long(is_so: bool, since: &mut Option<Instant>) -> bool {
    if !is_so {
        *since = None;
        return false;
    }
    let long = since.get_or_insert_with(Instant::now).elapsed() >= CONSISTENCY;
    if long {
        *since = None;
    }
    long
}

/// Drained, as far as the load balancer goes.
fn outlasted((group, open): (String, u64)) -> StepOutcome {
    StepOutcome::Done {
        evidence: Evidence::Outlasted {
            target_group: group,
            connections: open,
        },
    }
}

fn poll(task: Task<'_>) -> Duration {
    Duration::from_millis(task.plan.definition.roll.poll_interval_ms)
}

fn find<'a>(all: &'a [Target], target: &TargetPlan) -> Option<&'a Target> {
    all.iter()
        .find(|other| other.id == target.id && other.port == target.port)
}

fn target_id(target: &TargetPlan) -> TargetId {
    TargetId {
        id: target.id.clone(),
        port: target.port,
        zone: target.zone.clone(),
    }
}

/// Whether what is seen first may be older than what was done: an earlier performance was broken off, or the targets were found
/// deregistered although registering had begun.
fn is_doubtful(task: Task<'_>, host: &HostPlan, direction: Direction) -> bool {
    let state = |direction, phase| {
        let instance = host.instance.clone();
        let step = Step::Host {
            instance,
            direction,
            phase,
        };
        task.release.steps.get(&step)
    };
    let broken_off = state(direction, Phase::Drain).is_some_and(|state| state.attempts > 1);
    let found = state(direction, Phase::Deregister)
        .is_some_and(|state| matches!(state.last, Some(StepOutcome::AlreadyDone { .. })));
    let registered = direction == Direction::Back && state(Direction::Forward, Phase::Register).is_some();
    broken_off || (found && registered)
}

/// The soonest end of the drain, reckoned from when deregistering was confirmed.
fn drained_at(task: Task<'_>, host: &HostPlan, direction: Direction) -> Instant {
    let step = Step::Host {
        instance: host.instance.clone(),
        direction,
        phase: Phase::Deregister,
    };
    let state = task.release.steps.get(&step);
    // Found deregistered: since when is not known, so that only the least is waited for before looking.
    let already = state.and_then(|state| state.last.as_ref());
    let wait_ms = match already {
        Some(StepOutcome::AlreadyDone { .. }) => task.plan.definition.roll.min_drain_ms,
        _ => task.plan.drain_ms(host),
    };
    let since_ms = state.map_or(0, |state| task.since_ms(state.last_at));
    let left_ms = wait_ms.saturating_sub(since_ms);
    Instant::now() + Duration::from_millis(left_ms) + DRAIN_NOTICED
}

/// The policy that a host's container is to keep in one direction; `None` where there is no container.
pub(super) fn policy(task: Task<'_>, host: &HostPlan, direction: Direction) -> Option<RestartPolicy> {
    match direction {
        Direction::Forward => task
            .plan
            .definition
            .container()
            .map(|container| container.restart),
        Direction::Back => host.before.as_ref().map(|before| before.restart),
    }
}
