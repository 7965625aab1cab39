//! The commands of the runbooks, read from the runbooks and run as they stand.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use drawgate_schemas::{Direction, HostPhase, Outcome, ReleaseId};
use drawgate_tests::lab::HOSTS;
use drawgate_tests::oracle::Look;
use drawgate_tests::programs::repository;
use drawgate_tests::runbook::{blocks, follow, shell};
use drawgate_tests::wait::until;
use drawgate_tests::{Bastion, Scene, Service};
use serde_json::json;
use tokio::process::Command;

/// Asserts that all of these were printed, in this order.
fn assert_in_order(printed: &str, wanted: &[&str]) {
    let mut rest = printed;
    for each in wanted {
        let at = rest
            .find(each)
            .unwrap_or_else(|| panic!("{each:?} is not in its place: {printed}"));
        rest = &rest[at + each.len()..];
    }
}

/// The `rabbitmqctl` command for the lab's broker.
fn rabbitmqctl(scene: &Scene) -> String {
    let home = scene.lab.folder().join("rabbitmq");
    format!(
        "env HOME={} ERL_EPMD_ADDRESS=127.0.0.1 /usr/lib/rabbitmq/bin/rabbitmqctl -n lab@localhost",
        home.display()
    )
}

#[test]
fn the_index_has_every_runbook() {
    let index = std::fs::read_to_string(repository("runbooks/README.md")).unwrap();
    for file in std::fs::read_dir(repository("runbooks")).unwrap().flatten() {
        let name = file.file_name().into_string().unwrap();
        let named = name == "README.md" || index.contains(&format!("({name})"));
        assert!(named || file.path().is_dir(), "{name} is not in the index");
    }
}

#[tokio::test]
async fn approve_a_release() {
    let scene = Scene::begin().await;
    scene.configure("[groups]\nops = [\"drawgate\"]\n");
    let mut service = Service::of("search");
    service.more = "[environment.staging]\napproval = { from = [\"ops\"] }".to_owned();
    scene.serve(&service);
    let fleet = scene.fleet_on_v1("search", &HOSTS).await;
    let v2 = scene.lab.image("search", "v2", "v2", "ok").await;
    let worker = scene.worker().await;
    let events = scene.events().await;
    let before = Look::at(&scene.lab).await;

    let image = scene.image("search", "v2");
    let words = [
        "publish",
        "--environment",
        "staging",
        "--service",
        "search",
        "--image",
        &image,
    ];
    let published = scene.drawgate_as("anna", &words).await;
    let id = String::from_utf8(published.stdout).unwrap().trim().to_owned();
    let release = id.parse().unwrap();
    events.kind(release, "awaits_approval").await;
    let printed = follow(&scene, "approve-a-release.md", &[("RELEASE", &id)]).await;
    assert!(
        printed.contains("waits for approval by ops (1 needed; anna,"),
        "{printed}"
    );
    scene.judge(&events, release, Outcome::Succeeded, &before).await;
    Look::at(&scene.lab)
        .await
        .assert_runs(&fleet, "search", &scene.pinned("search", &v2));
    scene.end(worker).await;
}

#[tokio::test]
async fn publish_by_hand_and_hold_a_release() {
    let scene = Scene::begin().await;
    scene.serve(&Service::of("search"));
    let fleet = scene.fleet_on_v1("search", &HOSTS).await;
    let v2 = scene.lab.image("search", "v2", "v2", "ok").await;
    scene.lab.image("search", "v3", "v3", "ok").await;
    let worker = scene.worker().await;
    let events = scene.events().await;
    let before = Look::at(&scene.lab).await;

    let image = scene.image("search", "v2");
    let target = [
        ("ENVIRONMENT", "staging"),
        ("SERVICE", "search"),
        ("IMAGE", image.as_str()),
    ];
    let printed = follow(&scene, "publish-by-hand.md", &target).await;
    assert!(printed.contains("receipt"), "{printed}");
    let on_v2 = Look::at(&scene.lab).await;
    on_v2.assert_runs(&fleet, "search", &scene.pinned("search", &v2));

    let id = scene.publish("search", "v3", &[]).await;
    events
        .nth_phase(id, Direction::Forward, HostPhase::Draining, 1)
        .await;
    follow(&scene, "pause-or-cancel.md", &[("RELEASE", &id.to_string())]).await;
    scene.judge(&events, id, Outcome::Cancelled, &before).await;
    Look::at(&scene.lab).await.assert_containers_as(&on_v2);
    scene.end(worker).await;
}

