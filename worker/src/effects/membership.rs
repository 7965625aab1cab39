//! Whether an instance is a member of its fleet, read right before it is registered.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use drawgate_rollout::HostPlan;
use tokio::time::sleep;

use super::connections::Effects;
use super::outcome::{Effect, Sorted};
use super::ports::MembershipPort;
use crate::aws::Group;

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

impl Membership {
    /// That of an instance which EC2 does not know any more.
    fn terminated() -> Self {
        judged("terminated", None)
    }
}

/// AWS's answers may be older than the last change (Amazon EC2 API Reference, "Eventual consistency"). Before
/// a host is dropped, the evidence for it is looked at twice, this far apart.
pub(super) const CONSISTENCY: Duration = Duration::from_secs(3);

impl Effects {
    /// The membership of an instance. "Gone" is believed only at the second look.
    pub(super) async fn membership(&self, instance: &str, group: Option<&str>) -> Effect<Membership> {
        membership(&self.shared, instance, group).await
    }

    /// The memberships of these instances in groups that this step has looked at. "Gone" is believed only at the
    /// second look, one for all of them, which asks for the groups again.
    pub(super) async fn memberships_in<'a>(
        &self,
        groups: &SeenGroups,
        asked: &[Asked<'a>],
    ) -> Effect<BTreeMap<&'a str, Membership>> {
        memberships_in(&self.shared, groups, asked).await
    }

    /// Looks at these Auto Scaling groups, each once.
    pub(super) async fn see_groups(&self, names: BTreeSet<&str>) -> Effect<SeenGroups> {
        see_groups(&self.shared, names, &SeenGroups::new()).await
    }
}

/// Auto Scaling groups as one look showed them, by name; `None` for a group that does not exist.
pub(super) type SeenGroups = BTreeMap<String, Option<Group>>;

/// The membership of an instance. "Gone" is believed only at the second look.
pub(super) async fn membership(
    members: &impl MembershipPort,
    instance: &str,
    group: Option<&str>,
) -> Effect<Membership> {
    let mut seen = memberships(members, &[Asked { instance, group }]).await?;
    Ok(seen.remove(instance).unwrap_or_else(Membership::terminated))
}

/// An instance, and the Auto Scaling group that it is to be a member of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) instance: &'a str,
    pub(super) group: Option<&'a str>,
}

impl<'a> Asked<'a> {
    pub(super) fn of(host: &'a HostPlan) -> Self {
        Self {
            instance: &host.instance,
            group: host.group.as_deref(),
        }
    }
}

/// The memberships of these instances, by a few calls however many they are. "Gone" is believed only at the
/// second look, which is one for all of them.
pub(super) async fn memberships<'a>(
    members: &impl MembershipPort,
    asked: &[Asked<'a>],
) -> Effect<BTreeMap<&'a str, Membership>> {
    memberships_in(members, &SeenGroups::new(), asked).await
}

/// The same; the first look takes these groups as they were seen.
async fn memberships_in<'a>(
    members: &impl MembershipPort,
    groups: &SeenGroups,
    asked: &[Asked<'a>],
) -> Effect<BTreeMap<&'a str, Membership>> {
    let mut seen = look_at(members, groups, asked).await?;
    let is_gone = |asked: &Asked<'_>| matches!(seen.get(asked.instance), Some(Membership::Gone { .. }));
    let gone: Vec<Asked<'a>> = asked.iter().copied().filter(is_gone).collect();
    if !gone.is_empty() {
        sleep(CONSISTENCY).await;
        seen.extend(look_at(members, &SeenGroups::new(), &gone).await?);
    }
    Ok(seen)
}

/// While `HealthCheck` is suspended a group goes on listing dead instances as `InService`, so EC2 and the
/// groups are both asked, side by side.
async fn look_at<'a>(
    members: &impl MembershipPort,
    groups: &SeenGroups,
    asked: &[Asked<'a>],
) -> Effect<BTreeMap<&'a str, Membership>> {
    if asked.is_empty() {
        return Ok(BTreeMap::new());
    }
    let ids: Vec<String> = asked.iter().map(|asked| asked.instance.to_owned()).collect();
    let names = asked.iter().filter_map(|asked| asked.group).collect();
    let (found, seen) = tokio::try_join!(
        async { members.instances_by_ids(&ids).await.sorted() },
        see_groups(members, names, groups),
    )?;
    let states: HashMap<&str, &str> = found
        .iter()
        .map(|instance| (instance.id.as_str(), instance.state.as_str()))
        .collect();
    let mut lifecycles = HashMap::new();
    for (name, group) in seen.iter().chain(groups) {
        let listed = group.iter().flat_map(|group| &group.members);
        lifecycles
            .extend(listed.map(|member| ((name.as_str(), member.id.as_str()), member.lifecycle.as_str())));
    }
    let judge = |asked: &Asked<'a>| {
        let state = states.get(asked.instance).copied().unwrap_or("terminated");
        let listed = asked
            .group
            .map(|group| (group, lifecycles.get(&(group, asked.instance)).copied()));
        (asked.instance, judged(state, listed))
    };
    Ok(asked.iter().map(judge).collect())
}

/// Looks at those of these groups that were not seen yet.
async fn see_groups(
    members: &impl MembershipPort,
    names: BTreeSet<&str>,
    seen: &SeenGroups,
) -> Effect<SeenGroups> {
    let mut groups = SeenGroups::new();
    for name in names.into_iter().filter(|name| !seen.contains_key(*name)) {
        groups.insert(name.to_owned(), members.group_by_name(name).await.sorted()?);
    }
    Ok(groups)
}

/// The membership of an instance with this state in EC2, and with this lifecycle state in its group, where it
/// is to be in one.
fn judged(state: &str, listed: Option<(&str, Option<&str>)>) -> Membership {
    match state {
        "running" => {}
        "pending" => return Membership::Awaited(state.to_owned()),
        other => {
            return Membership::Gone {
                why: format!("{other} in EC2"),
                ended: matches!(other, "shutting-down" | "terminated"),
            };
        }
    }
    match listed {
        None | Some((_, Some("InService"))) => Membership::InService,
        Some((group, Some(pending))) if pending.starts_with("Pending") => {
            Membership::Awaited(format!("{pending} in {group}"))
        }
        Some((group, Some(other))) => Membership::Gone {
            why: format!("{other} in {group}"),
            ended: other.starts_with("Terminat"),
        },
        Some((group, None)) => Membership::Gone {
            why: format!("no longer a member of {group}"),
            ended: false,
        },
    }
}
