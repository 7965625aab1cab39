//! A fleet in the lab, and the adapter on it.

use std::time::Duration;

use aws_config::{BehaviorVersion, Region};
use aws_sdk_ec2::config::Credentials;
use drawgate_lab::lab::{Fleet, Lab};
use drawgate_worker::aws::{Aws, RateShare};
use serde_json::json;

/// Time limit far above what any test of this suite takes, except for the adapter's own time-outs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) async fn fleet(lab: &Lab, name: &str) -> Fleet {
    let health = json!({"path": "/health", "interval_s": 0.2, "healthy_threshold": 2, "unhealthy_threshold": 2,
                        "timeout_s": 1});
    lab.fleet(json!({
        "name": name,
        "hosts": ["h1", "h2", "h3"],
        "target_groups": [{"name": format!("{name}-a"), "port": 8080, "deregistration_delay_s": 1, "health": health}],
        "suspended": ["ScheduledActions"],
        "alarms": [
            {"name": format!("{name}-5xx"), "actions_enabled": true, "state": "OK"},
            {"name": format!("{name}-slow"), "actions_enabled": false, "state": "ALARM"},
        ],
        "tags": {"stack": name, "odd": "a*b"},
    }))
    .await
}

/// Lets each read show the last change. The adapter hands on what one answer says; that an answer may be old is its
/// callers' concern, and the effects' tests have it.
pub(crate) async fn reads_are_fresh(lab: &Lab) {
    lab.set_world(json!({"stale_s": 0})).await;
}

/// Connects to another endpoint than the environment's, which all tests of this process share.
pub(crate) async fn connect_to(endpoint: &str) -> Aws {
    let nobody = Credentials::new("nobody", "secret", None, None, "test");
    let environment = aws_config::defaults(BehaviorVersion::latest());
    let environment = environment
        .endpoint_url(endpoint)
        .region(Region::new("eu-west-1"));
    Aws::connect_with(environment.credentials_provider(nobody), RateShare::ALL).await
}

pub(crate) async fn suspended(aws: &Aws, name: &str) -> Vec<String> {
    aws.group_by_name(name)
        .await
        .unwrap()
        .unwrap()
        .suspended
        .into_keys()
        .collect()
}
