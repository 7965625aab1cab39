//! Whole releases, as a terminal of 80 columns shows them and as a log does.

use drawgate_schemas::{Direction, Event, HostPhase, Outcome, RejectionCode, ReleaseState, StatusEvent};
use jiff::SignedDuration;

use super::*;
use crate::follow::Follower;
use crate::testing::stories::{needs_operator, numbered, rollback, success};
use crate::testing::{self, event, host, view_with};

const TERMINAL: Layout = Layout {
    width: Some(80),
    times: false,
    colour: false,
};

const LOG: Layout = Layout {
    width: None,
    times: true,
    colour: false,
};

/// The whole output of the narrator for these events, stdout and stderr together.
fn told(events: &[StatusEvent], layout: &Layout, detail: Detail) -> String {
    let mut state = ViewState::default();
    let mut rows = vec![header(&testing::request(), layout.width)];
    for event in events {
        rows.extend(
            lines(&state, event, detail)
                .iter()
                .map(|line| layout.line(line, event.at)),
        );
        state.apply(event);
        if let Event::Ended(ended) = &event.event {
            rows.extend(ended.receipt.iter().flat_map(receipt));
            rows.extend(final_line(event).map(|line| format!("stdout: {line}")));
            rows.extend(
                ended
                    .hint
                    .iter()
                    .map(|hint| layout.plain(&format!("hint: {hint}"))),
            );
        }
        if let Event::Rejected { rejection, .. } = &event.event {
            rows.extend(final_line(event).map(|line| format!("stdout: {line}")));
            rows.extend(rejection_hint(rejection.code).map(|hint| format!("hint: {hint}")));
        }
    }
    rows.join("\n")
}

fn both(events: Vec<StatusEvent>) -> String {
    let terminal = told(&events, &TERMINAL, Detail::Brief);
    let log = told(&events, &LOG, Detail::Every);
    format!("{terminal}\n\n--- not a terminal ---\n{log}")
}

#[test]
fn a_success() {
    insta::assert_snapshot!(both(numbered(success())));
}

#[test]
fn a_failure_with_the_rollback() {
    insta::assert_snapshot!(both(numbered(rollback())));
}

#[test]
fn a_rejection() {
    insta::assert_snapshot!(both(vec![testing::rejected(RejectionCode::UnknownService, b"x")]));
}

#[test]
fn an_operator_is_needed() {
    insta::assert_snapshot!(both(numbered(needs_operator())));
}

/// Events that come twice, with a gap and out of order are told as if the connection had never broken.
#[test]
fn a_reconnect_is_told_like_an_unbroken_connection() {
    let all = numbered(success());
    let mut follower = Follower::new(testing::release(), None);
    let mut seen = Vec::new();
    for event in all[..8].iter().chain(&all[5..8]).chain(&all[12..15]) {
        seen.extend(follower.hear(event.clone()).show);
    }
    assert_eq!((seen.len(), follower.last()), (8, 8));
    let page =
        |range: std::ops::Range<usize>, more| view_with(all[range].to_vec(), ReleaseState::Running, more);
    let first = follower.catch_up(page(8..10, true));
    assert!(first.ask);
    seen.extend(first.show);
    seen.extend(follower.catch_up(page(10..14, false)).show);
    for event in &all[13..] {
        seen.extend(follower.hear(event.clone()).show);
    }
    assert_eq!(told(&seen, &LOG, Detail::Every), told(&all, &LOG, Detail::Every));
}

#[test]
fn the_other_ends() {
    let lines = [
        Outcome::Cancelled,
        Outcome::Failed,
        Outcome::Superseded,
        Outcome::Rejected,
        Outcome::NeedsOperator,
        Outcome::Succeeded,
    ]
    .map(|outcome| final_line(&event(9, testing::ended(outcome))).unwrap());
    insta::assert_snapshot!(lines.join("\n"));
}

/// The bar over a roll, at three widths.
#[test]
fn the_bar() {
    let story = numbered(success());
    let mut state = ViewState::default();
    let mut rows = Vec::new();
    for (number, event) in story.iter().enumerate() {
        state.apply(event);
        if ![2, 7, 12, 14, 20, 21].contains(&number) {
            continue;
        }
        for width in [120, 80, 50] {
            let drawn = bar(&state, event.at + SignedDuration::from_secs(4), width);
            assert!(drawn.iter().all(|row| row.chars().count() < width), "{drawn:#?}");
            rows.extend(drawn);
        }
        rows.push(String::new());
    }
    state.apply(story.last().unwrap());
    assert!(bar(&state, testing::begin(), 80).is_empty());
    insta::assert_snapshot!(rows.join("\n"));
}

#[test]
fn many_hosts_at_once_and_the_rollback_in_the_bar() {
    let mut state = ViewState::default();
    for (number, instance) in (1..).zip(["i-01", "i-02", "i-03", "i-04", "i-05"]) {
        state.apply(&event(
            number,
            Event::Host(host(instance, Direction::Forward, HostPhase::Swapping, 0)),
        ));
    }
    let at = testing::begin() + SignedDuration::from_secs(60);
    let forward = bar(&state, at, 80).join("\n");
    state.apply(&event(
        6,
        Event::RollingBack {
            reason: "x".to_owned(),
            instance: None,
        },
    ));
    state.apply(&event(
        7,
        Event::Host(host("i-01", Direction::Back, HostPhase::Done, 1)),
    ));
    insta::assert_snapshot!(format!("{forward}\n\n{}", bar(&state, at, 80).join("\n")));
}

/// Only a row with a word that must stay whole may be wider than the terminal.
#[test]
fn eighty_columns_are_enough() {
    for story in [success(), rollback(), needs_operator()] {
        let text = told(&numbered(story), &TERMINAL, Detail::Brief);
        let told_here = |row: &&str| !row.starts_with("stdout:") && !row.contains("  aws ");
        for row in text.lines().filter(told_here) {
            assert!(row.chars().count() <= 80, "{row}");
        }
    }
}
