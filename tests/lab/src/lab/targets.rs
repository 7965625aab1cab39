//! The targets of a load balancer.

use serde_json::Value;

use super::api::Lab;
use super::fleet::Fleet;
use crate::wait::until;

impl Lab {
    /// The state of every target of a target group, by instance.
    pub async fn targets(&self, group: &str) -> Vec<(String, String)> {
        let state = self.get("state").await;
        let groups = state["target_groups"].as_array().cloned().unwrap_or_default();
        let found = groups
            .into_iter()
            .find(|each| each["name"] == group)
            .expect("a target group");
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let targets = found["targets"].as_array().cloned().unwrap_or_default();
        targets
            .iter()
            .map(|each| (text(&each["id"]), text(&each["state"])))
            .collect()
    }

    /// Waits until every target of the fleet is in this state. A target group without a listener is left out,
    /// because its targets are `unused` for ever.
    pub async fn all_targets(&self, fleet: &Fleet, wanted: &str) {
        for group in fleet.target_groups.iter().filter(|group| !group.url.is_empty()) {
            until(&format!("all of {} {wanted}", group.name), || async {
                let targets = self.targets(&group.name).await;
                (!targets.is_empty() && targets.iter().all(|(_, state)| state == wanted)).then_some(())
            })
            .await;
        }
    }
}
