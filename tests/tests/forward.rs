//! Releases that succeed, and the details of a roll.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use drawgate_schemas::{Direction, Event, HostPhase, Outcome};
use drawgate_tests::lab::{HOSTS, TWO};
use drawgate_tests::oracle::Look;
use drawgate_tests::scene::fleet_spec;
use drawgate_tests::wait::until;
use drawgate_tests::{Load, Prepared, Rolling, Scene, Service};
use serde_json::json;

/// The main case, with every setting that a service file has for containers; then a second release over
/// Drawgate's own container.
#[tokio::test]
async fn roll_of_three() {
    let mut service = Service::of("search");
    service.fleet = "[fleet]\ntags = { stack = \"search\", deployment = \"{environment}\" }".to_owned();
    service.container = "env = { LOG_LEVEL = \"info\", STAGE = \"{environment}\" }\n\
        volumes = [\"/dev/log:/dev/log\", \"search-data:/data\"]\nrestart = \"unless-stopped\"\nmemory = \"64MiB\"\n\
        cpus = 0.5\nlabels = { team = \"search\" }\nlog = { driver = \"json-file\", options = { max-size = \"1m\" } }"
        .to_owned();
    let roll = Rolling::with(service).image("v2").begin().await;
    let load = roll.load().await;

    let output = roll
        .scene
        .publish_with(
            "search",
            "v2",
            &["--wait", "--revision", "4f2c91e07ab2", "--requested-by", "ben"],
        )
        .await;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{said}");
    let id = roll
        .events
        .all()
        .first()
        .and_then(|event| event.release)
        .expect("a release");
    let ended = roll.judge(id, Outcome::Succeeded).await;

    let served = load.stop_unharmed().await;
    assert!(
        served.by_version.contains_key("v1") && served.by_version.contains_key("v2"),
        "{:?}",
        served.by_version
    );
    assert_eq!(roll.most_out().await.max(1), 1);
    let after = roll.look().await;
    after.assert_no_tags();
    after.assert_runs(&roll.fleet, "search", &roll.pinned("v2"));
    assert_container_is_as_the_file_says(&roll.scene).await;
    assert_hosts_log_through_the_mount(&roll.scene).await;
    let receipt = ended.receipt.unwrap();
    assert_eq!(receipt.digest.as_ref().unwrap().as_str(), roll.digest("v2"));
    assert_eq!(receipt.groups[0].before, ["ScheduledActions"]);
    assert!(
        !receipt.groups[0]
            .suspended
            .contains(&"ScheduledActions".to_owned())
    );
    assert_eq!(
        receipt
            .alarms
            .iter()
            .map(|alarm| alarm.alarm.as_str())
            .collect::<Vec<_>>(),
        ["search-5xx"]
    );
    assert!(
        receipt
            .hosts
            .iter()
            .all(|host| host.touched && host.without_container_ms.is_some()),
        "{receipt:?}"
    );
    for host in HOSTS {
        let kept: Vec<_> = after.containers(host).iter().filter(|c| !c.running).collect();
        assert_eq!(
            kept.len(),
            1,
            "the replaced container is kept, stopped, on {host}: {kept:?}"
        );
        assert_eq!(
            kept[0].restart, "no",
            "a stopped container must not come back when the engine starts"
        );
    }

    let v3 = roll.scene.lab.image("search", "v3", "v3", "ok").await;
    let id = roll.publish("v3").await;
    roll.judge(id, Outcome::Succeeded).await;
    let after = roll.look().await;
    after.assert_runs(&roll.fleet, "search", &roll.scene.pinned("search", &v3));
    for host in HOSTS {
        let images: Vec<_> = after
            .containers(host)
            .iter()
            .map(|container| container.image.as_str())
            .collect();
        assert_eq!(
            images.len(),
            2,
            "one that runs and one to go back to on {host}: {images:?}"
        );
        assert!(images.contains(&roll.pinned("v2").as_str()), "{images:?}");
    }
    roll.end().await;
}

