//! The lines of text that each event gives.

use drawgate_schemas::{Control, Event, HookProgress, HookState, Severity, StatusEvent, Suspension};

use super::end::ended;
use super::host::host;
use super::layout::{Line, Mark};
use super::state::ViewState;
use super::words::{awaits_approval, count, short_digest, span_ms, span_s};
use crate::limits;

/// How much of an event is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Detail {
    /// Only lasting news; the bar shows the rest.
    Brief,
    Every,
}

/// The lines of one event. `state` is the state before the event.
pub(crate) fn lines(state: &ViewState, event: &StatusEvent, detail: Detail) -> Vec<Line> {
    let every = detail == Detail::Every;
    let line = |mark, text: String| vec![Line::new(mark, text)];
    match &event.event {
        Event::Accepted { ahead, .. } => line(Mark::Ok, accepted(&event.worker, *ahead)),
        Event::Rejected { rejection, .. } if every => {
            line(Mark::Bad, format!("rejected: {}", rejection.code))
        }
        Event::Resolved { digest } if every => line(Mark::Ok, format!("image is {}", short_digest(digest))),
        Event::Started(started) => {
            let going = format!(
                "begins: {}{} on {}, {} out at once, about {}",
                started
                    .from
                    .as_ref()
                    .map_or(String::new(), |from| format!("{from} -> ")),
                started.to,
                count(started.hosts.len(), "host", "hosts"),
                started.max_unavailable,
                span_s(started.expected_s),
            );
            let warnings = started.warnings.iter();
            std::iter::once(Line::new(Mark::Ok, going))
                .chain(warnings.map(|text| Line::new(Mark::Warn, text.as_str())))
                .collect()
        }
        Event::Staged { hosts, slowest_ms } => line(Mark::Ok, staged(state, *hosts, *slowest_ms)),
        Event::ScalingSuspended(suspension) => line(Mark::Ok, suspended(suspension)),
        Event::AlarmsSilenced { alarms, .. } => line(Mark::Ok, named("silenced", alarms)),
        Event::Baking { until } => line(Mark::Ok, format!("on all hosts; bakes until {until:.0}")),
        Event::Hook(progress) => vec![hook(progress)],
        Event::Host(progress) => host(state, progress, every).into_iter().collect(),
        Event::AwaitsApproval(awaited) => line(Mark::Warn, awaits_approval(awaited)),
        Event::Emergency { by, reason } => line(
            Mark::Warn,
            format!("EMERGENCY by {by}, past every gate: {reason}"),
        ),
        Event::Blocked { blockers } if blockers.is_empty() => {
            line(Mark::Ok, "nothing blocks it any more".to_owned())
        }
        Event::Blocked { blockers } => blockers
            .iter()
            .map(|blocker| Line::new(Mark::Warn, blocker.to_string()))
            .collect(),
        Event::Control(given) if given.control == Control::Approve => line(Mark::Ok, given.told()),
        Event::Control(given) => line(Mark::Warn, given.told()),
        Event::HostSick(sick) => line(Mark::Warn, sick.to_string()),
        Event::RollingBack { reason, instance } => rolling_back(reason, instance.as_deref()),
        Event::ScalingResumed(suspension) => {
            let processes = count(suspension.processes.len(), "process", "processes");
            line(Mark::Ok, format!("resumed {processes} of {}", suspension.group))
        }
        Event::AlarmsUnsilenced { alarms } => line(Mark::Ok, named("on again:", alarms)),
        Event::Joined {
            rolled,
            up_to_date,
            by_themselves,
        } => joined(rolled, up_to_date, by_themselves),
        Event::DesiredPublished {
            parameter,
            version_name,
        } => line(
            Mark::Ok,
            format!("{version_name} is what new instances start ({parameter})"),
        ),
        Event::DesiredRestored {
            parameter,
            version_name,
        } => {
            let start = version_name.as_deref().unwrap_or("what they started before");
            line(
                Mark::Back,
                format!("new instances start {start} again ({parameter})"),
            )
        }
        told @ (Event::SickWaitOver
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
        | Event::Warning { .. }) => line(mark(told.kind().severity()), told.in_a_line().unwrap_or_default()),
        Event::TakenOver { open_steps } => line(Mark::Warn, taken_over(&event.worker, *open_steps)),
        Event::Ended(ended) => self::ended(ended, every),
        Event::SequenceForgotten(forgotten) => line(Mark::Note, forgotten.to_string()),
        Event::Unknown if every => line(
            Mark::Note,
            "something that this drawgate has no words for (the worker is newer)".to_owned(),
        ),
        Event::Rejected { .. } | Event::Resolved { .. } | Event::Unknown => Vec::new(),
    }
}

