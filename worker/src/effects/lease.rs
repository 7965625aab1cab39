//! The fleet's lease: a parameter that only one worker can create. A worker on a rebuilt bastion has an empty
//! ledger; the lease tells it that another worker rolls the fleet already.
//!
//! | what is there                        | what comes of it                                           |
//! |--------------------------------------|------------------------------------------------------------|
//! | nothing                              | created                                                    |
//! | ours                                 | kept: already taken                                        |
//! | another release's of our own ledger  | replaced: that release has ended, because the lane is ours |
//! | of another ledger                    | left alone: a person knows whether its owner lives         |
//! | something that cannot be read        | refused                                                    |

use drawgate_rollout::{Evidence, Failure, Release, Step, StepOutcome};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::connections::Effects;
use super::outcome::{Effect, Sorted, either, not_yet, refused, within};

/// The worker that takes a lease.
#[derive(Debug, Clone)]
pub struct LeaseOwner {
    pub ledger: String,
    /// The worker's name.
    pub worker: String,
    /// How often the lane has changed hands.
    pub epoch: u64,
}

/// The content of the parameter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LeaseRecord {
    version: u32,
    pub(super) ledger: String,
    pub(super) worker: String,
    pub(super) release: String,
    epoch: u64,
    pub(super) since: Timestamp,
}

/// The version that this worker writes.
const VERSION: u32 = 1;

impl Effects {
    /// Takes the lease of a release's fleet, or gives it back. Without an answer by the deadline the outcome
    /// is unknown.
    pub async fn lease(
        &self,
        release: &Release,
        step: &Step,
        lease_owner: &LeaseOwner,
        deadline: Instant,
    ) -> StepOutcome {
        let effect = async {
            match step {
                Step::TakeLease => Box::pin(self.take_lease(release, lease_owner)).await,
                _ => Box::pin(self.give_lease_back(release, lease_owner)).await,
            }
        };
        within(deadline, async { either(effect.await) }).await
    }

    async fn take_lease(&self, release: &Release, lease_owner: &LeaseOwner) -> Effect<StepOutcome> {
        let name = parameter(release)?;
        let note = LeaseRecord {
            version: VERSION,
            ledger: lease_owner.ledger.clone(),
            worker: lease_owner.worker.clone(),
            release: release.request.id.to_string(),
            epoch: lease_owner.epoch,
            since: Timestamp::now(),
        };
        let text = serde_json::to_string(&note).or_else(|error| refused(error.to_string()))?;
        if Box::pin(self.aws.create_parameter(name, &text)).await.sorted()? {
            return Ok(StepOutcome::done());
        }
        let Some(there) = Box::pin(self.aws.parameter(name)).await.sorted()? else {
            return not_yet(format!("the lease {name} was given back just now"));
        };
        match serde_json::from_str::<LeaseRecord>(&there.value) {
            Ok(other) if other.ledger != note.ledger => Ok(held(name, &other)),
            Ok(other) if other.release == note.release => Ok(StepOutcome::already()),
            Ok(other) => {
                tracing::warn!(
                    lease = name,
                    release = other.release,
                    "replaced what an ended release left"
                );
                Box::pin(self.aws.put_parameter(name, &text)).await.sorted()?;
                Ok(StepOutcome::done())
            }
            Err(_) => Err(StepOutcome::Refused {
                failure: Failure::new(format!(
                    "the parameter {name} is no lease that this version knows"
                ))
                .with_hint(format!("see what it is for: aws ssm get-parameter --name {name}")),
            }),
        }
    }

    async fn give_lease_back(&self, release: &Release, lease_owner: &LeaseOwner) -> Effect<StepOutcome> {
        let name = parameter(release)?;
        let id = release.request.id.to_string();
        let there = Box::pin(self.aws.parameter(name)).await.sorted()?;
        let note = there.and_then(|there| serde_json::from_str::<LeaseRecord>(&there.value).ok());
        let is_ours = |note: &LeaseRecord| note.ledger == lease_owner.ledger && note.release == id;
        if !note.as_ref().is_some_and(is_ours) {
            return Ok(StepOutcome::already());
        }
        Box::pin(self.aws.delete_parameter(name)).await.sorted()?;
        Ok(StepOutcome::done())
    }
}

fn parameter(release: &Release) -> Effect<&str> {
    let plan = release.plan.as_deref();
    let name = plan.and_then(|plan| plan.definition.lease_parameter.as_deref());
    name.map_or_else(|| refused("this fleet has no lease"), Ok)
}

fn held(name: &str, other: &LeaseRecord) -> StepOutcome {
    let LeaseRecord {
        worker,
        release,
        since,
        ..
    } = other;
    let since = since.strftime("%Y-%m-%d %H:%M:%SZ");
    let what = format!(
        "the fleet's lease is held by worker {worker}, which has another ledger, for release {release} since {since}"
    );
    let failure = Failure::new(what).with_hint(format!(
        "if that worker is gone for good, look at the fleet first (drawgate-worker plan), then: aws ssm delete-parameter \
         --name {name}"
    ));
    StepOutcome::Done {
        evidence: Evidence::LeasedToAnother { failure },
    }
}
