//! The fleet as it was seen: what `Inspect` brings, and what `Confirm` brings at the end.

use std::collections::{BTreeMap, BTreeSet};

use drawgate_schemas::Digest;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::desired::DesiredSnapshot;
use super::healthcheck::ImageHealthcheck;
use super::permissions::Permissions;
use super::threshold::HealthThreshold;
use crate::definition::RestartPolicy;

/// Everything that a plan is made from.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct FleetSnapshot {
    /// The fleet's Auto Scaling groups.
    pub groups: Vec<GroupSnapshot>,
    pub hosts: Vec<HostSnapshot>,
    /// Every target group that one of the hosts is in.
    pub target_groups: Vec<TargetGroupSnapshot>,
    /// How many target groups were asked in vain whether one of the hosts is in them.
    #[serde(default)]
    pub asked_in_vain: u32,
    /// Target groups that the service's file names and that are not there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing_target_groups: Vec<String>,
    /// Targets with an address of the fleet, in target groups of other VPCs that the service's file does not name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub foreign_targets: Vec<ForeignTarget>,
    /// How many target groups of other VPCs have addresses as their targets, and were not asked, because they are too
    /// many.
    #[serde(default)]
    pub unasked_foreign: u32,
    /// Every alarm that the service's patterns match.
    pub alarms: Vec<AlarmSnapshot>,
    /// When it was seen.
    #[serde(default)]
    pub at: Timestamp,
    /// Every alarm that the watch list's patterns match.
    #[serde(default)]
    pub watched: Vec<AlarmSnapshot>,
    /// What the registry says of the image that is released.
    #[serde(default)]
    pub image: ImageSnapshot,
    /// The parameter of the desired version; `None` where the service publishes none. Snapshots that people
    /// keep have it as `wanted`.
    #[serde(default, rename = "wanted")]
    pub desired: Option<DesiredSnapshot>,
    /// The service's secrets, by environment variable.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<String, SecretSnapshot>,
    /// Why the worker could not log in to an instance that it had never logged in to, if so.
    #[serde(default)]
    pub unknown_host_keys: Option<String>,
    /// What is known of the permissions that the release may need; `None` where nobody has asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permissions: Option<Permissions>,
}

/// The image that is released, as its registry has it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageSnapshot {
    /// Platforms that it was built for, `linux/amd64`; empty where that is not known.
    pub platforms: Vec<String>,
    /// The registry's life-cycle policy for it, as Amazon ECR writes it, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifecycle: Option<String>,
    /// Why the life-cycle policy could not be read, if so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifecycle_unread: Option<String>,
    /// Its HEALTHCHECK; `None` where nobody asked for it or it could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<ImageHealthcheck>,
    /// Why the HEALTHCHECK could not be read, if so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub healthcheck_unread: Option<String>,
}

/// An Auto Scaling group.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupSnapshot {
    pub name: String,
    #[serde(default)]
    pub arn: String,
    pub suspended: BTreeSet<String>,
    /// The suspension tag, if a release left one.
    pub suspension_tag: Option<String>,
    /// The id of an instance refresh that runs.
    pub refresh: Option<String>,
    /// Classic load balancers and other traffic sources that this version cannot handle.
    pub unsupported: Vec<String>,
    pub members: Vec<MemberSnapshot>,
    /// Processes that AWS itself suspended, because launches kept failing.
    #[serde(default)]
    pub suspended_by_aws: BTreeSet<String>,
    /// Scheduled actions with their next time.
    #[serde(default)]
    pub scheduled: Vec<ScheduledAction>,
    /// Whether instances wait in a warm pool.
    #[serde(default)]
    pub warm_pool: bool,
    /// Age at which instances are replaced, in seconds, where there is such a bound.
    #[serde(default)]
    pub max_instance_lifetime_s: Option<u64>,
}

/// A scheduled action of an Auto Scaling group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduledAction {
    pub name: String,
    /// When it comes next.
    pub at: Timestamp,
    /// The least size it sets.
    pub min: Option<u32>,
    /// The greatest size it sets.
    pub max: Option<u32>,
    /// The size it sets.
    pub desired: Option<u32>,
}

