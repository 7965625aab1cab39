//! One look at target health for any number of waiters.
//!
//! Ten hosts that drain from one target group would otherwise ask AWS ten times a second for the same
//! answer.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::balancer::Target;
use super::client::Aws;
use super::error::AwsError;
use super::shared_poll::{Observation, SharedPoll};

/// The targets of a group; `None` where the group does not exist any more.
pub type Targets = Option<Arc<[Target]>>;

type Fetched = Pin<Box<dyn Future<Output = Result<Targets, AwsError>> + Send>>;
type FetchTargets = Box<dyn Fn(String) -> Fetched + Send + Sync>;

/// The shared look at `DescribeTargetHealth`. Clones share its state.
#[derive(Clone)]
pub struct HealthWatch {
    poll: Arc<SharedPoll<FetchTargets, Targets>>,
}

impl std::fmt::Debug for HealthWatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HealthWatch").finish_non_exhaustive()
    }
}

impl HealthWatch {
    /// A watch that asks about each target group at most once per interval.
    pub fn new(aws: Aws, poll_interval: Duration) -> Self {
        let vanished = Arc::<Vanished>::default();
        let fetch: FetchTargets = Box::new(move |arn| {
            let (aws, vanished) = (aws.clone(), Arc::clone(&vanished));
            Box::pin(async move {
                match aws.target_health(&arn).await {
                    Ok(targets) => Ok(Some(targets.into())),
                    // An answer like any other: as an error it would reach one waiter at each poll.
                    Err(error) if error.is_not_found() => {
                        note_vanished(&vanished, arn);
                        Ok(None)
                    }
                    Err(error) => Err(error),
                }
            })
        });
        Self {
            poll: Arc::new(SharedPoll::new(fetch, poll_interval)),
        }
    }

    /// The targets of a group, by a request that began at or after `not_before`.
    ///
    /// Waits until that moment and for the group's next poll. A failed request is the error of one waiter;
    /// the others wait for the next poll. The caller must bound the wait: it ends only with an answer.
    pub async fn look(&self, arn: &str, not_before: Instant) -> Result<Arc<Observation<Targets>>, AwsError> {
        self.poll.look(arn, not_before).await
    }
}

/// Target groups that AWS said do not exist.
type Vanished = Mutex<BTreeSet<String>>;

/// Says that a target group does not exist: once, however many hosts are in it and however often they look.
fn note_vanished(vanished: &Vanished, arn: String) {
    let mut vanished = vanished.lock().unwrap_or_else(PoisonError::into_inner);
    if !vanished.contains(&arn) {
        tracing::warn!(
            target_group = arn,
            "the target group does not exist any more: nothing of it is kept or restored"
        );
        vanished.insert(arn);
    }
}
