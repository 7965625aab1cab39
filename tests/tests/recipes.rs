//! The files of `infra/recipes` as they stand, with the registry's name, the bastion's paths and the waits
//! replaced. `helm` and `kubectl` are stand-ins that keep a state and record their calls; scripts, hosts and
//! load balancer are real.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use drawgate_schemas::{Direction, Event, HostPhase, Outcome};
use drawgate_tests::lab::{Fleet, HOSTS};
use drawgate_tests::oracle::Look;
use drawgate_tests::scene::fleet_spec;
use drawgate_tests::wait::until;
use drawgate_tests::{Prepared, Scene};
use serde_json::json;

fn recipe(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../infra/recipes")
        .join(name)
}

/// Writes the recipe's service file, changed for this lab.
fn serve(scene: &Scene, name: &str, service: &str, changes: &[(&str, &str)]) {
    let file = recipe(name).join(format!("services/{service}.toml"));
    let mut text = std::fs::read_to_string(file).unwrap();
    let registry = scene.lab.registry();
    let always = [
        ("registry.example.com", registry.as_str()),
        (
            "min_healthy_time = \"10s\"",
            "min_healthy_time = \"200ms\"\npoll_interval = \"200ms\"\nmin_drain = \"500ms\"",
        ),
        ("interval = \"5s\"", "interval = \"500ms\""),
        ("interval = \"10s\"", "interval = \"500ms\""),
        ("interval = \"1m\"", "interval = \"500ms\""),
    ];
    for (old, new) in always {
        text = text.replace(old, new);
    }
    for (old, new) in changes {
        assert!(text.contains(old), "{name} has no {old}");
        text = text.replace(old, new);
    }
    std::fs::write(scene.service_file(service), text).unwrap();
}

