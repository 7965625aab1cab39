//! Takes a host out of its target groups, and puts it back. A target group that was deleted meanwhile is
//! passed over: there is nothing to take the host out of, and nothing to put it back into. Health in a group that
//! no load balancer uses any more is not awaited.
//!
//! ```text
//!   floor kept? -> tag -> deregister ... drained (unused or absent, and min_drain) ... register -> healthy -> untag
//! ```

mod pace;

use std::time::Duration;

use drawgate_rollout::{Evidence, Failure, HostPlan, Obstacle, Phase, Step, StepOutcome, TargetPlan};
use drawgate_schemas::Direction;
use tokio::time::{Instant, sleep_until, timeout};

use super::connections::Effects;
use super::floor::kept_in;
use super::membership::CONSISTENCY;
use super::names::{target_tag, target_value};
use super::outcome::{Effect, Sorted, either, not_yet};
use super::ports::{HealthPort, HostPort, MembershipPort, TargetPort};
use super::target_health::{SeenTarget, TargetHealth, Unhealthy, find};
use super::task::{LAST_WORDS, Task};
use crate::Causes;
use crate::aws::{AwsError, HealthWatch, SharedCalls, Target, TargetId, TargetState};
use pace::Pace;

/// The load balancer notices the end of a delay by a clock of its own: a look at that very moment would come
/// a little too early, and cost a whole interval.
const DRAIN_NOTICED: Duration = Duration::from_millis(40);

impl Effects {
    /// The steps on the registrations of one release's hosts.
    pub(super) fn registration<'a>(
        &'a self,
        task: Task<'a>,
    ) -> Registration<'a, SharedCalls, HealthWatch, Self> {
        Registration {
            targets: &self.shared,
            seen: self.target_health(task),
            on_host: self,
            task,
        }
    }
}

/// Takes a host of a release out of its target groups, and puts it back.
pub(super) struct Registration<'a, T, H, O> {
    targets: &'a T,
    seen: TargetHealth<'a, H, T>,
    on_host: &'a O,
    task: Task<'a>,
}

