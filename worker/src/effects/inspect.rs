//! Looks at a fleet: collects everything that preflight judges. Reads only, so `plan` prints what `run` would
//! see.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use drawgate_rollout::definition::{CommandDefinition, FleetSelector, ServiceDefinition};
use drawgate_rollout::{
    Awaited, ContainerSnapshot, Evidence, Failure, Finding, FleetSnapshot, GroupSnapshot, HostSnapshot,
    HostView, ImageSnapshot, MemberSnapshot, OutsideDocker, Plan, Release, ScheduledAction, Severity,
    StepOutcome, TargetSnapshot, plan,
};
use drawgate_schemas::{Digest, ReleaseRequest};
use futures_util::stream::{self, StreamExt};

use super::alarms::seen::alarms_seen;
use super::connections::Effects;
use super::names::GROUP_TAG;
use super::outcome::{Effect, Sorted, chain, either, refused};
use super::scaling::is_at_rest;
use super::target_groups::{Found, Known};
use crate::aws::{Group, Instance};
use crate::host::{ContainerInfo, Host, HostError};

/// How many hosts are looked at side by side: quick for a large fleet, and far below sshd's limits.
const SIDE_BY_SIDE: usize = 8;

/// A plan, or the findings that rule one out.
pub type Inspection = Result<Plan, Vec<Finding>>;

impl Effects {
    pub(super) async fn inspect(&self, release: &Release) -> StepOutcome {
        either(self.try_inspect(release).await)
    }

    async fn try_inspect(&self, release: &Release) -> Effect<StepOutcome> {
        let (seen, inspection) = self.look(&release.request, release.digest.as_ref()).await?;
        let evidence = match inspection {
            Ok(plan) => Evidence::PreflightPassed { plan: Arc::new(plan) },
            Err(findings) => Evidence::PreflightRefused {
                touches: seen.touches(),
                failure: Box::new(findings_failure(&findings)),
                awaited: self.awaited(release, &findings).map(Box::new),
            },
        };
        Ok(StepOutcome::Done { evidence })
    }

    /// What the release waits for, where nothing else is against it.
    fn awaited(&self, release: &Release, findings: &[Finding]) -> Option<Awaited> {
        let request = &release.request;
        let definition = self.definitions.of(&request.environment, &request.service).ok()?;
        Awaited::of(findings, &definition)
    }

    /// Looks at the fleet as it is, and plans what a release would do to it. Reads only.
    ///
    /// # Errors
    /// Says why the fleet could not be looked at.
    pub async fn plan(
        &self,
        request: &ReleaseRequest,
        digest: Option<&Digest>,
    ) -> Result<(FleetSnapshot, Inspection), StepOutcome> {
        self.look(request, digest).await
    }

    async fn look(
        &self,
        request: &ReleaseRequest,
        digest: Option<&Digest>,
    ) -> Effect<(FleetSnapshot, Inspection)> {
        let definition = self
            .definitions
            .of(&request.environment, &request.service)
            .or_else(refused)?;
        let (mut snapshot, desired, secrets, lifecycle, unknown_host_keys) = tokio::try_join!(
            Box::pin(snapshot(self, &definition)),
            Box::pin(self.desired_snapshot(request, digest, &definition)),
            Box::pin(self.secret_snapshots(&definition)),
            Box::pin(async { Ok(self.lifecycle(&request.image).await) }),
            Box::pin(async { Ok(self.hosts.unknown_host_keys().await) }),
        )?;
        snapshot.desired = desired;
        snapshot.secrets = secrets;
        snapshot.unknown_host_keys = unknown_host_keys;
        let reached = snapshot.hosts.iter();
        let reached = reached.filter(|host| matches!(host.view, HostView::Reached { .. }));
        let hosts: Vec<(Host, HostView)> = reached
            .map(|host| (self.hosts.host(&host.instance, &host.address), host.view.clone()))
            .collect();
        if definition.container().is_some() {
            let Some(digest) = digest else {
                return refused("the digest is not known");
            };
            let engines: Vec<Host> = hosts.iter().map(|(host, _)| host.clone()).collect();
            snapshot.image.platforms = self.platforms_of(request, digest, &engines).await;
            self.see_healthcheck(request, digest, &definition, &hosts, &mut snapshot.image)
                .await;
        }
        (snapshot.image.lifecycle, snapshot.image.lifecycle_unread) = lifecycle;
        let inspection = match plan(request, digest, &definition, &snapshot) {
            Ok(planned) => {
                snapshot.permissions = Some(Box::pin(self.permissions(&planned, request.id)).await);
                plan(request, digest, &definition, &snapshot)
            }
            refused => refused,
        };
        Ok((snapshot, inspection))
    }

