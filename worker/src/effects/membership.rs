//! Whether an instance is a member of its fleet, read right before it is registered.

use std::time::Duration;

use tokio::time::sleep;

use super::connections::Effects;
use super::outcome::{Effect, Sorted};

/// Where an instance stands.
pub(super) enum Membership {
    /// `InService` in its group and `running` in EC2; without a group, `running`.
    InService,
    /// On its way in.
    Awaited(String),
    /// On its way out, or out. Never registered by us.
    Gone {
        /// How that was seen.
        why: String,
        /// Whether the instance has ended, or is about to: nothing of it can be left behind.
        ended: bool,
    },
}

/// AWS's answers may be older than the last change (Amazon EC2 API Reference, "Eventual consistency"): what a host is
/// dropped for is looked at twice, this far apart.
pub(super) const CONSISTENCY: Duration = Duration::from_secs(3);

impl Effects {
    /// Where an instance stands. That it is gone is believed at the second look.
    pub(super) async fn membership(&self, instance: &str, group: Option<&str>) -> Effect<Membership> {
        match self.look_at_membership(instance, group).await? {
            Membership::Gone { .. } => {
                sleep(CONSISTENCY).await;
                self.look_at_membership(instance, group).await
            }
            there => Ok(there),
        }
    }

    /// While `HealthCheck` is suspended a group goes on listing dead instances as `InService`: both are asked.
    async fn look_at_membership(&self, instance: &str, group: Option<&str>) -> Effect<Membership> {
        let seen = self.aws.instances_by_ids(&[instance.to_owned()]).await.sorted()?;
        let state = seen
            .first()
            .map_or("terminated", |instance| instance.state.as_str());
        match state {
            "running" => {}
            "pending" => return Ok(Membership::Awaited(state.to_owned())),
            other => {
                let ended = matches!(other, "shutting-down" | "terminated");
                return Ok(Membership::Gone {
                    why: format!("{other} in EC2"),
                    ended,
                });
            }
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
            Some(other) => Membership::Gone {
                why: format!("{other} in {group}"),
                ended: other.starts_with("Terminat"),
            },
            None => Membership::Gone {
                why: format!("no longer a member of {group}"),
                ended: false,
            },
        })
    }
}
