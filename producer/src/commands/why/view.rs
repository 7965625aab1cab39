//! `drawgate why`, for people: what a release waits for.

use drawgate_schemas::{
    Blocker, Control, ControlCommand, Event, HostSick, LaneView, ReleaseState, ReleaseView, SickAnswer,
};

use crate::view::words::{awaits_approval, count};
use crate::view::{Detail, ViewState, final_line, lines};

/// What a release waits for, and the command that would end the wait.
pub(super) fn why(view: &ReleaseView, lane: Option<&LaneView>) -> Vec<String> {
    let id = view.request.id;
    let open = !matches!(view.state, ReleaseState::Ended { .. });
    if let Some(paused) = pause(view).filter(|_| open) {
        return vec![
            format!("{}; it waits to be resumed", paused.told()),
            format!("hint: drawgate resume {id}"),
        ];
    }
    match &view.state {
        ReleaseState::Waiting {
            approval: Some(awaited),
            ..
        } => vec![awaits_approval(awaited), format!("hint: drawgate approve {id}")],
        ReleaseState::Waiting { blockers, .. } if !blockers.is_empty() => {
            let hints = blockers.iter().filter_map(|blocker| match blocker {
                Blocker::Frozen(freeze) => Some(match &freeze.environment {
                    Some(environment) => format!("hint: drawgate thaw --environment {environment}"),
                    None => "hint: drawgate thaw".to_owned(),
                }),
                Blocker::Closed { .. } => None,
            });
            blockers.iter().map(ToString::to_string).chain(hints).collect()
        }
        ReleaseState::Waiting { ahead: 0, .. } => {
            vec!["it is the next of its lane and begins when the worker takes it over".to_owned()]
        }
        ReleaseState::Waiting { ahead, .. } => {
            let before = count(*ahead as usize, "release", "releases");
            let mut rows = vec![format!("waits for {before} of its lane")];
            rows.extend(
                lane.and_then(first_of)
                    .map(|first| format!("first of them: {first}")),
            );
            rows
        }
        ReleaseState::Running => running(view),
        ReleaseState::Ended { outcome } => {
            let told = view.events.iter().rev().find_map(final_line);
            let told = told.unwrap_or_else(|| outcome.to_string());
            let mut rows = vec![format!("it waits for nothing, it has ended: {told}")];
            rows.extend(way_out(view).map(|hint| format!("hint: {hint}")));
            rows
        }
    }
}

/// The hint in the event of the release's end.
fn way_out(view: &ReleaseView) -> Option<&str> {
    view.events.iter().rev().find_map(|event| match &event.event {
        Event::Ended(ended) => ended.hint.as_deref(),
        _ => None,
    })
}

fn first_of(lane: &LaneView) -> Option<String> {
    if let Some(running) = &lane.running {
        let way = if running.rolling_back {
            "rolls back"
        } else {
            "rolls"
        };
        let (version, release) = (&running.version, running.release);
        return Some(format!(
            "{version} {way}, {}/{} hosts, release {release}",
            running.good, running.hosts
        ));
    }
    let first = lane.waiting.first()?;
    let wait = match &first.approval {
        Some(approval) => awaits_approval(approval),
        None => first
            .blockers
            .first()
            .map_or_else(|| "waits too".to_owned(), ToString::to_string),
    };
    Some(format!("{} {wait}, release {}", first.version, first.release))
}

/// The pause that the release is in. A release that has rolled back is in no pause.
fn pause(view: &ReleaseView) -> Option<&ControlCommand> {
    let last = view.events.iter().rev().find_map(|event| match &event.event {
        Event::Control(command) if matches!(command.control, Control::Pause | Control::Resume) => {
            Some(Some(command))
        }
        Event::RollingBack { .. } => Some(None),
        _ => None,
    })?;
    last.filter(|command| command.control == Control::Pause)
}

/// The sick hosts that the release waits for.
fn sick(view: &ReleaseView) -> Option<&HostSick> {
    let last = view.events.iter().rev().find_map(|event| match &event.event {
        Event::HostSick(sick) => Some(Some(sick)),
        Event::SickWaitOver | Event::RollingBack { .. } => Some(None),
        _ => None,
    })?;
    last.filter(|sick| matches!(sick.answer, SickAnswer::Waits { .. }))
}

/// What a rolling release does: the sick hosts it waits for, or the last line of news.
fn running(view: &ReleaseView) -> Vec<String> {
    let id = view.request.id;
    if let Some(sick) = sick(view) {
        let hint = "hint: mend or terminate it; what replaces unhealthy instances runs meanwhile";
        return vec![sick.to_string(), hint.to_owned()];
    }
    let mut known = ViewState::default();
    let mut last = None;
    for event in &view.events {
        last = lines(&known, event, Detail::Every)
            .into_iter()
            .next_back()
            .or(last);
        known.apply(event);
    }
    let last = last.map_or_else(String::new, |line| format!("; last: {}", line.text));
    vec![format!("it rolls{last}"), format!("hint: drawgate watch {id}")]
}

