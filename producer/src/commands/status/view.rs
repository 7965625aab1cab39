//! `drawgate status`, for people: a row for each lane, at 80 columns.

use drawgate_schemas::{EndedView, Freeze, LaneView, Outcome, RunningView, limits};
use jiff::Timestamp;

use crate::view::Layout;
use crate::view::words::{ago, count};

/// Widths of the columns: 80 with the blanks between them.
const LANE: usize = 22;
const RUNNING: usize = 20;
const WAITING: usize = 11;
const LAST: usize = 24;
/// Length of a version: as many characters as a short git revision has.
const VERSION: usize = 7;

/// The heading and a row for each lane.
pub(super) fn status(lanes: &[LaneView], freezes: &[Freeze], now: Timestamp) -> Vec<String> {
    let row = |lane: &str, running: &str, waiting: &str, last: &str| {
        let cells = [
            cell(lane, LANE),
            cell(running, RUNNING),
            cell(waiting, WAITING),
            cell(last, LAST),
        ];
        let row = cells.join(" ");
        row.trim_end().to_owned()
    };
    let mut rows = vec![row("LANE", "RUNNING", "WAITING", "LAST")];
    for lane in lanes {
        let name = format!("{}/{}", lane.environment, lane.service);
        let running = lane
            .running
            .as_ref()
            .map_or_else(|| "-".to_owned(), |running| self::running(running, now));
        let last = lane
            .last
            .as_ref()
            .map_or_else(|| "-".to_owned(), |last| ended(last, now));
        rows.push(row(&name, &running, &waiting(lane), &last));
    }
    if lanes.is_empty() {
        rows.push("no release was published yet".to_owned());
    }
    let told: Vec<String> = lanes.iter().flat_map(hosts_apart).collect();
    let layout = Layout {
        width: Some(80),
        times: false,
        colour: false,
    };
    rows.extend(told.iter().map(|line| layout.plain(line)));
    rows.extend(freezes.iter().map(|freeze| layout.plain(&freeze.to_string())));
    rows
}

/// The hosts that a lane's release waits for, and those that it leaves as they are.
fn hosts_apart(lane: &LaneView) -> Vec<String> {
    let Some(running) = &lane.running else {
        return Vec::new();
    };
    let name = format!("{}/{}", lane.environment, lane.service);
    let mut lines = Vec::new();
    if !running.awaits.is_empty() {
        lines.push(format!(
            "{name} begins when its fleet is in order: {}",
            running.awaits.join("; ")
        ));
    }
    if !running.left_out.is_empty() {
        lines.push(format!(
            "{name} leaves out what is out of reach: {}",
            running.left_out.join(", ")
        ));
    }
    lines
}

/// A text cut or padded to a width.
fn cell(text: &str, width: usize) -> String {
    format!("{:<width$}", limits::cut(text, width))
}

fn running(running: &RunningView, now: Timestamp) -> String {
    let version = limits::cut(&running.version, VERSION);
    let way = if running.rolling_back {
        "rolls back".to_owned()
    } else if !running.awaits.is_empty() {
        "awaits".to_owned()
    } else {
        format!("{}/{}", running.good, running.hosts)
    };
    format!("{version} {way} {}", ago(running.since, now))
}

fn waiting(lane: &LaneView) -> String {
    let Some(first) = lane.waiting.first() else {
        return "-".to_owned();
    };
    let version = limits::cut(&first.version, VERSION);
    match (&first.approval, lane.waiting_count) {
        (None, 1) if !first.blockers.is_empty() => whole(&version, "blocked"),
        (Some(_), 1) => whole(&version, "approval"),
        (None, 1) => version,
        (_, n) => count(n as usize, "release", "releases"),
    }
}

/// What a release waits for, with its version before it where the column has room for both.
fn whole(version: &str, what: &str) -> String {
    let both = format!("{version} {what}");
    if both.chars().count() > WAITING {
        what.to_owned()
    } else {
        both
    }
}

fn ended(ended: &EndedView, now: Timestamp) -> String {
    let outcome = match ended.outcome {
        Outcome::Succeeded => "ok",
        Outcome::RolledBack => "rolled back",
        Outcome::NeedsOperator => "!! operator",
        other => other.as_str(),
    };
    format!(
        "{} {outcome} {}",
        limits::cut(&ended.version, VERSION),
        ago(ended.at, now)
    )
}

#[cfg(test)]
mod tests {
    use drawgate_schemas::{AwaitedApproval, Blocker, WaitingView};
    use jiff::SignedDuration;

    use super::*;
    use crate::testing::{self, lane};

    fn last(version: &str, outcome: Outcome, hours: i64) -> Option<EndedView> {
        Some(EndedView {
            release: testing::release(),
            version: version.to_owned(),
            outcome,
            at: testing::begin() - SignedDuration::from_hours(hours),
        })
    }

    #[test]
    fn every_lane_at_80_columns() {
        let now = testing::begin();
        let mut rolls = lane("staging", "search-api");
        rolls.running = Some(RunningView {
            release: testing::release(),
            version: "4f2c91e".to_owned(),
            since: now - SignedDuration::from_mins(2),
            good: 4,
            hosts: 6,
            rolling_back: false,
            awaits: Vec::new(),
            left_out: vec!["i-0c".to_owned()],
        });
        rolls.last = last("9d11ab0", Outcome::Succeeded, 3);
        let mut waits = lane("production", "search-api");
        let waiting = WaitingView {
            release: testing::release(),
            version: "4f2c91e".to_owned(),
            since: now - SignedDuration::from_mins(12),
            approval: Some(AwaitedApproval {
                from: vec!["ops".to_owned()],
                count: 1,
                given: Vec::new(),
                publisher: "ci".to_owned(),
                until: now,
            }),
            blockers: Vec::new(),
        };
        waits.waiting = vec![waiting.clone()];
        waits.waiting_count = 1;
        let mut frozen = lane("production", "ingest");
        frozen.waiting = vec![WaitingView {
            approval: None,
            blockers: vec![Blocker::Frozen(testing::freeze())],
            ..waiting.clone()
        }];
        frozen.waiting_count = 1;
        waits.last = last("88aa210", Outcome::NeedsOperator, 50);
        let mut back = lane("a-very-long-environment", "and-a-long-service");
        back.running = Some(RunningView {
            release: testing::release(),
            version: "a-very-long-version-name".to_owned(),
            since: now - SignedDuration::from_secs(9),
            good: 0,
            hosts: 6,
            rolling_back: true,
            awaits: Vec::new(),
            left_out: Vec::new(),
        });
        back.waiting = vec![waiting.clone(), waiting];
        back.waiting_count = 7;
        back.last = last("c01d33f", Outcome::RolledBack, 24);
        let long = Freeze {
            reason: "the database is being moved ".repeat(8).trim().parse().unwrap(),
            ..testing::freeze()
        };
        let rows = status(
            &[back, waits, frozen, rolls, lane("staging", "fresh")],
            &[testing::freeze(), long],
            now,
        );
        for row in rows.iter().flat_map(|row| row.lines()) {
            assert!(row.chars().count() <= 80, "{row}");
        }
        insta::assert_snapshot!(rows.join("\n"));
        insta::assert_snapshot!("nothing_yet", status(&[], &[], now).join("\n"));
    }
}
