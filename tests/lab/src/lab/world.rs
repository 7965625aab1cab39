//! How hard the lab's AWS is, what its caller may do, who else is in the account, and what vanishes.

use serde_json::{Value, json};

use super::api::Lab;

impl Lab {
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

    /// Deletes what forwards to a target group: its targets turn `unused`.
    pub async fn leave_listeners(&self, name: &str) {
        self.post("target_group/leave_listeners", json!({"name": name}))
            .await;
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

fn texts(list: &Value) -> Vec<String> {
    let items = list.as_array().into_iter().flatten();
    items.filter_map(Value::as_str).map(str::to_owned).collect()
}
