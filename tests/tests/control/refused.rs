//! Refused: while the release rolls back, from a login that may not give commands, or because the command is too
//! old.

use drawgate_schemas::{Control, Direction, Event, HostPhase, Outcome};
use drawgate_tests::Rolling;
use drawgate_tests::oracle::Look;
use serde_json::{Value, json};

use crate::command::{commands, not_taken};
use crate::course::Course;
use crate::moments::Moment::Kind;
use crate::moments::begins;

use HostPhase::{AwaitingHealthy, Deregistering, Draining, Registering, Swapping, Verifying};

/// While a release rolls back, the worker refuses every control command at every phase, and says why.
#[tokio::test]
async fn on_the_rollback_every_order_is_refused() {
    let (course, worker) = Course::begin().await;
    course.scene.lab.image("search", "bad", "bad", "exit").await;
    let (id, _) = course.publish("bad", Kind("started")).await;
    course.events.kind(id, "rolling_back").await;
    // Four programs take a while to start on a busy machine, and the rollback of one host is short: the
    // release may have ended by then.
    let reasons = [
        "it is rolling back already, which nothing stops",
        "it has ended: rolled back",
    ];
    course.refused_at_end(id, &reasons).await;
    for phase in [
        Deregistering,
        Draining,
        Swapping,
        Verifying,
        Registering,
        AwaitingHealthy,
    ] {
        course.events.phase(id, Direction::Back, phase).await;
        course.refused_at_end(id, &reasons).await;
    }
    course
        .scene
        .judge(&course.events, id, Outcome::RolledBack, &course.before)
        .await;
    Look::at(&course.scene.lab)
        .await
        .assert_containers_as(&course.before);
    let journal = course.scene.journal(id).await;
    for control in [Control::Pause, Control::Resume, Control::Cancel] {
        assert!(
            commands(&journal, control).is_empty(),
            "{control:?} is in the journal"
        );
    }
    course.refused_at_end(id, &["it has ended: rolled back"]).await;
    course.scene.end(worker).await;
}

/// The worker's file says who may give control commands, and the broker says who asks. A command of yesterday
/// and one without a user id change nothing.
#[tokio::test]
async fn trap_23_old_orders_and_nobodys_orders_change_nothing() {
    let roll = Rolling::of("search")
        .configured("[groups]\nops = [\"ci\"]\n\n[orders]\nfrom = [\"ops\"]\n")
        .image("v2")
        .begin()
        .await;

    let id = roll.publish("v2").await;
    begins(&roll.events, id, 1, HostPhase::Draining).await;
    let question = |expires_at: jiff::Timestamp| {
        let ask = json!({"type": "control", "release": id, "control": "cancel"});
        let question =
            json!({"version": 1, "id": uuid::Uuid::now_v7(), "expires_at": expires_at, "ask": ask});
        serde_json::to_vec(&question).unwrap()
    };
    let now = jiff::Timestamp::now();
    roll.scene
        .broker
        .ask_unsigned(&question(now - jiff::SignedDuration::from_hours(24)))
        .await;
    roll.scene
        .broker
        .ask_unsigned(&question(now + jiff::SignedDuration::from_mins(1)))
        .await;
    not_taken(
        &roll.scene,
        "cancel",
        id,
        &["drawgate may not: [orders] in the worker's file says who may"],
    )
    .await;
    // The worker handles its queue in order, so it has handled both commands by now.
    let journal = roll.scene.journal(id).await;
    assert!(commands(&journal, Control::Cancel).is_empty());

    let url = roll.scene.broker.url_of("ci");
    let output = roll
        .scene
        .drawgate(&[
            "cancel",
            &id.to_string(),
            "--yes",
            "--format",
            "json",
            "--amqp-url",
            &url,
        ])
        .await;
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&told["taken"], &told["worker"]),
        (&json!(true), &json!("bastion-lab"))
    );
    let ended = roll.judge(id, Outcome::Cancelled).await;
    assert!(
        ended.summary.starts_with("cancelled by ci; "),
        "{}",
        ended.summary
    );
    roll.end().await;
}

/// A login at the broker is no right to stop a release, because every build has one. Where the worker's file
/// has no `[orders]`, nobody may, and the refusal, `check` and the log say what to write.
#[tokio::test]
async fn nobody_stops_anything_where_orders_is_left_out() {
    let roll = Rolling::of("search")
        .configured_exactly("")
        .image("v2")
        .begin()
        .await;

    let id = roll.publish("v2").await;
    begins(&roll.events, id, 1, HostPhase::Draining).await;
    let release = id.to_string();
    let lane = ["--environment", "staging"];
    for command in [
        vec!["pause", &release],
        vec!["resume", &release],
        vec!["cancel", &release, "--yes"],
        [&["freeze", "--for", "1h", "--reason", "x"], &lane[..]].concat(),
        [&["thaw"], &lane[..]].concat(),
        [
            &["forget-sequence", "--service", "search", "--reason", "x"],
            &lane[..],
        ]
        .concat(),
    ] {
        let output = roll.scene.drawgate_as("ci", &command).await;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(3), "{command:?}: {said}");
        assert!(
            said.contains("ci may not") && said.contains("write [orders] with from = [\"ops\"]"),
            "{command:?}: {said}"
        );
        let logged = format!("command=\"{}", command[0]);
        assert!(roll.worker.log().contains(&logged), "{logged} is not in the log");
    }
    roll.judge(id, Outcome::Succeeded).await;
    assert!(
        roll.events
            .of(id)
            .iter()
            .all(|event| !matches!(event.event, Event::Control(_)))
    );
    let (code, status) = {
        let output = roll.scene.drawgate(&["status"]).await;
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stdout).into_owned(),
        )
    };
    assert!(code == Some(0) && !status.contains("frozen"), "{status}");
    let checked = roll.scene.drawgate_worker(&["check"]).await;
    let said = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert_eq!(checked.status.code(), Some(0), "{said}");
    assert!(
        said.contains("there is no [orders]: nobody may pause") && said.contains("write [orders] with from"),
        "{said}"
    );
    roll.end().await;
}
