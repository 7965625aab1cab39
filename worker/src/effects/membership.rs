//! Whether an instance is a member of its fleet, read right before it is registered.

use std::time::Duration;

use tokio::time::sleep;

use super::connections::Effects;
use super::outcome::{Effect, Sorted};
use super::ports::MembershipPort;

/// Whether an instance is a member, and how it is leaving or arriving.
pub(super) enum Membership {
    /// `InService` in its group and `running` in EC2; without a group, `running`.
    InService,
    /// On its way into the fleet, in this state.
    Awaited(String),
    /// On its way out, or out. A release never registers it.
    Gone {
        /// How it was seen.
        why: String,
        /// Whether the instance is terminated or about to be: no leftovers can remain on it.
        ended: bool,
    },
}

/// AWS's answers may be older than the last change (Amazon EC2 API Reference, "Eventual consistency"). Before
/// a host is dropped, the evidence for it is looked at twice, this far apart.
pub(super) const CONSISTENCY: Duration = Duration::from_secs(3);

impl Effects {
    /// The membership of an instance. "Gone" is believed only at the second look.
    pub(super) async fn membership(&self, instance: &str, group: Option<&str>) -> Effect<Membership> {
        membership(&self.aws, instance, group).await
    }
}

/// The membership of an instance. "Gone" is believed only at the second look.
pub(super) async fn membership(
    members: &impl MembershipPort,
    instance: &str,
    group: Option<&str>,
) -> Effect<Membership> {
    match look_at(members, instance, group).await? {
        Membership::Gone { .. } => {
            sleep(CONSISTENCY).await;
            look_at(members, instance, group).await
        }
        there => Ok(there),
    }
}

/// While `HealthCheck` is suspended a group goes on listing dead instances as `InService`, so EC2 and the
/// group are both asked.
async fn look_at(members: &impl MembershipPort, instance: &str, group: Option<&str>) -> Effect<Membership> {
    let seen = members.instances_by_ids(&[instance.to_owned()]).await.sorted()?;
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
    let listed = members
        .group_by_name(group)
        .await
        .sorted()?
        .map(|group| group.members)
        .unwrap_or_default();
    let lifecycle = listed
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