#[cfg(test)]
mod tests {
    use drawgate_schemas::{AwaitedApproval, Direction, HostPhase, Outcome, RunningView};

    use super::*;
    use crate::testing;

    fn told(state: ReleaseState, events: Vec<Event>, lane: Option<&LaneView>) -> String {
        let events = events
            .into_iter()
            .zip(1..)
            .map(|(event, n)| testing::event(n, event));
        why(&testing::view_with(events.collect(), state, false), lane).join("\n")
    }

    /// What is resumed and suspended again during the wait comes later in the events, and is not what the
    /// release waits for.
    #[test]
    fn sick_hosts_are_what_it_waits_for_until_the_wait_is_over() {
        let waits = || {
            Event::HostSick(HostSick {
                instances: vec!["i-1".to_owned()],
                target_group: "web".to_owned(),
                healthy: 3,
                floor: 3,
                answer: SickAnswer::Waits {
                    until: "2026-01-01T00:10:00Z".parse().unwrap(),
                },
            })
        };
        let resumed = || Event::Warning {
            text: "resumed".to_owned(),
        };
        let text = told(ReleaseState::Running, vec![waits(), resumed()], None);
        assert!(text.starts_with("i-1 is not healthy in web"), "{text}");
        assert!(text.contains("waiting until 2026-01-01T00:10:00Z"), "{text}");
        let over = told(ReleaseState::Running, vec![waits(), Event::SickWaitOver], None);
        assert!(over.starts_with("it rolls"), "{over}");
    }

    /// A waiting release can be paused too. A release that has rolled back is in no pause any more.
    #[test]
    fn a_pause_is_told_until_it_is_over() {
        let command = |control| {
            Event::Control(ControlCommand {
                control,
                by: "anna".to_owned(),
                reason: None,
                digest: None,
            })
        };
        let waiting = || ReleaseState::Waiting {
            ahead: 0,
            approval: None,
            blockers: Vec::new(),
        };
        let back = || Event::RollingBack {
            reason: "max_pause".to_owned(),
            instance: None,
        };
        let is_paused = |state, events| told(state, events, None).contains("drawgate resume");
        assert!(is_paused(waiting(), vec![command(Control::Pause)]));
        assert!(is_paused(ReleaseState::Running, vec![command(Control::Pause)]));
        assert!(!is_paused(
            waiting(),
            vec![command(Control::Pause), command(Control::Resume)]
        ));
        assert!(!is_paused(
            ReleaseState::Running,
            vec![command(Control::Pause), back()]
        ));
        let ended = ReleaseState::Ended {
            outcome: Outcome::RolledBack,
        };
        assert!(!is_paused(ended, vec![command(Control::Pause)]));
    }

    #[test]
    fn what_a_release_waits_for() {
        let approval = AwaitedApproval {
            from: vec!["ops".to_owned()],
            count: 1,
            given: Vec::new(),
            publisher: "ci".to_owned(),
            until: testing::begin(),
        };
        let lane = LaneView {
            environment: "staging".parse().unwrap(),
            service: "search-api".parse().unwrap(),
            running: Some(RunningView {
                release: testing::release(),
                version: "9d11ab0".to_owned(),
                since: testing::begin(),
                good: 4,
                hosts: 6,
                rolling_back: false,
                awaits: Vec::new(),
                left_out: Vec::new(),
            }),
            waiting: Vec::new(),
            waiting_count: 2,
            last: None,
            freezes: Vec::new(),
        };
        let waiting = |ahead, approval| ReleaseState::Waiting {
            ahead,
            approval,
            blockers: Vec::new(),
        };
        let held = ReleaseState::Waiting {
            ahead: 0,
            approval: None,
            blockers: vec![
                Blocker::Frozen(testing::freeze()),
                Blocker::Closed {
                    opens_at: testing::begin(),
                    windows: "Mon-Thu 08:00-16:00 (UTC)".to_owned(),
                },
            ],
        };
        let draining = testing::host("i-0a", Direction::Forward, HostPhase::Draining, 1);
        let paused = ControlCommand {
            control: Control::Pause,
            by: "anna".to_owned(),
            reason: None,
            digest: None,
        };
        let outcome = Outcome::RolledBack;
        let all = [
            told(waiting(0, Some(approval)), Vec::new(), None),
            told(waiting(2, None), Vec::new(), Some(&lane)),
            told(waiting(0, None), Vec::new(), None),
            told(held, Vec::new(), None),
            told(ReleaseState::Running, vec![Event::Host(draining)], None),
            told(ReleaseState::Running, vec![Event::Control(paused)], None),
            told(
                ReleaseState::Ended { outcome },
                vec![testing::ended(outcome)],
                None,
            ),
        ];
        insta::assert_snapshot!(all.join("\n\n"));
    }
}
