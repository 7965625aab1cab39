//! Watches the hosts whose turn is over, until one speaks against the version (`rollout`'s `evidence.rs` says which).
//!
//! ```text
//!   the load balancer   one look at each target group for all hosts, shared with every other step
//!   a host              asked when its check has failed at two looks; apart from that one host in turn,
//!                       and every host once at the end of the bake
//! ```
//! A look at a host leaves no connection behind, so that a fleet of hundreds costs the watch one at a time. What
//! cannot be seen says nothing: the watch fails by evidence alone.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use drawgate_rollout::limits::{CALL_MS, PATIENCE_MS, SICK_AFTER_MS};
use drawgate_rollout::{
    EngineSeen, FailedCheck, Failure, HostPlan, HostSeen, Obstacle, Release, StepOutcome, Verdict,
    failed_check,
};
use futures_util::stream::{self, StreamExt};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::confirm::SIDE_BY_SIDE;
use super::connections::Effects;
use super::membership::{Membership, membership};
use super::ports::{HealthPort, MembershipPort, WatchedHostPort};
use super::target_health::TargetHealth;
use super::task::{LAST_WORDS, Task};
use crate::aws::{HealthWatch, SharedCalls};

/// How many poll intervals lie between two looks while every host is well: the load balancer itself takes several
/// checks until it says `unhealthy`, and Elastic Load Balancing has few requests for everybody.
const POLLS_APART: u32 = 5;

/// A watch ends this long before its deadline, as that over alarms does, so that none is cut in the middle of a look.
const ENDS_BEFORE: Duration = Duration::from_millis(PATIENCE_MS + CALL_MS);

/// Pause before a host whose check goes on failing is asked again, once it was no evidence: an engine that does not
/// answer takes seconds to say so.
const ASKED_AGAIN: Duration = Duration::from_secs(30);

impl Effects {
    pub(super) fn hosts_watch<'a>(
        &'a self,
        task: Task<'a>,
    ) -> HostsWatch<'a, HealthWatch, SharedCalls, Self> {
        HostsWatch {
            seen: self.target_health(task),
            hosts: self,
            task,
        }
    }
}

/// Looks at the watched hosts of one release.
pub(super) struct HostsWatch<'a, H, M, W> {
    pub(super) seen: TargetHealth<'a, H, M>,
    pub(super) hosts: &'a W,
    pub(super) task: Task<'a>,
}

/// What a watch remembers from one look to the next.
#[derive(Default)]
struct Memory {
    /// The hosts whose check fails, and since which look.
    failing: BTreeMap<String, (Instant, FailedCheck)>,
    /// When a failing host was last asked, and was no evidence.
    asked: BTreeMap<String, Instant>,
    /// The host that was last asked in turn, and when.
    turn: Option<(String, Instant)>,
}

