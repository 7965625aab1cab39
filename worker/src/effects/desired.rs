//! The desired version in Parameter Store: reserved before a host is touched, published once all hosts are
//! good, restored on rollback. A value that somebody else wrote there meanwhile is not overwritten.

use drawgate_rollout::definition::ServiceDefinition;
use drawgate_rollout::{DesiredPlan, DesiredSnapshot, Evidence, Failure, ObservedParameter, StepOutcome};
use drawgate_schemas::{Digest, ReleaseRequest};
use jiff::Timestamp;

use super::connections::Effects;
use super::outcome::{Effect, Sorted, either, not_yet, refused};
use super::task::Task;
use crate::aws::Parameter;
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

    pub(super) async fn reserve(&self, task: Task<'_>) -> StepOutcome {
        either(self.try_reserve(task).await)
    }

    /// Writes the earlier value, or a placeholder, so that a missing permission shows before any host is
    /// touched.
    async fn try_reserve(&self, task: Task<'_>) -> Effect<StepOutcome> {
        let planned = planned(task)?;
        self.writable(planned).await?;
        Box::pin(self.aws.put_parameter(&planned.parameter, planned.reserved()))
            .await
            .sorted()?;
        Ok(StepOutcome::done())
    }

    pub(super) async fn publish(&self, task: Task<'_>) -> StepOutcome {
        either(self.try_publish(task).await)
    }

    async fn try_publish(&self, task: Task<'_>) -> Effect<StepOutcome> {
        let planned = planned(task)?;
        if let Some(seen) = self
            .writable(planned)
            .await?
            .filter(|seen| seen.value == planned.value)
        {
            let evidence = published(&seen);
            return Ok(StepOutcome::AlreadyDone { evidence });
        }
        Box::pin(self.aws.put_parameter(&planned.parameter, &planned.value))
            .await
            .sorted()?;
        match Box::pin(self.aws.parameter(&planned.parameter)).await.sorted()? {
            Some(seen) if seen.value == planned.value => Ok(StepOutcome::Done {
                evidence: published(&seen),
            }),
            _ => not_yet(format!("{} does not have its new value yet", planned.parameter)),
        }
    }

    pub(super) async fn unpublish(&self, task: Task<'_>) -> StepOutcome {
        either(self.try_unpublish(task).await)
    }

    async fn try_unpublish(&self, task: Task<'_>) -> Effect<StepOutcome> {
        let planned = planned(task)?;
        let name = &planned.parameter;
        let seen = self.value_of(name).await?;
        if !seen.as_deref().is_some_and(|seen| planned.is_ours(seen)) {
            // The parameter has its earlier value, or one that somebody else wrote since: that one stays.
            return Ok(StepOutcome::already());
        }
        match &planned.before {
            Some(before) => Box::pin(self.aws.put_parameter(name, before)).await.sorted()?,
            None => Box::pin(self.aws.delete_parameter(name)).await.sorted()?,
        }
        if self.value_of(name).await? != planned.before {
            return not_yet(format!("{name} does not have its earlier value yet"));
        }
        Ok(StepOutcome::done())
    }

    /// The parameter's value at the end.
    pub(super) async fn observe_parameter(&self, task: Task<'_>) -> Effect<Option<ObservedParameter>> {
        let Some(planned) = &task.plan.desired else {
            return Ok(None);
        };
        let value = self.value_of(&planned.parameter).await?;
        Ok(Some(ObservedParameter {
            version: value.as_deref().and_then(desired::version_of),
            value,
        }))
    }

    async fn value_of(&self, name: &str) -> Effect<Option<String>> {
        let seen = Box::pin(self.aws.parameter(name)).await.sorted()?;
        Ok(seen.map(|seen| seen.value))
    }

    /// The parameter. Refuses unless it has its earlier value or one that this release wrote.
    async fn writable(&self, planned: &DesiredPlan) -> Effect<Option<Parameter>> {
        let seen = Box::pin(self.aws.parameter(&planned.parameter)).await.sorted()?;
        let value = seen.as_ref().map(|seen| seen.value.as_str());
        if value == planned.before.as_deref() || value.is_some_and(|value| planned.is_ours(value)) {
            return Ok(seen);
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

fn planned(task: Task<'_>) -> Effect<&DesiredPlan> {
    match &task.plan.desired {
        Some(wanted) => Ok(wanted),
        None => refused("this release publishes no desired version"),
    }
}

fn published(seen: &Parameter) -> Evidence {
    Evidence::Published {
        at: seen.modified_at.unwrap_or_else(Timestamp::now),
    }
}
