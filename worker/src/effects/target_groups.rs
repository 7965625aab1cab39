//! Finds the target groups that a fleet is in.
//!
//! ```text
//!   of the fleet   those of its Auto Scaling groups, those that the plan has, those that the service's file names
//!   possible       all others of the instances' VPCs, unless the file names any:
//!                  an instance that somebody registered by hand is found in no other way
//!   foreign        those of other VPCs that have addresses as targets, where they are few and the file names none:
//!                  the fleet may be reached there by peering, and is not rolled then before the file says so
//!   strangers      the rest; nobody asks for their targets
//! ```
//! Only [`DescribeTargetHealth`] says who is in a group, one group a call, from a bucket of 40 calls with 10 more
//! a second for the whole account and region (Elastic Load Balancing, "Request throttling").
//!
//! [`DescribeTargetHealth`]: crate::aws::HealthWatch

mod attributes;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use drawgate_rollout::definition::ServiceDefinition;
use drawgate_rollout::{ForeignTarget, TargetGroupSnapshot, TargetSnapshot};
use futures_util::stream::{self, StreamExt};
use tokio::time::Instant;

use super::connections::Effects;
use super::outcome::{Effect, Sorted};
use super::ports::{GroupPort, HealthPort};
use crate::aws::{Group, Instance, Target, TargetGroup};

/// How many target groups are asked side by side. The limiter of all calls sets the pace; these hide the round
/// trips.
const SIDE_BY_SIDE: usize = 8;

/// How long a group that had no target of the fleet is taken for a stranger, at least. The second look at a fleet,
/// with everything locked, needs no new answers then, and the services of one VPC share them; an instance that somebody
/// registers by hand is found after as long.
const STRANGER: Duration = Duration::from_secs(5 * 60);

/// It is taken for one as long as it takes to ask all groups so many times: an inspection whose time is over before
/// all are asked goes on where it was, and the core gives it three times in all
/// ([`drawgate_rollout::limits::INSPECT_PATIENCE_MS`]).
const STRANGER_LOOKS: u32 = 3;

/// Most groups of other VPCs that are asked whether they have an address of the fleet: half of the calls that the
/// account and region has at once. They are other services' as a rule.
const FOREIGN: usize = 20;

/// The zone of an address from outside its target group's VPC. Behind an Application Load Balancer such an address has
/// no other one (Elastic Load Balancing API Reference, `TargetDescription`).
const FROM_OUTSIDE: &str = "all";

/// Registrations of every instance, by instance id.
pub(super) type Registrations = BTreeMap<String, Vec<TargetSnapshot>>;

/// The target groups of some instances, and who of them is registered where.
#[derive(Default)]
pub(super) struct Found {
    pub(super) target_groups: Vec<TargetGroupSnapshot>,
    pub(super) registrations: Registrations,
    /// How many groups were asked in vain.
    pub(super) asked_in_vain: u32,
    /// Names from the service's file that no group has.
    pub(super) missing: Vec<String>,
    /// The fleet's addresses in groups of other VPCs that the file does not name.
    pub(super) foreign_targets: Vec<ForeignTarget>,
    /// How many groups of other VPCs were not asked, because they are too many.
    pub(super) unasked_foreign: u32,
}

/// What is known of a fleet before any target group is asked.
pub(super) struct Known<'a> {
    pub(super) instances: &'a [Instance],
    /// ARNs of target groups that are the fleet's, whoever is registered there now.
    pub(super) arns: BTreeSet<String>,
    /// Names or ARNs from the service's file; `None` where it names none.
    pub(super) named: Option<&'a [String]>,
}

impl<'a> Known<'a> {
    pub(super) fn of(definition: &'a ServiceDefinition, instances: &'a [Instance], groups: &[Group]) -> Self {
        let attached = groups.iter().flat_map(|group| {
            let sources = group.traffic_sources.iter().map(|source| &source.identifier);
            group.target_group_arns.iter().chain(sources)
        });
        Self {
            instances,
            arns: attached.cloned().collect(),
            named: definition.target_groups.as_deref(),
        }
    }