/// A rollback to v2, although a later build has succeeded; after that there is only v3 to roll back to.
#[tokio::test]
async fn roll_back() {
    let scene = Scene::begin().await;
    scene.serve(&Service::of("search"));
    let fleet = scene.fleet_on_v1("search", &["h1", "h2"]).await;
    let v2 = scene.lab.image("search", "v2", "v2", "ok").await;
    scene.lab.image("search", "v3", "v3", "ok").await;
    let worker = scene.worker().await;
    let events = scene.events().await;
    let before = Look::at(&scene.lab).await;
    let lane = ["--environment", "staging", "--service", "search"];
    let nothing = scene
        .drawgate(&[&["rollback", "--yes"], lane.as_slice()].concat())
        .await;
    let said = String::from_utf8_lossy(&nothing.stderr).into_owned();
    assert_eq!(nothing.status.code(), Some(2), "{said}");
    assert!(
        said.contains("no release of this lane has succeeded yet"),
        "{said}"
    );
    for (tag, sequence) in [("v2", "2"), ("v3", "3")] {
        let id = scene.publish("search", tag, &["--sequence", sequence]).await;
        scene.judge(&events, id, Outcome::Succeeded, &before).await;
    }
    let unsure = scene.drawgate(&[&["rollback"], lane.as_slice()].concat()).await;
    assert_eq!(unsure.status.code(), Some(2));

    let variables = [("ENVIRONMENT", "staging"), ("SERVICE", "search")];
    let printed = follow(&scene, "roll-back.md", &variables).await;
    assert!(
        printed.contains("v3") && printed.contains("succeeded"),
        "{printed}"
    );
    let after = Look::at(&scene.lab).await;
    after.assert_aws_as(&before);
    after.assert_runs(&fleet, "search", &scene.pinned("search", &v2));
    let history = scene
        .drawgate(&[&["history", "--format", "json"], lane.as_slice()].concat())
        .await;
    let newest: serde_json::Value =
        serde_json::from_str(String::from_utf8_lossy(&history.stdout).lines().next().unwrap()).unwrap();
    assert_eq!(newest["digest"], serde_json::json!(v2));
    assert!(
        newest["request"]["reason"]
            .as_str()
            .unwrap()
            .starts_with("back to v2, of release"),
        "{newest}"
    );

    // After a release that rolled back by itself, the hosts run the last good one already: no host is
    // touched.
    scene.lab.image("search", "v4", "v4", "exit").await;
    let id = scene.publish("search", "v4", &["--sequence", "4"]).await;
    scene.judge(&events, id, Outcome::RolledBack, &before).await;
    let gone_back = Look::at(&scene.lab).await;
    gone_back.assert_runs(&fleet, "search", &scene.pinned("search", &v2));
    let again = scene
        .drawgate(&[&["rollback", "--yes", "--wait"], lane.as_slice()].concat())
        .await;
    let said = String::from_utf8_lossy(&again.stderr).into_owned();
    assert_eq!(again.status.code(), Some(0), "{said}");
    Look::at(&scene.lab).await.assert_containers_as(&gone_back);
    scene.end(worker).await;
}

