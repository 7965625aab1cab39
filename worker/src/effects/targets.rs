//! Takes a host out of its target groups, and puts it back.
//!
//! ```text
//!   floor kept? -> tag -> deregister ... drained (unused or absent, and min_drain) ... register -> healthy -> untag
//! ```

use std::time::Duration;

use drawgate_rollout::definition::RestartPolicy;
use drawgate_rollout::{Evidence, Failure, HostPlan, Obstacle, Phase, Step, StepOutcome, TargetPlan};
use drawgate_schemas::Direction;
use tokio::time::{Instant, sleep_until};

use super::connections::Effects;
use super::floor::{find, kept_in};
use super::membership::{CONSISTENCY, Membership};
use super::names::{target_tag, target_value};
use super::outcome::{Effect, Sorted, either, not_yet};
use super::scaling::is_awaited;
use super::task::{LAST_WORDS, Task};
use crate::aws::{Target, TargetId, TargetState};

/// The load balancer notices the end of a delay by a clock of its own: a look at that very moment would come
/// a little too early, and cost a whole interval.
const DRAIN_NOTICED: Duration = Duration::from_millis(40);

/// The same for the load balancer's health checks, which also wait for answers.
const CHECK_NOTICED: Duration = Duration::from_millis(50);

/// Why a host does not count as healthy.
pub(super) struct Unhealthy {
    /// Whether the target is registered in the target group at all.
    registered: bool,
    /// The target group's ARN.
    target_group: String,
    pub(super) why: String,
}

impl Effects {
    pub(super) async fn deregister(
        &self,
        task: Task<'_>,
        host: &HostPlan,
        direction: Direction,
    ) -> StepOutcome {
        either(self.try_deregister(task, host, direction).await)
    }

    async fn try_deregister(
        &self,
        task: Task<'_>,
        host: &HostPlan,
        direction: Direction,
    ) -> Effect<StepOutcome> {
        let recent = Instant::now()
            .checked_sub(task.poll())
            .unwrap_or_else(Instant::now);
        if let Some(kept) = self.kept(task, host, direction, recent).await? {
            let failure = Failure::new(kept_in(task, &kept));
            // A host that an earlier attempt took out in part is not in service, so the floor did not leave
            // it untouched.
            return Err(StepOutcome::Transient {
                failure: match self.is_in_service(task, host, recent).await? {
                    true => failure.with_obstacle(Obstacle::Floor(kept)),
                    false => failure,
                },
            });
        }
        let mut present = Vec::new();
        for target in &host.targets {
            let state = self.state_of(task, target, recent).await?;
            present.extend(
                state
                    .filter(|state| *state != TargetState::Draining)
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

    /// Whether every target of a host is registered.
    async fn is_in_service(&self, task: Task<'_>, host: &HostPlan, not_before: Instant) -> Effect<bool> {
        for target in &host.targets {
            let state = self.state_of(task, target, not_before).await?;
            if state.is_none_or(|state| state == TargetState::Draining) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    pub(super) async fn drain(&self, task: Task<'_>, host: &HostPlan, direction: Direction) -> StepOutcome {
        either(self.try_drain(task, host, direction).await)
    }

    async fn try_drain(&self, task: Task<'_>, host: &HostPlan, direction: Direction) -> Effect<StepOutcome> {
        if host.targets.is_empty() {
            return Ok(StepOutcome::already());
        }
        // `draining` lasts for the whole delay, even when no connection is open (Elastic Load Balancing,
        // "Deregistration delay"): a look before its end would be wasted.
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
                // A registering whose call timed out may take effect after the deregistering.
                tracing::warn!(
                    instance = host.instance,
                    "its target is registered again: deregistered once more"
                );
                self.try_deregister(task, host, direction).await?;
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
                    Some(_) => sleep_until(Instant::now() + task.poll()).await,
                },
            }
        }
    }

    /// Connections that outlast the deregistration delay, with the first such target group: a Network Load
    /// Balancer without connection termination keeps them, and only the host knows of them. Connections that
    /// cannot be counted are not waited for.
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
        // No look before it: registering a registered target changes nothing, and a draining target is not
        // registered.
        for target in &host.targets {
            self.aws
                .register(&target.target_group, &[target_id(target)])
                .await
                .sorted()?;
        }
        Ok(StepOutcome::done())
    }

    pub(super) async fn await_healthy(
        &self,
        task: Task<'_>,
        host: &HostPlan,
        direction: Direction,
    ) -> StepOutcome {
        either(self.try_await_healthy(task, host, direction).await)
    }

    async fn try_await_healthy(
        &self,
        task: Task<'_>,
        host: &HostPlan,
        direction: Direction,
    ) -> Effect<StepOutcome> {
        let awaited: Vec<&TargetPlan> = host
            .targets
            .iter()
            .filter(|target| is_awaited(&target.state_before, target.can_be_healthy(), direction))
            .collect();
        let min_healthy = Duration::from_millis(task.plan.min_healthy_ms(host));
        let poll = task.poll();
        let mut healthy_since: Option<Instant> = None;
        let (mut restarts, mut absent_since) = (None, None);
        // The first look comes after a poll interval: no target is healthy the moment it is registered. The
        // load balancer checks at whole seconds from then on, so looks at the same moments would each come a
        // little too early.
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
                return Err(StepOutcome::Transient {
                    failure: not_settled(unhealthy),
                });
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

    /// A deregistering whose call timed out may take effect after the registering. A target that is missing
    /// for longer than AWS's answers may be old is registered again.
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

    /// The first reason why the host is not healthy yet.
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
                        target_group: target.target_group.clone(),
                        why: format!("{} in {name}: {why}", own.state),
                    }));
                }
                _ => {
                    // AWS's answer may be older than the registering, so a missing registration is awaited as
                    // health is.
                    self.must_be_member(host).await?;
                    return Ok(Some(Unhealthy {
                        registered: false,
                        target_group: target.target_group.clone(),
                        why: format!("not registered in {name}"),
                    }));
                }
            }
        }
        Ok(None)
    }

    /// Returns if the instance is still a member; otherwise ends the step: the host is gone, or cannot be
    /// judged yet.
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