fn mark(severity: Severity) -> Mark {
    match severity {
        Severity::Info => Mark::Ok,
        Severity::Notice | Severity::Warning => Mark::Warn,
        Severity::Error => Mark::Bad,
    }
}

fn accepted(worker: &str, ahead: u32) -> String {
    match ahead {
        0 => format!("accepted by {worker}, lane free"),
        1 => format!("accepted by {worker}, 1 release before it"),
        n => format!("accepted by {worker}, {n} releases before it"),
    }
}

fn joined(rolled: &[String], up_to_date: &[String], by_themselves: &[String]) -> Vec<Line> {
    let told = [
        ("joined meanwhile, rolled too:", rolled),
        ("joined meanwhile, on it already:", up_to_date),
        ("joining, and will start it by themselves:", by_themselves),
    ];
    let some = told.into_iter().filter(|(_, ids)| !ids.is_empty());
    some.map(|(what, ids)| Line::new(Mark::Note, named(what, ids)))
        .collect()
}

fn staged(state: &ViewState, hosts: u32, slowest_ms: u64) -> String {
    let fleet = count(state.planned, "host", "hosts");
    let on = if usize::try_from(hosts) == Ok(state.planned) {
        "image on all".to_owned()
    } else {
        format!("image on {hosts}")
    };
    let digest = state
        .digest
        .as_deref()
        .map_or(String::new(), |digest| format!(", {digest}"));
    format!(
        "preflight: {fleet}, {on} (slowest {}){digest}",
        span_ms(slowest_ms)
    )
}

fn suspended(suspension: &Suspension) -> String {
    let left_alone = match suspension.left_alone.as_slice() {
        [] => String::new(),
        [one] => format!(" ({one} was suspended already: left alone)"),
        some => format!(" ({} were suspended already: left alone)", some.join(", ")),
    };
    match suspension.processes.len() {
        0 => format!("nothing to suspend of {}{left_alone}", suspension.group),
        n => format!(
            "suspended {} of {}{left_alone}",
            count(n, "process", "processes"),
            suspension.group
        ),
    }
}

fn named(verb: &str, alarms: &[String]) -> String {
    let shown: Vec<&str> = alarms
        .iter()
        .take(limits::ALARM_NAMES)
        .map(String::as_str)
        .collect();
    let more = alarms.len().saturating_sub(limits::ALARM_NAMES);
    let more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    let alarms = count(alarms.len(), "alarm", "alarms");
    if shown.is_empty() {
        return format!("{verb} {alarms}");
    }
    format!("{verb} {alarms} ({}{more})", shown.join(", "))
}

fn hook(progress: &HookProgress) -> Line {
    let HookProgress {
        hook,
        attempt,
        attempts,
        ..
    } = progress;
    let on = progress
        .on
        .as_ref()
        .map_or(String::new(), |on| format!(" on {on}"));
    let after = progress
        .took_ms
        .map_or(String::new(), |ms| format!(" after {}", span_ms(ms)));
    let counted = match attempts {
        1 => String::new(),
        attempts => format!(", attempt {attempt} of {attempts}"),
    };
    match progress.state {
        HookState::Begun => Line::new(Mark::Note, format!("{hook} runs{on}")),
        HookState::Passed => Line::new(Mark::Ok, format!("{hook} passed{on}{after}{counted}")),
        HookState::Failed => {
            let why = progress.detail.as_deref().unwrap_or("no reason given");
            Line::new(Mark::Warn, format!("{hook} failed{on}{after}{counted}: {why}"))
        }
    }
}

fn rolling_back(reason: &str, instance: Option<&str>) -> Vec<Line> {
    let named = instance.is_none_or(|instance| reason.contains(instance));
    let reason = match instance.filter(|_| !named) {
        Some(instance) => format!("{instance}: {reason}"),
        None => reason.to_owned(),
    };
    vec![
        Line::new(Mark::Bad, reason),
        Line::new(Mark::Back, "rolling back"),
    ]
}

fn taken_over(worker: &str, open_steps: u32) -> String {
    let open = match open_steps {
        0 => "no step was under way".to_owned(),
        1 => "1 step was under way, it is looked at again".to_owned(),
        n => format!("{n} steps were under way, they are looked at again"),
    };
    format!("taken over by {worker}: {open}")
}
