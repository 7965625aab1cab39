//! Whether an instance is a member of its fleet, read right before it is registered.

use super::Effects;
use super::outcome::{Effect, Sorted};

/// Where an instance stands.
pub(super) enum Membership {
    /// `InService` in its group and `running` in EC2; without a group, `running`.
    InService,
    /// On its way in.
    Awaited(String),
    /// On its way out, or out. Never registered by us.
    Gone(String),
}

impl Effects {
    /// While `HealthCheck` is suspended a group goes on listing dead instances as `InService`: both are asked.
    pub(super) async fn membership(&self, instance: &str, group: Option<&str>) -> Effect<Membership> {
        let seen = self.aws.instances_by_ids(&[instance.to_owned()]).await.sorted()?;
        let state = seen
            .first()
            .map_or("terminated", |instance| instance.state.as_str());
        match state {
            "running" => {}
            "pending" => return Ok(Membership::Awaited(state.to_owned())),
            other => return Ok(Membership::Gone(format!("{other} in EC2"))),
        }
        let Some(group) = group else {
            return Ok(Membership::InService);
        };
        let members = self
            .aws
            .group_by_name(group)
            .await
            .sorted()?
            .map(|group| group.members)
            .unwrap_or_default();
        let lifecycle = members
            .into_iter()
            .find(|member| member.id == instance)
            .map(|member| member.lifecycle);
        Ok(match lifecycle.as_deref() {
            Some("InService") => Membership::InService,
            Some(pending) if pending.starts_with("Pending") => {
                Membership::Awaited(format!("{pending} in {group}"))
            }
            Some(other) => Membership::Gone(format!("{other} in {group}")),
            None => Membership::Gone(format!("no longer a member of {group}")),
        })
    }
}