/// The doctor restores a fleet whose ledger is lost: its first look touches nothing and tells of the lease;
/// then all is as before.
#[tokio::test]
async fn lost_ledger() {
    let scene = Scene::begin().await;
    scene.serve(&Service::of("search"));
    let fleet = scene.fleet_on_v1("search", &HOSTS).await;
    scene.lab.image("search", "v2", "v2", "ok").await;
    let worker = scene.worker().await;
    let events = scene.events().await;
    let before = Look::at(&scene.lab).await;

    let id = scene.publish("search", "v2", &[]).await;
    events
        .nth_phase(id, Direction::Forward, HostPhase::Draining, 2)
        .await;
    worker.kill().await;
    scene.lose_ledger();
    let config = scene.folder().join("worker.toml").to_string_lossy().into_owned();
    let variables = [("CONFIG", config.as_str()), ("WORKER", "bastion-lab")];
    let printed = follow(&scene, "lost-ledger.md", &variables).await;
    assert!(
        printed.contains(&id.to_string()) && printed.contains("rolled back"),
        "{printed}"
    );
    scene.lab.all_targets(&fleet, "healthy").await;
    let after = Look::at(&scene.lab).await;
    after.assert_aws_as(&before);
    after.assert_containers_as(&before);
    scene.broker.delete().await;
}

/// Bastion and ledger are gone while a host is out, scaling is suspended and an alarm is off. By the tags
/// alone an operator restores everything, and the next worker, with an empty ledger, rolls.
#[tokio::test]
async fn restore_by_hand_without_the_ledger() {
    let scene = Scene::begin().await;
    scene.serve(&Service::of("search"));
    let fleet = scene.fleet_on_v1("search", &HOSTS).await;
    let v2 = scene.lab.image("search", "v2", "v2", "ok").await;
    let worker = scene.worker().await;
    let events = scene.events().await;
    let before = Look::at(&scene.lab).await;

    let id = scene.publish("search", "v2", &[]).await;
    events
        .nth_phase(id, Direction::Forward, HostPhase::Draining, 1)
        .await;
    worker.kill().await;
    scene.lose_ledger();
    let out = fleet.in_order()[0].id.clone();
    let printed = follow(
        &scene,
        "restore-by-hand.md",
        &[("ENVIRONMENT", "staging"), ("SERVICE", "search")],
    )
    .await;
    assert!(
        printed.contains(&format!(
            "{out} drawgate:target:search-8080:8080 search-8080 {id} {out} 8080"
        )),
        "{printed}"
    );
    scene.lab.all_targets(&fleet, "healthy").await;
    let restored = Look::at(&scene.lab).await;
    restored.assert_aws_as(&before);
    restored.assert_no_tags();

    let worker = scene.worker().await;
    let id = scene.publish("search", "v2", &[]).await;
    scene.judge(&events, id, Outcome::Succeeded, &before).await;
    Look::at(&scene.lab)
        .await
        .assert_runs(&fleet, "search", &scene.pinned("search", &v2));
    scene.end_after_kill(worker).await;
}

/// An environment is frozen and thawed: the releases published meanwhile are rolled then.
#[tokio::test]
async fn freeze() {
    let scene = Scene::begin().await;
    scene.serve(&Service::of("search"));
    let worker = scene.worker().await;
    let variables = [("ENVIRONMENT", "staging"), ("REASON", "db upgrade")];
    let printed = follow(&scene, "freeze.md", &variables).await;
    assert!(
        printed.contains("staging is frozen until") && printed.contains("bastion-lab at "),
        "{printed}"
    );
    let after = scene.drawgate(&["status"]).await;
    let after = String::from_utf8_lossy(&after.stdout).into_owned();
    assert!(!after.contains("frozen"), "{after}");
    scene.end(worker).await;
}
#[tokio::test]
async fn counter_starts_again() {
    let scene = Scene::begin().await;
    let fleet = scene.fleet_on_v1("search", &["h1"]).await;
    let v2 = scene.lab.image("search", "v2", "v2", "ok").await;
    scene.lab.image("search", "v3", "v3", "ok").await;
    let mut service = Service::of("search");
    service.allow_outage = true;
    scene.serve(&service);
    let worker = scene.worker().await;
    let events = scene.events().await;
    let before = Look::at(&scene.lab).await;
    let last = scene.publish("search", "v3", &["--sequence", "812"]).await;
    scene.judge(&events, last, Outcome::Succeeded, &before).await;
    let first = scene.publish("search", "v2", &["--sequence", "1"]).await;
    assert_eq!(events.end(first).await.outcome, Outcome::Superseded);
    let lane = [
        ("ENVIRONMENT", "staging"),
        ("SERVICE", "search"),
        ("REASON", "another workflow"),
    ];
    let printed = follow(&scene, "counter-starts-again.md", &lane).await;
    assert_in_order(
        &printed,
        &[
            "superseded",
            "succeeded",
            "up to 812 were forgotten by drawgate: another workflow",
        ],
    );
    let again = scene.drawgate(&["retry", &first.to_string()]).await;
    let again: ReleaseId = String::from_utf8_lossy(&again.stdout).trim().parse().unwrap();
    scene.judge(&events, again, Outcome::Succeeded, &before).await;
    Look::at(&scene.lab)
        .await
        .assert_runs(&fleet, "search", &scene.pinned("search", &v2));
    scene.end(worker).await;
}