impl<T, H, O> Registration<'_, T, H, O>
where
    T: TargetPort + MembershipPort,
    H: HealthPort,
    O: HostPort,
{
    pub(super) async fn deregister(&self, host: &HostPlan, direction: Direction) -> StepOutcome {
        either(self.try_deregister(host, direction).await)
    }

    /// Whether the targets are gone is for the drain to confirm.
    async fn try_deregister(&self, host: &HostPlan, direction: Direction) -> Effect<StepOutcome> {
        let now = Instant::now();
        let recent = now.checked_sub(self.task.poll()).unwrap_or(now);
        self.floor_allows(host, direction, recent).await?;
        let found = self.look_for_registered(host, recent).await?;
        if found.registered.is_empty() {
            return Ok(StepOutcome::already());
        }
        self.tag_and_deregister(host, &found.registered).await?;
        Ok(StepOutcome::done())
    }

    /// Ends the step where the floor keeps this host in service.
    async fn floor_allows(&self, host: &HostPlan, direction: Direction, recent: Instant) -> Effect<()> {
        let Some(kept) = self.seen.kept(host, direction, recent).await? else {
            return Ok(());
        };
        let failure = Failure::new(kept_in(self.task, &kept));
        // A host that an earlier attempt took out in part is not in service, so the floor did not leave it
        // untouched.
        let found = self.look_for_registered(host, recent).await?;
        Err(StepOutcome::Transient {
            failure: match found.is_untouched {
                true => failure.with_obstacle(Obstacle::Floor(kept)),
                false => failure,
            },
        })
    }

    async fn look_for_registered<'h>(
        &self,
        host: &'h HostPlan,
        not_before: Instant,
    ) -> Effect<FoundTargets<'h>> {
        let mut found = FoundTargets {
            registered: Vec::new(),
            is_untouched: true,
        };
        for target in &host.targets {
            match self.seen.see(target, not_before).await? {
                SeenTarget::GroupGone => {}
                SeenTarget::Absent | SeenTarget::InGroup(TargetState::Draining) => found.is_untouched = false,
                SeenTarget::InGroup(_) => found.registered.push(target),
            }
        }
        Ok(found)
    }

    /// The tags come first: an operator can register the host again from them when everything else is lost.
    async fn tag_and_deregister(&self, host: &HostPlan, registered: &[&TargetPlan]) -> Effect<()> {
        let id = self.task.id();
        let tag = |target: &&TargetPlan| (target_tag(self.task.plan, target), target_value(&id, target));
        let tags: Vec<(String, String)> = registered.iter().map(tag).collect();
        self.targets.tag_instance(&host.instance, &tags).await.sorted()?;
        for target in registered {
            let (arn, id) = (&target.target_group, target_id(target));
            let result = self.targets.deregister(arn, &id).await;
            passed_over(host, target, result).sorted()?;
        }
        Ok(())
    }

    pub(super) async fn drain(&self, host: &HostPlan, direction: Direction) -> StepOutcome {
        either(self.try_drain(host, direction).await)
    }

    async fn try_drain(&self, host: &HostPlan, direction: Direction) -> Effect<StepOutcome> {
        if host.targets.is_empty() {
            return Ok(StepOutcome::already());
        }
        // `draining` lasts for the whole delay, even when no connection is open (Elastic Load Balancing,
        // "Deregistration delay"): a look before its end would be wasted.
        let task = self.task;
        sleep_until(drained_at(task, host, direction)).await;
        let mut drained_before = !is_doubtful(task, host, direction);
        let mut back_since = None;
        loop {
            let still_there = self.first_still_there(host).await?;
            let is_back = still_there
                .as_ref()
                .is_some_and(|(_, state)| *state != TargetState::Draining);
            if for_long(is_back, &mut back_since) {
                // A registering whose call timed out may take effect after the deregistering.
                tracing::warn!(
                    instance = host.instance,
                    "its target is registered again: deregistered once more"
                );
                self.try_deregister(host, direction).await?;
            }
            let late = Instant::now() + LAST_WORDS >= task.deadline;
            match still_there {
                Some((target, _)) if late => return not_yet(self.still_draining(host, target).await),
                Some(_) => {}
                None if !drained_before => {
                    drained_before = true;
                    sleep_until(Instant::now() + CONSISTENCY).await;
                }
                None => match self.still_open(host).await {
                    None => return Ok(StepOutcome::done()),
                    Some(open) if late => return Ok(outlasted(open)),
                    Some(_) => sleep_until(Instant::now() + task.poll()).await,
                },
            }
        }
    }

    /// The first target that is draining still, or registered again. A group that no load balancer uses drains
    /// nothing, however long it says `draining`.
    async fn first_still_there<'h>(
        &self,
        host: &'h HostPlan,
    ) -> Effect<Option<(&'h TargetPlan, TargetState)>> {
        for target in &host.targets {
            let all = self.seen.targets_of(&target.target_group, Instant::now()).await?;
            let Some(all) = all else { continue };
            let Some(own) = find(&all, target) else { continue };
            let drained = match own.state {
                TargetState::Unused => true,
                TargetState::Draining => !is_in_use(target, &all),
                _ => false,
            };
            if !drained {
                return Ok(Some((target, own.state.clone())));
            }
        }
        Ok(None)
    }

    /// Connections that outlast the deregistration delay, with the first such target group: a Network Load
    /// Balancer without connection termination keeps them, and only the host knows of them. Connections that
    /// cannot be counted are not waited for.
    async fn still_open(&self, host: &HostPlan) -> Option<(String, u64)> {
        for target in &host.targets {
            let group = self.task.plan.target_groups.get(&target.target_group);
            let Some(group) = group.filter(|group| group.keeps_connections) else {
                continue;
            };
            let open = self.on_host.open_connections(host, target.port).await;
            if let Some(open) = open.filter(|open| *open > 0) {
                return Some((group.name.clone(), open));
            }
        }
        None
    }

    async fn still_draining(&self, host: &HostPlan, target: &TargetPlan) -> String {
        let group = self.seen.name_of(target);
        let open = self.on_host.open_connections(host, target.port).await;
        let open = open.map_or_else(
            || "open connections could not be counted".to_owned(),
            |open| format!("{open} connections to port {} are open on the host", target.port),
        );
        format!("still draining in {group} past its deadline; {open}")
    }

    pub(super) async fn register(&self, host: &HostPlan, direction: Direction) -> StepOutcome {
        either(self.try_register(host, direction).await)
    }

    async fn try_register(&self, host: &HostPlan, direction: Direction) -> Effect<StepOutcome> {
        self.seen.must_be_member(host).await?;
        let registered = self.registered_before(host, direction).await;
        let targets = host.targets.iter();
        let missing: Vec<&TargetPlan> = targets.filter(|target| !registered.contains(target)).collect();
        self.register_all(host, &missing).await?;
        Ok(StepOutcome::done())
    }

    /// The targets that an earlier attempt registered, as far as that can be seen. A first attempt looks at
    /// nothing: registering a registered target changes nothing, and a draining target is not registered.
    async fn registered_before<'h>(&self, host: &'h HostPlan, direction: Direction) -> Vec<&'h TargetPlan> {
        let step = Step::on_host(&host.instance, direction, Phase::Register);
        let state = self.task.release.steps.get(&step);
        if state.is_none_or(|state| state.attempts < 2) {
            return Vec::new();
        }
        // All hosts of a wave share the look, and a call to register costs more. Where it shows nothing in
        // time, all are registered once more.
        let look = self.look_for_registered(host, Instant::now());
        let found = timeout(2 * self.task.poll(), look).await;
        found
            .ok()
            .and_then(Result::ok)
            .map_or_else(Vec::new, |found| found.registered)
    }

    /// Registers these targets of a host. A definite failure in one target group keeps the host out of no
    /// other.
    async fn register_all(&self, host: &HostPlan, targets: &[&TargetPlan]) -> Effect<()> {
        let mut first_failure = Ok(());
        for target in targets {
            let (arn, id) = (&target.target_group, target_id(target));
            let result = self.targets.register(arn, &id).await;
            match passed_over(host, target, result).sorted() {
                // What may have happened is looked at before anything else is done.
                Err(unknown @ StepOutcome::Unknown { .. }) => return Err(unknown),
                result => first_failure = first_failure.and(result),
            }
        }
        first_failure
    }

    pub(super) async fn await_healthy(&self, host: &HostPlan, direction: Direction) -> StepOutcome {
        either(self.try_await_healthy(host, direction).await)
    }

    async fn try_await_healthy(&self, host: &HostPlan, direction: Direction) -> Effect<StepOutcome> {
        self.healthy_for_long(host, direction).await?;
        let tag = |target| target_tag(self.task.plan, target);
        let keys: Vec<String> = host.targets.iter().map(tag).collect();
        self.targets
            .untag_instance(&host.instance, &keys)
            .await
            .sorted()?;
        Ok(StepOutcome::done())
    }

    /// Waits until the host has been healthy for `min_healthy_time`, and for one further health check. Ends the
    /// step where it is not by the deadline.
    async fn healthy_for_long(&self, host: &HostPlan, direction: Direction) -> Effect<()> {
        let task = self.task;
        let awaited: Vec<&TargetPlan> = host
            .targets
            .iter()
            .filter(|target| is_awaited(target, direction))
            .collect();
        let pace = Pace::of(task, host, &awaited);
        let last = task.deadline.checked_sub(LAST_WORDS + task.poll());
        let mut healthy_since: Option<Instant> = None;
        let (mut restarts, mut absent_since, mut unused_since) = (None, None, None);
        if !awaited.is_empty() {
            sleep_until(pace.first()).await;
        }
        loop {
            let look_at = Instant::now();
            let unhealthy = self.seen.first_unhealthy(host, &awaited, look_at).await?;
            self.on_host
                .still_serves(task, host, direction, &mut restarts)
                .await?;
            self.register_again(host, unhealthy.as_ref(), &mut absent_since)
                .await?;
            let unused = unhealthy.as_ref().is_some_and(|unhealthy| unhealthy.unused);
            let passed_over = lasts(unused, &mut unused_since);
            let unhealthy = unhealthy.filter(|_| !passed_over);
            match unhealthy {
                None if pace.is_settled(*healthy_since.get_or_insert(look_at), look_at) => return Ok(()),
                None => {}
                Some(_) => healthy_since = None,
            }
            let last = last.filter(|last| Instant::now() < *last);
            let Some(last) = last else {
                return Err(StepOutcome::Transient {
                    failure: not_settled(unhealthy),
                });
            };
            let next = pace.next(look_at, healthy_since).min(last);
            self.serves_until(next, host, direction, &mut restarts).await?;
        }
    }

    /// Sleeps until the next look at the host's targets. Its container is looked at more often: a container that
    /// ends is noticed within a poll interval.
    async fn serves_until(
        &self,
        next: Instant,
        host: &HostPlan,
        direction: Direction,
        restarts: &mut Option<u64>,
    ) -> Effect<()> {
        let poll = self.task.poll();
        while Instant::now() + poll < next {
            sleep_until(Instant::now() + poll).await;
            self.on_host
                .still_serves(self.task, host, direction, restarts)
                .await?;
        }
        sleep_until(next).await;
        Ok(())
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
        self.seen.must_be_member(host).await?;
        let all: Vec<&TargetPlan> = host.targets.iter().collect();
        self.register_all(host, &all).await
    }
}

