//! The plan: request, definition and the fleet as it was seen. Never changed once made.

use std::collections::BTreeMap;

use drawgate_schemas::{Digest, ImageReference};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::desired::DesiredPlan;
use super::healthcheck::Healthcheck;
use super::permissions::Permissions;
use super::snapshot::{ContainerBefore, HostSnapshot, HostView, OtherTarget, ScheduledAction};
use super::threshold::HealthThreshold;
use crate::definition::{Probe, Process, ServiceDefinition};

/// What a release will do. The journal has it, so that the rollback is judged by what was in force at the
/// start.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The image as it was asked for.
    pub image: ImageReference,
    /// The bytes that every host gets; `None` where the service's own programs do not need the digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// What a person calls the desired version.
    pub version_name: String,
    /// The definition in force.
    pub definition: ServiceDefinition,
    /// Hosts in the order of the roll.
    pub hosts: Vec<HostPlan>,
    /// Hosts that did not answer, and are left as they are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<LeftOut>,
    /// Auto Scaling groups, sorted by name.
    pub groups: Vec<GroupPlan>,
    /// Target groups, by ARN.
    pub target_groups: BTreeMap<String, TargetGroupPlan>,
    /// Alarms that will be silenced: their actions are on, or off because other releases silence them.
    pub alarms: Vec<AlarmPlan>,
    /// What is published once every host is good, and what was before.
    #[serde(default, skip_serializing_if = "Option::is_none", alias = "wanted")]
    pub desired: Option<DesiredPlan>,
    /// Alarms whose state is read while the release rolls forward.
    #[serde(default)]
    pub watched: Vec<WatchPlan>,
    /// How the image's own HEALTHCHECK is run, where it verifies the swap and could be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<Healthcheck>,
    /// The version of each secret, by environment variable. The values are in no plan.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<String, String>,
    /// What is known of the permissions that it may need; nothing in plans of earlier versions.
    #[serde(default, skip_serializing_if = "is_default")]
    pub permissions: Permissions,
    /// What preflight saw and let pass.
    pub warnings: Vec<String>,
}

/// Stands in the place of a host's id where the programs run on the bastion. No instance is called so,
/// because instance ids begin with `i-` (Amazon EC2 API Reference, "Instance").
pub const ON_BASTION: &str = "worker";

/// One host of the fleet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HostPlan {
    /// The EC2 instance's id.
    pub instance: String,
    /// The address it is reached by.
    pub address: String,
    /// Its availability zone.
    #[serde(default)]
    pub zone: String,
    /// Its Auto Scaling group, if it has one.
    pub group: Option<String>,
    /// Its targets, as they are to be registered again.
    pub targets: Vec<TargetPlan>,
    /// The container that runs under the service's name now.
    pub before: Option<ContainerBefore>,
    /// The version that runs there now, as the service's own program tells it, where there is such a program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told_before: Option<String>,
}

impl HostPlan {
    /// A plan for a host as it was seen.
    pub fn of(host: &HostSnapshot) -> Self {
        Self {
            instance: host.instance.clone(),
            address: host.address.clone(),
            zone: host.zone.clone(),
            group: host.group.clone(),
            targets: host
                .targets
                .iter()
                .map(|target| TargetPlan {
                    target_group: target.target_group.clone(),
                    id: target.id.clone(),
                    port: target.port,
                    zone: target.zone.clone(),
                    state_before: target.state.clone(),
                })
                .collect(),
            before: host.before(),
            told_before: host.told().map(str::to_owned),
        }
    }

    /// What a person calls the version that runs there now.
    pub fn version_before(&self) -> Option<&str> {
        let container = self.before.as_ref().map(|before| before.version_name.as_str());
        container.or(self.told_before.as_deref())
    }

    /// Whether it took requests when it was seen: it was healthy in every target group that is in use. A spare
    /// group says nothing of its targets.
    pub fn was_healthy(&self) -> bool {
        let mut in_use = self.targets.iter().filter(|target| target.can_be_healthy());
        in_use.all(TargetPlan::was_healthy)
    }
}