#[tokio::test]
async fn watch_a_release() {
    let scene = Scene::begin().await;
    scene.serve(&Service::of("search"));
    scene.fleet_on_v1("search", &["h1", "h2"]).await;
    scene.lab.image("search", "v2", "v2", "ok").await;
    let worker = scene.worker().await;
    let events = scene.events().await;
    let before = Look::at(&scene.lab).await;

    let id = scene.publish("search", "v2", &[]).await;
    events
        .nth_phase(id, Direction::Forward, HostPhase::Draining, 1)
        .await;
    let id_text = id.to_string();
    let variables = [
        ("ENVIRONMENT", "staging"),
        ("SERVICE", "search"),
        ("RELEASE", id_text.as_str()),
    ];
    let printed = follow(&scene, "watch-a-release.md", &variables).await;
    let wanted = [
        "v2",
        &id_text,
        "it rolls; last: ",
        "succeeded",
        "receipt",
        "staging search succeeded",
        "1 drawgate.accepted",
    ];
    assert_in_order(&printed, &wanted);
    let ended = format!("{} drawgate.succeeded", events.of(id).len());
    assert!(printed.trim_end().ends_with(&ended), "{printed}");
    scene.judge(&events, id, Outcome::Succeeded, &before).await;
    scene.end(worker).await;
}

/// The sshd of a host that is out of service hangs; the runbook finds the host, which comes back once the
/// release is cancelled.
#[tokio::test]
async fn stuck_release() {
    let scene = Scene::begin().await;
    scene.serve(&Service::of("search"));
    let fleet = scene.fleet_on_v1("search", &HOSTS).await;
    scene.lab.image("search", "v2", "v2", "ok").await;
    let worker = scene.worker().await;
    let events = scene.events().await;
    let before = Look::at(&scene.lab).await;

    let id = scene.publish("search", "v2", &[]).await;
    let instance = events
        .nth_phase(id, Direction::Forward, HostPhase::Draining, 1)
        .await;
    let host = fleet.host_of(&instance).to_owned();
    scene.lab.signal_on(&host, "sshd", "STOP").await;
    let id_text = id.to_string();
    let address = host.replace('h', "10.77.0.1");
    let ssh_config = scene
        .lab
        .folder()
        .join("ssh_config")
        .to_string_lossy()
        .into_owned();
    let log = format!("cat {}", scene.folder().join("worker.log").display());
    let variables = [
        ("RELEASE", id_text.as_str()),
        ("LOG", log.as_str()),
        ("INSTANCE", instance.as_str()),
        ("ADDRESS", address.as_str()),
        ("SSH_CONFIG", ssh_config.as_str()),
    ];
    let revive = async {
        events.kind(id, "rolling_back").await;
        scene.lab.signal_on(&host, "sshd", "CONT").await;
    };
    let (printed, ()) = tokio::join!(follow(&scene, "stuck-release.md", &variables), revive);
    let silent = format!("{instance} does not answer");
    let running = format!("{instance}\trunning");
    assert_in_order(
        &printed,
        &["it rolls; last: ", &id_text, &silent, &running, "cancelled"],
    );
    scene.judge(&events, id, Outcome::Cancelled, &before).await;
    Look::at(&scene.lab).await.assert_containers_as(&before);
    scene.end(worker).await;
}

