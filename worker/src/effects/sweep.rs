//! Members that joined while the roll went on: they are found and rolled too.

use std::collections::BTreeSet;

use drawgate_rollout::definition::FleetSelector;
use drawgate_rollout::{Evidence, Finding, HostSnapshot, Severity, StepOutcome, host_plan};
use jiff::SignedDuration;

use super::inspect::host_snapshot;
use super::membership::Membership;
use super::outcome::{Effect, either, not_yet, refused};
use super::{Effects, Task};
use crate::aws::Instance;

/// Time that a new instance is given to start its container and join its target groups by itself.
const BOOT: SignedDuration = SignedDuration::from_mins(3);

impl Effects {
    pub(super) async fn sweep(&self, task: Task<'_>) -> StepOutcome {
        either(self.try_sweep(task).await)
    }

    async fn try_sweep(&self, task: Task<'_>) -> Effect<StepOutcome> {
        let known: BTreeSet<&str> = task.release.hosts().map(|host| host.instance.as_str()).collect();
        let strangers: Vec<Instance> = self
            .fleet_instances(&task.plan.definition.fleet)
            .await?
            .into_iter()
            .filter(|instance| !known.contains(instance.id.as_str()))
            .collect();
        let mut joined = Vec::new();
        for instance in &strangers {
            let group = self.group_of(task, instance).await?;
            match self.membership(&instance.id, group.as_deref()).await? {
                Membership::Gone { .. } => {}
                Membership::Awaited(state) => {
                    return not_yet(format!("{} joined and is {state}", instance.id));
                }
                Membership::InService => joined.push((instance.clone(), group)),
            }
        }
        if joined.is_empty() {
            return Ok(StepOutcome::done());
        }
        self.plan_newcomers(task, joined).await
    }

    async fn plan_newcomers(
        &self,
        task: Task<'_>,
        joined: Vec<(Instance, Option<String>)>,
    ) -> Effect<StepOutcome> {
        let definition = &task.plan.definition;
        let instances: Vec<Instance> = joined.iter().map(|(instance, _)| instance.clone()).collect();
        let (_, mut registrations) = self.registrations(definition, &instances).await?;
        let mut hosts = Vec::new();
        let views = self.views(definition, &instances).await;
        for ((instance, group), view) in joined.into_iter().zip(views) {
            let targets = registrations.remove(&instance.id).unwrap_or_default();
            let seen = host_snapshot(&instance, group, targets, view);
            still_boots(task, &instance, &seen)?;
            let mut findings: Vec<Finding> = Vec::new();
            let plan = host_plan(&seen, definition, &mut findings);
            let refusal = findings
                .iter()
                .find(|finding| finding.severity == Severity::Refuse);
            match (plan, refusal) {
                (Some(plan), _) => hosts.push(plan),
                // It may still be booting.
                (None, Some(finding)) => {
                    return not_yet(format!("joined, and cannot be rolled: {}", finding.line()));
                }
                (None, None) => return refused(format!("{} cannot be rolled", instance.id)),
            }
        }
        Ok(StepOutcome::Done {
            evidence: Evidence::Joined { hosts },
        })
    }

    async fn group_of(&self, task: Task<'_>, instance: &Instance) -> Effect<Option<String>> {
        if let FleetSelector::AutoScalingGroup(name) = &task.plan.definition.fleet {
            return Ok(Some(name.clone()));
        }
        use super::outcome::Sorted;
        let groups = self
            .aws
            .groups_of_instances(std::slice::from_ref(&instance.id))
            .await
            .sorted()?;
        Ok(groups.into_values().next())
    }
}

/// An instance is `InService` before its boot script has ended: what that script starts, or registers, in the middle of our
/// swap would be taken for a failure. One that has had its time and still runs nothing is rolled like any other.
fn still_boots(task: Task<'_>, instance: &Instance, seen: &HostSnapshot) -> Effect<()> {
    let age = instance
        .launched_at
        .map(|at| jiff::Timestamp::now().duration_since(at));
    if age.is_none_or(|age| age > BOOT) {
        return Ok(());
    }
    let runs = seen.before().is_some_and(|before| before.running);
    let registered = !seen.targets.is_empty() || task.plan.target_groups.is_empty();
    if runs && registered {
        return Ok(());
    }
    let name = task.plan.definition.runs_as();
    let missing = if runs {
        "is not registered yet".to_owned()
    } else {
        format!("does not run {name} yet")
    };
    not_yet(format!("{} joined and {missing}", instance.id))
}