/// The failure of a host that is not healthy at the end of its time.
fn not_settled(unhealthy: Option<Unhealthy>) -> Failure {
    let Some(unhealthy) = unhealthy else {
        return Failure::new("not healthy for long enough");
    };
    let failure = Failure::new(unhealthy.why);
    match unhealthy.registered {
        true => failure.with_obstacle(Obstacle::Unhealthy {
            target_group: unhealthy.target_group,
        }),
        false => failure,
    }
}

/// Whether the condition has lasted longer than AWS's answers may be old. True once, and again after as long.
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

/// The drain is done as far as the load balancer goes: connections outlast it.
fn outlasted((group, open): (String, u64)) -> StepOutcome {
    StepOutcome::Done {
        evidence: Evidence::Outlasted {
            target_group: group,
            connections: open,
        },
    }
}

fn target_id(target: &TargetPlan) -> TargetId {
    TargetId {
        id: target.id.clone(),
        port: target.port,
        zone: target.zone.clone(),
    }
}

/// Whether the first look may be older than the last change: an earlier attempt was broken off, or the
/// targets were found deregistered although registering had begun.
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

/// The soonest end of the drain, counted from when deregistering was confirmed.
fn drained_at(task: Task<'_>, host: &HostPlan, direction: Direction) -> Instant {
    let step = Step::Host {
        instance: host.instance.clone(),
        direction,
        phase: Phase::Deregister,
    };
    let state = task.release.steps.get(&step);
    // The targets were found deregistered, and since when is not known: only the shortest drain is waited for
    // before looking.
    let already = state.and_then(|state| state.last.as_ref());
    let wait_ms = match already {
        Some(StepOutcome::AlreadyDone { .. }) => task.plan.definition.roll.min_drain_ms,
        _ => task.plan.drain_ms(host),
    };
    let since_ms = state.map_or(0, |state| task.since_ms(state.last_at));
    let left_ms = wait_ms.saturating_sub(since_ms);
    Instant::now() + Duration::from_millis(left_ms) + DRAIN_NOTICED
}

/// The restart policy that a host's container must have in this direction; `None` where there is no
/// container.
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
