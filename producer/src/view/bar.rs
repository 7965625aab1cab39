//! The progress bar: the part of the screen that is redrawn.

use drawgate_schemas::HostPhase;
use jiff::Timestamp;

use super::state::{HostNow, ViewState};
use super::words::{self, clock, short_instance, span_s};

/// Width of the bar in characters: narrowest, widest.
const BAR_CELLS: (usize, usize) = (12, 32);
/// Hosts that the bar names; further hosts are only counted.
const NAMED_HOSTS: usize = 3;

/// Draws one row where it fits, else two, never wider than `width`. There is no row before the roll or after
/// its end.
pub(crate) fn bar(state: &ViewState, now: Timestamp, width: usize) -> Vec<String> {
    if state.ended.is_some() {
        return Vec::new();
    }
    let Some((done, total)) = progress(state) else {
        return Vec::new();
    };
    let counted = match (state.rolling_back, &state.from) {
        (false, _) => format!("{done} of {total} healthy"),
        (true, Some(from)) => format!("{done} of {total} back on {from}"),
        (true, None) => format!("{done} of {total} as before"),
    };
    let hosts = hosts(state, now);
    let left = left_s(state, now).map(|left| format!("about {} left", span_s(left)));
    let rest = |parts: [&str; 3]| {
        let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        parts.join("   ")
    };
    let left = left.as_deref().unwrap_or_default();
    let one_row = rest([&counted, &hosts, left]);
    let room = width.saturating_sub(5);
    if one_row.chars().count() + BAR_CELLS.1 <= room {
        return vec![row(done, total, BAR_CELLS.1, &one_row)];
    }
    let upper = [rest([&counted, left, ""]), counted]
        .into_iter()
        .find(|upper| upper.chars().count() + BAR_CELLS.0 <= room)
        .unwrap_or_default();
    let cells = room
        .saturating_sub(upper.chars().count())
        .clamp(BAR_CELLS.0, BAR_CELLS.1);
    let rows = [row(done, total, cells, &upper), format!("  {hosts}")];
    rows.into_iter()
        .filter(|row| !row.trim().is_empty())
        .map(|row| drawgate_schemas::limits::cut(&row, width.saturating_sub(1)))
        .collect()
}

fn progress(state: &ViewState) -> Option<(u32, u32)> {
    let planned = u32::try_from(state.planned).unwrap_or(u32::MAX);
    let begun = state.started.is_some() && !state.rolling_back && planned > 0;
    state
        .done
        .or(begun.then_some((0, planned)))
        .filter(|(_, total)| *total > 0)
}

fn row(done: u32, total: u32, cells: usize, text: &str) -> String {
    let share = cells * done as usize / (total as usize).max(1);
    let full = share.min(cells);
    format!("  {}{}  {text}", "=".repeat(full), "-".repeat(cells - full))
}

fn hosts(state: &ViewState, now: Timestamp) -> String {
    let busy = state.busy();
    let mut parts: Vec<String> = busy
        .iter()
        .take(NAMED_HOSTS)
        .map(|(instance, host)| one_host(instance, host, now))
        .collect();
    if busy.len() > NAMED_HOSTS {
        parts.push(format!("and {} more", busy.len() - NAMED_HOSTS));
    }
    if parts.is_empty() && state.resuming {
        parts.push("giving back what was suspended".to_owned());
    }
    parts.join(", ")
}

fn one_host(instance: &str, host: &HostNow, now: Timestamp) -> String {
    let since = seconds_between(host.since, now);
    let what = match host.phase {
        HostPhase::AwaitingHealthy => "getting healthy",
        phase => words::phase(phase, host.direction),
    };
    let of = host
        .expected_s
        .map_or(String::new(), |expected| format!(" of {}", clock(expected)));
    format!("{} {what} {}{of}", short_instance(instance), clock(since))
}

/// Estimates the seconds left: from the pace so far once a host is done, until then from the worker's
/// estimate.
fn left_s(state: &ViewState, now: Timestamp) -> Option<u64> {
    if state.resuming {
        return None;
    }
    let left = match (state.done, state.pace) {
        (Some((done, total)), Some((first, last))) if done > 0 => {
            let rest = u64::from(total.saturating_sub(done));
            let expected = seconds_between(first, last) * rest / u64::from(done);
            expected.checked_sub(seconds_between(last, now))?
        }
        _ if state.rolling_back => return None,
        _ => {
            let (started, expected) = state.started?;
            expected.checked_sub(seconds_between(started, now))?
        }
    };
    (left > 0).then_some(left)
}

fn seconds_between(from: Timestamp, to: Timestamp) -> u64 {
    u64::try_from(to.duration_since(from).as_secs()).unwrap_or(0)
}
