//! Whole releases, as a terminal of 80 columns shows them and as a log does.

use drawgate_schemas::{
    AlarmReceipt, Command, Direction, Ended, Event, GroupReceipt, HostLogs, HostPhase, HostReceipt, HostRef,
    LeftoverKind, Outcome, Receipt, RejectionCode, ReleaseState, Started, StatusEvent, Suspension,
    TargetReceipt,
};
use jiff::SignedDuration;

use super::*;
use crate::follow::Follower;
use crate::testing::{self, digest, event, host, view_with};

const A: &str = "i-0a1b2c3d4e5f60718";
const B: &str = "i-0b1b2c3d4e5f60718";

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

fn accepted(ahead: u32) -> Event {
    Event::Accepted {
        version_name: "4f2c91e".to_owned(),
        image: "registry.example.com/search-api:4f2c91e".to_owned(),
        ahead,
        requested_by: Some("ben".to_owned()),
        build: Some("812".to_owned()),
        build_url: None,
    }
}

fn started() -> Event {
    let instances = [A, B, "i-0c", "i-0d", "i-0e", "i-0f"];
    let host = |instance: &str| HostRef {
        instance: instance.to_owned(),
        address: "10.0.0.1".to_owned(),
    };
    Event::Started(Box::new(Started {
        hosts: instances.map(host).to_vec(),
        from: Some("9d11ab0".to_owned()),
        to: "4f2c91e".to_owned(),
        digest: Some(digest()),
        max_unavailable: 1,
        groups: vec!["search-api-asg".to_owned()],
        target_groups: vec!["search-api".to_owned()],
        expected_s: 265,
        warnings: vec![
            "the scheduled action `night` is due in 40 min, in the middle of this roll".to_owned(),
        ],
    }))
}

fn suspension() -> Suspension {
    let processes = [
        "AZRebalance",
        "AlarmNotification",
        "HealthCheck",
        "ReplaceUnhealthy",
        "InstanceRefresh",
    ];
    Suspension {
        group: "search-api-asg".to_owned(),
        processes: processes.map(str::to_owned).to_vec(),
        left_alone: vec!["ScheduledActions".to_owned()],
    }
}

fn alarms() -> Vec<String> {
    ["5xx", "latency", "cpu", "memory"]
        .map(|name| format!("search-api-{name}"))
        .to_vec()
}

/// The events with which every release here begins.
fn opening() -> Vec<Event> {
    vec![
        accepted(0),
        Event::Resolved { digest: digest() },
        started(),
        Event::Staged {
            hosts: 6,
            slowest_ms: 8_240,
        },
        Event::ScalingSuspended(suspension()),
        Event::AlarmsSilenced {
            alarms: alarms(),
            until: None,
        },
    ]
}

fn roll(instance: &str, done_before: u32) -> Vec<Event> {
    use HostPhase::{AwaitingHealthy, Deregistering, Done, Draining, Registering, Swapping, Verifying};
    let phases = [
        Deregistering,
        Draining,
        Swapping,
        Verifying,
        Registering,
        AwaitingHealthy,
    ];
    let mut events: Vec<Event> = phases
        .map(|phase| Event::Host(host(instance, Direction::Forward, phase, done_before)))
        .to_vec();
    events.push(Event::Host(host(
        instance,
        Direction::Forward,
        Done,
        done_before + 1,
    )));
    events
}

fn host_receipt(instance: &str, after: &str, touched: bool) -> HostReceipt {
    let image = |tag: &str| Some(format!("registry.example.com/search-api:{tag}"));
    HostReceipt {
        instance: instance.to_owned(),
        touched,
        gone: false,
        joined: false,
        image_before: image("9d11ab0"),
        image_after: image(after),
        version_before: Some("9d11ab0".to_owned()),
        version_after: Some(after.to_owned()),
        targets: vec![TargetReceipt {
            target_group: "search-api".to_owned(),
            port: 8080,
            before: "healthy".to_owned(),
            after: "healthy".to_owned(),
        }],
        without_container_ms: Some(77),
        phases: Vec::new(),
    }
}

fn receipt_of(hosts: Vec<HostReceipt>, duration_ms: u64) -> Receipt {
    let alarm = |alarm: String| AlarmReceipt {
        alarm,
        before: true,
        after: true,
    };
    Receipt {
        digest: Some(digest()),
        tag_moved_to: None,
        desired: None,
        duration_ms,
        balancer_wait_ms: 0,
        costs_most: None,
        hosts,
        groups: vec![GroupReceipt {
            group: "search-api-asg".to_owned(),
            before: vec!["ScheduledActions".to_owned()],
            suspended: suspension().processes,
            after: vec!["ScheduledActions".to_owned()],
        }],
        alarms: alarms().into_iter().map(alarm).collect(),
        notes: Vec::new(),
        hooks: Vec::new(),
        leftovers: Vec::new(),
    }
}

