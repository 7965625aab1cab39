//! How hard the lab's AWS is, what its caller may do, who else is in the account, and what vanishes.

use serde_json::{Value, json};

use super::api::Lab;

/// The suites whose AWS is kind still. They have not come to their end in the hard world yet; none is known to
/// need a kind one. The benches are among them until their figures of both worlds stand side by side. All other
/// suites run in the world that the lab was started with, which is hard.
const STILL_KIND: [&str; 33] = [
    "aws_retries",
    "bad_input",
    "bench",
    "bench_scale",
    "bench_status",
    "broker_refuses",
    "chat",
    "ci_snippets",
    "clients",
    "concurrency",
    "contract",
    "control",
    "crash_matrix",
    "crowded",
    "dead_letters",
    "descriptors",
    "doctor",
    "edge_aws",
    "error_logs",
    "faults",
    "gates",
    "leftovers",
    "membership",
    "poison",
    "queueing",
    "recipes",
    "rehearse",
    "restart",
    "runbooks",
    "sequences",
    "service_manager",
    "shared",
    "traps",
];

impl Lab {
    /// Makes AWS kind where the suite is one of [`STILL_KIND`].
    pub(super) async fn spare_suite(&self) {
        if STILL_KIND.contains(&this_suite().as_str()) {
            self.set_world(json!({"setting": "kind"})).await;
        }
    }

    /// Sets properties of the lab's AWS until the next reset: single ones, or all by `"setting"`.
    pub async fn set_world(&self, properties: Value) {
        self.post("world", properties).await;
    }

    /// The properties of the lab's AWS as they are now.
    pub async fn world(&self) -> Value {
        self.get("world").await["properties"].take()
    }

    /// Gives the caller of the AWS API this policy; without one it may do everything.
    pub async fn permit(&self, policy: Value) {
        self.post("iam", json!({"policy": policy})).await;
    }

    /// Lets the caller of the AWS API do everything again.
    pub async fn permit_everything(&self) {
        self.delete("iam").await;
    }

    /// Puts strangers into the account: target groups and alarms of others.
    pub async fn crowd(&self, spec: Value) -> Crowd {
        let made = self.post("crowd", spec).await;
        Crowd {
            target_groups: texts(&made["target_groups"]),
            vpcs: texts(&made["vpcs"]),
        }
    }

    /// The strangers that are not as they were made, by name.
    pub async fn touched_strangers(&self) -> Vec<String> {
        texts(&self.get("crowd").await["touched"])
    }

    /// Deletes a target group, and before it what forwards to it.
    pub async fn delete_target_group(&self, name: &str) {
        self.post("target_group/delete", json!({"name": name})).await;
    }
}

/// Strangers in the account.
#[derive(Debug, Clone)]
pub struct Crowd {
    /// The ARNs of their target groups.
    pub target_groups: Vec<String>,
    /// The ids of their VPCs.
    pub vpcs: Vec<String>,
}

/// The name of the running suite: cargo names its executable after it, and a hash.
fn this_suite() -> String {
    let program = std::env::current_exe().unwrap();
    let name = program.file_name().unwrap().to_string_lossy().into_owned();
    name.rsplit_once('-')
        .map_or(name.clone(), |(suite, _)| suite.to_owned())
}

fn texts(list: &Value) -> Vec<String> {
    let items = list.as_array().into_iter().flatten();
    items.filter_map(Value::as_str).map(str::to_owned).collect()
}
