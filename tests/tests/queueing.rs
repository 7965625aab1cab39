//! Lanes: one release of a target rolls at a time, targets roll side by side, and messages wait for a worker.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use drawgate_schemas::{Event, Outcome, ReleaseId};
use drawgate_tests::lab::TWO;
use drawgate_tests::oracle::Look;
use drawgate_tests::scene::fleet_spec;
use drawgate_tests::{Events, Rolling, Scene, Service, random};
use serde_json::{Value, json};

/// The position of a release's event among all events that were heard.
fn place(events: &Events, id: ReleaseId, kind: &str) -> usize {
    let all = events.all();
    let found = all
        .iter()
        .position(|event| event.release == Some(id) && event.event.kind().name() == kind);
    found.unwrap_or_else(|| panic!("no {kind} of {id}"))
}

#[tokio::test]
async fn two_releases_of_one_target_queue_up() {
    let roll = Rolling::of("search").on(&TWO).images(["v2", "v3"]).begin().await;

    let first = roll.publish("v2").await;
    roll.events.kind(first, "started").await;
    let second = roll.publish("v3").await;
    let ahead = match roll.events.kind(second, "accepted").await.event {
        Event::Accepted { ahead, .. } => ahead,
        other => panic!("{other:?}"),
    };
    assert_eq!(ahead, 1);
    let waiting = roll.scene.show(second).await;
    assert_eq!(waiting["state"], json!({"type": "waiting", "ahead": 1}));
    let lane = status(&roll.scene).await;
    assert_eq!(lane["running"]["release"], json!(first));
    assert_eq!(lane["waiting"][0]["release"], json!(second));
    assert_eq!((&lane["waiting_count"], &lane["last"]), (&json!(1), &Value::Null));
    let why = roll.scene.drawgate(&["why", &second.to_string()]).await;
    let why = String::from_utf8_lossy(&why.stdout).into_owned();
    assert!(
        why.contains("waits for 1 release of its lane") && why.contains(&format!("release {first}")),
        "{why}"
    );
    // The tag is resolved at acceptance: moving it while the release is queued changes nothing.
    roll.events.kind(second, "resolved").await;
    roll.scene.lab.image("search", "v3", "v3-later", "exit").await;

    roll.events.end(first).await;
    roll.judge(second, Outcome::Succeeded).await;
    assert!(
        place(&roll.events, first, "succeeded") < place(&roll.events, second, "started"),
        "the second waited in the queue"
    );
    roll.assert_runs("v3").await;
    let lane = status(&roll.scene).await;
    assert_eq!(lane.get("running"), None);
    assert_eq!(lane["last"]["release"], json!(second));
    assert_eq!(
        (&lane["last"]["version"], &lane["last"]["outcome"]),
        (&json!("v3"), &json!("succeeded"))
    );
    let shown = roll.scene.drawgate(&["status"]).await;
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(
        shown.contains("staging/search") && shown.contains("v3 ok"),
        "{shown}"
    );
    roll.end().await;
}

