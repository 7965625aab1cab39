//! Renders an event as a post. Pure.
//!
//! ```text
//! search-api 9d11ab0 → 4f2c91e on staging · ben · build 812: started, 3 hosts
//! ```

use drawgate_schemas::{
    AwaitedApproval, Ended, Event, Kind, Outcome, ReleaseId, SickAnswer, Started, StatusEvent,
};

use super::limits;

/// The kinds of event that [`render`] makes a post of: chat's queue is bound to these and to no others.
pub const KINDS: [Kind; 22] = [
    Kind::Emergency,
    Kind::AwaitsApproval,
    Kind::Approved,
    Kind::RejectRequested,
    Kind::Blocked,
    Kind::Started,
    Kind::Paused,
    Kind::Resumed,
    Kind::CancelRequested,
    Kind::HostSick,
    Kind::SickWaitOver,
    Kind::AlarmsFiring,
    Kind::AfterFailed,
    Kind::RollingBack,
    Kind::Succeeded,
    Kind::RolledBack,
    Kind::Cancelled,
    Kind::Rejected,
    Kind::Superseded,
    Kind::Failed,
    Kind::NeedsOperator,
    Kind::SequenceForgotten,
];

/// One message to people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Post {
    /// The release that the post is about: posts of one release belong together.
    pub release: Option<ReleaseId>,
    /// The tone of the message.
    pub tone: Tone,
    /// The subject: release, requester, build.
    pub header: Vec<Part>,
    pub what: String,
    /// Further lines, such as warnings, reasons and hints.
    pub notes: Vec<String>,
}

/// The tone of a post.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// Information for readers who follow along.
    Progress,
    /// A good end.
    Good,
    /// A bad end or a rollback. The release restores what it touched.
    Bad,
    /// A person must act.
    NeedsPerson,
}

/// A piece of text, perhaps with a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    pub text: String,
    /// The link's address.
    pub link: Option<String>,
}

impl Part {
    fn plain(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            link: None,
        }
    }
}

/// The post for an event, or `None` for a kind that chat does not get.
pub fn render(event: &StatusEvent) -> Option<Post> {
    let (tone, what, notes) = match &event.event {
        Event::Started(started) => (Tone::Progress, started_with(started), started.warnings.clone()),
        Event::AwaitsApproval(awaited) => (
            Tone::NeedsPerson,
            format!(
                "waits for approval by {} ({} of {})",
                awaited.from.join(", "),
                awaited.given.len(),
                awaited.count
            ),
            asked_of(event.release, awaited),
        ),
        Event::Emergency { by, reason } => (
            Tone::NeedsPerson,
            format!("EMERGENCY by {by}: no freeze, window, approval or promotion blocks it"),
            vec![reason.to_string()],
        ),
        Event::Blocked { blockers } if !blockers.is_empty() => (
            Tone::Progress,
            "is blocked".to_owned(),
            blockers.iter().map(ToString::to_string).collect(),
        ),
        Event::Control(given) => {
            let reason = given.reason.iter().map(ToString::to_string).collect();
            (
                Tone::Progress,
                format!("{} by {}", given.control.past(), given.by),
                reason,
            )
        }
        // The rollback event reports a release that is rolled back, and a roll with the sick hosts next
        // simply goes on.
        Event::HostSick(sick) if matches!(sick.answer, SickAnswer::Waits { .. }) => {
            (Tone::NeedsPerson, sick.to_string(), Vec::new())
        }
        Event::SickWaitOver => (
            Tone::Progress,
            "no host is sick any more: the roll goes on".to_owned(),
            Vec::new(),
        ),
        Event::RollingBack { reason, instance } => {
            let at = instance
                .as_ref()
                .map(|instance| format!(" at {instance}"))
                .unwrap_or_default();
            (Tone::Bad, format!("rolled back{at}: {reason}"), Vec::new())
        }
        Event::Rejected { rejection, .. } => (
            Tone::Bad,
            format!("rejected ({}): {}", rejection.code, rejection.detail),
            Vec::new(),
        ),
        Event::Ended(ended) => (tone_of(ended.outcome), ended_with(ended), notes_of(ended)),
        Event::SequenceForgotten(forgotten) => (
            Tone::Progress,
            format!(
                "build numbers up to {} were forgotten by {}: the next build may have any",
                forgotten.highest, forgotten.by
            ),
            vec![forgotten.reason.to_string()],
        ),
        Event::AlarmsFiring { alarms } => (
            Tone::NeedsPerson,
            format!("alarms act again, and these are in ALARM: {}", alarms.join(", ")),
            Vec::new(),
        ),
        Event::AfterFailed { reason } => (
            Tone::NeedsPerson,
            format!("[after] FAILED, which the service's file has only reported: {reason}"),
            Vec::new(),
        ),
        // A new kind of event must be sorted here, and stand in KINDS if it is posted.
        Event::Accepted { .. }
        | Event::Resolved { .. }
        | Event::Staged { .. }
        | Event::ScalingSuspended(_)
        | Event::AlarmsSilenced { .. }
        | Event::Hook(_)
        | Event::Host(_)
        | Event::Baking { .. }
        | Event::Blocked { .. }
        | Event::HostSick(_)
        | Event::Joined { .. }
        | Event::DesiredPublished { .. }
        | Event::DesiredRestored { .. }
        | Event::ScalingResumed(_)
        | Event::AlarmsUnsilenced { .. }
        | Event::WaitsForLock { .. }
        | Event::CanaryPassed
        | Event::ConnectionsCut { .. }
        | Event::HostRetryLater { .. }
        | Event::HostBack { .. }
        | Event::Setback { .. }
        | Event::MuteRulesNotExtended { .. }
        | Event::TagMoved { .. }
        | Event::Warning { .. }
        | Event::TakenOver { .. }
        | Event::Unknown => return None,
    };
    let notes = notes.into_iter().take(limits::NOTES).collect();
    Some(Post {
        release: event.release,
        tone,
        header: header(event),
        what,
        notes,
    })
}