    /// The digest that an image's tag stands for now, as a release would resolve it. Reads only.
    ///
    /// # Errors
    /// Says why there is no digest.
    pub async fn digest_of(&self, request: &ReleaseRequest) -> Result<Option<Digest>, StepOutcome> {
        if let Some(digest) = request.image.digest() {
            return Ok(Some(digest.clone()));
        }
        let definition = self
            .definitions
            .of(&request.environment, &request.service)
            .or_else(refused)?;
        let unnamed = |command: &CommandDefinition| !command.names_digest(&definition.verify);
        if definition.command().is_some_and(unnamed) {
            return Ok(None);
        }
        let instances = self.fleet_instances(&definition.fleet).await?;
        let running = instances.iter().filter(|instance| instance.state == "running");
        let hosts: Vec<_> = running
            .filter_map(|instance| Some(self.hosts.host(&instance.id, instance.private_addresses.first()?)))
            .collect();
        self.digest_from(request.id, &hosts, &request.image)
            .await
            .map(Some)
    }

    /// The instances of a fleet, in any state.
    pub(super) async fn fleet_instances(&self, fleet: &FleetSelector) -> Effect<Vec<Instance>> {
        Ok(self.fleet_as_listed(fleet).await?.0)
    }

    /// The same with the Auto Scaling group that lists them, where the fleet is one.
    async fn fleet_as_listed(&self, fleet: &FleetSelector) -> Effect<(Vec<Instance>, Option<Group>)> {
        match fleet {
            FleetSelector::AutoScalingGroup(name) => {
                let group = self.group(name).await?;
                let ids: Vec<String> = group.members.iter().map(|member| member.id.clone()).collect();
                let instances = match ids.is_empty() {
                    true => Vec::new(),
                    false => self.aws.instances_by_ids(&ids).await.sorted()?,
                };
                Ok((instances, Some(group)))
            }
            FleetSelector::Tags(tags) => Ok((self.aws.instances_by_tags(tags).await.sorted()?, None)),
            FleetSelector::Bastion => Ok((Vec::new(), None)),
        }
    }
}

fn findings_failure(findings: &[Finding]) -> Failure {
    let refusing = || {
        findings
            .iter()
            .filter(|finding| finding.severity != Severity::Warn)
    };
    let lines: Vec<String> = refusing().map(Finding::line).collect();
    let failure = Failure::new(format!("preflight: {}", lines.join("; ")));
    match refusing().find_map(|finding| finding.hint.clone()) {
        Some(hint) => failure.with_hint(hint),
        None => failure,
    }
}

/// The fleet as it is now.
///
/// # Errors
/// Says why the fleet could not be looked at.
pub async fn snapshot(
    effects: &Effects,
    definition: &ServiceDefinition,
) -> Result<FleetSnapshot, StepOutcome> {
    let (instances, listed_by) = effects.fleet_as_listed(&definition.fleet).await?;
    effects.fits(&instances, definition.roll.max_unavailable)?;
    // AWS and the hosts are asked at the same time: opening the SSH connections takes longest. Boxed, because
    // the SDK's futures are large and four of them side by side do not fit on a stack.
    let ((groups, found, snapshots), (alarms, watched), views) = tokio::try_join!(
        Box::pin(groups_of(effects, definition, &instances, listed_by)),
        Box::pin(alarms_seen(&effects.aws, &definition.alarms)),
        Box::pin(async { Ok(effects.views(definition, &instances).await) }),
    )?;
    let group_of = |id: &str| {
        let has = |group: &&Group| group.members.iter().any(|member| member.id == id);
        groups.iter().find(has).map(|group| group.name.clone())
    };
    let mut registrations = found.registrations;
    let hosts = instances.iter().zip(views).map(|(instance, view)| {
        let targets = registrations.remove(&instance.id).unwrap_or_default();
        host_snapshot(instance, group_of(&instance.id), targets, view)
    });
    let mut hosts: Vec<HostSnapshot> = hosts.collect();
    if definition.runs_on_bastion() {
        hosts.push(effects.on_bastion(definition).await);
    }
    Ok(FleetSnapshot {
        groups: snapshots,
        hosts,
        target_groups: found.target_groups,
        asked_in_vain: found.asked_in_vain,
        missing_target_groups: found.missing,
        foreign_targets: found.foreign_targets,
        unasked_foreign: found.unasked_foreign,
        image: ImageSnapshot::default(),
        alarms,
        watched,
        at: jiff::Timestamp::now(),
        desired: None,
        secrets: BTreeMap::new(),
        unknown_host_keys: None,
        permissions: None,
    })
}