#[tokio::test]
async fn lost_worker() {
    let scene = Scene::begin().await;
    scene.serve(&Service::of("search"));
    let fleet = scene.fleet_on_v1("search", &HOSTS).await;
    let v2 = scene.lab.image("search", "v2", "v2", "ok").await;
    let worker = scene.worker().await;
    let events = scene.events().await;
    let before = Look::at(&scene.lab).await;

    let id = scene.publish("search", "v2", &[]).await;
    events
        .nth_phase(id, Direction::Forward, HostPhase::Draining, 2)
        .await;
    worker.kill().await;
    let bastion = Bastion::of(&scene);
    let start = bastion.command("start");
    let config = scene.folder().join("worker.toml").to_string_lossy().into_owned();
    let id_text = id.to_string();
    let variables = [
        ("RELEASE", id_text.as_str()),
        ("CONFIG", config.as_str()),
        ("START", start.as_str()),
    ];
    let printed = follow(&scene, "lost-worker.md", &variables).await;
    assert_in_order(&printed, &["succeeded", "taken over by bastion-lab at ", "v2 ok"]);
    scene.judge(&events, id, Outcome::Succeeded, &before).await;
    Look::at(&scene.lab)
        .await
        .assert_runs(&fleet, "search", &scene.pinned("search", &v2));
    bastion.stop();
    scene.leave().await;
}

/// The broker dies in mid-roll, and is started by hand.
#[tokio::test]
async fn broker_down() {
    let scene = Scene::begin().await;
    scene.serve(&Service::of("search"));
    let fleet = scene.fleet_on_v1("search", &["h1", "h2"]).await;
    let v2 = scene.lab.image("search", "v2", "v2", "ok").await;
    let worker = scene.worker().await;
    let events = scene.lasting_events().await;
    let before = Look::at(&scene.lab).await;

    let id = scene.publish("search", "v2", &[]).await;
    events
        .nth_phase(id, Direction::Forward, HostPhase::Draining, 1)
        .await;
    scene.lab.post("rabbitmq/stop", json!({})).await;
    let start = format!(
        "curl --silent --fail --output /dev/null --request POST {}/rabbitmq/start",
        std::env::var("LAB_API").unwrap()
    );
    let (id_text, ctl) = (id.to_string(), rabbitmqctl(&scene));
    let variables = [
        ("RELEASE", id_text.as_str()),
        ("RABBITMQCTL", ctl.as_str()),
        ("VHOST", scene.broker.vhost()),
        ("START_BROKER", start.as_str()),
    ];
    let printed = follow(&scene, "broker-down.md#The broker is down", &variables).await;
    assert!(printed.contains("succeeded"), "{printed}");
    scene.judge(&events, id, Outcome::Succeeded, &before).await;
    Look::at(&scene.lab)
        .await
        .assert_runs(&fleet, "search", &scene.pinned("search", &v2));
    worker.stop().await;
}

/// Waits until the broker shows this line: its counts are a few seconds old.
async fn shows_queue(scene: &Scene, ctl: &str, line: &str) {
    until(&format!("the broker shows {line}"), || async {
        let mut words = ctl.split(' ');
        let shown = Command::new(words.next()?)
            .args(words)
            .args(["--quiet", "list_queues", "--vhost", scene.broker.vhost()])
            .args(["name", "messages", "consumers"])
            .output()
            .await
            .unwrap();
        String::from_utf8_lossy(&shown.stdout)
            .contains(line)
            .then_some(())
    })
    .await;
}