fn executable(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// The program in a release's folder on a host: it answers with its version, and `/health` with this status.
fn app(version: &str, health: u16) -> String {
    format!(
        "#!/usr/bin/env python3\n\
         import http.server, socketserver\n\
         class Handler(http.server.BaseHTTPRequestHandler):\n\
         \x20   def do_GET(self):\n\
         \x20       self.send_response({health} if self.path == \"/health\" else 200)\n\
         \x20       self.send_header(\"X-Version\", \"{version}\")\n\
         \x20       self.end_headers()\n\
         \x20       self.wfile.write(b\"{version}\")\n\
         \x20   def log_message(self, *words):\n\
         \x20       pass\n\
         class Server(socketserver.ThreadingTCPServer):\n\
         \x20   allow_reuse_address = True\n\
         Server((\"\", 8080), Handler).serve_forever()\n"
    )
}

/// Puts the script and its releases on every host, with `v1` serving.
async fn web_on_hosts(scene: &Scene, script: &str) {
    for host in HOSTS {
        scene
            .lab
            .on_host(
                host,
                "if [ -f web/pid ]; then kill $(cat web/pid) 2>/dev/null; fi; rm -rf web; mkdir -p web",
            )
            .await;
        put(scene, host, "web/deploy.sh", script).await;
        for (version, health) in [("v1", 200), ("v2", 200), ("v3", 500)] {
            scene
                .lab
                .on_host(host, &format!("mkdir -p web/releases/{version}"))
                .await;
            put(
                scene,
                host,
                &format!("web/releases/{version}/run"),
                &app(version, health),
            )
            .await;
        }
        scene
            .lab
            .on_host(host, "web/deploy.sh --tag=v1 && sleep 0.3")
            .await;
    }
}

async fn put(scene: &Scene, host: &str, path: &str, text: &str) {
    let order = format!("cat >{path} <<'END_OF_FILE'\n{text}END_OF_FILE\nchmod +x {path}");
    scene.lab.on_host(host, &order).await;
}

async fn web_fleet(scene: &Scene) -> Fleet {
    let mut spec = fleet_spec("web", &HOSTS, &[(8080, 8100)]);
    spec["tags"] = json!({"stack": "shop", "release": "web", "deployment": "staging"});
    let fleet = scene.lab.fleet(spec).await;
    scene.lab.all_targets(&fleet, "healthy").await;
    fleet
}

async fn versions(scene: &Scene) -> Vec<String> {
    let mut all = Vec::new();
    for host in HOSTS {
        all.push(scene.lab.on_host(host, "cat web/VERSION").await.trim().to_owned());
    }
    all
}

async fn stop_web(scene: &Scene) {
    for host in HOSTS {
        scene
            .lab
            .on_host(host, "kill $(cat web/pid); rm -rf web .drawgate.staging.web.lock")
            .await;
    }
}

/// `./deploy.sh --tag=…` runs on each host while the host is out of the load balancer; the same script rolls
/// the bad version back.
#[tokio::test]
async fn script_on_each_host_rolls_and_goes_back() {
    let scene = Scene::begin().await;
    let script = std::fs::read_to_string(recipe("script/deploy.sh")).unwrap();
    web_on_hosts(&scene, &script).await;
    serve(&scene, "script", "web", &[]);
    let fleet = web_fleet(&scene).await;
    let roll = Prepared::of(scene, "web", fleet).start().await;
    let load = roll.load().await;

    let id = roll.scene.publish_image("web", "shop/web:v2").await;
    let ended = roll.judge(id, Outcome::Succeeded).await;
    assert_eq!(versions(&roll.scene).await, ["v2", "v2", "v2"]);
    let receipt = ended.receipt.unwrap();
    let seen: Vec<_> = receipt
        .hosts
        .iter()
        .map(|host| (host.version_before.as_deref(), host.version_after.as_deref()))
        .collect();
    assert_eq!(seen, [(Some("v1"), Some("v2")); 3]);
    assert_eq!(receipt.digest, None);

    let id = roll.scene.publish_image("web", "shop/web:v3").await;
    let ended = roll.judge(id, Outcome::RolledBack).await;
    assert!(ended.summary.contains("GET /health 500"), "{}", ended.summary);
    assert!(
        ended.summary.contains("service is on v2 everywhere"),
        "{}",
        ended.summary
    );
    assert_eq!(versions(&roll.scene).await, ["v2", "v2", "v2"]);

    let requests = load.stop().await;
    assert_eq!(requests.failed, 0, "{:?}", requests.failures);
    assert_eq!(requests.by_version.keys().collect::<Vec<_>>(), ["v1", "v2"]);
    stop_web(&roll.scene).await;
    roll.end().await;
}

/// A release that is not on the host: the failure has the script's own words, the host rolls back, and no
/// other host is touched.
#[tokio::test]
async fn script_that_fails_is_told_with_its_words() {
    let scene = Scene::begin().await;
    let script = std::fs::read_to_string(recipe("script/deploy.sh")).unwrap();
    web_on_hosts(&scene, &script).await;
    serve(&scene, "script", "web", &[]);
    web_fleet(&scene).await;
    let worker = scene.worker().await;
    let events = scene.events().await;
    let before = Look::at(&scene.lab).await;

    let id = scene.publish_image("web", "shop/web:v9").await;
    let ended = scene.judge(&events, id, Outcome::RolledBack, &before).await;
    assert!(
        ended
            .summary
            .contains("./deploy.sh ended with exit code 1: releases/v9 is not on this host"),
        "{}",
        ended.summary
    );
    let touched = ended
        .receipt
        .unwrap()
        .hosts
        .iter()
        .filter(|host| host.touched)
        .count();
    assert_eq!(touched, 1);
    assert_eq!(versions(&scene).await, ["v1", "v1", "v1"]);
    stop_web(&scene).await;
    scene.end(worker).await;
}

/// The worker is killed while the script runs: the script goes on, and the next worker waits on the host for
/// its end and runs it again. Two never run at once.
#[tokio::test]
async fn script_runs_once_at_a_time_when_the_worker_is_killed() {
    let scene = Scene::begin().await;
    let script = std::fs::read_to_string(recipe("script/deploy.sh")).unwrap();
    // The script's output ends with the worker's connection. The script would die of that, so it ignores
    // SIGPIPE, and writes its end into the trace.
    let slow = script.replace(
        "set -eu\ncd \"$(dirname \"$0\")\"\n",
        "set -eu\ncd \"$(dirname \"$0\")\"\ntrap '' PIPE\ntrap \"echo end $* >>trace\" EXIT\necho begin $* >>trace\n\
         [ \"$*\" = --tag=v1 ] || timeout 20 sh -c 'until [ -e killed ]; do sleep 0.1; done'\n",
    );
    assert_ne!(slow, script);
    web_on_hosts(&scene, &slow).await;
    serve(&scene, "script", "web", &[]);
    web_fleet(&scene).await;
    let worker = scene.worker().await;
    let events = scene.events().await;
    let before = Look::at(&scene.lab).await;

    let id = scene.publish_image("web", "shop/web:v2").await;
    let trace = async || {
        let mut lines = Vec::new();
        for host in HOSTS {
            lines.push(scene.lab.on_host(host, "cat web/trace").await);
        }
        lines
    };
    until("the script runs", || async {
        trace()
            .await
            .iter()
            .any(|lines| lines.contains("begin --tag=v2"))
            .then_some(())
    })
    .await;
    worker.kill().await;
    let worker = scene.worker().await;
    for host in HOSTS {
        scene.lab.on_host(host, "touch web/killed").await;
    }
    scene.judge(&events, id, Outcome::Succeeded, &before).await;
    assert_eq!(versions(&scene).await, ["v2", "v2", "v2"]);
    let all = trace().await;
    let runs = all
        .iter()
        .flat_map(|lines| lines.lines())
        .filter(|line| *line == "begin --tag=v2");
    assert_eq!(
        runs.count(),
        4,
        "once on two hosts, twice on the one whose worker was killed: {all:?}"
    );
    for lines in &all {
        for pair in lines.lines().collect::<Vec<_>>().chunks(2) {
            let [begin, end] = pair else {
                panic!("a run without an end: {lines}")
            };
            assert_eq!(begin.replace("begin", "end"), *end, "two at once: {lines}");
        }
    }
    stop_web(&scene).await;
    scene.end_after_kill(worker).await;
}

/// A stand-in for `kubectl`: keeps the deployment's image and the secret, and records its calls.
const KUBECTL: &str = r#"#!/bin/sh
set -eu
cd "$(dirname "$0")"
echo "kubectl $*" >>calls
case "$*" in
*" apply --filename=-") cat >secret ;;
*" get deployment/search-api "*) cat image ;;
*" set image deployment/search-api search-api="*) printf %s "${*##*search-api=}" >image ;;
*" rollout status "*) case $(cat image) in *:bad) echo "error: deployment exceeded its progress deadline" >&2; exit 1 ;; esac ;;
*) echo "unknown: $*" >&2; exit 64 ;;
esac
"#;