impl<H: HealthPort, M: MembershipPort, W: WatchedHostPort> HostsWatch<'_, H, M, W> {
    /// Watches until a host speaks against the version, or until its time is over: then the driver begins it anew.
    pub(super) async fn watch(&self) -> StepOutcome {
        let mut memory = Memory::default();
        let apart = self.apart();
        loop {
            let look_at = Instant::now();
            // The hosts whose turn ended since the watch began are known to the driver.
            let followed = self.hosts.followed(&self.task);
            let release = followed.as_deref().unwrap_or(self.task.release);
            if let Some(failure) = self.look(release, look_at, &mut memory).await {
                return StepOutcome::Refused { failure };
            }
            let last = match memory.awaits_second_look() {
                true => LAST_WORDS,
                false => ENDS_BEFORE,
            };
            if Instant::now() + last >= self.task.deadline {
                return StepOutcome::done();
            }
            let pause = match memory.failing.is_empty() {
                true => apart,
                false => self.task.poll(),
            };
            sleep_until(look_at + pause).await;
        }
    }

    /// The time between two looks while every host is well.
    fn apart(&self) -> Duration {
        self.task.poll() * POLLS_APART
    }

    /// Asks every watched host once, at the end of the bake. What is not seen by the deadline is no evidence.
    pub(super) async fn last_look(&self) -> Option<Failure> {
        let release = self.task.release;
        let until = self.task.deadline.checked_sub(LAST_WORDS)?;
        let all = release.watched_hosts().map(|host| (host, None)).collect();
        timeout_at(until, self.first_evidence(release, all, |_| {}))
            .await
            .ok()?
    }

    async fn look(&self, release: &Release, look_at: Instant, memory: &mut Memory) -> Option<Failure> {
        let watched: Vec<&HostPlan> = release.watched_hosts().collect();
        // A look that another step made a moment ago is good enough, except to confirm what an earlier one showed.
        let recent = look_at.checked_sub(self.apart());
        let not_before = recent.filter(|_| memory.failing.is_empty()).unwrap_or(look_at);
        if let Some(failing) = self.failing(&watched, not_before).await {
            memory.note(failing, look_at);
        }
        let asked = memory.ask_next(&watched, look_at, self.apart());
        self.first_evidence(release, asked, |instance| {
            if memory.failing.contains_key(instance) {
                memory.asked.insert(instance.to_owned(), look_at);
            }
        })
        .await
    }

    /// The watched hosts whose check fails; `None` where a target group could not be looked at.
    async fn failing(
        &self,
        watched: &[&HostPlan],
        not_before: Instant,
    ) -> Option<BTreeMap<String, FailedCheck>> {
        let targets = || {
            let all = watched
                .iter()
                .flat_map(|host| host.targets.iter().map(move |target| (*host, target)));
            all.filter(|(_, target)| target.can_be_healthy())
        };
        let groups: BTreeSet<&str> = targets()
            .map(|(_, target)| target.target_group.as_str())
            .collect();
        let mut found = BTreeMap::new();
        for arn in groups {
            let seen = match self.seen.targets_of(arn, not_before).await {
                Ok(Some(seen)) => seen,
                Ok(None) => continue,
                Err(outcome) => {
                    let what = outcome.failure().map(|failure| failure.what.as_str());
                    tracing::debug!(release = %self.task.id(), what, "watched hosts are not seen");
                    return None;
                }
            };
            let why = |target: &crate::aws::Target| {
                let (code, words) = (target.reason.as_deref(), target.description.as_deref());
                failed_check(target.state.as_str(), code, words)
            };
            let failed: HashMap<(&str, u16), String> = seen
                .iter()
                .filter_map(|target| Some(((target.id.as_str(), target.port), why(target)?)))
                .collect();
            for (host, target) in targets().filter(|(_, target)| target.target_group == arn) {
                if let Some(reason) = failed.get(&(target.id.as_str(), target.port)) {
                    found.entry(host.instance.clone()).or_insert_with(|| FailedCheck {
                        target_group: self.seen.name_of(target).to_owned(),
                        reason: reason.clone(),
                        for_ms: 0,
                    });
                }
            }
        }
        Some(found)
    }

    /// Asks these hosts, some of them side by side, until one speaks against the version. `answered` hears of each
    /// other one.
    async fn first_evidence(
        &self,
        release: &Release,
        asked: Vec<(&HostPlan, Option<FailedCheck>)>,
        mut answered: impl FnMut(&str),
    ) -> Option<Failure> {
        let looks: Vec<_> = asked
            .into_iter()
            .map(|(host, fails)| self.judge(release, host, fails))
            .collect();
        let mut looks = stream::iter(looks).buffer_unordered(SIDE_BY_SIDE);
        while let Some((instance, verdict)) = looks.next().await {
            match verdict {
                Some(Err(failure)) => return Some(failure),
                Some(Ok(())) => answered(instance),
                None => {}
            }
        }
        None
    }

    /// Asks one host. `None` where AWS cannot say whether its instance is a member: then it is asked again soon.
    async fn judge<'h>(
        &self,
        release: &Release,
        host: &'h HostPlan,
        fails: Option<FailedCheck>,
    ) -> (&'h str, Option<Result<(), Failure>>) {
        let instance = host.instance.as_str();
        let mut seen = HostSeen {
            runs: release.runs(host),
            fails,
            engine: self.hosts.engine_of(Task { release, ..self.task }, host).await,
            restarts_before: release.restarts_at_turn_end(instance),
        };
        if let Verdict::AgainstVersion(_) = seen.verdict() {
            // Containers end while an instance shuts down, which says nothing against the version.
            match membership(self.seen.members, instance, host.group.as_deref()).await {
                Ok(Membership::Gone { why, .. }) => seen.engine = EngineSeen::Gone(why),
                Ok(Membership::InService | Membership::Awaited(_)) => {}
                Err(_) => return (instance, None),
            }
        }
        match seen.verdict() {
            Verdict::AgainstVersion(what) => (instance, Some(Err(self.evidence(host, &what).await))),
            Verdict::Bystander(why) => {
                tracing::warn!(instance, why, "not well, and no evidence against the version");
                (instance, Some(Ok(())))
            }
            Verdict::Well => (instance, Some(Ok(()))),
        }
    }

    async fn evidence(&self, host: &HostPlan, what: &str) -> Failure {
        let instance = host.instance.clone();
        Failure::new(what)
            .with_hint("see why, and publish again; with watch_hosts = false in [roll] of the service's file, hosts are not watched after their turn")
            .with_logs(self.hosts.last_lines(self.task, host).await)
            .with_obstacle(Obstacle::AgainstVersion { instance })
    }
}