/// A host that did not answer when the fleet was inspected: it is not touched, and stays registered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LeftOut {
    /// The host, as far as AWS tells.
    pub host: HostPlan,
    /// Which part failed, and how.
    pub why: String,
}

impl LeftOut {
    /// The host, left out, if it did not answer.
    pub(crate) fn of(host: &HostSnapshot) -> Option<Self> {
        match &host.view {
            HostView::Unreachable { why, .. } => Some(Self {
                host: HostPlan::of(host),
                why: why.clone(),
            }),
            HostView::Reached { .. } | HostView::Answered { .. } => None,
        }
    }

    /// What a person should know of it.
    pub(crate) fn what(&self) -> String {
        format!(
            "LEFT OUT, because it does not answer: {}; it stays registered, and runs what it ran",
            self.why
        )
    }

    /// The same in one line with the host's name, as the plan's warnings have it.
    pub(crate) fn line(&self) -> String {
        format!("{}: {}", self.host.instance, self.what())
    }
}

/// One registration of one host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetPlan {
    /// The target group's ARN.
    pub target_group: String,
    /// Instance id or IP address, as it is registered.
    pub id: String,
    /// The port it is registered with.
    pub port: u16,
    /// The availability zone it is registered with, where it is given at all.
    pub zone: Option<String>,
    /// Its state when it was seen, as the API writes it.
    pub state_before: String,
}

impl TargetPlan {
    /// Whether the target can become healthy. A target of a group that no load balancer uses cannot: nobody
    /// waits for it.
    pub fn can_be_healthy(&self) -> bool {
        self.state_before != "unused"
    }

    /// Whether it was healthy when it was seen.
    pub fn was_healthy(&self) -> bool {
        self.state_before == "healthy"
    }
}

/// One Auto Scaling group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupPlan {
    pub name: String,
    /// Its ARN; empty in plans of earlier versions.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub arn: String,
    /// Processes that were suspended when it was seen: not ours, left alone.
    pub suspended_before: Vec<String>,
    /// Processes to suspend: the configured ones less those that were suspended already. May be empty.
    pub suspend: Vec<Process>,
    /// Scheduled actions that may fall into the suspension.
    #[serde(default)]
    pub scheduled: Vec<ScheduledAction>,
}

/// One target group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetGroupPlan {
    pub name: String,
    /// Its deregistration delay, in seconds.
    pub deregistration_delay_s: u64,
    /// Seconds that the checks take, at most, until a good target is healthy: one interval behind an
    /// Application Load Balancer, which asks a new target for one check, whatever the healthy threshold is
    /// (Elastic Load Balancing, "Health checks for Application Load Balancer target groups"); as many intervals
    /// as the threshold says behind a Network Load Balancer.
    pub healthy_after_s: u64,
    /// Seconds between two health checks; 0 in plans of earlier versions.
    #[serde(default, skip_serializing_if = "is_default")]
    pub check_interval_s: u64,
    /// Whether it passes connections, as the groups of a Network Load Balancer do: registering and
    /// deregistering take minutes there.
    #[serde(default, skip_serializing_if = "is_default")]
    pub passes_connections: bool,
    /// Healthy targets that must be left when another host is taken out.
    pub floor: u32,
    /// The same for each availability zone, where a zone's targets serve that zone alone (cross-zone
    /// balancing is off); empty where they serve all.
    #[serde(default)]
    pub zone_floors: BTreeMap<String, u32>,
    /// Targets of other services, which keep the floor of their zone too.
    #[serde(default, skip_serializing_if = "is_default")]
    pub others: Vec<OtherTarget>,
    /// Seconds over which a new target comes to its whole share, 0 for at once.
    #[serde(default)]
    pub slow_start_s: u64,
    /// Whether connections outlast the deregistration delay (a Network Load Balancer without connection
    /// termination): then what is open is waited for on the host.
    #[serde(default)]
    pub keeps_connections: bool,
    /// The group's own thresholds, which the floor keeps too; for each zone where the floor is for each zone.
    #[serde(default, skip_serializing_if = "is_default")]
    pub threshold: HealthThreshold,
    /// Registered targets when it was seen, whichever service they belong to.
    #[serde(default, skip_serializing_if = "is_default")]
    pub registered: u32,
    /// Hosts that may be out at once, where the thresholds allow fewer than `max_unavailable`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub most_out: Option<u32>,
}

