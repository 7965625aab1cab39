//! Secrets go where they are needed and nowhere else: into a container's environment, and a registry's token
//! into the header of a pull.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use drawgate_schemas::{Direction, HostPhase, Note, NoteKind, Outcome};
use drawgate_tests::lab::{HOSTS, TWO};
use drawgate_tests::{Fleet, Rolling, Scene, Service};
use serde_json::Value;

const URL: &str = "postgres://search:hush-hush-1@db";
const KEY: &str = "hush-hush-2";

/// Makes the registry an ECR, whose login the worker has to ask for.
fn at_ecr(scene: &Scene) {
    let path = scene.folder().join("worker.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with("password_file"));
    let lines: Vec<&str> = lines
        .map(|line| {
            if line.starts_with("username") {
                "login = \"ecr\""
            } else {
                line
            }
        })
        .collect();
    std::fs::write(path, lines.join("\n")).unwrap();
}

fn with_secrets() -> Service {
    let mut service = Service::of("search");
    service.container = "secrets = { DATABASE_URL = \"secretsmanager:search/{environment}#database_url\", \
                         KEY = \"ssm:/search/{environment}/key|base64\" }"
        .to_owned();
    service
}

/// The environment of the service's container on every host, in the order of the hosts.
async fn environments(scene: &Scene, fleet: &Fleet) -> Vec<Vec<String>> {
    let mut all = Vec::new();
    for instance in &fleet.instances {
        let containers = scene.lab.containers(&instance.host).await;
        let ours = containers
            .iter()
            .find(|container| container["Name"] == "/search")
            .unwrap();
        let env = ours["Config"]["Env"].as_array().unwrap();
        all.push(env.iter().map(|line| line.as_str().unwrap().to_owned()).collect());
    }
    all
}

/// Asserts that none of the worker's files, its ledger and log included, contains any of these.
fn assert_nowhere(scene: &Scene, hidden: &[&str]) {
    let mut folders = vec![scene.folder().to_owned()];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                let bytes = std::fs::read(entry.path()).unwrap();
                let text = String::from_utf8_lossy(&bytes);
                for secret in hidden {
                    assert!(
                        !text.contains(secret),
                        "{} holds {secret}",
                        entry.path().display()
                    );
                }
                files += 1;
            }
        }
    }
    assert!(
        files >= 3,
        "{files} files: where are ledger, log and configuration?"
    );
}

/// A secret is rotated in mid-roll: all hosts get the version that was current when the release was planned.
#[tokio::test]
async fn secrets_reach_the_container_and_nothing_else() {
    let scene = Scene::begin().await;
    at_ecr(&scene);
    let secret = |url: &str| format!("{{\"database_url\":\"{url}\"}}");
    let create = [
        "secretsmanager",
        "create-secret",
        "--name",
        "search/staging",
        "--secret-string",
    ];
    let ready = Rolling::with(with_secrets()).image("v2").prepare_in(scene).await;
    ready
        .scene
        .lab
        .aws(&[&create[..], &[&secret(URL)]].concat())
        .await;
    let put = [
        "ssm",
        "put-parameter",
        "--type",
        "SecureString",
        "--name",
        "/search/staging/key",
        "--value",
    ];
    // "hush-hush-2" in Base64.
    ready
        .scene
        .lab
        .aws(&[&put[..], &["aHVzaC1odXNoLTI="]].concat())
        .await;
    ready
        .scene
        .lab
        .aws(&["ecr", "create-repository", "--repository-name", "search"])
        .await;
    let rule = "{\"rules\":[{\"rulePriority\":1,\"selection\":{\"tagStatus\":\"any\",\"countType\":\"imageCountMoreThan\",\
                \"countNumber\":3},\"action\":{\"type\":\"expire\"}}]}";
    let put = [
        "ecr",
        "put-lifecycle-policy",
        "--repository-name",
        "search",
        "--lifecycle-policy-text",
        rule,
    ];
    ready.scene.lab.aws(&put).await;
    let roll = ready.start().await;
    roll.scene.lab.post("calls/reset", serde_json::json!({})).await;

    let id = roll.publish("v2").await;
    roll.events
        .nth_phase(id, Direction::Forward, HostPhase::Draining, 1)
        .await;
    let rotate = [
        "secretsmanager",
        "put-secret-value",
        "--secret-id",
        "search/staging",
        "--secret-string",
    ];
    roll.scene
        .lab
        .aws(&[&rotate[..], &[&secret("postgres://search:rotated@db")]].concat())
        .await;
    let ended = roll.judge(id, Outcome::Succeeded).await;
    let notes = ended.receipt.unwrap().notes;
    let warns = |note: &Note| {
        matches!(&note.what, NoteKind::Warning { text }
            if text.contains("life-cycle rule 1 removes images beyond the newest 3"))
    };
    assert!(notes.iter().any(warns), "{notes:?}");

    roll.assert_runs("v2").await;
    for environment in environments(&roll.scene, &roll.fleet).await {
        for expected in [format!("DATABASE_URL={URL}"), format!("KEY={KEY}")] {
            assert!(
                environment.contains(&expected),
                "{expected} is not in {environment:?}"
            );
        }
    }
    let logins = roll
        .scene
        .lab
        .calls()
        .await
        .get("ecr:GetAuthorizationToken")
        .copied();
    assert_eq!(
        logins,
        Some(1),
        "the registry's token is asked for once a release"
    );
    let password = std::fs::read_to_string(roll.scene.lab.folder().join("registry-password")).unwrap();
    let hidden = [URL, KEY, "hush-hush", "aHVzaC1odXNo", password.trim()];
    assert_nowhere(&roll.scene, &hidden);
    let told = serde_json::to_string(&roll.events.of(id)).unwrap() + &roll.scene.show(id).await.to_string();
    let found = hidden.iter().find(|secret| told.contains(**secret));
    assert_eq!(found, None, "in the events");
    for host in HOSTS {
        let logins = roll
            .scene
            .lab
            .on_host(
                host,
                "cat ~/.docker/config.json /root/.docker/config.json 2>/dev/null || true",
            )
            .await;
        assert_eq!(logins.trim(), "", "a login is left on {host}");
        let inspected = Value::from(roll.scene.lab.containers(host).await).to_string();
        assert!(
            !inspected.contains(password.trim()),
            "the registry's password is on {host}"
        );
    }
    roll.end().await;
}

#[tokio::test]
async fn a_secret_that_cannot_be_read_touches_nothing() {
    let ready = Rolling::with(with_secrets()).on(&TWO).image("v2").prepare().await;
    let put = [
        "ssm",
        "put-parameter",
        "--type",
        "SecureString",
        "--name",
        "/search/staging/key",
        "--value",
    ];
    ready
        .scene
        .lab
        .aws(&[&put[..], &["hush-hush no base64"]].concat())
        .await;
    let roll = ready.start().await;

    let id = roll.publish("v2").await;
    let ended = roll.judge(id, Outcome::Failed).await;
    for told in [
        "secret DATABASE_URL: secretsmanager:search/staging#database_url cannot be read",
        "secret KEY: ssm:/search/staging/key|base64 cannot be read",
        "no Base64 of a text",
    ] {
        assert!(ended.summary.contains(told), "{told}: {}", ended.summary);
    }
    assert!(!ended.summary.contains("hush"), "{}", ended.summary);
    roll.assert_containers_as_before().await;
    roll.end().await;
}