impl Memory {
    /// Notes whose check fails at a look that began then. A host whose check passed meanwhile begins anew.
    fn note(&mut self, failing: BTreeMap<String, FailedCheck>, look_at: Instant) {
        let mut earlier = std::mem::take(&mut self.failing);
        self.failing = failing
            .into_iter()
            .map(|(instance, check)| {
                let since = earlier.remove(&instance).map_or(look_at, |(since, _)| since);
                let for_ms = u64::try_from((look_at - since).as_millis()).unwrap_or(u64::MAX);
                (instance, (since, FailedCheck { for_ms, ..check }))
            })
            .collect();
        self.asked
            .retain(|instance, _| self.failing.contains_key(instance));
    }

    /// Whether a host has failed its check at one look, and not at a second one yet.
    fn awaits_second_look(&self) -> bool {
        let mut failing = self.failing.values();
        failing.any(|(_, check)| check.for_ms < SICK_AFTER_MS)
    }

    /// The hosts to be asked now: those that have failed their check for long enough, and the next one in turn.
    fn ask_next<'h>(
        &mut self,
        watched: &[&'h HostPlan],
        now: Instant,
        apart: Duration,
    ) -> Vec<(&'h HostPlan, Option<FailedCheck>)> {
        let mut asked = Vec::new();
        for host in watched {
            let Some((_, check)) = self.failing.get(&host.instance) else {
                continue;
            };
            let again = self
                .asked
                .get(&host.instance)
                .is_none_or(|at| *at + ASKED_AGAIN <= now);
            if check.for_ms >= SICK_AFTER_MS && again {
                asked.push((*host, Some(check.clone())));
            }
        }
        if self.turn.as_ref().is_none_or(|(_, at)| *at + apart <= now)
            && let Some(next) = self.next_in_turn(watched)
        {
            self.turn = Some((next.instance.clone(), now));
            asked.push((next, None));
        }
        asked
    }

    /// The host after the one that was last asked in turn. A host whose check fails is asked for that.
    fn next_in_turn<'h>(&self, watched: &[&'h HostPlan]) -> Option<&'h HostPlan> {
        let well = || {
            watched
                .iter()
                .filter(|host| !self.failing.contains_key(&host.instance))
        };
        let last = self.turn.as_ref().map(|(instance, _)| instance);
        let after = well().filter(|host| last.is_some_and(|last| host.instance > *last));
        let by_id = |one: &&&HostPlan, other: &&&HostPlan| one.instance.cmp(&other.instance);
        let next = after.min_by(by_id);
        next.or_else(|| well().min_by(by_id)).copied()
    }
}

#[cfg(test)]
mod tests;
