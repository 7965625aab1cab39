//! What is known of a release, folded from its events.

use std::collections::BTreeMap;

use drawgate_schemas::{Direction, Event, HostPhase, HostProgress, Outcome, StatusEvent};
use jiff::Timestamp;

/// Where one host is.
#[derive(Debug, Clone)]
pub(crate) struct HostNow {
    /// Which way.
    pub(crate) direction: Direction,
    /// What it is about.
    pub(crate) phase: HostPhase,
    /// Since when.
    pub(crate) since: Timestamp,
    /// For how long, where that is known.
    pub(crate) expected_s: Option<u64>,
}

/// What is known of a release.
#[derive(Debug, Clone, Default)]
pub(crate) struct ViewState {
    /// What ran before, as a person calls it.
    pub(crate) from: Option<String>,
    /// What is wanted.
    pub(crate) to: Option<String>,
    /// The digest, in short.
    pub(crate) digest: Option<String>,
    /// Hosts of the plan.
    pub(crate) planned: usize,
    /// When the roll began, and how long it should take.
    pub(crate) started: Option<(Timestamp, u64)>,
    /// Hosts that are somewhere on their way.
    pub(crate) hosts: BTreeMap<String, HostNow>,
    /// Hosts done in the present direction, and hosts in all.
    pub(crate) done: Option<(u32, u32)>,
    /// When the first host began, and when the last one was done, in the present direction.
    pub(crate) pace: Option<(Timestamp, Timestamp)>,
    /// The release is rolling back.
    pub(crate) rolling_back: bool,
    /// Hosts are through; what was suspended is given back.
    pub(crate) resuming: bool,
    /// How it ended.
    pub(crate) ended: Option<Outcome>,
}

impl ViewState {
    /// Takes an event in. Each is taken once and in order; the follower sees to that.
    pub(crate) fn apply(&mut self, event: &StatusEvent) {
        match &event.event {
            Event::Accepted { version_name, .. } => self.to = Some(version_name.clone()),
            Event::Resolved { digest } => self.digest = Some(super::words::short_digest(digest)),
            Event::Started(started) => {
                self.from.clone_from(&started.from);
                self.to = Some(started.to.clone());
                self.digest = started.digest.as_ref().map(super::words::short_digest);
                self.planned = started.hosts.len();
                self.started = Some((event.at, started.expected_s));
            }
            Event::Host(progress) => self.host(progress, event.at),
            Event::RollingBack { .. } => {
                self.rolling_back = true;
                self.done = None;
                self.pace = None;
            }
            Event::ScalingResumed(_) | Event::AlarmsUnsilenced { .. } => self.resuming = true,
            Event::Ended(ended) => self.ended = Some(ended.outcome),
            Event::Rejected { .. } => self.ended = Some(Outcome::Rejected),
            // What was resumed for sick hosts is suspended again.
            Event::ScalingSuspended(_) => self.resuming = false,
            Event::Staged { .. }
            | Event::HostSick(_)
            | Event::SickWaitOver
            | Event::AlarmsSilenced { .. }
            | Event::Joined { .. }
            | Event::DesiredPublished { .. }
            | Event::DesiredRestored { .. }
            | Event::Baking { .. }
            | Event::Warning { .. }
            | Event::AwaitsApproval(_)
            | Event::Blocked { .. }
            | Event::Emergency { .. }
            | Event::Control(_)
            | Event::Hook(_)
            | Event::TakenOver { .. }
            | Event::SequenceForgotten(_)
            | Event::Unknown => {}
        }
    }

    fn host(&mut self, progress: &HostProgress, at: Timestamp) {
        let here = HostNow {
            direction: progress.direction,
            phase: progress.phase,
            since: self.since(progress, at),
            expected_s: progress.expected_s,
        };
        self.hosts.insert(progress.instance.clone(), here);
        self.done = Some((progress.done, progress.total));
        let first = self.pace.map_or(at, |(first, _)| first);
        let last = match (progress.phase, self.pace) {
            (HostPhase::Done, _) | (_, None) => at,
            (_, Some((_, last))) => last,
        };
        self.pace = Some((first, last));
    }

    /// A second word about the same phase does not begin it anew.
    fn since(&self, progress: &HostProgress, at: Timestamp) -> Timestamp {
        self.hosts
            .get(&progress.instance)
            .filter(|now| now.phase == progress.phase && now.direction == progress.direction)
            .map_or(at, |now| now.since)
    }

    /// Hosts that something is being done to, oldest news first.
    pub(crate) fn busy(&self) -> Vec<(&str, &HostNow)> {
        let at_rest = |phase| matches!(phase, HostPhase::Done | HostPhase::Failed | HostPhase::Gone);
        let mut busy: Vec<(&str, &HostNow)> = self
            .hosts
            .iter()
            .filter(|(_, now)| !at_rest(now.phase))
            .map(|(instance, now)| (instance.as_str(), now))
            .collect();
        busy.sort_by_key(|(_, now)| now.since);
        busy
    }
}