/// The deadline, and the commands that an approver types.
fn asked_of(release: Option<ReleaseId>, awaited: &AwaitedApproval) -> Vec<String> {
    let until = format!(
        "until {:.0}; not by {}, who published it",
        awaited.until, awaited.publisher
    );
    let answer = release.map(|id| format!("drawgate approve {id}, or drawgate reject {id} --reason WHY"));
    std::iter::once(until).chain(answer).collect()
}

fn header(event: &StatusEvent) -> Vec<Part> {
    let mut parts = vec![Part::plain(subject(event))];
    let about = event.about.clone().unwrap_or_default();
    parts.extend(about.requested_by.map(Part::plain));
    parts.extend(about.build.map(|build| Part {
        text: format!("build {build}"),
        link: about.build_url.filter(|url| is_link(url)),
    }));
    parts
}

fn subject(event: &StatusEvent) -> String {
    let mut text = event
        .service
        .as_ref()
        .map_or("a message", |service| service.as_str())
        .to_owned();
    if let Some(about) = &event.about {
        let from = about
            .from
            .as_ref()
            .map_or(String::new(), |from| format!("{from} → "));
        text.push_str(&format!(" {from}{}", about.to));
    }
    if let Some(environment) = &event.environment {
        text.push_str(&format!(" on {environment}"));
    }
    text
}

fn started_with(started: &Started) -> String {
    let hosts = match started.hosts.len() {
        1 => "1 host".to_owned(),
        n => format!("{n} hosts"),
    };
    match started.expected_s {
        0..60 => format!("started, {hosts}"),
        seconds => format!("started, {hosts}, about {} min", seconds.div_ceil(60)),
    }
}

fn tone_of(outcome: Outcome) -> Tone {
    match outcome {
        Outcome::Succeeded => Tone::Good,
        Outcome::Superseded | Outcome::Cancelled => Tone::Progress,
        Outcome::RolledBack | Outcome::Failed | Outcome::Rejected => Tone::Bad,
        Outcome::NeedsOperator => Tone::NeedsPerson,
    }
}

fn ended_with(ended: &Ended) -> String {
    let took = ended
        .receipt
        .as_ref()
        .map(|receipt| format!(" after {}", duration(receipt.duration_ms)));
    format!("{}{}: {}", ended.outcome, took.unwrap_or_default(), ended.summary)
}

fn notes_of(ended: &Ended) -> Vec<String> {
    let leftovers = ended.receipt.iter().flat_map(|receipt| &receipt.leftovers);
    let leftovers = leftovers.map(ToString::to_string);
    ended.hint.iter().cloned().chain(leftovers).collect()
}

fn duration(ms: u64) -> String {
    match ms.div_ceil(1000) {
        seconds @ 0..60 => format!("{seconds} s"),
        seconds => format!("{} min {} s", seconds / 60, seconds % 60),
    }
}

/// Chat systems give `<`, `>` and `|` a meaning inside a link, and an address never needs them.
fn is_link(url: &str) -> bool {
    let odd = |c: char| c.is_whitespace() || matches!(c, '<' | '>' | '|');
    (url.starts_with("https://") || url.starts_with("http://")) && !url.contains(odd)
}

#[cfg(test)]
mod tests;
