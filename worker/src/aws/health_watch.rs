//! One look at target health for any number of waiters.
//!
//! Ten hosts that drain from one target group would otherwise ask AWS ten times a second for the same
//! answer.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::balancer::Target;
use super::client::Aws;
use super::error::AwsError;
use super::shared_poll::{Observation, SharedPoll};

type Fetched = Pin<Box<dyn Future<Output = Result<Vec<Target>, AwsError>> + Send>>;
type FetchTargets = Box<dyn Fn(String) -> Fetched + Send + Sync>;

/// The shared look at `DescribeTargetHealth`. Clones share its state.
#[derive(Clone)]
pub struct HealthWatch {
    poll: Arc<SharedPoll<FetchTargets, Vec<Target>>>,
}

impl std::fmt::Debug for HealthWatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HealthWatch").finish_non_exhaustive()
    }
}

impl HealthWatch {
    /// A watch that asks about each target group at most once per interval.
    pub fn new(aws: Aws, poll_interval: Duration) -> Self {
        let fetch: FetchTargets = Box::new(move |arn| {
            let aws = aws.clone();
            Box::pin(async move { aws.target_health(&arn).await })
        });
        Self {
            poll: Arc::new(SharedPoll::new(fetch, poll_interval)),
        }
    }

    /// The targets of a group, by a request that began at or after `not_before`.
    ///
    /// Waits until that moment and for the group's next poll. A failed request is the error of one waiter;
    /// the others wait for the next poll. The caller must bound the wait: it ends only with an answer.
    pub async fn look(
        &self,
        arn: &str,
        not_before: Instant,
    ) -> Result<Arc<Observation<Vec<Target>>>, AwsError> {
        self.poll.look(arn, not_before).await
    }
}
