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
//!
//! An answer of Parameter Store may be older than the last change, so that the lease is not this release's is
//! believed only at the second look. Whether there is one at all is never asked for: its creation says it.

use drawgate_rollout::{Evidence, Failure, Release, Step, StepOutcome};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};

use super::connections::Effects;
use super::membership::CONSISTENCY;
use super::outcome::{Effect, Sorted, either, not_yet, refused, within};
use super::ports::ParameterPort;
use crate::aws::AwsError;

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
            let lease = Lease::of(&self.aws, release, lease_owner)?;
            match step {
                Step::TakeLease => lease.take().await,
                _ => lease.give_back().await,
            }
        };
        within(deadline, async { either(effect.await) }).await
    }
}

/// Takes the lease of one release's fleet, and gives it back.
struct Lease<'a, P> {
    parameters: &'a P,
    /// The parameter's name.
    name: &'a str,
    /// The lease as this release holds it.
    ours: LeaseRecord,
}

/// What is there.
enum Holder {
    Nobody,
    ThisRelease,
    /// Another release of this worker's own ledger.
    Ended(LeaseRecord),
    Another(LeaseRecord),
    Unreadable,
}

impl<'a, P: ParameterPort> Lease<'a, P> {
    fn of(parameters: &'a P, release: &'a Release, lease_owner: &LeaseOwner) -> Effect<Self> {
        Ok(Self {
            parameters,
            name: parameter(release)?,
            ours: LeaseRecord {
                version: VERSION,
                ledger: lease_owner.ledger.clone(),
                worker: lease_owner.worker.clone(),
                release: release.request.id.to_string(),
                epoch: lease_owner.epoch,
                since: Timestamp::now(),
            },
        })
    }

    async fn take(&self) -> Effect<StepOutcome> {
        let text = serde_json::to_string(&self.ours).or_else(|error| refused(error.to_string()))?;
        // No look before it: of any number of workers exactly one creates the parameter.
        let by_nobody = match self.parameters.create_parameter(self.name, &text).await {
            Ok(true) => return Ok(StepOutcome::done()),
            Ok(false) => not_yet(format!("the lease {} was given back just now", self.name)),
            // Of the workers that race for a lease, Parameter Store may tell those that lose to come later,
            // and not that the parameter exists.
            Err(later @ AwsError::Throttled { .. }) => Err(later).sorted(),
            Err(error) => return Err(error).sorted(),
        };
        let holder = match self.look().await? {
            Holder::Nobody => return by_nobody,
            Holder::ThisRelease => return Ok(StepOutcome::already()),
            Holder::Ended(_) | Holder::Another(_) | Holder::Unreadable => self.look_again().await?,
        };
        match holder {
            Holder::Nobody => by_nobody,
            Holder::ThisRelease => Ok(StepOutcome::already()),
            Holder::Ended(other) => self.replace(&other, &text).await,
            Holder::Another(other) => Ok(held(self.name, &other)),
            Holder::Unreadable => self.refuse(),
        }
    }

    async fn give_back(&self) -> Effect<StepOutcome> {
        let is_ours = matches!(self.look().await?, Holder::ThisRelease)
            || matches!(self.look_again().await?, Holder::ThisRelease);
        if !is_ours {
            return Ok(StepOutcome::already());
        }
        self.parameters.delete_parameter(self.name).await.sorted()?;
        Ok(StepOutcome::done())
    }

    /// A look that cannot be older than what was changed before the first one.
    async fn look_again(&self) -> Effect<Holder> {
        sleep(CONSISTENCY).await;
        self.look().await
    }

    async fn look(&self) -> Effect<Holder> {
        let Some(there) = self.parameters.parameter(self.name).await.sorted()? else {
            return Ok(Holder::Nobody);
        };
        Ok(match serde_json::from_str::<LeaseRecord>(&there.value) {
            Ok(other) if other.ledger != self.ours.ledger => Holder::Another(other),
            Ok(other) if other.release == self.ours.release => Holder::ThisRelease,
            Ok(other) => Holder::Ended(other),
            Err(_) => Holder::Unreadable,
        })
    }

    async fn replace(&self, ended: &LeaseRecord, text: &str) -> Effect<StepOutcome> {
        tracing::warn!(
            lease = self.name,
            release = ended.release,
            "replaced what an ended release left"
        );
        self.parameters.put_parameter(self.name, text).await.sorted()?;
        Ok(StepOutcome::done())
    }

    fn refuse(&self) -> Effect<StepOutcome> {
        let name = self.name;
        let failure = Failure::new(format!(
            "the parameter {name} is no lease that this version knows"
        ));
        Err(StepOutcome::Refused {
            failure: failure.with_hint(format!("see what it is for: aws ssm get-parameter --name {name}")),
        })
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

#[cfg(test)]
mod tests;