/// A member of an Auto Scaling group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberSnapshot {
    /// The EC2 instance's id.
    pub instance: String,
    /// Its lifecycle state, as the API writes it: `InService`, `Pending`, …
    pub lifecycle: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostSnapshot {
    /// The EC2 instance's id.
    pub instance: String,
    /// Its state in EC2, as the API writes it.
    pub state: String,
    /// The address it is reached by.
    pub address: String,
    /// Its availability zone.
    pub zone: String,
    /// Its Auto Scaling group.
    pub group: Option<String>,
    /// When it was launched, where EC2 says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub launched_at: Option<Timestamp>,
    pub targets: Vec<TargetSnapshot>,
    /// What was seen over SSH.
    pub view: HostView,
}

/// What was seen of a host over SSH.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "view", rename_all = "snake_case")]
pub enum HostView {
    Reached {
        /// The Docker engine's version.
        engine: String,
        /// Free bytes where the engine keeps images; `None` where that could not be read.
        disk_free_bytes: Option<u64>,
        /// The container under the service's name, running or not.
        container: Option<ContainerSnapshot>,
        /// Other containers that hold host ports: name by port and protocol (`8080/tcp`).
        ports_held: BTreeMap<String, String>,
        /// What Docker does not tell of the host.
        #[serde(default)]
        #[serde(rename = "beside")]
        outside: Box<OutsideDocker>,
    },
    /// It answered, but Docker does not tell what runs there.
    Answered {
        /// The version that runs, as the service's own program tells it.
        version: Option<String>,
        /// Why the program does not tell the version, where it should.
        untold: Option<String>,
    },
    /// It did not answer.
    Unreachable {
        /// Which part failed, and how.
        why: String,
        /// The way out.
        hint: Option<String>,
    },
}

/// What was seen of a host beside the descriptions of its containers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutsideDocker {
    /// Operating system and architecture as images name them, `linux/arm64`; `None` where the engine does not
    /// say.
    pub platform: Option<String>,
    /// A systemd unit that starts a container of the service's name.
    pub unit: Option<String>,
    /// Sockets on the service's host ports that no container publishes.
    pub listeners: Vec<ListenerSnapshot>,
    /// Containers whose names look like those that a release gives: release by name, empty for a container
    /// that no release of ours made.
    pub look_alikes: BTreeMap<String, String>,
}

/// A socket that listens on a host port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListenerSnapshot {
    /// Host address; `*`, `0.0.0.0` and `::` mean all.
    pub address: String,
    pub port: u16,
    /// `tcp` or `udp`.
    pub protocol: String,
    /// The process, where the SSH user may see it.
    pub process: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerSnapshot {
    pub id: String,
    /// The image it was made from, as it was named then.
    pub image: String,
    /// Digest of that image, where the engine knows one.
    pub digest: Option<Digest>,
    /// Whether it runs.
    pub running: bool,
    /// Its restart policy.
    pub restart: RestartPolicy,
    /// How often the engine has restarted it by itself since it was last started.
    #[serde(default)]
    pub restarts: u64,
    /// Whether the engine removes it when it stops.
    pub auto_remove: bool,
    pub labels: BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetSnapshot {
    /// The target group's ARN.
    pub target_group: String,
    /// Instance id or IP address, as it is registered.
    pub id: String,
    /// The port it is registered with.
    pub port: u16,
    /// The availability zone it is registered with, where it is given at all.
    pub zone: Option<String>,
    /// Its state, as the API writes it.
    pub state: String,
}

/// A target group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetGroupSnapshot {
    pub arn: String,
    pub name: String,
    /// Its deregistration delay, in seconds.
    pub deregistration_delay_s: u64,
    /// Seconds between two health checks.
    pub health_check_interval_s: u64,
    /// Successes that make an unhealthy target healthy, and behind a Network Load Balancer a new one too.
    pub healthy_threshold: u64,
    /// Healthy targets, whichever service they belong to.
    pub healthy: u32,
    /// Whether cross-zone balancing is off: a zone's targets serve that zone alone.
    #[serde(default)]
    pub zonal: bool,
    /// Seconds over which a new target comes to its whole share.
    #[serde(default)]
    pub slow_start_s: u64,
    /// Whether connections outlast the deregistration delay.
    #[serde(default)]
    pub keeps_connections: bool,
    /// Whether it passes connections, as the groups of a Network Load Balancer do.
    #[serde(default)]
    pub passes_connections: bool,
    /// Registered targets, whichever service they belong to.
    #[serde(default)]
    pub registered: u32,
    /// Below it the load balancer takes its node in a zone out of DNS.
    #[serde(default)]
    pub dns_failover: HealthThreshold,
    /// Below it the load balancer sends requests to unhealthy targets too.
    #[serde(default)]
    pub unhealthy_state_routing: HealthThreshold,
    /// Whether each registration carries a server id, as those of QUIC target groups do: a target that is
    /// registered again without it serves nobody.
    #[serde(default)]
    pub has_server_ids: bool,
    /// Targets of other services, where a zone's targets serve that zone alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<OtherTarget>,
}

