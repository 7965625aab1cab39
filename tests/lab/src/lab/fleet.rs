//! Fleets in the lab.

use serde_json::Value;

use super::api::Lab;

/// The three hosts that every lab has.
pub const HOSTS: [&str; 3] = ["h1", "h2", "h3"];

/// The first two of them.
pub const TWO: [&str; 2] = ["h1", "h2"];

/// Every host of this lab: three, or the number in `DRAWGATE_LAB_HOSTS`.
pub fn hosts() -> Vec<String> {
    let asked = std::env::var("DRAWGATE_LAB_HOSTS").ok();
    let count = asked.and_then(|count| count.parse().ok()).unwrap_or(HOSTS.len());
    (1..=count).map(|number| format!("h{number}")).collect()
}

/// A fleet in the lab.
#[derive(Debug, Clone)]
pub struct Fleet {
    /// Name of the Auto Scaling group.
    pub name: String,
    /// The instances, in the order of their hosts.
    pub instances: Vec<Instance>,
    pub target_groups: Vec<TargetGroup>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instance {
    /// The EC2 instance's id.
    pub id: String,
    /// The lab's name for the host.
    pub host: String,
    /// The host's private address.
    pub address: String,
}

/// One target group.
#[derive(Debug, Clone)]
pub struct TargetGroup {
    pub name: String,
    pub arn: String,
    /// The load balancer's address for the group.
    pub url: String,
}

impl Fleet {
    /// The instances in the order in which a roll takes healthy hosts: by id.
    pub fn in_order(&self) -> Vec<Instance> {
        let mut sorted = self.instances.clone();
        sorted.sort_by(|a, b| a.id.cmp(&b.id));
        sorted
    }

    /// The ids of the instances, in the order of their hosts.
    pub fn ids(&self) -> Vec<String> {
        self.instances.iter().map(|each| each.id.clone()).collect()
    }

    /// The ARNs of the target groups.
    pub fn target_group_arns(&self) -> Vec<String> {
        self.target_groups.iter().map(|group| group.arn.clone()).collect()
    }

    /// The host of an instance.
    pub fn host_of(&self, instance: &str) -> &str {
        &self
            .instances
            .iter()
            .find(|other| other.id == instance)
            .expect("an instance of this fleet")
            .host
    }
}

impl Lab {
    /// Creates a fleet.
    pub async fn fleet(&self, spec: Value) -> Fleet {
        let made = self.post("fleet", spec).await;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let list = |key: &str| made[key].as_array().cloned().unwrap_or_default();
        Fleet {
            name: text(&made["auto_scaling_group"]),
            instances: list("instances")
                .iter()
                .map(|each| Instance {
                    id: text(&each["id"]),
                    host: text(&each["host"]),
                    address: text(&each["address"]),
                })
                .collect(),
            target_groups: list("target_groups")
                .iter()
                .map(|each| TargetGroup {
                    name: text(&each["name"]),
                    arn: text(&each["arn"]),
                    url: text(&each["url"]),
                })
                .collect(),
        }
    }
}