/// The worker is away, and its queue takes one message and no more.
#[tokio::test]
async fn queue_full() {
    let scene = Scene::begin().await;
    scene.serve(&Service::of("search"));
    let fleet = scene.fleet_on_v1("search", &["h1", "h2"]).await;
    let v2 = scene.lab.image("search", "v2", "v2", "ok").await;
    scene.worker().await.stop().await;
    let events = scene.events().await;
    let before = Look::at(&scene.lab).await;
    let image = scene.image("search", "v2");
    scene.broker.bound_queues(1).await;
    let mut waiting = 0;
    // The broker enforces the bound only approximately.
    while scene.publish_with("search", "v1", &[]).await.status.success() {
        waiting += 1;
        assert!(waiting < 10, "the queue takes everything");
    }

    let bastion = Bastion::of(&scene);
    let (start, ctl) = (bastion.command("start"), rabbitmqctl(&scene));
    let queue = format!("{}\t{waiting}\t0", scene.releases_queue());
    shows_queue(&scene, &ctl, &queue).await;
    let variables = [
        ("ENVIRONMENT", "staging"),
        ("SERVICE", "search"),
        ("IMAGE", image.as_str()),
        ("RABBITMQCTL", ctl.as_str()),
        ("VHOST", scene.broker.vhost()),
        ("START", start.as_str()),
    ];
    let printed = follow(&scene, "broker-down.md#A queue is full", &variables).await;
    let wanted = ["(nack)", "--id ", &queue, "max-length", "succeeded"];
    assert_in_order(&printed, &wanted);
    let id = published(&printed);
    scene.judge(&events, id, Outcome::Succeeded, &before).await;
    Look::at(&scene.lab)
        .await
        .assert_runs(&fleet, "search", &scene.pinned("search", &v2));
    bastion.stop();
    scene.leave().await;
}

/// The id that `drawgate publish` prints on a line of its own.
fn published(printed: &str) -> ReleaseId {
    let found = printed.lines().find_map(|line| line.parse().ok());
    found.unwrap_or_else(|| panic!("no id of a release: {printed}"))
}

/// First with an error in the file, at which the check stops; then as the runbook has it.
#[tokio::test]
async fn add_a_service() {
    let scene = Scene::begin().await;
    let fleet = scene.fleet_on_v1("search", &["h1", "h2"]).await;
    let v2 = scene.lab.image("search", "v2", "v2", "ok").await;
    let quick = "[roll]\nmin_healthy_time = \"200ms\"\nmin_disk_free = \"64MiB\"";
    let text = blocks("add-a-service.md", "toml")
        .replace("registry.example.com", &scene.lab.registry())
        .replace("[roll]", quick);
    let file = scene.folder().join("mine.toml");
    let bastion = Bastion::of(&scene);
    let restart = bastion.command("restart");
    let config = scene.folder().join("worker.toml").to_string_lossy().into_owned();
    let (path, image) = (file.to_string_lossy().into_owned(), scene.image("search", "v2"));
    let variables = [
        ("FILE", path.as_str()),
        ("CONFIG", config.as_str()),
        ("ENVIRONMENT", "staging"),
        ("SERVICE", "search"),
        ("IMAGE", image.as_str()),
        ("RESTART", restart.as_str()),
    ];

    scene.serve(&Service::of("other"));
    let worker = scene.worker().await;
    let events = scene.events().await;
    worker.stop().await;
    let before = Look::at(&scene.lab).await;
    std::fs::write(&file, text.replace("port = 8080", "prot = 8080")).unwrap();
    let stopped = shell(&scene, "add-a-service.md", &variables).await;
    let said = String::from_utf8_lossy(&[stopped.stdout, stopped.stderr].concat()).into_owned();
    assert!(!stopped.status.success(), "{said}");
    assert_in_order(&said, &["services/search.toml", "prot"]);
    assert!(
        !scene.folder().join("pid").exists(),
        "a worker was started: {said}"
    );

    std::fs::write(&file, text).unwrap();
    let printed = follow(&scene, "add-a-service.md", &variables).await;
    let id = published(&printed);
    assert_in_order(&printed, &[fleet.in_order()[0].id.as_str(), "succeeded"]);
    scene.judge(&events, id, Outcome::Succeeded, &before).await;
    Look::at(&scene.lab)
        .await
        .assert_runs(&fleet, "search", &scene.pinned("search", &v2));
    bastion.stop();
    scene.leave().await;
}