async fn assert_container_is_as_the_file_says(scene: &Scene) {
    let containers = scene.lab.containers("h2").await;
    let container = containers
        .iter()
        .find(|each| each["Name"] == "/search")
        .expect("the container");
    let (config, host) = (&container["Config"], &container["HostConfig"]);
    let env = config["Env"].as_array().unwrap();
    assert!(
        env.contains(&json!("LOG_LEVEL=info")) && env.contains(&json!("STAGE=staging")),
        "{env:?}"
    );
    assert_eq!(config["Labels"]["team"], "search");
    assert_eq!(host["Binds"], json!(["/dev/log:/dev/log", "search-data:/data"]));
    assert_eq!(host["RestartPolicy"]["Name"], "unless-stopped");
    assert_eq!(
        (&host["Memory"], &host["NanoCpus"]),
        (&json!(64 << 20), &json!(500_000_000))
    );
    assert_eq!(host["LogConfig"]["Type"], "json-file");
    assert_eq!(host["LogConfig"]["Config"]["max-size"], "1m");
    assert_eq!(host["PortBindings"]["8080/tcp"][0]["HostPort"], "8080");
}

/// Asserts that a line which a container sends to its `/dev/log` is in its host's own log.
async fn assert_hosts_log_through_the_mount(scene: &Scene) {
    for host in HOSTS {
        scene
            .lab
            .on_host(
                host,
                &format!("docker exec search /bin/busybox logger said-on-{host}"),
            )
            .await;
        let log = scene.lab.folder().join(format!("logs/{host}-syslog.log"));
        until("the line in the host's log", || async {
            let text = tokio::fs::read_to_string(&log).await.unwrap_or_default();
            text.contains(&format!("said-on-{host}")).then_some(())
        })
        .await;
    }
}

/// `drawgate-worker plan` says what a release would do, and changes nothing.
#[tokio::test]
async fn plan_reads_only() {
    let Prepared { scene, fleet, .. } = Rolling::of("search").prepare().await;
    let v2 = scene.lab.image("search", "v2", "v2", "ok").await;
    let before = Look::at(&scene.lab).await;
    scene.lab.post("calls/reset", json!({})).await;
    let image = scene.image("search", "v2");
    let plan = || async {
        let output = scene.plan("search", &image, &[]).await;
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        (output.status.code(), said)
    };

    let (code, said) = plan().await;
    assert_eq!(code, Some(0), "{said}");
    let named = fleet.instances.iter().all(|instance| said.contains(&instance.id));
    assert!(
        named && said.contains(&v2) && said.contains("ScheduledActions"),
        "{said}"
    );

    scene
        .lab
        .post("refresh", json!({"group": "search-staging", "active": true}))
        .await;
    let (code, said) = plan().await;
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("instance refresh"), "{said}");

    let writes = scene.lab.writes().await;
    assert!(writes.is_empty(), "a plan touches nothing: {writes:?}");
    let after = Look::at(&scene.lab).await;
    after.assert_aws_as(&before);
    after.assert_containers_as(&before);
    scene.broker.delete().await;
}

#[tokio::test]
async fn max_unavailable_two() {
    let roll = Rolling::with(Service::of("search").at_once(2))
        .image("v2")
        .begin()
        .await;
    let load = roll.load().await;

    let id = roll.publish("v2").await;
    roll.judge(id, Outcome::Succeeded).await;

    load.stop_unharmed().await;
    assert_eq!(roll.most_out().await, 2, "two at once, and never three");
    roll.assert_runs("v2").await;
    roll.end().await;
}

/// The most calls of a roll of three hosts, one at a time, with one target group and two alarms, two of them for its
/// permissions. It polls ten times as often as by default, and so does the watch over hosts.
const MOST_CALLS: u64 = 86;

