//! The time that the load balancer and Docker needed, from their own traces.

use std::collections::BTreeMap;
use std::process::Stdio;

use drawgate_tests::lab::HOSTS;
use drawgate_tests::{Fleet, Scene};
use serde_json::Value;

/// The time that one host's roll cannot be quicker than, in seconds.
pub(crate) struct Floor {
    pub(crate) drain_s: f64,
    pub(crate) docker_s: f64,
    pub(crate) healthy_s: f64,
}

impl Floor {
    /// The floor of one instance that went out of service and came back with another container.
    pub(crate) fn of(
        instance: &str,
        fleet: &Fleet,
        transitions: &Value,
        docker: &BTreeMap<String, Vec<Value>>,
    ) -> Self {
        Self {
            drain_s: between(transitions, instance, "draining", "absent"),
            docker_s: docker_s(&docker[fleet.host_of(instance)]),
            healthy_s: between(transitions, instance, "initial", "healthy"),
        }
    }

    pub(crate) fn sum_s(&self) -> f64 {
        self.drain_s + self.docker_s + self.healthy_s
    }
}

/// `docker events` of every host.
pub(crate) struct DockerEvents(Vec<(String, tokio::process::Child)>);

impl DockerEvents {
    pub(crate) fn start(scene: &Scene) -> Self {
        let follow = |host: &str| {
            let socket = scene.lab.folder().join(format!("hosts/{host}/docker.sock"));
            let child = tokio::process::Command::new("docker")
                .args([
                    "-H",
                    &format!("unix://{}", socket.display()),
                    "events",
                    "--format",
                    "{{json .}}",
                ])
                .stdout(Stdio::piped())
                .kill_on_drop(true)
                .spawn();
            (host.to_owned(), child.expect("docker events"))
        };
        Self(HOSTS.into_iter().map(follow).collect())
    }

    /// Ends the recording, and gives all events so far, by host.
    pub(crate) async fn stop(self) -> BTreeMap<String, Vec<Value>> {
        let mut all = BTreeMap::new();
        for (host, child) in self.0 {
            drawgate_tests::worker::signal(&child, "TERM");
            let output = child.wait_with_output().await.unwrap();
            let lines = String::from_utf8_lossy(&output.stdout).into_owned();
            all.insert(
                host,
                lines
                    .lines()
                    .filter_map(|line| serde_json::from_str(line).ok())
                    .collect(),
            );
        }
        all
    }
}

/// The time from one state of a target to another, in the balancer's trace.
fn between(transitions: &Value, instance: &str, from: &str, to: &str) -> f64 {
    let at = |state: &str| {
        let all = transitions.as_array().expect("transitions");
        let found = all
            .iter()
            .find(|each| each["target"] == instance && each["to"] == state);
        found
            .and_then(|each| each["at"].as_f64())
            .unwrap_or_else(|| panic!("{instance} was never {state}"))
    };
    at(to) - at(from)
}

/// The time that the engine itself needed: from the signal until the old container had stopped, and from the
/// new one's getting its network until it had started. The time between the two is Drawgate's.
fn docker_s(events: &[Value]) -> f64 {
    let at = |kind: &str, action: &str| {
        let found = events
            .iter()
            .find(|event| event["Type"] == kind && event["Action"] == action);
        let at = found.and_then(|event| event["timeNano"].as_f64());
        at.unwrap_or_else(|| panic!("no {action} of a {kind}")) / 1e9
    };
    (at("container", "stop") - at("container", "kill"))
        + (at("container", "start") - at("network", "connect"))
}
