//! The desired version: published when the fleet is good, started by hosts that boot, and restored during
//! rollback.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use drawgate_schemas::{Event, Outcome};
use drawgate_tests::lab::TWO;
use drawgate_tests::oracle::Look;
use drawgate_tests::scene::fleet_spec;
use drawgate_tests::wait::until;
use drawgate_tests::{Beginning, Prepared, Rolling, Scene, Service};
use serde_json::{Value, json};

const DESIRED: &str = "/drawgate/wanted/staging/search";

/// A fleet of two hosts on `v1`, with the third host empty; the group does not replace terminated instances.
fn of_two(service: Service) -> Beginning {
    let mut spec = fleet_spec("search", &TWO, &[(8080, 8100)]);
    spec["suspended"] = json!(["Launch"]);
    Rolling::with(service).on_fleet(spec)
}

async fn container(scene: &Scene, host: &str) -> Value {
    let all = scene.lab.containers(host).await;
    let named = all.iter().find(|each| each["Name"] == "/search");
    named
        .unwrap_or_else(|| panic!("no container search on {host}"))
        .clone()
}

/// The container's configuration, without the parts that differ from host to host.
fn as_asked(container: &Value) -> Value {
    let mut config = container["Config"].clone();
    config.as_object_mut().unwrap().remove("Hostname");
    // The labels about the previous container are left out, because a fresh host had none.
    let labels = config["Labels"].as_object_mut().unwrap();
    labels.remove("drawgate.restart_before");
    json!([config, container["HostConfig"]])
}

#[tokio::test]
async fn trap_10_a_fresh_host_boots_the_desired_version_then_rolls() {
    let mut service = Service::of("search").publishing();
    service.container =
        "env = { STAGE = \"{environment} one\" }\nvolumes = [\"search-data:/data\"]\nmemory = \"64MiB\"\n\
        restart = \"on-failure:4\"\nlabels = { team = \"search\" }\n\
        secrets = { KEY = \"ssm:/search/key|base64\", URL = \"secretsmanager:search#url\" }"
            .to_owned();
    let scene = Scene::begin().await;
    // "hush" in Base64.
    scene.lab.put_parameter("/search/key", "aHVzaA==").await;
    let secret = "{\"url\":\"postgres://hush@db\"}";
    let create = [
        "secretsmanager",
        "create-secret",
        "--name",
        "search",
        "--secret-string",
        secret,
    ];
    scene.lab.aws(&create).await;
    let Prepared { scene, fleet, .. } = of_two(service).prepare_in(scene).await;
    let v2 = scene.lab.image("search", "v2", "v2", "ok").await;
    let v3 = scene.lab.image("search", "v3", "v3", "ok").await;

    let boot = scene.lab.boot("h3", DESIRED, &[]).await;
    assert_eq!(boot.code, Some(0), "{}", boot.said);
    assert!(boot.said.contains("there is no parameter"), "{}", boot.said);
    assert!(scene.lab.containers("h3").await.is_empty());

    let worker = scene.worker().await;
    let events = scene.events().await;
    let id = scene.publish("search", "v2", &[]).await;
    let ended = scene.judge_telling(&events, id, Outcome::Succeeded).await;
    let wanted = ended.receipt.unwrap().desired.unwrap();
    assert_eq!((wanted.before, wanted.after.as_deref()), (None, Some("v2")));

    // An hour later Auto Scaling launches an instance.
    let order = json!({"group": "search-staging", "host": "h3", "pending_s": 1});
    scene.lab.post("group/launch", order).await;
    let boot = scene.lab.boot("h3", DESIRED, &[]).await;
    assert_eq!(boot.code, Some(0), "{}", boot.said);
    let booted = container(&scene, "h3").await;
    assert_eq!(as_asked(&booted), as_asked(&container(&scene, "h1").await));
    let env = booted["Config"]["Env"].to_string();
    assert!(
        env.contains("\"KEY=hush\"") && env.contains("\"URL=postgres://hush@db\""),
        "{env}"
    );
    assert!(
        !scene.lab.parameter(DESIRED).await.unwrap().contains("hush"),
        "a secret is in the parameter"
    );
    assert_eq!(booted["Config"]["Image"], scene.pinned("search", &v2));
    assert_eq!(booted["HostConfig"]["RestartPolicy"]["MaximumRetryCount"], 4);
    // The script runs again, as after a reboot: nothing changes.
    let boot = scene.lab.boot("h3", DESIRED, &[]).await;
    assert_eq!(boot.code, Some(0), "{}", boot.said);
    assert_eq!(container(&scene, "h3").await["Id"], booted["Id"]);
    until("three healthy targets", || async {
        let targets = scene.lab.targets("search-8080").await;
        (targets.len() == 3 && targets.iter().all(|(_, state)| state == "healthy")).then_some(())
    })
    .await;

    let id = scene.publish("search", "v3", &[]).await;
    let ended = scene.judge_telling(&events, id, Outcome::Succeeded).await;
    assert!(ended.summary.starts_with("3 of 3 on v3"), "{}", ended.summary);
    let after = Look::at(&scene.lab).await;
    after.assert_runs(&fleet, "search", &scene.pinned("search", &v3));
    assert_eq!(after.container("h3", "search").image, scene.pinned("search", &v3));
    let kept = after.containers("h3").iter().find(|each| !each.running).unwrap();
    assert_eq!(
        kept.id,
        booted["Id"].as_str().unwrap(),
        "the booted one is kept to go back to"
    );

    what_cannot_be_started_fails(&scene).await;
    scene.end(worker).await;
}