/// A request may ask for more care than the file does, and gets it; and a roll asks AWS for no more than it needs.
#[tokio::test]
async fn options_make_a_roll_more_careful() {
    let roll = Rolling::with(Service::of("search").at_once(2))
        .image("v2")
        .begin()
        .await;

    roll.scene.lab.post("calls/reset", json!({})).await;

    let id = roll
        .publish_with_options("v2", &["--max-unavailable", "1", "--min-drain", "2s"])
        .await;
    roll.events.end(id).await;
    let calls = roll.scene.lab.calls().await;
    let ended = roll.judge(id, Outcome::Succeeded).await;
    assert!(calls.values().sum::<u64>() <= MOST_CALLS, "{calls:#?}");

    assert_eq!(roll.most_out().await, 1);
    for host in ended.receipt.unwrap().hosts {
        let drain = host
            .phases
            .iter()
            .find(|phase| phase.phase == HostPhase::Draining)
            .unwrap();
        assert!(
            drain.took_ms >= 1_800,
            "drained for {} ms only on {}",
            drain.took_ms,
            host.instance
        );
    }
    assert_eq!(roll.fleet.instances.len(), 3);
    roll.end().await;
}

#[tokio::test]
async fn trap_28_tag_moved_in_mid_roll() {
    let ready = Rolling::of("search").prepare().await;
    let wanted = ready.scene.lab.image("search", "stable", "v2", "ok").await;
    let roll = ready.start().await;

    let id = roll.publish("stable").await;
    roll.events
        .phase(id, Direction::Forward, HostPhase::Draining)
        .await;
    let moved = roll.scene.lab.image("search", "stable", "v3", "exit").await;
    assert_ne!(moved, wanted);
    let ended = roll.judge(id, Outcome::Succeeded).await;

    roll.look()
        .await
        .assert_runs(&roll.fleet, "search", &roll.scene.pinned("search", &wanted));
    assert_eq!(
        ended.receipt.unwrap().tag_moved_to.map(String::from),
        Some(moved.clone())
    );
    let told = roll
        .events
        .of(id)
        .into_iter()
        .any(|event| matches!(event.event, Event::TagMoved { now, .. } if now.to_string() == moved));
    assert!(told, "nobody was told that the tag moved");
    roll.end().await;
}

#[tokio::test]
async fn two_target_groups() {
    let mut spec = fleet_spec("search", &HOSTS, &[(8080, 8100), (8081, 8101)]);
    // One host is in the first group only: it must come back into that group, and into no other.
    spec["target_groups"][1]["hosts"] = json!(["h1", "h3"]);
    spec["target_groups"][1]["deregistration_delay_s"] = json!(2);
    let roll = Rolling::of("search")
        .service(|service| service.ports = vec!["8080:8080".to_owned(), "8081:8080".to_owned()])
        .on_fleet(spec)
        .image("v2")
        .begin()
        .await;
    let loads = [
        Load::start(roll.scene.folder(), &roll.fleet.target_groups[0].url, 30).await,
        Load::start(roll.scene.folder(), &roll.fleet.target_groups[1].url, 30).await,
    ];

    let id = roll.publish("v2").await;
    let ended = roll.judge(id, Outcome::Succeeded).await;

    for load in loads {
        load.stop_unharmed().await;
    }
    roll.assert_runs("v2").await;
    for host in ended.receipt.unwrap().hosts {
        let mut groups: Vec<_> = host
            .targets
            .iter()
            .map(|t| (t.target_group.as_str(), t.port, t.after.as_str()))
            .collect();
        groups.sort_unstable();
        let both = [("search-8080", 8080, "healthy"), ("search-8081", 8081, "healthy")];
        let expected = if roll.fleet.host_of(&host.instance) == "h2" {
            &both[..1]
        } else {
            &both[..]
        };
        assert_eq!(groups, expected, "targets of {}", host.instance);
    }
    roll.end().await;
}

