//! A worker that lacks a permission: the release is refused before anything is touched, and what is missing is named.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use drawgate_schemas::{Ended, Outcome};
use drawgate_tests::lab::TWO;
use drawgate_tests::oracle::Look;
use drawgate_tests::programs::repository;
use drawgate_tests::{Prepared, Rolling};
use serde_json::{Value, json};

const CALLER: &str = "arn:aws:iam::123456789012:user/lab";
const SIMULATE: &str = "iam:SimulatePrincipalPolicy";

fn allow(actions: &[&str], resource: &str) -> Value {
    json!({"Effect": "Allow", "Action": actions, "Resource": resource})
}

fn deny(actions: &[&str], resource: &str) -> Value {
    json!({"Effect": "Deny", "Action": actions, "Resource": resource})
}

/// Rolls v2 with these statements as the worker's only policy.
async fn rolled_with(statements: Value, outcome: Outcome) -> (Rolling, Ended) {
    let roll = Rolling::of("search").on(&TWO).image("v2").begin().await;
    roll.scene.lab.permit(json!({"Statement": statements})).await;
    roll.scene.lab.post("calls/reset", json!({})).await;
    let id = roll.publish("v2").await;
    let ended = roll.judge(id, outcome).await;
    (roll, ended)
}

/// The calls beside the lease's that the release made and that change something.
async fn writes(roll: &Rolling) -> Vec<String> {
    let writes = roll.scene.lab.writes().await;
    let actions = writes
        .iter()
        .map(|call| call["action"].as_str().unwrap().to_owned());
    actions.filter(|action| !action.starts_with("ssm:")).collect()
}

/// Asserts that the release ended with nothing touched, and that it names all of these.
async fn assert_refused(roll: Rolling, ended: &Ended, names: &[&str]) {
    for name in names {
        assert!(ended.summary.contains(name), "no {name} in {}", ended.summary);
    }
    roll.assert_containers_as_before().await;
    roll.scene.lab.permit_everything().await;
    roll.end().await;
}

/// The classic: a host is deregistered, and then it cannot be registered.
#[tokio::test]
async fn a_missing_registration_refuses_before_the_first_host() {
    let missing = ["elasticloadbalancing:RegisterTargets", "ec2:DeleteTags"];
    let statements = json!([
        {"Effect": "Allow", "NotAction": missing, "Resource": "*"},
    ]);
    let (roll, ended) = rolled_with(statements, Outcome::Failed).await;
    assert_eq!(writes(&roll).await, Vec::<String>::new());
    assert_refused(
        roll,
        &ended,
        &[missing[0], missing[1], "targetgroup/", "instance/i-", CALLER],
    )
    .await;
}

/// An ARN of another account's group, and a condition on a tag that the hosts do not carry.
#[tokio::test]
async fn a_wrong_arn_and_a_condition_that_does_not_hold_are_missing() {
    let statements = json!([
        {"Effect": "Allow", "NotAction": ["autoscaling:ResumeProcesses", "ec2:CreateTags"], "Resource": "*"},
        allow(&["autoscaling:ResumeProcesses"], "arn:aws:autoscaling:*:210987654321:autoScalingGroup:*"),
        {"Effect": "Allow", "Action": "ec2:CreateTags", "Resource": "*",
         "Condition": {"StringEquals": {"aws:ResourceTag/stack": "nobody's"}}},
    ]);
    let (roll, ended) = rolled_with(statements, Outcome::Failed).await;
    assert_eq!(writes(&roll).await, Vec::<String>::new());
    assert_refused(roll, &ended, &["autoscaling:ResumeProcesses", "ec2:CreateTags"]).await;
}

/// Whoever may not simulate is told so, and finds out by a dry run.
#[tokio::test]
async fn without_simulation_a_dry_run_finds_what_is_missing() {
    let statements = json!([allow(&["*"], "*"), deny(&[SIMULATE, "ec2:CreateTags"], "*"),]);
    let (roll, ended) = rolled_with(statements, Outcome::Failed).await;
    assert!(
        !writes(&roll)
            .await
            .contains(&"autoscaling:SuspendProcesses".to_owned())
    );
    assert_refused(roll, &ended, &["ec2:CreateTags"]).await;
}