/// On the bastion: `kubectl` has its secret in the environment, waits for the rollout, and rolls back to the
/// previous image.
#[tokio::test]
async fn kubernetes_is_applied_and_goes_back() {
    let scene = Scene::begin().await;
    let folder = scene.folder().join("kube");
    std::fs::create_dir(&folder).unwrap();
    let kubectl = folder.join("kubectl");
    executable(&kubectl, KUBECTL);
    let apply = std::fs::read_to_string(recipe("kubernetes/apply")).unwrap();
    executable(&folder.join("apply"), &apply.replace("kubectl ", "./kubectl "));
    let registry = scene.lab.registry();
    std::fs::write(folder.join("image"), format!("{registry}/search/search-api:v1")).unwrap();
    serve(
        &scene,
        "kubernetes",
        "search-api",
        &[
            ("/opt/search-api", folder.to_str().unwrap()),
            ("\"kubectl\"", &format!("\"{}\"", kubectl.display())),
        ],
    );
    let secret = "{\"database_url\":\"aHVzaC1odXNo\"}";
    let create = [
        "secretsmanager",
        "create-secret",
        "--name",
        "search/staging",
        "--secret-string",
        secret,
    ];
    scene.lab.aws(&create).await;
    let worker = scene.worker().await;
    let events = scene.events().await;
    let before = Look::at(&scene.lab).await;
    let image = || std::fs::read_to_string(folder.join("image")).unwrap();

    let id = scene.publish_image("search-api", "search/search-api:v2").await;
    let ended = scene.judge(&events, id, Outcome::Succeeded, &before).await;
    assert_eq!(ended.summary, "deployed v2, alarms as before");
    assert_eq!(image(), format!("{registry}/search/search-api:v2"));
    // "hush-hush" in Base64, as Kubernetes stores it: decoded once on its way into the environment, and
    // encoded again.
    let secret = std::fs::read_to_string(folder.join("secret")).unwrap();
    assert!(secret.contains("\"DATABASE_URL\":\"aHVzaC1odXNo\""), "{secret}");
    let calls = std::fs::read_to_string(folder.join("calls")).unwrap();
    assert!(!calls.contains("hush"), "{calls}");

    let id = scene.publish_image("search-api", "search/search-api:bad").await;
    let ended = scene.judge(&events, id, Outcome::RolledBack, &before).await;
    assert!(
        ended
            .summary
            .contains("ended with exit code 1: error: deployment exceeded its progress deadline"),
        "{}",
        ended.summary
    );
    assert_eq!(image(), format!("{registry}/search/search-api:v2"));
    scene.end(worker).await;
}