/// A target of another service, in the zone where it serves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OtherTarget {
    /// Instance id or IP address.
    pub id: String,
    pub port: u16,
    pub zone: String,
    /// Whether it was healthy.
    pub healthy: bool,
}

/// An address of the fleet that is a target in another VPC: of the fleet's own instance, by peering, or of another
/// machine with the same address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForeignTarget {
    /// The name of the target group.
    pub target_group: String,
    pub address: String,
    /// The instance of the fleet that has the address.
    pub instance: String,
    /// Whether it is registered as an address from outside the group's VPC: then it is no machine's there.
    pub from_outside: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlarmSnapshot {
    pub name: String,
    pub arn: String,
    /// Whether its actions are on.
    pub actions_enabled: bool,
    /// Whether releases have switched its actions off, as its tags say (`silence.rs`), and no person.
    #[serde(default)]
    pub silenced: bool,
    /// Whether its actions are off and nobody has looked at its tags, because too many are off.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unasked: bool,
    /// Whether all its actions are scaling policies: such an alarm is left alone.
    pub scales_only: bool,
    /// `OK`, `ALARM` or `INSUFFICIENT_DATA`.
    pub state: String,
    /// Since when, where CloudWatch says so.
    #[serde(default)]
    pub since: Option<Timestamp>,
}

impl HostSnapshot {
    /// The version that runs, as the service's own program tells it.
    pub fn told(&self) -> Option<&str> {
        match &self.view {
            HostView::Answered { version, .. } => version.as_deref(),
            HostView::Reached { .. } | HostView::Unreachable { .. } => None,
        }
    }

    /// The container that a release would replace.
    pub fn before(&self) -> Option<ContainerBefore> {
        let HostView::Reached {
            container: Some(container),
            ..
        } = &self.view
        else {
            return None;
        };
        Some(ContainerBefore {
            id: container.id.clone(),
            image: container.image.clone(),
            digest: container.digest.clone(),
            version_name: version_name(&container.labels, &container.image),
            running: container.running,
            restart: container.restart,
            restarts: container.restarts,
            ours: container.labels.contains_key(LABEL_RELEASE),
        })
    }
}

/// Label of a container of ours: the release that made it.
pub const LABEL_RELEASE: &str = "drawgate.release";
/// Label of a container of ours: what a person calls its version.
pub const LABEL_VERSION: &str = "drawgate.version";

/// What a person calls a container's version: our label, or else its image's tag, or its digest's first
/// digits.
pub fn version_name(labels: &BTreeMap<String, String>, image: &str) -> String {
    if let Some(version) = labels.get(LABEL_VERSION) {
        return version.clone();
    }
    image.parse::<drawgate_schemas::ImageReference>().map_or_else(
        |_| drawgate_schemas::limits::cut(image, 24),
        |reference| reference.version().to_owned(),
    )
}