/// A worker with its own key rolls before and after the rotation, without a restart.
#[tokio::test]
async fn rotate_the_ssh_key() {
    let scene = Scene::begin().await;
    let key = give_a_key_of_its_own(&scene).await;
    scene.serve(&Service::of("search"));
    let fleet = scene.fleet_on_v1("search", &["h1", "h2"]).await;
    let v2 = scene.lab.image("search", "v2", "v2", "ok").await;
    scene.lab.image("search", "v3", "v3", "ok").await;
    let worker = scene.worker().await;
    let events = scene.events().await;
    let before = Look::at(&scene.lab).await;
    let id = scene.publish("search", "v3", &[]).await;
    scene.judge(&events, id, Outcome::Succeeded, &before).await;

    let old = std::fs::read_to_string(format!("{key}.pub")).unwrap();
    let config = scene.folder().join("worker.toml").to_string_lossy().into_owned();
    let ssh_config = scene.folder().join("ssh_config").to_string_lossy().into_owned();
    let image = scene.image("search", "v2");
    let variables = [
        ("KEY", key.as_str()),
        ("HOSTS", "10.77.0.11 10.77.0.12"),
        ("SSH_CONFIG", ssh_config.as_str()),
        ("CONFIG", config.as_str()),
        ("ENVIRONMENT", "staging"),
        ("SERVICE", "search"),
        ("IMAGE", image.as_str()),
    ];
    let printed = follow(&scene, "rotate-the-ssh-key.md", &variables).await;
    let instance = &fleet.in_order()[0].id;
    let wanted = [
        "10.77.0.11 takes the new key",
        "10.77.0.12 takes the new key",
        instance,
        "deploy@10.77.0.11: Permission denied",
        "deploy@10.77.0.12: Permission denied",
    ];
    assert_in_order(&printed, &wanted);
    let new = std::fs::read_to_string(format!("{key}.pub")).unwrap();
    for host in ["h1", "h2"] {
        let there = scene.lab.on_host(host, "cat ~/.ssh/authorized_keys").await;
        assert_ne!(old, new);
        assert_eq!(there, new, "keys of {host}");
    }
    let id = scene.publish("search", "v2", &[]).await;
    scene.judge(&events, id, Outcome::Succeeded, &before).await;
    Look::at(&scene.lab)
        .await
        .assert_runs(&fleet, "search", &scene.pinned("search", &v2));
    for host in ["h1", "h2"] {
        scene.lab.on_host(host, "rm -r ~/.ssh").await;
    }
    scene.end(worker).await;
}

/// Gives the worker a key that is in the login's own file on two hosts, and takes the lab's key out of its
/// `ssh_config`.
async fn give_a_key_of_its_own(scene: &Scene) -> String {
    let key = scene.folder().join("key").to_string_lossy().into_owned();
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "of-this-test", "-f", &key])
        .status()
        .await
        .unwrap();
    assert!(made.success());
    let public = std::fs::read_to_string(format!("{key}.pub")).unwrap();
    let add = format!(
        "umask 077; mkdir -p ~/.ssh; echo '{}' > ~/.ssh/authorized_keys",
        public.trim()
    );
    for host in ["h1", "h2"] {
        scene.lab.on_host(host, &add).await;
    }
    let theirs = scene.lab.folder().join("ssh_config");
    let without_key: String = std::fs::read_to_string(&theirs)
        .unwrap()
        .lines()
        .filter(|line| !line.contains("IdentityFile"))
        .map(|line| format!("{line}\n"))
        .collect();
    std::fs::write(scene.folder().join("ssh_config"), without_key).unwrap();
    let file = scene.folder().join("worker.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let with_lab = format!("config_file = \"{}\"", theirs.display());
    assert!(text.contains(&with_lab), "{text}");
    let ours = format!("config_file = \"ssh_config\"\nkey_file = \"{key}\"");
    std::fs::write(file, text.replace(&with_lab, &ours)).unwrap();
    key
}
