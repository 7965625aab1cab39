//! What a release locks: every Auto Scaling group, target group and instance that it may touch. Two services can share
//! any of them. The second would find the first's processes "already suspended" and be left without protection when the
//! first resumes, and their outages would add up.
//!
//! A lock is a name. They are taken all or none, in the order of their names, and are the release's until its end.

use std::collections::BTreeSet;

use crate::plan::{BESIDE_WORKER, Plan};
use crate::snapshot::FleetSnapshot;
use crate::state::Release;

fn group(name: &str) -> String {
    format!("group {name}")
}

fn instance(id: &str) -> String {
    format!("instance {id}")
}

fn target_group(arn: &str) -> String {
    format!("target group {arn}")
}

impl FleetSnapshot {
    /// The locks of everything in it.
    pub fn touches(&self) -> BTreeSet<String> {
        let groups = self.groups.iter().map(|seen| group(&seen.name));
        let hosts = self.hosts.iter().map(|host| host.instance.as_str());
        let instances = hosts.filter(|id| *id != BESIDE_WORKER).map(instance);
        let target_groups = self.target_groups.iter().map(|seen| target_group(&seen.arn));
        groups.chain(instances).chain(target_groups).collect()
    }
}

impl Plan {
    fn touches(&self) -> impl Iterator<Item = String> {
        let groups = self.groups.iter().map(|planned| group(&planned.name));
        groups.chain(self.target_groups.keys().map(|arn| target_group(arn)))
    }
}

impl Release {
    /// The locks that it has to have: of the plan and of every host that joined, or of a fleet that is not fit yet.
    pub fn touches(&self) -> BTreeSet<String> {
        let hosts = self.hosts().flat_map(|host| {
            let targets = host
                .targets
                .iter()
                .map(|target| target_group(&target.target_group));
            // Beside the worker the lane itself is the lock.
            let own = Some(instance(&host.instance)).filter(|_| host.instance != BESIDE_WORKER);
            targets.chain(own)
        });
        let planned = self.plan.iter().flat_map(|plan| plan.touches());
        let unfit = self.unfit.iter().flat_map(|unfit| unfit.touches.iter().cloned());
        planned.chain(hosts).chain(unfit).collect()
    }
}
