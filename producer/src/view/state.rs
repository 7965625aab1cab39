//! The state of a release as its events tell it.

use std::collections::BTreeMap;

use drawgate_schemas::{Direction, Event, HostPhase, HostProgress, Outcome, StatusEvent};
use jiff::Timestamp;

/// The progress of one host.
#[derive(Debug, Clone)]
pub(crate) struct HostNow {
    pub(crate) direction: Direction,
    /// The phase that the host is in.
    pub(crate) phase: HostPhase,
    pub(crate) since: Timestamp,
    /// Expected duration of the phase, in seconds; absent where it is not known.
    pub(crate) expected_s: Option<u64>,
}

/// The state of a release, folded from its events.
#[derive(Debug, Clone, Default)]
pub(crate) struct ViewState {
    /// What people call the version that ran before.
    pub(crate) from: Option<String>,
    /// What people call the desired version.
    pub(crate) to: Option<String>,
    /// The digest, shortened.
    pub(crate) digest: Option<String>,
    /// Hosts in the plan.
    pub(crate) planned: usize,
    /// When the roll began, and how many seconds it should take.
    pub(crate) started: Option<(Timestamp, u64)>,
    /// Hosts that events have named, by instance id.
    pub(crate) hosts: BTreeMap<String, HostNow>,
    /// Hosts that are done in the present direction, and hosts in all.
    pub(crate) done: Option<(u32, u32)>,
    /// In the present direction: when the first host began, and when the last host was done.
    pub(crate) pace: Option<(Timestamp, Timestamp)>,
    /// Whether the release is rolling back.
    pub(crate) rolling_back: bool,
    /// Whether scaling or alarms are being given back, after the hosts.
    pub(crate) resuming: bool,
    /// How the release ended; absent while it goes on.
    pub(crate) ended: Option<Outcome>,
}

impl ViewState {
    /// Takes in one event. The follower passes each event once and in order.
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
            // Processes that were resumed for sick hosts are suspended again.
            Event::ScalingSuspended(_) => self.resuming = false,
            Event::Staged { .. }
            | Event::HostSick(_)
            | Event::SickWaitOver
            | Event::AlarmsSilenced { .. }
            | Event::Joined { .. }
            | Event::DesiredPublished { .. }
            | Event::DesiredRestored { .. }
            | Event::Baking { .. }
            | Event::WaitsForLock { .. }
            | Event::CanaryPassed
            | Event::ConnectionsCut { .. }
            | Event::HostRetryLater { .. }
            | Event::HostBack { .. }
            | Event::Setback { .. }
            | Event::MuteRulesNotExtended { .. }
            | Event::AlarmsFiring { .. }
            | Event::AfterFailed { .. }
            | Event::TagMoved { .. }
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

    /// When the host's phase began. A second event of the same phase does not start it anew.
    fn since(&self, progress: &HostProgress, at: Timestamp) -> Timestamp {
        self.hosts
            .get(&progress.instance)
            .filter(|now| now.phase == progress.phase && now.direction == progress.direction)
            .map_or(at, |now| now.since)
    }

    /// The hosts that are being rolled, the longest in its phase first.
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
