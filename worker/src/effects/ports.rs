//! What the steps of a roll may ask of AWS and do to it: a port for each subject, reads apart from writes.
//!
//! A step that goes through a port can make no other call, and runs in a unit test on a fake of its port.
//! The implementations for [`Aws`] delegate, and decide nothing.

use drawgate_rollout::definition::Process;
use tokio::time::Instant;

use crate::aws::{Aws, AwsError, Group, HealthWatch, Target};

type Answer<T> = Result<T, AwsError>;

/// Auto Scaling groups.
pub(super) trait ScalingPort: Sync {
    // Reads.
    fn group_by_name(&self, name: &str) -> impl Future<Output = Answer<Option<Group>>> + Send;

    // Writes.
    fn tag_group(&self, name: &str, key: &str, value: &str) -> impl Future<Output = Answer<()>> + Send;
    fn untag_group(&self, name: &str, key: &str) -> impl Future<Output = Answer<()>> + Send;
    fn suspend(&self, name: &str, processes: &[Process]) -> impl Future<Output = Answer<()>> + Send;
    fn resume(&self, name: &str, processes: &[Process]) -> impl Future<Output = Answer<()>> + Send;
    fn set_instance_health_healthy(&self, id: &str) -> impl Future<Output = Answer<()>> + Send;
}

impl ScalingPort for Aws {
    async fn group_by_name(&self, name: &str) -> Answer<Option<Group>> {
        Aws::group_by_name(self, name).await
    }

    async fn tag_group(&self, name: &str, key: &str, value: &str) -> Answer<()> {
        Aws::tag_group(self, name, key, value).await
    }

    async fn untag_group(&self, name: &str, key: &str) -> Answer<()> {
        Aws::untag_group(self, name, key).await
    }

    async fn suspend(&self, name: &str, processes: &[Process]) -> Answer<()> {
        Aws::suspend(self, name, processes).await
    }

    async fn resume(&self, name: &str, processes: &[Process]) -> Answer<()> {
        Aws::resume(self, name, processes).await
    }

    async fn set_instance_health_healthy(&self, id: &str) -> Answer<()> {
        Aws::set_instance_health_healthy(self, id).await
    }
}

/// The health of targets, by a request that began at or after `not_before`. Reads only.
pub(super) trait HealthPort: Sync {
    fn targets(&self, arn: &str, not_before: Instant) -> impl Future<Output = Answer<Vec<Target>>> + Send;
}

impl HealthPort for HealthWatch {
    async fn targets(&self, arn: &str, not_before: Instant) -> Answer<Vec<Target>> {
        Ok(self.look(arn, not_before).await?.targets.clone())
    }
}
