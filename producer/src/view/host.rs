//! The line of one host's progress.

use drawgate_schemas::{Direction, HostPhase, HostProgress};

use super::layout::{Line, Mark};
use super::state::ViewState;
use super::words::{self, span_s};

/// The line of one host's progress. `every` tells a phase that only begins, too.
pub(super) fn host(state: &ViewState, progress: &HostProgress, every: bool) -> Option<Line> {
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
        (HostPhase::Done, Direction::Forward) if every => {
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
        (phase, direction) if every => {
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
