//! The marks that releases left on the things they touched, found without knowing anything else of them
//! (`names.rs`).

use std::collections::BTreeMap;

use drawgate_rollout::definition::ServiceDefinition;
use drawgate_rollout::names::{old_container, old_prefix};
use drawgate_rollout::{
    AlarmSnapshot, ContainerSnapshot, FleetSnapshot, HostSnapshot, LABEL_RELEASE, LeftContainers, Marks,
    StepOutcome, TargetSnapshot,
};
use drawgate_schemas::{Digest, ReleaseId};
use futures_util::stream::{self, StreamExt};

use super::alarms::holders;
use super::connections::Effects;
use super::inspect::snapshot;
use super::lease::LeaseRecord;
use super::names::{LABEL_ENVIRONMENT, LABEL_RESTART_BEFORE, LABEL_SERVICE, TARGET_TAG_PREFIX, suspended_by};
use super::outcome::{Effect, Sorted};
use crate::aws::Instance;
use crate::host::{ContainerInfo, HostError};

/// How many hosts, or alarms, are asked side by side.
const SIDE_BY_SIDE: usize = 10;

/// A fleet, and the marks found on it.
pub struct Leftovers {
    pub fleet: FleetSnapshot,
    /// The marks of each release.
    pub marks: Vec<Marks>,
    /// The owner of the fleet's lease.
    pub lease: Option<LeaseHolder>,
    /// Hosts whose containers could not be looked at, and why.
    pub unseen: BTreeMap<String, String>,
}

/// The owner of a fleet's lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseHolder {
    pub parameter: String,
    /// The worker's name.
    pub worker: String,
    /// The id of the owner's ledger.
    pub ledger: String,
    /// The release that the lease was taken for.
    pub release: ReleaseId,
    pub since: jiff::Timestamp,
}

/// Marks by release, as they are found.
#[derive(Default)]
struct Found(BTreeMap<ReleaseId, Marks>);

impl Found {
    /// The marks of this release; `None` where the text is no release id.
    fn of(&mut self, release: &str) -> Option<&mut Marks> {
        let release: ReleaseId = release.parse().ok()?;
        Some(self.0.entry(release).or_insert_with(|| Marks::of(release)))
    }
}

impl Effects {
    /// A target's fleet, and all the marks that releases have left on it. Reads only.
    ///
    /// # Errors
    /// Says why the fleet could not be looked at.
    pub async fn leftovers(&self, definition: &ServiceDefinition) -> Result<Leftovers, StepOutcome> {
        let fleet = Box::pin(snapshot(self, definition)).await?;
        let mut found = Found::default();
        for group in &fleet.groups {
            let tag = group.suspension_tag.as_deref();
            let Some((release, suspended, let_run)) = tag.and_then(suspended_by) else {
                continue;
            };
            if let Some(marks) = found.of(release) {
                marks.suspended.insert(group.name.clone(), suspended);
                marks.let_run.insert(group.name.clone(), let_run);
            }
        }
        self.find_silenced(&fleet, &mut found).await?;
        let instances = self.fleet_instances(&definition.fleet).await?;
        self.find_taken_out(&instances, &mut found).await?;
        let unseen = self.find_containers(definition, &fleet, &mut found).await;
        let lease = self.lease_holder(definition).await?;
        if let Some(holder) = &lease
            && let Some(marks) = found.of(&holder.release.to_string())
        {
            marks.has_lease = true;
        }
        let marks = found.0.into_values().map(|marks| marks.on(&fleet, definition));
        Ok(Leftovers {
            marks: marks.collect(),
            fleet,
            lease,
            unseen,
        })
    }

    async fn find_silenced(&self, fleet: &FleetSnapshot, found: &mut Found) -> Effect<()> {
        let may_be_silenced = |alarm: &&AlarmSnapshot| alarm.silenced || alarm.unasked;
        let off: Vec<&AlarmSnapshot> = fleet.alarms.iter().filter(may_be_silenced).collect();
        let looks: Vec<_> = off.iter().map(|alarm| self.aws.alarm_tags(&alarm.arn)).collect();
        let looks: Vec<_> = stream::iter(looks).buffered(SIDE_BY_SIDE).collect().await;
        for (alarm, tags) in off.into_iter().zip(looks) {
            let holders = holders(&tags.sorted()?);
            for release in holders.releases() {
                let Some(marks) = found.of(release) else {
                    continue;
                };
                marks.silenced.insert(alarm.name.clone());
                if holders.has_others(release) {
                    marks.silenced_by_others.insert(alarm.name.clone());
                }
            }
        }
        Ok(())
    }

    async fn find_taken_out(&self, instances: &[Instance], found: &mut Found) -> Effect<()> {
        let tagged = instances.iter().flat_map(|instance| {
            let tags = instance.tags.iter();
            tags.filter_map(move |(key, value)| Some((instance, key.strip_prefix(TARGET_TAG_PREFIX)?, value)))
        });
        let tagged: Vec<_> = tagged.collect();
        if tagged.is_empty() {
            return Ok(());
        }
        let groups = self.aws.target_groups().await.sorted()?;
        for (instance, place, value) in tagged {
            let name = place.rsplit_once(':').map_or(place, |(name, _)| name);
            let Some(group) = groups.iter().find(|group| group.name == name) else {
                continue;
            };
            if let Some((release, target)) = taken_out(&group.arn, value)
                && let Some(marks) = found.of(release)
            {
                let of_host = marks.taken_out.entry(instance.id.clone()).or_default();
                of_host.push(target);
            }
        }
        Ok(())
    }

