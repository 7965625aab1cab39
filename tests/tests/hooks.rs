//! `[before]` and `[after]` on the lab's hosts and on the bastion.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::os::unix::fs::PermissionsExt as _;

use drawgate_schemas::{Event, Hook, HookState, LeftoverKind, Outcome};
use drawgate_tests::lab::{HOSTS, TWO};
use drawgate_tests::wait::until;
use drawgate_tests::{Rolling, Scene, Service};
use serde_json::json;

/// A service whose containers share a folder with their host, so that a hook can leave traces there.
fn with_folder() -> Service {
    let mut service = Service::of("search");
    service.container = "volumes = [\"/home/deploy/conf:/conf\"]".to_owned();
    service
}

/// A `[before]` that runs this script in the image's own shell, with the tag as its argument.
fn before(script: &str, more: &str) -> String {
    format!(
        "[before]\nrun = [\"/bin/sh\", \"-c\", '{script}', \"migrate\", \"{{tag}}\"]\ntimeout = \"20s\"\n{more}\n"
    )
}

/// Makes the shared folder on every host, empty.
async fn folders(scene: &Scene) {
    for host in HOSTS {
        scene
            .lab
            .on_host(host, "rm -rf conf; mkdir -p conf; chmod 777 conf")
            .await;
    }
}

/// The lines that hooks wrote into this file, from all hosts.
async fn traces(scene: &Scene, file: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for host in HOSTS {
        let text = scene
            .lab
            .on_host(host, &format!("cat conf/{file} 2>/dev/null || true"))
            .await;
        lines.extend(text.lines().map(str::to_owned));
    }
    lines
}

/// A program on the bastion with this script.
fn program(scene: &Scene, name: &str, script: &str) -> String {
    let path = scene.folder().join(name);
    std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path.to_str().unwrap().to_owned()
}

/// The worker is killed while `[before]` runs: the next worker waits for its end, and does not run it again.
#[tokio::test]
async fn before_runs_once_though_the_worker_is_killed_while_it_runs() {
    // The sleep covers the time of killing the worker and starting the next one.
    let script = "echo \"$1 $DRAWGATE_PREVIOUS\" >>/conf/ran; \
                  n=0; until [ -e /conf/killed ] || [ $n -ge 200 ]; do busybox sleep 0.1; n=$((n+1)); done; \
                  echo \"$1\" >>/conf/ended";
    let mut ready = Rolling::with(with_folder())
        .service(|service| service.more = before(script, ""))
        .prepare()
        .await;
    folders(&ready.scene).await;
    ready.image("v2").await;
    let mut roll = ready.start().await;

    let id = roll.publish("v2").await;
    roll.events.kind(id, "hook").await;
    until("[before] runs", || async {
        (!traces(&roll.scene, "ran").await.is_empty()).then_some(())
    })
    .await;
    assert_eq!(traces(&roll.scene, "ended").await, Vec::<String>::new());
    roll.worker.kill().await;
    roll.worker = roll.scene.worker().await;
    for host in HOSTS {
        roll.scene.lab.on_host(host, "touch conf/killed").await;
    }
    let ended = roll.judge(id, Outcome::Succeeded).await;

    assert_eq!(traces(&roll.scene, "ran").await, ["v2 v1"]);
    assert_eq!(traces(&roll.scene, "ended").await, ["v2"]);
    let hooks = ended.receipt.unwrap().hooks;
    assert!(
        hooks.len() == 1 && hooks[0].passed && hooks[0].attempts == 2,
        "{hooks:?}"
    );
    roll.assert_runs("v2").await;
    roll.end_after_kill().await;
}