fn the_end(outcome: Outcome, summary: &str, receipt: Receipt) -> Event {
    Event::Ended(Box::new(Ended {
        outcome,
        summary: summary.to_owned(),
        hint: None,
        receipt: Some(receipt),
    }))
}

fn success() -> Vec<Event> {
    let mut events = opening();
    events.extend(roll(A, 0));
    events.extend(roll(B, 1));
    events.push(Event::ScalingResumed(suspension()));
    events.push(Event::AlarmsUnsilenced { alarms: alarms() });
    let receipt = Receipt {
        balancer_wait_ms: 262_000,
        costs_most: Some("the deregistration delay of 30 s".to_owned()),
        ..receipt_of(
            [A, B].map(|id| host_receipt(id, "4f2c91e", true)).to_vec(),
            271_000,
        )
    };
    let summary = "6 of 6 on 4f2c91e, 0 joined, scaling and alarms as before";
    events.push(the_end(Outcome::Succeeded, summary, receipt));
    events
}

fn rollback() -> Vec<Event> {
    let mut events = opening();
    events.extend(roll(A, 0));
    events.push(Event::Host(host(B, Direction::Forward, HostPhase::Draining, 1)));
    let mut setback = host(B, Direction::Forward, HostPhase::Verifying, 1);
    setback.detail = Some(
        "attempt 3 of 3 failed: GET /health 500 \"db: no such table: users\"\nat line 7\x1b[2J".to_owned(),
    );
    events.push(Event::Host(setback));
    events.push(Event::RollingBack {
        reason: format!("verify {B}: GET /health 500 \"db: no such table: users\""),
        instance: Some(B.to_owned()),
    });
    for (number, instance) in [(1, B), (2, A)] {
        let mut back = host(instance, Direction::Back, HostPhase::Done, number);
        back.total = 2;
        events.push(Event::Host(back));
    }
    events.push(Event::ScalingResumed(suspension()));
    let untouched = host_receipt("i-0c", "9d11ab0", false);
    let hosts = vec![host_receipt(A, "9d11ab0", true), untouched];
    let summary = format!(
        "verify {B}: GET /health 500 \"db: no such table: users\"; service is on what it was before everywhere, \
         scaling and alarms as before"
    );
    let mut end = the_end(Outcome::RolledBack, &summary, receipt_of(hosts, 72_000));
    if let Event::Ended(ended) = &mut end {
        ended.hint = Some(format!(
            "drawgate show {} --logs has the container's last lines",
            testing::release()
        ));
    }
    events.push(end);
    events
}

fn needs_operator() -> Vec<Event> {
    let mut events = opening();
    events.push(Event::TakenOver { open_steps: 1 });
    let mut receipt = receipt_of(vec![host_receipt(A, "4f2c91e", true)], 3_725_000);
    receipt.hosts[0].image_after = None;
    receipt.hosts[0].version_after = None;
    receipt.hosts[0].targets[0].after = "unused".to_owned();
    receipt.groups[0].after = vec!["HealthCheck".to_owned(), "ScheduledActions".to_owned()];
    receipt.alarms[0].after = false;
    let absent = LeftoverKind::Target {
        id: A.to_owned(),
        port: 8080,
        target_group: "search-api".to_owned(),
        found: "absent".to_owned(),
        expected: "healthy".to_owned(),
    };
    let suspended = LeftoverKind::ProcessesSuspended {
        group: "search-api-asg".to_owned(),
        processes: vec!["HealthCheck".to_owned()],
    };
    let register = Command::anywhere(format!(
        "aws elbv2 register-targets --target-group-arn \
         arn:aws:elasticloadbalancing:us-west-2:123456789012:targetgroup/search-api/0123456789abcdef \
         --targets Id={A},Port=8080"
    ));
    let resume = Command::anywhere(
        "aws autoscaling resume-processes --auto-scaling-group-name search-api-asg --scaling-processes HealthCheck",
    );
    receipt.leftovers = vec![
        absent.mended_by(vec![register]),
        suspended.mended_by(vec![resume]),
    ];
    let summary = format!("register {A}: access denied; 2 leftovers");
    events.push(the_end(Outcome::NeedsOperator, &summary, receipt));
    events
}

fn numbered(events: Vec<Event>) -> Vec<StatusEvent> {
    (1..)
        .zip(events)
        .map(|(number, kind)| event(number, kind))
        .collect()
}

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

#[test]
fn shown_for_people() {
    let outcome = Outcome::RolledBack;
    let mut view = view_with(numbered(rollback()), ReleaseState::Ended { outcome }, false);
    view.logs = vec![HostLogs {
        instance: B.to_owned(),
        lines: vec![
            "starting".to_owned(),
            "\x1b[31mdb: no such table\x1b[0m".to_owned(),
        ],
    }];
    insta::assert_snapshot!(show(&view, &LOG).join("\n"));
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