/// An instance that cannot start the version: the script ends with 1 and no container comes back, so that the
/// group's health check replaces the instance.
async fn what_cannot_be_started_fails(scene: &Scene) {
    // The script leaves a container alone that has the name and is another release's.
    let wanted = scene.lab.parameter(DESIRED).await.unwrap();
    let other = wanted.replace(r#""release":""#, r#""release":"not-"#);
    scene.lab.put_parameter(DESIRED, &other).await;
    let before = container(scene, "h3").await["Id"].clone();
    let boot = scene.lab.boot("h3", DESIRED, &[]).await;
    assert!(
        boot.code == Some(0) && boot.said.contains("left as it is"),
        "{boot:?}"
    );
    assert_eq!(container(scene, "h3").await["Id"], before);

    scene
        .lab
        .on_host(
            "h3",
            "docker rm -f $(docker ps -aq) && docker rmi -f $(docker images -q)",
        )
        .await;
    scene.lab.put_parameter(DESIRED, &wanted).await;
    let no_login = ["DOCKER_CONFIG=/nonexistent", "DRAWGATE_BOOT_ATTEMPTS=2"];
    let boot = scene.lab.boot("h3", DESIRED, &no_login).await;
    assert!(
        boot.code == Some(1) && boot.said.contains("could not be pulled"),
        "{boot:?}"
    );
    assert!(boot.said.contains("not yet (1 of 2)"), "{boot:?}");
    assert!(scene.lab.containers("h3").await.is_empty());

    scene
        .lab
        .put_parameter(DESIRED, &wanted.replace("/health", "/nowhere"))
        .await;
    let boot = scene.lab.boot("h3", DESIRED, &[]).await;
    assert!(
        boot.code == Some(1) && boot.said.contains("does not pass its verification"),
        "{boot:?}"
    );
    assert_eq!(
        container(scene, "h3").await["HostConfig"]["RestartPolicy"]["Name"],
        "no"
    );

    scene
        .lab
        .put_parameter(DESIRED, &wanted.replace(r#"{"schema":2"#, r#"{"schema":3"#))
        .await;
    let boot = scene.lab.boot("h3", DESIRED, &[]).await;
    assert!(
        boot.code == Some(1) && boot.said.contains("renew the script"),
        "{boot:?}"
    );
}

/// The new member's address refuses at first, and its engine comes up later: the release awaits, rolls and
/// verifies it.
#[tokio::test]
async fn trap_25_a_member_that_still_boots_is_awaited_and_rolled() {
    let Prepared { scene, fleet, .. } = of_two(Service::of("search").publishing()).prepare().await;
    scene.v1("search", &["h3"], &["-p", "8080:8080"]).await;
    let v2 = scene.lab.image("search", "v2", "v2", "ok").await;
    let worker = scene.worker().await;
    let events = scene.events().await;
    scene.lab.kill_host("h3").await;
    let id = scene.publish("search", "v2", &[]).await;
    events.kind(id, "scaling_suspended").await;
    let order = json!({"group": "search-staging", "host": "h3"});
    let launched = scene.lab.post("group/launch", order).await;
    let told = events
        .find("the wait for it", |event| match &event.event {
            Event::Setback { step, reason } if step.starts_with("look for members") => Some(reason.clone()),
            _ => None,
        })
        .await;
    assert!(told.contains(launched["id"].as_str().unwrap()), "{told}");
    scene.lab.post("hosts/h3/start", json!({})).await;
    let ended = scene.judge_telling(&events, id, Outcome::Succeeded).await;
    assert!(
        ended.summary.starts_with("3 of 3 on v2, 1 joined"),
        "{}",
        ended.summary
    );
    let joined = |event: &Event| matches!(event, Event::Joined { rolled, .. } if rolled.len() == 1);
    assert!(events.of(id).iter().any(|event| joined(&event.event)));
    let look = Look::at(&scene.lab).await;
    look.assert_runs(&fleet, "search", &scene.pinned("search", &v2));
    assert_eq!(look.container("h3", "search").image, scene.pinned("search", &v2));
    scene.end(worker).await;
}

#[tokio::test]
async fn trap_03_a_member_in_standby_is_left_alone() {
    let Prepared { scene, fleet, .. } = of_two(Service::of("search").publishing()).prepare().await;
    let v2 = scene.lab.image("search", "v2", "v2", "ok").await;
    let worker = scene.worker().await;
    let events = scene.events().await;
    let id = scene.publish("search", "v2", &[]).await;
    events.kind(id, "scaling_suspended").await;
    let order = json!({"group": "search-staging", "host": "h3"});
    let launched = scene.lab.post("group/launch", order).await;
    let instance = launched["id"].as_str().unwrap();
    let standby = [
        "autoscaling",
        "enter-standby",
        "--auto-scaling-group-name",
        "search-staging",
    ];
    let more = ["--should-decrement-desired-capacity", "--instance-ids", instance];
    scene.lab.aws(&[&standby[..], &more].concat()).await;
    scene.lab.post("calls/reset", json!({})).await;
    let ended = scene.judge_telling(&events, id, Outcome::Succeeded).await;
    assert!(
        ended.summary.starts_with("2 of 2 on v2, 0 joined"),
        "{}",
        ended.summary
    );
    Look::at(&scene.lab)
        .await
        .assert_runs(&fleet, "search", &scene.pinned("search", &v2));
    assert!(scene.lab.containers("h3").await.is_empty());
    let log = scene.lab.get("calls/log").await;
    let done: Vec<&Value> = log
        .as_array()
        .unwrap()
        .iter()
        .filter(|call| !call.to_string().contains(":Describe") && call.to_string().contains(instance))
        .collect();
    assert!(done.is_empty(), "something was done to it: {done:?}");
    scene.end(worker).await;
}

#[tokio::test]
async fn trap_10_a_missing_permission_is_found_before_any_host() {
    let roll = of_two(Service::of("search").publishing())
        .image("v2")
        .begin()
        .await;
    for action in ["ssm:GetParameter", "ssm:PutParameter"] {
        let fault = json!({"action": action, "mode": "access_denied", "count": 1});
        roll.scene.lab.post("fault", fault).await;
        let id = roll.publish("v2").await;
        let ended = roll.judge(id, Outcome::Failed).await;
        let hint = format!("allow `{action}` in the IAM policy of the worker's role");
        assert_eq!(ended.hint.as_deref(), Some(hint.as_str()), "{}", ended.summary);
        roll.assert_containers_as_before().await;
        assert_eq!(roll.scene.lab.parameter(DESIRED).await, None);
    }
    roll.end().await;
}

#[tokio::test]
async fn trap_10_the_value_of_before_comes_back() {
    let Prepared { scene, fleet, .. } = of_two(Service::of("search").publishing()).prepare().await;
    let v2 = scene.lab.image("search", "v2", "v2", "ok").await;
    scene.lab.image("search", "v3", "v3", "ok").await;
    let worker = scene.worker().await;
    let events = scene.events().await;
    let id = scene.publish("search", "v2", &[]).await;
    scene.judge_telling(&events, id, Outcome::Succeeded).await;
    let wanted = scene.lab.parameter(DESIRED).await.unwrap();

    // Both hosts are on v3 and v3 is published when the fleet cannot be looked over any more.
    let id = scene.publish("search", "v3", &[]).await;
    events.kind(id, "desired_published").await;
    let fault =
        json!({"action": "autoscaling:DescribeAutoScalingGroups", "mode": "access_denied", "count": 1});
    scene.lab.post("fault", fault).await;
    let ended = scene.judge_telling(&events, id, Outcome::RolledBack).await;
    assert_eq!(scene.lab.parameter(DESIRED).await, Some(wanted));
    let told = events.of(id);
    let at = |which: &dyn Fn(&Event) -> bool| told.iter().position(|event| which(&event.event)).unwrap();
    let back =
        at(&|event| matches!(event, Event::DesiredRestored { version_name: Some(name), .. } if name == "v2"));
    let host = at(
        &|event| matches!(event, Event::Host(host) if host.direction == drawgate_schemas::Direction::Back),
    );
    assert!(back < host, "hosts went back before what new instances start did");
    let wanted = ended.receipt.unwrap().desired.unwrap();
    assert_eq!(
        (wanted.before.as_deref(), wanted.after.as_deref()),
        (Some("v2"), Some("v2"))
    );
    Look::at(&scene.lab)
        .await
        .assert_runs(&fleet, "search", &scene.pinned("search", &v2));
    scene.end(worker).await;
}