/// The Auto Scaling groups and the target groups of these instances, and the snapshots of the former. The group
/// that lists the whole fleet is read once, unless it looks as if a release kept it suspended.
async fn groups_of(
    effects: &Effects,
    definition: &ServiceDefinition,
    instances: &[Instance],
    listed_by: Option<Group>,
) -> Effect<(Vec<Group>, Found, Vec<GroupSnapshot>)> {
    if instances.is_empty() {
        return Ok(Default::default());
    }
    let groups = match listed_by {
        Some(group) if is_at_rest(&group) => vec![group],
        Some(group) => vec![effects.group_at_rest(&group.name).await?],
        None => groups_by_instance(effects, instances).await?,
    };
    let known = Known::of(definition, instances, &groups);
    let (found, snapshots) = tokio::try_join!(
        Box::pin(effects.target_groups_of(definition, &known)),
        Box::pin(group_snapshots(effects, &groups)),
    )?;
    Ok((groups, found, snapshots))
}

/// The Auto Scaling groups that say that they have these instances.
async fn groups_by_instance(effects: &Effects, instances: &[Instance]) -> Effect<Vec<Group>> {
    let ids: Vec<String> = instances.iter().map(|instance| instance.id.clone()).collect();
    let by_instance = effects.aws.groups_of_instances(&ids).await.sorted()?;
    let names: BTreeSet<String> = by_instance.into_values().collect();
    let mut groups = Vec::new();
    for name in names {
        groups.push(effects.group_at_rest(&name).await?);
    }
    Ok(groups)
}

async fn group_snapshots(effects: &Effects, groups: &[Group]) -> Effect<Vec<GroupSnapshot>> {
    let mut snapshots = Vec::new();
    for group in groups {
        let (refresh, scheduled) = tokio::try_join!(
            Box::pin(effects.aws.refresh_running(&group.name)),
            Box::pin(effects.aws.scheduled_actions(&group.name)),
        )
        .sorted()?;
        snapshots.push(group_snapshot(group, refresh, scheduled));
    }
    Ok(snapshots)
}

fn group_snapshot(
    group: &Group,
    refresh: Option<String>,
    scheduled: Vec<crate::aws::ScheduledAction>,
) -> GroupSnapshot {
    let classic = group
        .classic_load_balancers
        .iter()
        .map(|name| format!("the classic load balancer {name}"));
    let others = group
        .traffic_sources
        .iter()
        .filter(|source| source.kind == "vpc-lattice")
        .map(|source| format!("the VPC Lattice target group {}", source.identifier));
    GroupSnapshot {
        name: group.name.clone(),
        arn: group.arn.clone(),
        suspended: group.suspended_names(),
        suspension_tag: group.tags.get(GROUP_TAG).cloned(),
        refresh,
        unsupported: classic.chain(others).collect(),
        members: group
            .members
            .iter()
            .map(|member| MemberSnapshot {
                instance: member.id.clone(),
                lifecycle: member.lifecycle.clone(),
            })
            .collect(),
        suspended_by_aws: group.suspended_by_aws(),
        scheduled: scheduled.into_iter().filter_map(scheduled_action).collect(),
        warm_pool: group.warm_pool,
        max_instance_lifetime_s: group.max_instance_lifetime_s,
    }
}

