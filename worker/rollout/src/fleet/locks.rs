//! What a release locks: every Auto Scaling group, target group and instance that it may touch. Two services
//! can share any of them. The second release would find the first one's processes "already suspended" and
//! lose its protection when the first resumes them, and the outages of both would add up.
//!
//! A lock is a name. A release takes its locks all or none, in the order of their names, and has them until
//! its end.

use std::collections::BTreeSet;

use super::plan::{ON_BASTION, Plan};
use super::snapshot::FleetSnapshot;

fn group(name: &str) -> String {
    format!("group {name}")
}

pub(crate) fn instance_lock(id: &str) -> String {
    format!("instance {id}")
}

pub(crate) fn target_group_lock(arn: &str) -> String {
    format!("target group {arn}")
}

impl FleetSnapshot {
    /// The locks of everything in the snapshot.
    pub fn touches(&self) -> BTreeSet<String> {
        let groups = self.groups.iter().map(|seen| group(&seen.name));
        let hosts = self.hosts.iter().map(|host| host.instance.as_str());
        let instances = hosts.filter(|id| *id != ON_BASTION).map(instance_lock);
        let target_groups = self.target_groups.iter().map(|seen| target_group_lock(&seen.arn));
        groups.chain(instances).chain(target_groups).collect()
    }
}

impl Plan {
    pub(crate) fn touches(&self) -> impl Iterator<Item = String> {
        let groups = self.groups.iter().map(|planned| group(&planned.name));
        groups.chain(self.target_groups.keys().map(|arn| target_group_lock(arn)))
    }
}
