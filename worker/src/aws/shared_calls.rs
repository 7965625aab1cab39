//! The calls that hosts in the same phase make at about the same moment, shared: fifty hosts of a wave would
//! otherwise make fifty calls of each kind.

use std::collections::BTreeSet;
use std::sync::Arc;

use drawgate_rollout::Write;

use super::balancer::TargetId;
use super::batch::Batches;
use super::client::Aws;
use super::error::AwsError;
use super::instances::Instance;
use super::limits;
use super::scaling::Group;

/// Makes a host's calls together with those of other hosts, whichever lane they belong to. Clones share their
/// waiters.
#[derive(Debug, Clone)]
pub struct SharedCalls {
    aws: Aws,
    waiting: Arc<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    /// By target group.
    registering: Batches<TargetId, (), AwsError>,
    /// By target group.
    deregistering: Batches<TargetId, (), AwsError>,
    /// By the keys of the tags: instances.
    untagging: Batches<String, (), AwsError>,
    /// One subject: every instance.
    instances: Batches<String, Vec<Instance>, AwsError>,
    /// By Auto Scaling group; there is nothing else to say in a call.
    groups: Batches<(), Option<Group>, AwsError>,
}

impl SharedCalls {
    /// Shares calls to this connection.
    pub fn new(aws: Aws) -> Self {
        // A lookup leaves out what does not exist, so that no error of it is one instance's alone.
        let of_all = |_: &AwsError| false;
        let waiting = Waiting {
            registering: Batches::new(limits::TARGETS_PER_CALL, AwsError::may_be_of_one),
            deregistering: Batches::new(limits::TARGETS_PER_CALL, AwsError::may_be_of_one),
            untagging: Batches::new(limits::UNTAGGED_PER_CALL, AwsError::may_be_of_one),
            instances: Batches::new(limits::INSTANCES_TOGETHER, of_all),
            groups: Batches::new(1, of_all),
        };
        Self {
            aws,
            waiting: Arc::new(waiting),
        }
    }

    /// Registers a target, in one call with those that others register in the group at the same moment.
    pub async fn register(&self, arn: &str, target: &TargetId) -> Result<(), AwsError> {
        let call = |targets: Vec<TargetId>, admission| async move {
            self.aws.register_admitted(arn, &targets, admission).await
        };
        let registering = &self.waiting.registering;
        let admit = || self.aws.admit(Write::Register.action());
        registering
            .join_admitted(arn, [target.clone()], admit, call)
            .await
    }

    /// Deregisters a target, in one call with those that others deregister from the group at the same moment.
    pub async fn deregister(&self, arn: &str, target: &TargetId) -> Result<(), AwsError> {
        let call = |targets: Vec<TargetId>, admission| async move {
            self.aws.deregister_admitted(arn, &targets, admission).await
        };
        let deregistering = &self.waiting.deregistering;
        let admit = || self.aws.admit(Write::Deregister.action());
        deregistering
            .join_admitted(arn, [target.clone()], admit, call)
            .await
    }

    /// The instances with these ids that exist, in any state, in one look for all who ask at the same moment.
    pub async fn instances_by_ids(&self, ids: &[String]) -> Result<Vec<Instance>, AwsError> {
        let call = |ids: Vec<String>| async move { self.aws.instances_by_ids(&ids).await };
        let instances = &self.waiting.instances;
        let mut found = instances.join("", ids.iter().cloned(), call).await?;
        let asked: BTreeSet<&String> = ids.iter().collect();
        found.retain(|instance| asked.contains(&instance.id));
        Ok(found)
    }

    /// The group of that name, if it exists, in one look for all who ask at the same moment.
    pub async fn group_by_name(&self, name: &str) -> Result<Option<Group>, AwsError> {
        let call = |_| self.aws.group_by_name(name);
        self.waiting.groups.join(name, [()], call).await
    }

    /// Sets tags of an instance. No other host's call can carry them: each value names its target.
    pub async fn tag_instance(&self, id: &str, tags: &[(String, String)]) -> Result<(), AwsError> {
        self.aws.tag_instance(id, tags).await
    }

    /// Removes tags of an instance, in one call with those that others remove by the same keys at the same
    /// moment.
    pub async fn untag_instance(&self, id: &str, keys: &[String]) -> Result<(), AwsError> {
        // No key of a tag has a line feed.
        let subject = keys.join("\n");
        let call = |ids: Vec<String>| async move { self.aws.untag_instances(&ids, keys).await };
        let untagging = &self.waiting.untagging;
        untagging.join(&subject, [id.to_owned()], call).await
    }
}