/// Everything that was touched, as it is at the end.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Observation {
    /// Where the tag points now, where that could be read.
    pub tag_digest: Option<Digest>,
    /// Groups by name.
    pub groups: BTreeMap<String, ObservedGroup>,
    /// Alarms of the plan: whether their actions are on.
    pub alarms: BTreeMap<String, bool>,
    /// Alarms of the plan that carry this release's tag still.
    #[serde(default)]
    pub held_alarms: BTreeSet<String>,
    /// Alarms of the plan whose actions are off because other releases silence them still.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub alarms_of_others: BTreeSet<String>,
    /// Mute rules of this release that are there still.
    #[serde(default)]
    pub mute_rules: BTreeSet<String>,
    /// Hosts by instance id.
    pub hosts: BTreeMap<String, ObservedHost>,
    /// The parameter of the desired version, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none", alias = "wanted")]
    pub desired: Option<ObservedParameter>,
    /// Members of the fleet that this release neither rolled nor found up to date, by instance id.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub strangers: BTreeMap<String, Stranger>,
}

/// The parameter of the desired version at the end.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObservedParameter {
    /// Its value; `None` where there is none.
    pub value: Option<String>,
    /// What a person calls the version that it names.
    pub version: Option<String>,
}

/// A member that joined too late to be rolled, or could not be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "stranger", rename_all = "snake_case")]
pub enum Stranger {
    /// On its way in: it may have read the desired version, or not yet.
    Booting {
        /// Its state, in words.
        state: String,
        /// Whether it was launched after the desired version was published, and so starts it by itself.
        by_itself: bool,
    },
    Serves {
        /// What a person calls the version that runs there; `None` where nothing does, or where that could
        /// not be seen.
        version: Option<String>,
        /// The release of ours that made the container, if one did.
        release: Option<String>,
    },
}

/// A group at the end.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObservedGroup {
    pub suspended: BTreeSet<String>,
    /// Whether this release's suspension tag is still on it.
    pub held_by_us: bool,
    /// Whether another release's suspension tag is on it: then what is suspended is that release's.
    pub held_by_other: bool,
}

/// A host at the end.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObservedHost {
    /// Whether it is still a member of the fleet.
    pub member: bool,
    /// For an instance that is no member and has not ended either: what it is (`Standby in …`).
    pub still: Option<String>,
    /// The container under the service's name: its id.
    pub container: Option<String>,
    /// The image it was made from.
    pub image: Option<String>,
    /// What a person calls its version.
    pub version: Option<String>,
    /// Whether it runs.
    pub running: bool,
    /// Its restart policy; journals of v0.3.0 and before have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restart: Option<RestartPolicy>,
    /// Whether a release of ours made it, and which.
    pub release: Option<String>,
    /// Its targets, in the order of the plan.
    pub targets: Vec<ObservedTarget>,
    /// Why it could not be seen, if it could not.
    pub unseen: Option<String>,
}

/// A target at the end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObservedTarget {
    /// The target group's ARN.
    pub target_group: String,
    pub port: u16,
    /// Its state as the API writes it; `absent` where the group does not have it.
    pub state: String,
}

impl ObservedTarget {
    /// The state of a target whose target group does not exist any more.
    pub const GROUP_DELETED: &str = "group deleted";
    /// The state of a registered target that no load balancer sends anything, as the API writes it.
    pub const UNUSED: &str = "unused";
}

/// What was seen of a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "secret", rename_all = "snake_case")]
pub enum SecretSnapshot {
    /// It can be read.
    Read {
        /// The version that is current.
        version: String,
    },
    Unreadable {
        why: String,
        /// The way out.
        hint: Option<String>,
    },
}

/// The container that a release replaces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerBefore {
    /// The container's id: its identity during rollback.
    pub id: String,
    /// The image it was made from, as it was named then.
    pub image: String,
    /// Digest of that image, where the engine knows one.
    pub digest: Option<Digest>,
    /// What a person calls its version.
    pub version_name: String,
    /// Whether it runs.
    pub running: bool,
    /// Its restart policy, to be given back.
    pub restart: RestartPolicy,
    /// How often the engine had restarted it by itself: a higher number during rollback is a failure.
    #[serde(default)]
    pub restarts: u64,
    /// Whether a release of ours made it.
    pub ours: bool,
}
