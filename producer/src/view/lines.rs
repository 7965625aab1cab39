//! The lines of text that each event gives.

use drawgate_schemas::{
    AwaitedApproval, Control, Direction, Ended, Event, HookProgress, HookState, HostPhase, HostProgress,
    Outcome, RejectionCode, ReleaseRequest, Severity, StatusEvent, Suspension,
};

use super::layout::{Line, Mark, clean};
use super::state::ViewState;
use super::words::{self, count, short_digest, span_ms, span_s};
use crate::limits;

/// How much of an event is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Detail {
    /// Only lasting news; the bar shows the rest.
    Brief,
    Every,
}

/// The first line about a request: `search-api 4f2c91e -> staging   build 812 by ben`, and the id.
pub(crate) fn header(request: &ReleaseRequest, width: Option<usize>) -> String {
    let what = format!(
        "{} {} -> {}",
        request.service,
        request.version_name(),
        request.environment
    );
    let build = request.build.as_ref().and_then(|build| build.number.as_ref());
    let build = build.map(|number| format!("build {number}"));
    let by = request.requested_by.as_ref().map(|person| format!("by {person}"));
    let origin: Vec<String> = build.into_iter().chain(by).collect();
    let parts = [what, origin.join(" "), format!("release {}", request.id)];
    let mut rows: Vec<String> = Vec::new();
    for part in parts
        .iter()
        .filter(|part| !part.is_empty())
        .map(|part| clean(part))
    {
        let fits =
            |row: &String| width.is_none_or(|width| row.chars().count() + 3 + part.chars().count() <= width);
        match rows.last_mut().filter(|row| fits(row)) {
            Some(row) => *row = format!("{row}   {part}"),
            None => rows.push(part),
        }
    }
    rows.join("\n  ")
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
        Event::Host(progress) => host(state, progress, detail).into_iter().collect(),
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

/// How many approvals a release needs, who can give them, and until when.
pub(super) fn awaits_approval(awaited: &AwaitedApproval) -> String {
    let given = match awaited.given.as_slice() {
        [] => String::new(),
        given => format!(", approved by {}", given.join(", ")),
    };
    format!(
        "waits for approval by {} ({} needed{given}; {}, who published it, may not) until {:.0}",
        awaited.from.join(", "),
        awaited.count,
        awaited.publisher,
        awaited.until
    )
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

fn host(state: &ViewState, progress: &HostProgress, detail: Detail) -> Option<Line> {
    let HostProgress {
        instance,
        phase,
        direction,
        ..
    } = progress;
    let why = progress.detail.as_deref();
    let because = why.map_or(String::new(), |why| format!(": {why}"));
    let counted = format!("{} of {}", progress.done, progress.total);
    let line = match (phase, direction) {
        (HostPhase::Done, Direction::Forward) if detail == Detail::Every => {
            let to = state.to.as_deref().unwrap_or("the new version");
            Line::new(
                Mark::Ok,
                format!("{instance} on {to} and healthy, {counted}{because}"),
            )
        }
        (HostPhase::Done, Direction::Back) => {
            let from = state.from.as_deref().unwrap_or("what it ran before");
            Line::new(
                Mark::Back,
                format!("{instance} on {from} again and healthy, {counted}{because}"),
            )
        }
        (HostPhase::Failed, _) => {
            let before = state
                .hosts
                .get(instance)
                .map(|now| words::phase(now.phase, now.direction));
            let during = before.map_or(String::new(), |phase| format!(", {phase}"));
            Line::new(Mark::Bad, format!("{instance} failed{during}{because}"))
        }
        (HostPhase::Gone, _) => Line::new(Mark::Warn, format!("{instance} left the fleet{because}")),
        // A phase that only begins is told in full detail only; with a detail it is a setback.
        (phase, direction) if why.is_some() => Line::new(
            Mark::Warn,
            format!("{instance} {}{because}", words::phase(*phase, *direction)),
        ),
        (phase, direction) if detail == Detail::Every => {
            let expected = progress
                .expected_s
                .map_or(String::new(), |s| format!(" (about {})", span_s(s)));
            Line::new(
                Mark::Going,
                format!("{instance} {}{expected}", words::phase(*phase, *direction)),
            )
        }
        _ => return None,
    };
    Some(line)
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

/// Lines for the end of a release. In brief, an end other than a success only gets lines about what is left,
/// because the final line tells the end.
fn ended(ended: &Ended, every: bool) -> Vec<Line> {
    let leftovers = ended.receipt.iter().flat_map(|receipt| &receipt.leftovers);
    // A command stands on a line of its own, and whole, so that it can be copied.
    let left = leftovers.flat_map(|leftover| {
        let what = Line::new(Mark::Bad, format!("left: {}", leftover.what));
        let commands = leftover.commands.iter();
        std::iter::once(what).chain(commands.map(|command| Line::whole(Mark::Bad, format!("  {command}"))))
    });
    let told = match ended.outcome {
        Outcome::Succeeded => Some(Line::new(Mark::Ok, ended.summary.as_str())),
        Outcome::RolledBack | Outcome::Cancelled if every => {
            Some(Line::new(Mark::Back, ended.outcome.to_string()))
        }
        Outcome::Superseded if every => Some(Line::new(Mark::Note, ended.outcome.to_string())),
        outcome if every => Some(Line::new(Mark::Bad, outcome.to_string())),
        _ => None,
    };
    left.chain(told).collect()
}

/// The final line, which goes to stdout.
pub(crate) fn final_line(event: &StatusEvent) -> Option<String> {
    let ended = match &event.event {
        Event::Ended(ended) => ended,
        Event::Rejected { rejection, .. } => {
            return Some(clean(&format!(
                "rejected ({}): {}",
                rejection.code, rejection.detail
            )));
        }
        _ => return None,
    };
    let took = ended
        .receipt
        .as_ref()
        .map(|receipt| format!(" in {}", span_ms(receipt.duration_ms)));
    let took = took.unwrap_or_default();
    let summary = &ended.summary;
    Some(clean(&match ended.outcome {
        Outcome::Succeeded => format!("succeeded{took}{}", where_the_time_went(ended)),
        Outcome::RolledBack => format!("failed and restored{took}: {summary}"),
        Outcome::Cancelled => format!("cancelled and restored{took}: {summary}"),
        Outcome::Failed => format!("failed before any host was touched{took}: {summary}"),
        Outcome::Rejected => format!("rejected: {summary}"),
        Outcome::Superseded => format!("superseded: {summary}"),
        Outcome::NeedsOperator => format!(
            "stopped{} and needs an operator: {summary}",
            took.replacen("in", "after", 1)
        ),
    }))
}

fn where_the_time_went(ended: &Ended) -> String {
    let Some(receipt) = &ended.receipt else {
        return String::new();
    };
    let waits = (receipt.balancer_wait_ms > 0).then(|| {
        format!(
            "{} of it the load balancer's own waits",
            span_ms(receipt.balancer_wait_ms)
        )
    });
    let most = receipt
        .costs_most
        .as_ref()
        .map(|what| format!("{what} costs most"));
    let parts: Vec<String> = waits.into_iter().chain(most).collect();
    if parts.is_empty() {
        return String::new();
    }
    format!(" ({})", parts.join("; "))
}

/// What to do about a rejection; `None` where its detail says so already.
pub(crate) fn rejection_hint(code: RejectionCode) -> Option<&'static str> {
    match code {
        RejectionCode::UnknownService | RejectionCode::UnknownEnvironment => {
            Some("`drawgate-worker check` on the bastion shows what it serves, in /etc/drawgate/services/")
        }
        RejectionCode::ImageNotAllowed => {
            Some("the service's file on the bastion lists the images it may run")
        }
        RejectionCode::LessCareful => Some("options may only be more careful than the service's file"),
        RejectionCode::Expired => Some("publish again, with a new id"),
        RejectionCode::IdReused => Some("leave --id out: a new one is made for each release"),
        RejectionCode::LaneFull => Some("publish again when the lane has room"),
        RejectionCode::WrongVersion => Some("drawgate and drawgate-worker are of different versions"),
        RejectionCode::NoEmergency => Some("publish it without --emergency, or ask one who may"),
        RejectionCode::NoPublisher => {
            Some("publish with drawgate, or set the property user_id to the connection's user")
        }
        RejectionCode::DeadLettered => Some("look at the worker's log, and at the queue drawgate.dead"),
        // The detail of these rejections names the ways out.
        RejectionCode::SequenceJump
        | RejectionCode::TooLarge
        | RejectionCode::NotJson
        | RejectionCode::Invalid
        | RejectionCode::WrongRoutingKey => None,
    }
}