/// A policy that allows all but the simulation rolls the release; the receipt says what was not proved.
#[tokio::test]
async fn a_release_that_may_not_ask_says_what_it_could_not_prove() {
    let statements = json!([allow(&["*"], "*"), deny(&[SIMULATE], "*")]);
    let (roll, ended) = rolled_with(statements, Outcome::Succeeded).await;
    let notes = serde_json::to_string(&ended.receipt.unwrap().notes).unwrap();
    assert!(
        notes.contains("NOT PROVED: cloudwatch:EnableAlarmActions"),
        "{notes}"
    );
    assert!(
        notes.contains(&format!("allow {SIMULATE} on {CALLER}")),
        "{notes}"
    );
    roll.assert_runs("v2").await;
    roll.scene.lab.permit_everything().await;
    roll.end().await;
}

/// The example of a policy is enough for a roll, and IAM says so beforehand.
#[tokio::test]
async fn the_example_policy_rolls() {
    let text = std::fs::read_to_string(repository("infra/aws/worker-policy.json")).unwrap();
    let text = text.replace("arn:aws:iam::123456789012:role/drawgate-worker", CALLER);
    let policy: Value = serde_json::from_str(&text).unwrap();
    let (roll, _) = rolled_with(policy["Statement"].clone(), Outcome::Succeeded).await;
    let denied = roll.scene.lab.get("iam").await["denied"].clone();
    assert_eq!(denied, json!([]));
    let tried = writes(&roll)
        .await
        .iter()
        .filter(|action| action.contains("SetInstanceHealth"))
        .count();
    assert_eq!(tried, 0, "IAM says it all: nothing is tried");
    roll.scene.lab.permit_everything().await;
    roll.end().await;
}

/// `plan` simulates, and changes nothing: it says what is missing, and what it could not find out.
#[tokio::test]
async fn plan_says_what_is_missing_and_what_it_could_not_prove() {
    let Prepared { scene, .. } = Rolling::of("search").on(&TWO).image("v2").prepare().await;
    let before = Look::at(&scene.lab).await;
    let image = scene.image("search", "v2");
    let plan = || async {
        let output = scene.plan("search", &image, &["--format", "json"]).await;
        let said: Value = serde_json::from_slice(&output.stdout).unwrap();
        (output.status.code(), said)
    };
    scene.lab.post("calls/reset", json!({})).await;

    let (code, said) = plan().await;
    assert_eq!(code, Some(0), "{said}");
    assert!(said["permissions"]["proved"].as_u64().unwrap() > 10, "{said}");
    let calls = scene.lab.calls().await;
    assert_eq!(
        (calls[SIMULATE], calls["sts:GetCallerIdentity"]),
        (1, 1),
        "{calls:?}"
    );

    let statements = json!([
        allow(&["*"], "*"),
        deny(&["elasticloadbalancing:RegisterTargets"], "*")
    ]);
    scene.lab.permit(json!({"Statement": statements})).await;
    let (code, said) = plan().await;
    assert_eq!(code, Some(3), "{said}");
    assert_eq!(
        said["permissions"]["missing"][0]["action"],
        "elasticloadbalancing:RegisterTargets"
    );
    assert_eq!(said["permissions"]["missing"][0]["denial"], "denied");

    let statements = json!([allow(&["*"], "*"), deny(&[SIMULATE], "*")]);
    scene.lab.permit(json!({"Statement": statements})).await;
    let (code, said) = plan().await;
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(said["permissions"]["proved"], 0);
    assert!(
        said["permissions"]["unproved"][0]["why"]
            .as_str()
            .unwrap()
            .contains(SIMULATE),
        "{said}"
    );

    let writes = scene.lab.writes().await;
    assert!(writes.is_empty(), "a plan touches nothing: {writes:?}");
    scene.lab.permit_everything().await;
    Look::at(&scene.lab).await.assert_aws_as(&before);
    scene.leave().await;
}