/// A first release, onto hosts that run nothing yet.
#[tokio::test]
async fn first_release() {
    let scene = Scene::begin().await;
    scene.serve(&Service::of("search"));
    let v1 = scene.lab.image("search", "v1", "v1", "ok").await;
    let fleet = scene.lab.fleet(first_fleet()).await;
    scene.lab.all_targets(&fleet, "unhealthy").await;
    let worker = scene.worker().await;
    let events = scene.events().await;

    let id = scene.publish("search", "v1", &[]).await;
    let ended = scene.judge_telling(&events, id, Outcome::Succeeded).await;

    scene.lab.all_targets(&fleet, "healthy").await;
    let after = Look::at(&scene.lab).await;
    after.assert_no_tags();
    after.assert_runs(&fleet, "search", &scene.pinned("search", &v1));
    assert!(
        ended
            .receipt
            .unwrap()
            .hosts
            .iter()
            .all(|host| host.image_before.is_none())
    );
    scene.end(worker).await;
}

/// A fleet whose hosts run nothing is unhealthy to the load balancer. It goes by EC2's own checks, because
/// the group would replace its hosts otherwise.
fn first_fleet() -> serde_json::Value {
    let mut spec = fleet_spec("search", &HOSTS, &[(8080, 8100)]);
    spec["health_check_type"] = json!("EC2");
    spec
}

/// Nothing ran before, so nothing runs after the rollback, and nothing else is changed.
#[tokio::test]
async fn first_release_that_fails() {
    let scene = Scene::begin().await;
    scene.serve(&Service::of("search"));
    scene.lab.image("search", "v1", "v1", "exit").await;
    let fleet = scene.lab.fleet(first_fleet()).await;
    scene.lab.all_targets(&fleet, "unhealthy").await;
    let roll = Prepared::of(scene, "search", fleet).start().await;

    let id = roll.publish("v1").await;
    roll.judge_telling(id, Outcome::RolledBack).await;

    roll.scene.lab.all_targets(&roll.fleet, "unhealthy").await;
    let after = roll.look().await;
    after.assert_aws_as(&roll.before);
    after.assert_containers_as(&roll.before);
    roll.end().await;
}

#[tokio::test]
async fn verified_by_a_command_in_the_container() {
    let mut service = Service::of("search");
    service.verify = Some("command = [\"/app\", \"--probe\"]\nattempts = 3\ninterval = \"100ms\"".to_owned());
    verified_and_refused(service, "--probe ended with exit code 1").await;
}

#[tokio::test]
async fn verified_by_the_images_healthcheck() {
    let mut service = Service::of("search");
    service.verify = Some("healthcheck = true\nattempts = 30\ninterval = \"200ms\"".to_owned());
    verified_and_refused(service, "HEALTHCHECK says unhealthy").await;
}

/// A good version passes; a version whose health page fails does not, and rolls back before any request
/// reaches it.
async fn verified_and_refused(service: Service, why: &str) {
    let ready = Rolling::with(service).on(&TWO).prepare().await;
    let lab = &ready.scene.lab;
    let v2 = lab.image_with_healthcheck("search", "v2", "ok").await;
    lab.image_with_healthcheck("search", "v3", "unhealthy").await;
    let roll = ready.start().await;
    let load = Load::start(roll.scene.folder(), &roll.fleet.target_groups[0].url, 30).await;

    let id = roll.publish("v2").await;
    roll.judge(id, Outcome::Succeeded).await;
    let on_v2 = roll.look().await;
    on_v2.assert_runs(&roll.fleet, "search", &roll.scene.pinned("search", &v2));

    let id = roll.publish("v3").await;
    let ended = roll.judge(id, Outcome::RolledBack).await;
    assert!(ended.summary.contains("verify"), "{}", ended.summary);
    assert!(ended.summary.contains(why), "{}", ended.summary);
    let served = load.stop_unharmed().await;
    assert!(!served.by_version.contains_key("v3"), "{:?}", served.by_version);
    roll.look().await.assert_containers_as(&on_v2);
    roll.end().await;
}