/// A stand-in for `helm`: keeps the history of one release, and records its calls.
const HELM: &str = r#"#!/bin/sh
set -eu
cd "$(dirname "$0")"
echo "helm $*" >>calls
deploy() {
    sed -i s/deployed/superseded/ history
    echo "$(($(wc -l <history) + 1)) Mon deployed search-api-0.1 $1" >>history
}
case "$1" in
history) cat history ;;
upgrade) tag=${*##*--set=image.tag=}; deploy "${tag%% *}" ;;
rollback) deploy "$(awk -v revision="$3" '$1 == revision { print $5 }' history)" ;;
test) case $(tail -n1 history) in *flaky) echo x >>tried; [ "$(wc -l <tried)" -ge 3 ] ;; *bad) echo "tests failed"; exit 1 ;; esac ;;
*) exit 64 ;;
esac
"#;

/// `helm upgrade --wait`, up to three tests, `helm rollback` to the previous revision, and a test of that.
#[tokio::test]
async fn helm_is_upgraded_tested_and_rolled_back() {
    let scene = Scene::begin().await;
    let folder = scene.folder().join("helm");
    std::fs::create_dir(&folder).unwrap();
    let helm = folder.join("helm");
    executable(&helm, HELM);
    let revision = std::fs::read_to_string(recipe("helm/revision")).unwrap();
    executable(
        &folder.join("revision"),
        &revision.replace("\nhelm ", "\n./helm "),
    );
    std::fs::write(folder.join("history"), "1 Mon deployed search-api-0.1 v1\n").unwrap();
    serve(
        &scene,
        "helm",
        "search-api",
        &[
            ("/opt/search-api", folder.to_str().unwrap()),
            ("\"helm\"", &format!("\"{}\"", helm.display())),
        ],
    );
    let worker = scene.worker().await;
    let events = scene.events().await;
    let before = Look::at(&scene.lab).await;
    let calls = || {
        let text = std::fs::read_to_string(folder.join("calls")).unwrap();
        std::fs::remove_file(folder.join("calls")).unwrap();
        let verbs = text
            .lines()
            .filter_map(|line| line.split(' ').nth(1))
            .map(str::to_owned);
        verbs.filter(|verb| verb != "history").collect::<Vec<_>>()
    };

    let id = scene.publish_image("search-api", "search/search-api:flaky").await;
    scene.judge(&events, id, Outcome::Succeeded, &before).await;
    assert_eq!(calls(), ["upgrade", "test", "test", "test"]);

    let id = scene.publish_image("search-api", "search/search-api:bad").await;
    let ended = scene.judge(&events, id, Outcome::RolledBack, &before).await;
    assert!(ended.summary.contains("tests failed"), "{}", ended.summary);
    // Three tests of the deployed version, and one after the rollback.
    assert_eq!(calls(), ["upgrade", "test", "test", "test", "rollback", "test"]);
    let history = std::fs::read_to_string(folder.join("history")).unwrap();
    assert!(
        history.ends_with("4 Mon deployed search-api-0.1 flaky\n"),
        "{history}"
    );
    let back = |event: &Event| matches!(event, Event::Host(host) if host.direction == Direction::Back && host.phase == HostPhase::Done);
    assert!(events.of(id).iter().any(|event| back(&event.event)));
    scene.end(worker).await;
}

/// The most common shape: hosts found by tags, one at a time, out of every load balancer, with `/dev/log`.
#[tokio::test]
async fn load_balancer_and_containers() {
    let scene = Scene::begin().await;
    serve(&scene, "load-balancer", "search-api", &[]);
    scene.lab.image("search/search-api", "v1", "v1", "ok").await;
    let image = scene.image("search/search-api", "v1");
    scene
        .lab
        .run_by_hand(
            &HOSTS,
            &image,
            "search-api",
            &["-p", "8080:8080", "--restart", "always"],
        )
        .await;
    let mut spec = fleet_spec("search-api", &HOSTS, &[(8080, 8100)]);
    spec["tags"] = json!({"stack": "search", "release": "api", "deployment": "staging"});
    let fleet = scene.lab.fleet(spec).await;
    scene.lab.all_targets(&fleet, "healthy").await;
    let v2 = scene.lab.image("search/search-api", "v2", "v2", "ok").await;
    let roll = Prepared::of(scene, "search-api", fleet).start().await;
    let load = roll.load().await;

    let id = roll
        .scene
        .publish_image("search-api", "search/search-api:v2")
        .await;
    roll.judge(id, Outcome::Succeeded).await;
    let pinned = roll.scene.pinned("search/search-api", &v2);
    roll.look().await.assert_runs(&roll.fleet, "search-api", &pinned);
    let requests = load.stop().await;
    assert_eq!(requests.failed, 0, "{:?}", requests.failures);
    roll.end().await;
}