    fn is_named(&self, group: &TargetGroup) -> bool {
        let mut named = self.named.unwrap_or_default().iter();
        named.any(|name| *name == group.name || *name == group.arn)
    }

    fn is_of_fleet(&self, group: &TargetGroup) -> bool {
        self.arns.contains(&group.arn) || self.is_named(group)
    }

    /// Whether an instance may be registered there although nothing says so.
    fn is_possible(&self, group: &TargetGroup) -> bool {
        let holds_instances = matches!(group.target_type.as_str(), "instance" | "ip");
        let in_vpc = || {
            self.instances
                .iter()
                .any(|instance| is_in_vpc_of(instance, group))
        };
        self.named.is_none() && holds_instances && in_vpc()
    }

    /// Whether the fleet may be reached there by its addresses, from another VPC.
    fn is_foreign(&self, group: &TargetGroup) -> bool {
        let mut instances = self.instances.iter();
        self.named.is_none()
            && group.target_type == "ip"
            && !instances.any(|instance| is_in_vpc_of(instance, group))
    }

    /// The fleet's addresses in a group of another VPC, of which nobody has said whose they are there. A zone says that
    /// an Application Load Balancer's target is within that VPC: another machine's. Behind a Network Load Balancer, an
    /// address from outside may have a zone too.
    fn foreign_targets(&self, group: &TargetGroup, targets: &[Target]) -> Vec<ForeignTarget> {
        if self.named.is_some() {
            return Vec::new();
        }
        let strangers = targets
            .iter()
            .filter(|target| self.owner(group, &target.id).is_none());
        let foreign = strangers.filter_map(|target| {
            let mut instances = self.instances.iter();
            let instance = instances.find(|instance| has_address(instance, &target.id))?;
            let zone = target.zone.as_deref();
            let from_outside = zone == Some(FROM_OUTSIDE);
            let is_within = zone.is_some() && !from_outside && !group.passes_connections();
            (!is_within).then(|| ForeignTarget {
                target_group: group.name.clone(),
                address: target.id.clone(),
                instance: instance.id.clone(),
                from_outside,
            })
        });
        foreign.collect()
    }

    /// The instance behind a target: by its id, or by any of its private addresses. The same address in another
    /// VPC is another machine's, unless the service's file names the group, as one of a peered VPC.
    fn owner(&self, group: &TargetGroup, id: &str) -> Option<&'a Instance> {
        let by_id = self.instances.iter().find(|instance| instance.id == id);
        by_id.or_else(|| {
            let mut at = self.instances.iter().filter(|instance| has_address(instance, id));
            match (
                at.clone().find(|instance| is_in_vpc_of(instance, group)),
                self.is_named(group),
            ) {
                (Some(own), _) => Some(own),
                // Two instances of the fleet may have the address, each in its VPC.
                (None, true) => at.next().filter(|_| at.next().is_none()),
                (None, false) => None,
            }
        })
    }

    /// Names from the service's file that no group has.
    fn missing(&self, all: &[TargetGroup]) -> Vec<String> {
        let named = self.named.unwrap_or_default().iter();
        let is_there = |name: &String| all.iter().any(|group| *name == group.name || *name == group.arn);
        named.filter(|name| !is_there(name)).cloned().collect()
    }
}

fn has_address(instance: &Instance, id: &str) -> bool {
    instance.private_addresses.iter().any(|address| address == id)
}

/// Both are known to be in one VPC.
fn is_in_vpc_of(instance: &Instance, group: &TargetGroup) -> bool {
    instance.vpc.is_some() && instance.vpc == group.vpc
}

impl Effects {
    /// Looks for the target groups of these instances.
    pub(super) async fn target_groups_of(
        &self,
        definition: &ServiceDefinition,
        known: &Known<'_>,
    ) -> Effect<Found> {
        let search = Search {
            groups: &self.aws,
            health: self.watch(definition),
            known,
        };
        search.find().await
    }
}

/// Looks for the target groups of some instances.
struct Search<'a, G, H> {
    groups: &'a G,
    health: H,
    known: &'a Known<'a>,
}