/// A `[before]` that fails leaves everything untouched, its last lines can be read, and the next release may
/// run it again.
#[tokio::test]
async fn before_that_fails_leaves_everything_untouched() {
    let mut ready = Rolling::with(with_folder())
        .service(|service| {
            service.more = before("echo ran >>/conf/ran; echo \"no such table: users\"; exit 3", "")
        })
        .prepare()
        .await;
    folders(&ready.scene).await;
    ready.image("v2").await;
    let roll = ready.start().await;
    roll.scene.lab.post("calls/reset", json!({})).await;

    let output = roll.scene.publish_with("search", "v2", &["--wait"]).await;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    let id = roll
        .events
        .all()
        .first()
        .and_then(|event| event.release)
        .expect("a release");
    let ended = roll.judge(id, Outcome::Failed).await;

    assert!(
        ended
            .summary
            .contains("ended with exit code 3: no such table: users; no host was touched"),
        "{}",
        ended.summary
    );
    assert!(said.contains("[before] failed"), "{said}");
    assert_eq!(traces(&roll.scene, "ran").await, ["ran"]);
    let shown = roll.scene.show(id).await;
    assert_eq!(shown["logs"][0]["lines"], json!(["no such table: users"]));
    roll.assert_containers_as_before().await;
    let mut writes = roll.scene.lab.writes().await;
    // The worker takes the fleet's lease, and gives it back.
    writes.retain(|call| !call["action"].to_string().contains("ssm:"));
    assert!(writes.is_empty(), "nothing is to be touched: {writes:?}");
    roll.end().await;
}

/// The second host fails after a `[before]` that cannot be undone: the first keeps the new version, the
/// others are on the old one, all serve, scaling and alarms are as before, and the outcome calls an operator.
#[tokio::test]
async fn every_host_serves_when_one_fails_and_none_may_roll_back() {
    let mut ready = Rolling::with(with_folder())
        .service(|service| {
            service.more = before("true", "reversible = false");
            service.verify = Some(
        "command = [\"/bin/sh\", \"-c\", \"! /bin/busybox test -e /conf/broken-$APP_VERSION\"]\nattempts = 1"
            .to_owned(),
    );
        })
        .prepare()
        .await;
    folders(&ready.scene).await;
    ready.image("v2").await;
    let order = ready.fleet.in_order();
    ready
        .scene
        .lab
        .on_host(&order[1].host, "touch conf/broken-v2")
        .await;
    let image = ready.scene.image("search", "v2");
    let plan = ready.scene.plan("search", &image, &[]).await;
    let plan = String::from_utf8_lossy(&plan.stdout)
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    assert!(
        plan.contains("note: [before]: reversible = false: once it has run there is no automatic rollback"),
        "{plan}"
    );
    let roll = ready.start().await;

    let id = roll.publish("v2").await;
    let ended = roll.events.end(id).await;
    assert_eq!(ended.outcome, Outcome::NeedsOperator, "{}", ended.summary);

    roll.look().await.assert_aws_as(&roll.before);
    let receipt = ended.receipt.unwrap();
    let versions = |id: &str| {
        let host = receipt.hosts.iter().find(|host| host.instance == id).unwrap();
        host.version_after.clone().unwrap()
    };
    let after: Vec<String> = order.iter().map(|instance| versions(&instance.id)).collect();
    assert_eq!(after, ["v2", "v1", "v1"]);
    let ids: Vec<&str> = order.iter().map(|instance| instance.id.as_str()).collect();
    let [leftover] = &receipt.leftovers[..] else {
        panic!("{:?}", receipt.leftovers);
    };
    let LeftoverKind::OneWay {
        version,
        on_new,
        version_before,
        on_old,
        ..
    } = &leftover.what
    else {
        panic!("{leftover:?}");
    };
    assert_eq!((version.as_str(), version_before.as_str()), ("v2", "v1"));
    assert_eq!(
        (on_new.as_slice(), on_old.as_slice()),
        (
            &[ids[0].to_owned()][..],
            &[ids[1].to_owned(), ids[2].to_owned()][..]
        )
    );
    roll.end().await;
}

