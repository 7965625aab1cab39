//! Policies of the virtual host.

use serde_json::{Value, json};

use super::vhost::Broker;
use crate::repository;

impl Broker {
    /// Sets the shipped policies in this virtual host, as `rabbitmqctl import_definitions` does in the
    /// virtual host that they name.
    pub async fn set_policies(&self) {
        let shipped = std::fs::read_to_string(repository("infra/rabbitmq/definitions.json")).unwrap();
        let shipped: Value = serde_json::from_str(&shipped).unwrap();
        for policy in shipped["policies"].as_array().unwrap() {
            self.put_policy(policy["name"].as_str().unwrap(), policy).await;
        }
    }

    /// Bounds every queue of releases, as an operator's policy does; the broker refuses messages beyond the
    /// bound.
    pub async fn bound_queues(&self, messages: u32) {
        let bound = json!({"pattern": "^drawgate[.]releases[.]", "definition": {"max-length": messages}, "apply-to": "queues"});
        self.put_policy("bound", &bound).await;
    }

    /// Sets a policy for one queue.
    pub async fn policy(&self, name: &str, queue: &str, definition: Value) {
        let policy = json!({"pattern": format!("^{queue}$"), "apply-to": "queues", "definition": definition});
        self.put_policy(name, &policy).await;
    }

    /// Removes a policy.
    pub async fn remove_policy(&self, name: &str) {
        let path = format!("policies/{}/{name}", self.vhost);
        self.management.delete(&path).await;
    }

    async fn put_policy(&self, name: &str, policy: &Value) {
        let path = format!("policies/{}/{name}", self.vhost);
        self.management.put(&path, policy).await;
    }
}
