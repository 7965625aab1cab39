//! The desired version in Parameter Store: reserved before a host is touched, published once all hosts are
//! good, restored on rollback. A value that somebody else wrote there meanwhile is not overwritten.

use drawgate_rollout::definition::ServiceDefinition;
use drawgate_rollout::{
    DesiredPlan, DesiredSnapshot, Evidence, Failure, ObservedParameter, Step, StepOutcome,
};
use drawgate_schemas::{Digest, ReleaseRequest};
use jiff::Timestamp;
use tokio::time::sleep;

use super::connections::Effects;
use super::membership::CONSISTENCY;
use super::outcome::{Effect, Sorted, either, not_yet, refused};
use super::ports::ParameterPort;
use super::task::Task;
use crate::aws::{Aws, Parameter};
use crate::desired;

impl Effects {
    /// The parameter's value now, and the value that this release will write.
    pub(super) async fn desired_snapshot(
        &self,
        request: &ReleaseRequest,
        digest: Option<&Digest>,
        definition: &ServiceDefinition,
    ) -> Effect<Option<DesiredSnapshot>> {
        let Some(name) = &definition.wanted_parameter else {
            return Ok(None);
        };
        let (Some(container), Some(digest)) = (definition.container(), digest) else {
            return refused("wanted_parameter is for services that are a container");
        };
        let unreadable = |why: String, hint| Ok(Some(DesiredSnapshot::Unreadable { why, hint }));
        let seen = match Box::pin(self.aws.parameter(name)).await.sorted() {
            Err(StepOutcome::Refused { failure }) => {
                let hint = failure
                    .hint
                    .unwrap_or_else(|| "remove wanted_parameter from the service's file".to_owned());
                return unreadable(failure.what, Some(hint));
            }
            seen => seen?,
        };
        if seen.as_ref().is_some_and(|seen| seen.secure) {
            let hint = "name another parameter in wanted_parameter: what is wanted is no secret";
            return unreadable("is encrypted (SecureString)".to_owned(), Some(hint.to_owned()));
        }
        let before = seen.map(|seen| seen.value);
        let planned = desired::plan(name, before, request, digest, definition, container);
        Ok(Some(DesiredSnapshot::Read(Box::new(planned))))
    }

    /// The steps on the desired version of one release.
    pub(super) fn desired_version<'a>(&'a self, task: Task<'a>) -> DesiredVersion<'a, Aws> {
        DesiredVersion {
            parameters: &self.aws,
            task,
        }
    }

    /// The parameter's value at the end.
    pub(super) async fn observe_parameter(&self, task: Task<'_>) -> Effect<Option<ObservedParameter>> {
        if task.plan.desired.is_none() {
            return Ok(None);
        }
        let value = self.desired_version(task).value().await?;
        Ok(Some(ObservedParameter {
            version: value.as_deref().and_then(desired::version_of),
            value,
        }))
    }
}

/// Reserves, publishes and restores the desired version of one release.
pub(super) struct DesiredVersion<'a, P> {
    parameters: &'a P,
    task: Task<'a>,
}

impl<P: ParameterPort> DesiredVersion<'_, P> {
    pub(super) async fn reserve(&self) -> StepOutcome {
        either(self.try_reserve().await)
    }

    /// Writes the earlier value, or a placeholder, so that a missing permission shows before any host is
    /// touched.
    async fn try_reserve(&self) -> Effect<StepOutcome> {
        let planned = self.planned()?;
        self.writable(planned).await?;
        self.put(planned.reserved()).await?;
        Ok(StepOutcome::done())
    }

    pub(super) async fn publish(&self) -> StepOutcome {
        either(self.try_publish().await)
    }

    async fn try_publish(&self) -> Effect<StepOutcome> {
        let planned = self.planned()?;
        let seen = self.writable(planned).await?;
        if let Some(seen) = seen.filter(|seen| seen.value == planned.value) {
            let evidence = published(&seen);
            return Ok(StepOutcome::AlreadyDone { evidence });
        }
        self.put(&planned.value).await?;
        match self.look().await? {
            Some(seen) if seen.value == planned.value => Ok(StepOutcome::Done {
                evidence: published(&seen),
            }),
            _ => not_yet(format!("{} does not have its new value yet", planned.parameter)),
        }
    }

    pub(super) async fn restore(&self) -> StepOutcome {
        either(self.try_restore().await)
    }

    async fn try_restore(&self) -> Effect<StepOutcome> {
        let planned = self.planned()?;
        let name = &planned.parameter;
        if !self.has_ours(planned).await? {
            // An answer may be older than the publishing. What was reserved alone is seen at the last look, and
            // a rollback does not wait for it.
            let was_published = self.task.release.begun(&Step::PublishDesired);
            if was_published {
                sleep(CONSISTENCY).await;
            }
            if !was_published || !self.has_ours(planned).await? {
                // The parameter has its earlier value, or one that somebody else wrote since: that one stays.
                return Ok(StepOutcome::already());
            }
        }
        match &planned.before {
            Some(before) => self.put(before).await?,
            None => self.parameters.delete_parameter(name).await.sorted()?,
        }
        if self.value().await? != planned.before {
            return not_yet(format!("{name} does not have its earlier value yet"));
        }
        Ok(StepOutcome::done())
    }

    fn planned(&self) -> Effect<&DesiredPlan> {
        match &self.task.plan.desired {
            Some(planned) => Ok(planned),
            None => refused("this release publishes no desired version"),
        }
    }

    async fn look(&self) -> Effect<Option<Parameter>> {
        let name = &self.planned()?.parameter;
        self.parameters.parameter(name).await.sorted()
    }

    /// Whether the parameter has a value that this release wrote.
    async fn has_ours(&self, planned: &DesiredPlan) -> Effect<bool> {
        Ok(self.value().await?.is_some_and(|seen| planned.is_ours(&seen)))
    }

    async fn value(&self) -> Effect<Option<String>> {
        Ok(self.look().await?.map(|seen| seen.value))
    }

    async fn put(&self, value: &str) -> Effect<()> {
        let name = &self.planned()?.parameter;
        self.parameters.put_parameter(name, value).await.sorted()
    }

    /// The parameter. Refuses unless it has its earlier value or one that this release wrote.
    async fn writable(&self, planned: &DesiredPlan) -> Effect<Option<Parameter>> {
        // "Changed" is believed only at the second look: the first may be older than the plan's.
        let seen = self.look().await?;
        if is_as_planned(planned, seen.as_ref()) {
            return Ok(seen);
        }
        sleep(CONSISTENCY).await;
        let again = self.look().await?;
        if is_as_planned(planned, again.as_ref()) {
            return Ok(again);
        }
        let failure = Failure::new(format!(
            "{} was changed by somebody else since this release was planned",
            planned.parameter
        ));
        Err(StepOutcome::Refused {
            failure: failure.with_hint("see who publishes there; one release at a time may"),
        })
    }
}

/// Whether the parameter has its earlier value, or one that this release wrote.
fn is_as_planned(planned: &DesiredPlan, seen: Option<&Parameter>) -> bool {
    let value = seen.map(|seen| seen.value.as_str());
    value == planned.before.as_deref() || value.is_some_and(|value| planned.is_ours(value))
}

fn published(seen: &Parameter) -> Evidence {
    Evidence::Published {
        at: seen.modified_at.unwrap_or_else(Timestamp::now),
    }
}

#[cfg(test)]
mod tests;