/// An `[after]` that passes at its second attempt passes; one that never passes rolls all hosts back. Both
/// run on the bastion.
#[tokio::test]
async fn after_is_retried_and_all_roll_back_when_it_never_passes() {
    let scene = Scene::begin().await;
    let folder = scene.folder().display().to_string();
    let script = format!(
        "echo \"$1 $DRAWGATE_PREVIOUS $(env | grep -c AMQP_URL)\" >>{folder}/tried\n\
         test \"$1\" = v2 && test $(grep -c v2 {folder}/tried) -ge 2"
    );
    let browse = program(&scene, "browse", &script);
    let more = format!(
        "[after]\nrun_on = \"worker\"\nrun = [\"{browse}\", \"{{version}}\"]\nattempts = 2\ninterval = \"100ms\"\n"
    );
    let roll = Rolling::of("search")
        .service(|service| service.more = more)
        .on(&TWO)
        .images(["v2", "v3"])
        .begin_in(scene)
        .await;

    let id = roll.publish("v2").await;
    roll.judge(id, Outcome::Succeeded).await;
    let on_v2 = roll.look().await;
    let hooks: Vec<_> = roll
        .events
        .of(id)
        .into_iter()
        .filter_map(|event| match event.event {
            Event::Hook(hook) => Some((hook.hook, hook.state, hook.attempt)),
            _ => None,
        })
        .collect();
    assert_eq!(
        hooks,
        [
            (Hook::After, HookState::Begun, 1),
            (Hook::After, HookState::Failed, 1),
            (Hook::After, HookState::Passed, 2)
        ]
    );

    let id = roll.publish("v3").await;
    let ended = roll.judge(id, Outcome::RolledBack).await;
    assert!(
        ended.summary.contains("[after]: ") && ended.summary.contains("exit code 1"),
        "{}",
        ended.summary
    );
    roll.look().await.assert_containers_as(&on_v2);
    let tried = std::fs::read_to_string(roll.scene.folder().join("tried")).unwrap();
    assert_eq!(tried, "v2 v1 0\nv2 v1 0\nv3 v2 0\nv3 v2 0\n");
    roll.end().await;
}

/// `[after]` in a container of another image, whose failure is only reported: the release succeeds, and says
/// so loudly.
#[tokio::test]
async fn after_in_an_image_of_its_own_whose_failure_is_only_reported() {
    let scene = Scene::begin().await;
    scene.lab.image("browser", "3", "3", "ok").await;
    let more = format!(
        "[after]\nrun_on = \"container\"\nimage = \"{}\"\nenv = {{ SITE = \"{{environment}}.example.com\" }}\n\
         run = [\"/bin/sh\", \"-c\", 'echo \"$SITE $DRAWGATE_TAG $APP_VERSION is white\"; exit 9']\n\
         on_failure = \"report\"\n",
        scene.image("browser", "3")
    );
    let roll = Rolling::of("search")
        .service(|service| service.more = more)
        .on(&TWO)
        .image("v2")
        .begin_in(scene)
        .await;

    let output = roll.scene.publish_with("search", "v2", &["--wait"]).await;
    let said = String::from_utf8_lossy(&[output.stderr, output.stdout].concat()).into_owned();
    assert_eq!(output.status.code(), Some(0), "{said}");
    let id = roll
        .events
        .all()
        .first()
        .and_then(|event| event.release)
        .expect("a release");
    let ended = roll.judge(id, Outcome::Succeeded).await;

    assert!(
        ended.summary.contains("[after] FAILED: ")
            && ended.summary.ends_with("staging.example.com v2 3 is white"),
        "{}",
        ended.summary
    );
    assert!(
        said.contains("the service's file says on_failure = \"report\""),
        "{said}"
    );
    for host in ["h1", "h2"] {
        let left = roll.scene.lab.containers(host).await;
        assert!(
            !left
                .iter()
                .any(|container| container["Name"].to_string().contains("hook")),
            "{left:?}"
        );
    }
    roll.end().await;
}