/// The targets of a host, as looks at its target groups show them.
struct FoundTargets<'h> {
    registered: Vec<&'h TargetPlan>,
    /// Whether no target is out of a group that exists.
    is_untouched: bool,
}

/// The result of a call about a target. That the group does not exist any more, or that AWS does not take the
/// target, is no failure: the host goes on in its other groups, and its health tells what is missing.
fn passed_over(host: &HostPlan, target: &TargetPlan, result: Result<(), AwsError>) -> Result<(), AwsError> {
    match result {
        Err(error) if error.is_not_found() => Ok(()),
        Err(error) if error.is_invalid_target() => {
            let (instance, target_group) = (&host.instance, &target.target_group);
            tracing::warn!(
                instance,
                target_group,
                error = %Causes(&error),
                "a target that AWS does not take is passed over"
            );
            Ok(())
        }
        result => result,
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

/// Whether the condition has lasted longer than AWS's answers may be old.
fn lasts(is_so: bool, since: &mut Option<Instant>) -> bool {
    if !is_so {
        *since = None;
    }
    is_so && since.get_or_insert_with(Instant::now).elapsed() >= CONSISTENCY
}

/// The same, true once, and again after as long.
fn for_long(is_so: bool, since: &mut Option<Instant>) -> bool {
    let long = lasts(is_so, since);
    if long {
        *since = None;
    }
    long
}

/// Whether a load balancer uses the target's group: it did at the start, or it does by what is seen of the group's
/// other targets. A group that nobody uses has none but `unused` ones.
fn is_in_use(target: &TargetPlan, all: &[Target]) -> bool {
    let uses = |other: &Target| !matches!(other.state, TargetState::Unused | TargetState::Draining);
    target.can_be_healthy() || all.iter().any(uses)
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
        Some(StepOutcome::AlreadyDone { .. }) => task.plan.least_drain_ms(host),
        _ => task.plan.drain_ms(host),
    };
    let since_ms = state.map_or(0, |state| task.since_ms(state.last_at));
    let left_ms = wait_ms.saturating_sub(since_ms);
    Instant::now() + Duration::from_millis(left_ms) + DRAIN_NOTICED
}

/// Whether a target's health is awaited in this direction: during rollback, only that of a target which was
/// healthy before.
fn is_awaited(target: &TargetPlan, direction: Direction) -> bool {
    match direction {
        Direction::Forward => target.can_be_healthy(),
        Direction::Back => target.was_healthy(),
    }
}

#[cfg(test)]
mod tests;