    /// Notes the marks on containers; gives the hosts that could not be asked.
    async fn find_containers(
        &self,
        definition: &ServiceDefinition,
        fleet: &FleetSnapshot,
        found: &mut Found,
    ) -> BTreeMap<String, String> {
        if definition.container().is_none() {
            return BTreeMap::new();
        }
        let looks: Vec<_> = fleet.hosts.iter().map(|host| self.containers_of(host)).collect();
        let mut unseen = BTreeMap::new();
        let looks: Vec<_> = stream::iter(looks).buffered(SIDE_BY_SIDE).collect().await;
        for (host, seen) in fleet.hosts.iter().zip(looks) {
            match seen {
                Ok(containers) => left_on(definition, host, &containers, found),
                Err(error) => {
                    unseen.insert(host.instance.clone(), super::outcome::chain(&error));
                }
            }
        }
        unseen
    }

    async fn containers_of(&self, host: &HostSnapshot) -> Result<Vec<ContainerInfo>, HostError> {
        let engine = self.hosts.host(&host.instance, &host.address);
        engine.containers(true).await
    }

    async fn lease_holder(&self, definition: &ServiceDefinition) -> Effect<Option<LeaseHolder>> {
        let Some(parameter) = definition.lease_parameter.as_deref() else {
            return Ok(None);
        };
        let there = Box::pin(self.aws.parameter(parameter)).await.sorted()?;
        let note = there.and_then(|there| serde_json::from_str::<LeaseRecord>(&there.value).ok());
        Ok(note.and_then(|note| {
            Some(LeaseHolder {
                parameter: parameter.to_owned(),
                release: note.release.parse().ok()?,
                worker: note.worker,
                ledger: note.ledger,
                since: note.since,
            })
        }))
    }

    /// Deletes the lease of a worker that is known to be gone.
    ///
    /// # Errors
    /// Says why the lease could not be deleted.
    pub async fn evict(&self, holder: &LeaseHolder) -> Result<(), StepOutcome> {
        Box::pin(self.aws.delete_parameter(&holder.parameter))
            .await
            .sorted()
    }
}

/// Reads `RELEASE ID PORT ZONE`, as `names::target_value` writes it. The target was healthy: no other target
/// is taken out and awaited.
fn taken_out<'v>(arn: &str, value: &'v str) -> Option<(&'v str, TargetSnapshot)> {
    let mut words = value.split(' ');
    let (release, id, port, zone) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let target = TargetSnapshot {
        target_group: arn.to_owned(),
        id: id.to_owned(),
        port: port.parse().ok()?,
        zone: Some(zone).filter(|zone| *zone != "-").map(str::to_owned),
        state: "healthy".to_owned(),
    };
    Some((release, target))
}

fn left_on(
    definition: &ServiceDefinition,
    host: &HostSnapshot,
    containers: &[ContainerInfo],
    found: &mut Found,
) {
    let Some(name) = definition.container().map(|container| container.name.as_str()) else {
        return;
    };
    let has = |container: &ContainerInfo, label: &str, value: &str| {
        container.labels.get(label).is_some_and(|seen| seen == value)
    };
    let of_service = containers.iter().filter(|container| {
        has(container, LABEL_SERVICE, definition.service.as_str())
            && has(container, LABEL_ENVIRONMENT, definition.environment.as_str())
    });
    for own in of_service {
        // A container that a later release replaced is for that release to go back to.
        if own.name.starts_with(&old_prefix(name)) {
            continue;
        }
        let release = own.labels.get(LABEL_RELEASE);
        let Some(marks) = release.and_then(|release| found.of(release)) else {
            continue;
        };
        let replaced = old_container(name, marks.release);
        let named = |wanted: &str| containers.iter().find(|container| container.name == wanted);
        let before = named(&replaced).or_else(|| named(name).filter(|named| named.id != own.id));
        let restart = own.labels.get(LABEL_RESTART_BEFORE);
        let left = LeftContainers {
            image: Some(own.image_reference.clone()),
            swapped: own.running || own.name == name,
            before: before.map(container_snapshot),
            restart_before: restart.and_then(|json| serde_json::from_str(json).ok()),
        };
        marks.containers.insert(host.instance.clone(), left);
    }
}

fn container_snapshot(container: &ContainerInfo) -> ContainerSnapshot {
    let digest = container
        .repo_digests
        .first()
        .and_then(|known| known.rsplit_once('@'));
    ContainerSnapshot {
        id: container.id.clone(),
        image: container.image_reference.clone(),
        digest: digest.and_then(|(_, digest)| digest.parse::<Digest>().ok()),
        running: container.running,
        restart: container.restart_policy,
        restarts: container.restart_count,
        auto_remove: container.auto_remove,
        labels: container.labels.clone(),
    }
}