/// The scheduled action, or `None` where it is over: it has no next time.
fn scheduled_action(action: crate::aws::ScheduledAction) -> Option<ScheduledAction> {
    Some(ScheduledAction {
        name: action.name,
        at: action.next?,
        min: action.min,
        max: action.max,
        desired: action.desired,
    })
}

impl Effects {
    /// What each instance shows over SSH, in the order of the instances.
    pub(super) async fn views(
        &self,
        definition: &ServiceDefinition,
        instances: &[Instance],
    ) -> Vec<HostView> {
        let looks: Vec<_> = instances
            .iter()
            .map(|instance| self.view(instance, definition))
            .collect();
        stream::iter(looks).buffered(SIDE_BY_SIDE).collect().await
    }

    pub(super) async fn view(&self, instance: &Instance, definition: &ServiceDefinition) -> HostView {
        if instance.state != "running" {
            return HostView::Unreachable {
                why: format!("is {}", instance.state),
                hint: None,
            };
        }
        let looked = match definition.command() {
            Some(command) => self.told_by_host(instance, command, definition).await,
            None => {
                self.look_at_host(&instance.id, address(instance), definition)
                    .await
            }
        };
        looked.unwrap_or_else(|error| HostView::Unreachable {
            why: chain(&error),
            hint: error.hint().map(str::to_owned),
        })
    }

    async fn look_at_host(
        &self,
        instance: &str,
        address: &str,
        definition: &ServiceDefinition,
    ) -> Result<HostView, HostError> {
        let host = self.hosts.host(instance, address);
        let (facts, containers) = tokio::join!(host.probe(), host.containers(true));
        // The probe's error says what is wrong with the host.
        let (facts, containers) = (facts?, containers?);
        let outside = match definition.container() {
            Some(wanted) => super::outside_docker::look(&host, &facts, wanted, &containers).await?,
            None => OutsideDocker::default(),
        };
        let (own, others): (Vec<_>, Vec<_>) = containers.into_iter().partition(|container| {
            definition
                .container()
                .is_some_and(|wanted| container.name == wanted.name)
        });
        let mut ports_held = BTreeMap::new();
        for other in others.iter().filter(|other| other.running) {
            for port in &other.host_ports {
                ports_held.insert(format!("{}/{}", port.port, port.protocol), other.name.clone());
            }
        }
        Ok(HostView::Reached {
            engine: facts.engine_version,
            disk_free_bytes: facts.disk_free_bytes,
            container: own.into_iter().next().map(container_snapshot),
            ports_held,
            outside: Box::new(outside),
        })
    }
}

pub(super) fn host_snapshot(
    instance: &Instance,
    group: Option<String>,
    targets: Vec<TargetSnapshot>,
    view: HostView,
) -> HostSnapshot {
    HostSnapshot {
        instance: instance.id.clone(),
        state: instance.state.clone(),
        address: address(instance).to_owned(),
        zone: instance.zone.clone(),
        group,
        launched_at: instance.launched_at,
        targets,
        view,
    }
}

pub(super) fn address(instance: &Instance) -> &str {
    instance.private_addresses.first().map_or("", String::as_str)
}

fn container_snapshot(container: ContainerInfo) -> ContainerSnapshot {
    // The digest behind a tag may have changed since; the digest that the engine pulled the image by is
    // certain.
    let pinned = container
        .image_reference
        .split_once('@')
        .and_then(|(_, digest)| digest.parse().ok());
    let pulled = container
        .repo_digests
        .iter()
        .filter_map(|reference| reference.split_once('@'));
    let digest = pinned.or_else(|| pulled.into_iter().find_map(|(_, digest)| digest.parse().ok()));
    ContainerSnapshot {
        id: container.id,
        image: container.image_reference,
        digest,
        running: container.running,
        restart: container.restart_policy,
        restarts: container.restart_count,
        auto_remove: container.auto_remove,
        labels: container.labels,
    }
}

/// Longest look at one host in `Confirm`: some hosts may be away.
pub(super) const HOST_LOOK: Duration = Duration::from_secs(20);