impl<G: GroupPort, H: HealthPort> Search<'_, G, H> {
    async fn find(&self) -> Effect<Found> {
        let known = self.known;
        let mut found = Found::default();
        if known.instances.is_empty() {
            return Ok(found);
        }
        let all = self.groups.target_groups().await.sorted()?;
        found.missing = known.missing(&all);
        let foreign = all.iter().filter(|group| known.is_foreign(group)).count();
        let too_many = foreign > FOREIGN;
        if too_many {
            found.unasked_foreign = u32::try_from(foreign).unwrap_or(u32::MAX);
        }
        let is_asked = |group: &TargetGroup| {
            let is_possible = known.is_of_fleet(group) || known.is_possible(group);
            is_possible || (!too_many && known.is_foreign(group))
        };
        let asked = all.into_iter().filter(is_asked).collect();
        for (group, targets) in self.ask(asked).await? {
            found
                .foreign_targets
                .extend(known.foreign_targets(&group, &targets));
            let ours = ours(known, &group, &targets);
            if ours.is_empty() {
                found.asked_in_vain += u32::from(!known.is_of_fleet(&group) && known.is_possible(&group));
                continue;
            }
            let Some(snapshot) = self.snapshot(&group, &targets).await? else {
                continue;
            };
            found.target_groups.push(snapshot);
            for (instance, target) in ours {
                found
                    .registrations
                    .entry(instance.id.clone())
                    .or_default()
                    .push(target);
            }
        }
        Ok(found)
    }

    /// The targets of these groups. A group that is throttled keeps no other one from being asked: the answers are
    /// kept, and the next attempt asks for what is missing.
    async fn ask(&self, asked: Vec<TargetGroup>) -> Effect<Vec<(TargetGroup, Arc<[Target]>)>> {
        let count = u32::try_from(asked.len()).unwrap_or(u32::MAX);
        let all_once = self.groups.pace().saturating_mul(count);
        let stranger = STRANGER.max(all_once.saturating_mul(STRANGER_LOOKS));
        let looks: Vec<_> = asked
            .into_iter()
            .map(|group| self.look_at(group, stranger))
            .collect();
        let seen: Vec<Effect<_>> = stream::iter(looks).buffered(SIDE_BY_SIDE).collect().await;
        let seen: Vec<Option<_>> = seen.into_iter().collect::<Effect<_>>()?;
        Ok(seen.into_iter().flatten().collect())
    }

    /// The targets of a group as they are now, or as they were a while ago where none of them is the fleet's. `None`
    /// where the group is gone: groups of others come and go.
    async fn look_at(
        &self,
        group: TargetGroup,
        stranger: Duration,
    ) -> Effect<Option<(TargetGroup, Arc<[Target]>)>> {
        let now = Instant::now();
        if !self.known.is_of_fleet(&group) {
            let a_while_ago = now.checked_sub(stranger).unwrap_or(now);
            let Some(targets) = self.health.targets(&group.arn, a_while_ago).await.sorted()? else {
                return Ok(None);
            };
            if ours(self.known, &group, &targets).is_empty() {
                return Ok(Some((group, targets)));
            }
        }
        let targets = self.health.targets(&group.arn, now).await.sorted()?;
        Ok(targets.map(|targets| (group, targets)))
    }
}

/// The targets that are instances of the fleet.
fn ours<'a>(
    known: &Known<'a>,
    group: &TargetGroup,
    targets: &[Target],
) -> Vec<(&'a Instance, TargetSnapshot)> {
    let ours = targets.iter().filter_map(|target| {
        let owner = known.owner(group, &target.id)?;
        Some((owner, target_snapshot(group, target)))
    });
    ours.collect()
}

fn target_snapshot(group: &TargetGroup, target: &Target) -> TargetSnapshot {
    TargetSnapshot {
        target_group: group.arn.clone(),
        id: target.id.clone(),
        port: target.port,
        zone: target.zone.clone(),
        state: target.state.as_str().to_owned(),
    }
}

#[cfg(test)]
mod tests;
