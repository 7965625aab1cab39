//! The events of whole releases, for unit tests.

use drawgate_schemas::{
    AlarmReceipt, Command, Direction, Ended, Event, GroupReceipt, HostPhase, HostReceipt, HostRef,
    LeftoverKind, Outcome, Receipt, Started, StatusEvent, Suspension, TargetReceipt,
};

use super::{digest, event, host, release};

/// The first host of every story.
const A: &str = "i-0a1b2c3d4e5f60718";
/// The second host of every story.
pub(crate) const B: &str = "i-0b1b2c3d4e5f60718";

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

/// A roll in which everything goes well.
pub(crate) fn success() -> Vec<Event> {
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

/// A roll whose second host fails its check, so that the first one goes back.
pub(crate) fn rollback() -> Vec<Event> {
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
            release()
        ));
    }
    events.push(end);
    events
}

/// A roll that leaves something other than it should be.
pub(crate) fn needs_operator() -> Vec<Event> {
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

/// The events with their numbers and times.
pub(crate) fn numbered(events: Vec<Event>) -> Vec<StatusEvent> {
    (1..)
        .zip(events)
        .map(|(number, kind)| event(number, kind))
        .collect()
}