/// The one lane, as `drawgate status` reports it.
async fn status(scene: &Scene) -> Value {
    let output = scene.drawgate(&["status", "--format", "json"]).await;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(
        said.lines().count(),
        1,
        "{said} {}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_str(&said).unwrap()
}

/// A release begins the moment the one ahead of it has ended, and AWS may still show the suspension tag of the
/// latter. An old answer with the tag refuses nothing; a tag that is there refuses.
#[tokio::test]
async fn trap_14_an_old_answer_shows_the_tag_of_the_release_ahead() {
    let roll = Rolling::of("search").on(&TWO).image("v2").begin().await;
    let lab = &roll.scene.lab;
    // The old answers of this test are those that it asks for.
    lab.set_world(json!({"stale_s": 0})).await;
    let tag = |more: &str| {
        format!("ResourceId=search-staging,ResourceType=auto-scaling-group,Key=drawgate:suspended{more}")
    };
    let set = tag(",Value=01a2-of-the-release-ahead Launch,PropagateAtLaunch=false");
    lab.aws(&["autoscaling", "create-or-update-tags", "--tags", &set])
        .await;

    let refused = roll.publish("v2").await;
    let ended = roll.events.end(refused).await;
    assert_eq!(ended.outcome, Outcome::Failed, "{}", ended.summary);
    assert!(ended.summary.contains("suspension tag"), "{}", ended.summary);

    // The first look at the group finds the hosts that resolve the image's tag, the second one is preflight's.
    lab.fault("autoscaling:DescribeAutoScalingGroups", "stale", 2)
        .await;
    lab.aws(&["autoscaling", "delete-tags", "--tags", &tag("")]).await;
    let id = roll.publish("v2").await;
    roll.judge(id, Outcome::Succeeded).await;
    roll.assert_runs("v2").await;
    roll.end().await;
}

#[tokio::test]
async fn two_targets_run_side_by_side() {
    let scene = Scene::begin().await;
    scene.serve(&Service::of("search"));
    scene.serve(&Service::of("ingest").on_port(8090));
    scene.v1("search", &TWO, &["-p", "8080:8080"]).await;
    scene.v1("ingest", &TWO, &["-p", "8090:8080"]).await;
    let search = scene.lab.fleet(fleet_spec("search", &TWO, &[(8080, 8100)])).await;
    let ingest = scene.lab.fleet(fleet_spec("ingest", &TWO, &[(8090, 8101)])).await;
    for fleet in [&search, &ingest] {
        scene.lab.all_targets(fleet, "healthy").await;
    }
    let search_v2 = scene.lab.image("search", "v2", "v2", "ok").await;
    let ingest_v2 = scene.lab.image("ingest", "v2", "v2", "ok").await;
    let worker = scene.worker().await;
    let events = scene.events().await;
    let before = Look::at(&scene.lab).await;

    let one = scene.publish("search", "v2", &[]).await;
    let other = scene.publish("ingest", "v2", &[]).await;
    events.end(one).await;
    events.end(other).await;
    scene.judge(&events, one, Outcome::Succeeded, &before).await;
    scene.judge(&events, other, Outcome::Succeeded, &before).await;

    assert!(place(&events, one, "started") < place(&events, other, "succeeded"));
    assert!(place(&events, other, "started") < place(&events, one, "succeeded"));
    let after = Look::at(&scene.lab).await;
    after.assert_runs(&search, "search", &scene.pinned("search", &search_v2));
    after.assert_runs(&ingest, "ingest", &scene.pinned("ingest", &ingest_v2));
    scene.end(worker).await;
}

#[tokio::test]
async fn published_while_the_worker_is_down() {
    let mut roll = Rolling::of("search").on(&TWO).images(["v2", "v3"]).begin().await;
    roll.worker.stop().await;

    let first = roll.scene.publish("search", "v2", &[]).await;
    let second = roll.scene.publish("search", "v3", &[]).await;
    roll.scene.broker.holds(&roll.scene.releases_queue(), 2).await;
    assert!(roll.events.all().is_empty(), "nobody was there to say anything");

    roll.worker = roll.scene.worker().await;
    roll.events.end(first).await;
    roll.judge(second, Outcome::Succeeded).await;
    roll.judge(first, Outcome::Succeeded).await;
    assert!(
        place(&roll.events, first, "succeeded") < place(&roll.events, second, "started"),
        "in the order of the queue"
    );
    roll.assert_runs("v3").await;
    roll.end().await;
}

/// Fifty builds of one target, published by five senders in any order: the newest is rolled last, builds that
/// a later one overtook are superseded, and each of them gets its end event.
#[tokio::test]
async fn of_fifty_releases_in_any_order_the_newest_wins() {
    const SENDERS: usize = 5;
    const RELEASES: u64 = 50;
    let mut ready = Rolling::of("search").on(&TWO).prepare().await;
    for n in 1..RELEASES {
        ready
            .scene
            .lab
            .image("search", &format!("build-{n}"), &format!("build-{n}"), "ok")
            .await;
    }
    ready.image("build-50").await;
    let roll = ready.start().await;

    let mut random = random::seeded_by("DRAWGATE_ORDER_SEED");
    let mut builds: Vec<u64> = (1..=RELEASES).collect();
    for place in (1..builds.len()).rev() {
        let other = usize::try_from(random.below(place as u64 + 1)).unwrap();
        builds.swap(place, other);
    }
    let scene_ref = &roll.scene;
    let senders = builds.chunks(builds.len() / SENDERS).map(|builds| async move {
        let mut sent = Vec::new();
        for build in builds {
            let (tag, sequence) = (format!("build-{build}"), build.to_string());
            let id = scene_ref
                .publish("search", &tag, &["--sequence", &sequence])
                .await;
            sent.push((*build, id));
        }
        sent
    });
    let sent: Vec<(u64, ReleaseId)> = futures_util::future::join_all(senders).await.concat();
    assert_eq!(sent.len() as u64, RELEASES);

    let mut rolled = Vec::new();
    for (build, id) in &sent {
        let ended = roll.events.end(*id).await;
        match ended.outcome {
            Outcome::Superseded => {
                assert!(ended.summary.contains("which is newer than"), "{}", ended.summary)
            }
            outcome => {
                assert_eq!(outcome, Outcome::Succeeded, "build {build}: {}", ended.summary);
                rolled.push((place(&roll.events, *id, "succeeded"), *build));
            }
        }
        roll.judge_telling(*id, ended.outcome).await;
    }
    rolled.sort_unstable();
    let order: Vec<u64> = rolled.iter().map(|(_, build)| *build).collect();
    assert!(order.is_sorted() && order.last() == Some(&RELEASES), "{order:?}");
    assert!(order.len() < 10, "hardly any was superseded: {order:?}");
    let after = roll.look().await;
    after.assert_aws_as(&roll.before);
    after.assert_runs(&roll.fleet, "search", &roll.pinned("build-50"));
    roll.end().await;
}

/// A build that comes after a later one has succeeded is not rolled, unless it is forced.
#[tokio::test]
async fn an_older_build_is_superseded_when_late_unless_forced() {
    let roll = Rolling::of("search").on(&TWO).images(["v3", "v2"]).begin().await;
    let id = roll.publish_with_options("v3", &["--sequence", "3"]).await;
    roll.judge(id, Outcome::Succeeded).await;

    let written = roll.scene.lab.writes().await.len();
    let late = roll
        .scene
        .publish_with("search", "v2", &["--sequence", "2", "--wait"])
        .await;
    let said = String::from_utf8_lossy(&late.stderr).into_owned() + &String::from_utf8_lossy(&late.stdout);
    assert_eq!(late.status.code(), Some(8), "{said}");
    assert!(said.contains("of build 3, which is newer than 2"), "{said}");
    assert_eq!(
        roll.scene.lab.writes().await.len(),
        written,
        "something was touched"
    );

    // The older build is superseded again, whether it is published, retried or replayed.
    let id = roll.publish_with_options("v2", &["--sequence", "2"]).await;
    assert_eq!(roll.events.end(id).await.outcome, Outcome::Superseded);
    for verb in ["retry", "replay"] {
        let again = roll.scene.drawgate(&[verb, &id.to_string(), "--wait"]).await;
        let said = String::from_utf8_lossy(&again.stdout).into_owned();
        assert_eq!(again.status.code(), Some(8), "{verb}: {said}");
    }
    assert_eq!(
        roll.scene.lab.writes().await.len(),
        written,
        "something was touched"
    );

    let forced = roll
        .publish_with_options("v2", &["--sequence", "2", "--force"])
        .await;
    roll.judge(forced, Outcome::Succeeded).await;
    roll.assert_runs("v2").await;
    roll.end().await;
}

/// A release of the version that every host runs swaps nothing, unless it is forced.
#[tokio::test]
async fn what_runs_everywhere_is_done_at_once_unless_it_is_forced() {
    let roll = Rolling::of("search").on(&TWO).image("v2").begin().await;
    let id = roll.publish("v2").await;
    roll.judge(id, Outcome::Succeeded).await;

    let (written, running) = (roll.scene.lab.writes().await.len(), roll.look().await);
    let again = roll.publish("v2").await;
    let ended = roll.judge(again, Outcome::Succeeded).await;
    assert_eq!(ended.summary, "2 of 2 serve v2 already: nothing was touched");
    assert_eq!(
        roll.scene.lab.writes().await.len(),
        written,
        "something was touched"
    );
    roll.look().await.assert_containers_as(&running);

    let forced = roll.publish_with_options("v2", &["--force"]).await;
    let ended = roll.judge(forced, Outcome::Succeeded).await;
    assert!(ended.receipt.is_some(), "{}", ended.summary);
    roll.end().await;
}

/// A later build whose tag does not exist ends by itself; the queued build is rolled.
#[tokio::test]
async fn a_later_build_that_cannot_begin_takes_nobodys_place() {
    let roll = Rolling::of("search").on(&TWO).images(["v4", "v5"]).begin().await;
    let first = roll.publish_with_options("v4", &["--sequence", "4"]).await;
    roll.events.kind(first, "started").await;
    let waits = roll.publish_with_options("v5", &["--sequence", "5"]).await;
    let nothing = roll
        .publish_with_options("nobody-pushed-it", &["--sequence", "6"])
        .await;
    assert_eq!(roll.events.end(nothing).await.outcome, Outcome::Failed);
    // The first release ends where the second one starts: AWS is as before when both have ended, and not in
    // between.
    roll.events.end(first).await;
    roll.judge(waits, Outcome::Succeeded).await;
    roll.judge(first, Outcome::Succeeded).await;
    roll.assert_runs("v5").await;
    roll.end().await;
}
