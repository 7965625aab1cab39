//! What a release locks (`fleet/locks.rs` says why).

use std::collections::BTreeSet;

use super::fold::Release;
use crate::fleet::{ON_BASTION, instance_lock, target_group_lock};

impl Release {
    /// The locks that it needs: for the plan and every host that joined, or for a fleet that preflight has
    /// refused so far.
    pub fn touches(&self) -> &BTreeSet<String> {
        &self.roster.locks
    }

    pub(super) fn locks(&self) -> BTreeSet<String> {
        let hosts = self.hosts().flat_map(|host| {
            let targets = host
                .targets
                .iter()
                .map(|target| target_group_lock(&target.target_group));
            // On the bastion the lane itself is the lock.
            let own = Some(instance_lock(&host.instance)).filter(|_| host.instance != ON_BASTION);
            targets.chain(own)
        });
        let planned = self.plan.iter().flat_map(|plan| plan.touches());
        let not_ready = self
            .not_ready
            .iter()
            .flat_map(|not_ready| not_ready.touches.iter().cloned());
        planned.chain(hosts).chain(not_ready).collect()
    }
}