/// Whether a field has the value that it has in plans of before, which do not name it.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl TargetGroupPlan {
    /// How long the checks take as a rule until a good target is healthy, in milliseconds.
    pub(crate) fn healthy_after_ms(&self) -> u64 {
        self.all_healthy_after_ms(1)
    }

    /// How long the checks take as a rule until the last of so many good targets is healthy, in milliseconds.
    /// Where one check is enough it comes somewhere within the interval, because the load balancer checks each
    /// target by a clock of its own: after half an interval on the average, and the last of three after three
    /// quarters.
    pub(crate) fn all_healthy_after_ms(&self, targets: u32) -> u64 {
        let most_ms = self.healthy_after_s * 1000;
        let one_is_enough = !self.passes_connections && self.check_interval_s > 0;
        let targets = u64::from(targets);
        if one_is_enough {
            most_ms.saturating_mul(targets) / (targets + 1)
        } else {
            most_ms
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlarmPlan {
    pub name: String,
    pub arn: String,
    /// Whether its actions were off already, because of other releases or of a person: `Silence` finds out, and leaves
    /// alone what a person has switched off.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub off_before: bool,
}

/// One watched alarm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchPlan {
    pub name: String,
    /// Whether it was in ALARM when it was seen.
    pub fired_before: bool,
    /// Since when it was in its state then, as CloudWatch has it.
    pub since_before: Option<Timestamp>,
}

impl Plan {
    /// One step for each group in which processes are suspended.
    pub(crate) fn for_each_group<S>(&self, step: impl Fn(String) -> S) -> Vec<S> {
        let suspended = self.groups.iter().filter(|group| !group.suspend.is_empty());
        suspended.map(|group| step(group.name.clone())).collect()
    }

    /// Whether every host serves these very bytes in a container of a release of ours, and new instances
    /// start them too.
    pub(crate) fn is_there_already(&self) -> bool {
        let serves = |host: &HostPlan| {
            let runs =
                |before: &ContainerBefore| before.running && before.ours && before.digest == self.digest;
            host.was_healthy() && host.before.as_ref().is_some_and(runs)
        };
        let is_published = self
            .desired
            .as_ref()
            .is_none_or(|desired| desired.version_before.as_deref() == Some(self.version_name.as_str()));
        self.digest.is_some() && !self.hosts.is_empty() && is_published && self.hosts.iter().all(serves)
    }

    /// The hosts that are in a target group.
    pub(crate) fn hosts_in<'p>(&'p self, arn: &'p str) -> impl Iterator<Item = &'p HostPlan> {
        let is_in = move |host: &&HostPlan| host.targets.iter().any(|target| target.target_group == arn);
        self.hosts.iter().filter(is_in)
    }

    /// The host's target groups that are in use. A spare one sends a host nothing: it drains nothing, and
    /// nobody waits for it.
    pub(crate) fn groups_in_use<'p>(
        &'p self,
        host: &'p HostPlan,
    ) -> impl Iterator<Item = &'p TargetGroupPlan> {
        let in_use = host.targets.iter().filter(|target| target.can_be_healthy());
        in_use.filter_map(|target| self.target_groups.get(&target.target_group))
    }

    /// The largest of a figure in milliseconds among the host's target groups that are in use.
    pub(crate) fn largest(&self, host: &HostPlan, ms_of: impl Fn(&TargetGroupPlan) -> u64) -> u64 {
        self.groups_in_use(host).map(ms_of).max().unwrap_or(0)
    }

    /// How long a host is drained: the longest deregistration delay among its target groups, and at least the
    /// least drain.
    pub fn drain_ms(&self, host: &HostPlan) -> u64 {
        let longest_ms = self.largest(host, |group| group.deregistration_delay_s * 1000);
        longest_ms.max(self.least_drain_ms(host))
    }

    /// The shortest drain of a host, whatever its deregistration delays are: the load balancer's nodes go on
    /// sending for a while.
    pub fn least_drain_ms(&self, host: &HostPlan) -> u64 {
        let roll = &self.definition.roll;
        self.largest(host, |group| match group.passes_connections {
            true => roll.min_drain_ms.max(roll.nlb_min_drain_ms),
            false => roll.min_drain_ms,
        })
    }

    /// The soonest that a swap can be verified, in milliseconds: Docker probes for the first time after a
    /// whole interval.
    pub fn verified_after_ms(&self) -> u64 {
        self.healthcheck.map_or(0, |check| check.interval_ms)
    }

    /// How long a swapped container may be `starting`, in milliseconds.
    pub fn starting_ms(&self) -> u64 {
        let verify = &self.definition.verify;
        let waits = verify.probe == Probe::Healthcheck;
        if waits { verify.start_timeout_ms } else { 0 }
    }

    /// How long it takes as a rule until a good host's targets are all healthy after registering, in
    /// milliseconds, without [`Plan::registration_ms`].
    pub fn healthy_after_ms(&self, host: &HostPlan) -> u64 {
        self.largest(host, TargetGroupPlan::healthy_after_ms)
    }

    /// How long a load balancer may take, in milliseconds, until it checks the host's targets after they were
    /// registered: `nlb_registration` where a target group passes connections.
    pub fn registration_ms(&self, host: &HostPlan) -> u64 {
        self.largest(host, |group| self.registration_in_ms(group))
    }

    /// The same for any host of this plan.
    pub(crate) fn longest_registration_ms(&self) -> u64 {
        let groups = self.target_groups.values();
        groups
            .map(|group| self.registration_in_ms(group))
            .max()
            .unwrap_or(0)
    }

    fn registration_in_ms(&self, group: &TargetGroupPlan) -> u64 {
        let after_ms = self.definition.roll.nlb_registration_ms;
        if group.passes_connections { after_ms } else { 0 }
    }

    /// How long a host must stay healthy before it counts. One check may have passed by luck, so a second one
    /// is waited for; and in slow start the others still bear the host's share.
    pub fn min_healthy_ms(&self, host: &HostPlan) -> u64 {
        let settles_ms = self.largest(host, |group| {
            group.check_interval_s.max(group.slow_start_s) * 1000
        });
        settles_ms.max(self.definition.roll.min_healthy_time_ms)
    }

    /// Hosts out of service by our doing, at most.
    pub fn at_once(&self) -> u32 {
        let hosts = u32::try_from(self.hosts.len()).unwrap_or(u32::MAX);
        let by_file = self.definition.roll.max_unavailable.of(hosts);
        let by_groups = self
            .target_groups
            .values()
            .filter_map(|group| group.most_out)
            .min();
        by_groups.map_or(by_file, |most| most.min(by_file)).max(1)
    }

    /// How long the roll will take, in milliseconds, without pulls and hooks, whose time nobody can know.
    pub fn expected_ms(&self) -> u64 {
        self.estimate().expected_ms
    }

    /// The version that every host runs now, as a person calls it; `None` where hosts differ.
    pub fn previous(&self) -> Option<&str> {
        let mut versions = self.hosts.iter().map(HostPlan::version_before);
        let first = versions.next()??;
        versions.all(|version| version == Some(first)).then_some(first)
    }

    /// The image as every host is told to run it.
    pub fn pinned(&self) -> String {
        match &self.digest {
            Some(digest) => format!("{}@{digest}", self.image.repository()),
            None => self.image.to_string(),
        }
    }
}
