//! A fleet in the lab, and the adapter on it.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_config::{BehaviorVersion, Region};
use aws_sdk_ec2::config::Credentials;
use drawgate_lab::lab::{Fleet, Lab};
use drawgate_worker::aws::{Aws, RateShare};
use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

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

/// The answer of a server that stands in for AWS.
pub(crate) struct Reply {
    pub(crate) status: &'static str,
    /// Headers beside the length, each with its line's end.
    pub(crate) headers: &'static str,
    pub(crate) body: Vec<u8>,
}

/// Reads one request, answers it, and gives the request's body.
pub(crate) async fn asked_once(listener: TcpListener, reply: Reply) -> Option<Vec<u8>> {
    let (stream, _) = listener.accept().await.ok()?;
    let mut stream = BufReader::new(stream);
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok()?;
        if line.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = line.trim().split_once(": ") {
            headers.insert(name.to_ascii_lowercase(), value.to_owned());
        }
    }
    let mut asked = vec![0; headers.get("content-length")?.parse().ok()?];
    stream.read_exact(&mut asked).await.ok()?;
    let Reply {
        status,
        headers,
        body,
    } = reply;
    let head = format!(
        "HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n",
        body.len()
    );
    let answer = [head.as_bytes(), &body].concat();
    stream.get_mut().write_all(&answer).await.ok()?;
    Some(asked)
}
