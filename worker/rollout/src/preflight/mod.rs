//! From a snapshot to a plan, or to the reasons why not: everything that can be known before anything is
//! touched.

mod alarms;
mod balance;
mod command;
mod desired;
mod docker;
mod finding;
mod healthcheck;
mod host;
mod members;
mod permissions;
mod registry;
mod scaling;
mod secrets;
mod target_groups;
mod threshold;
mod time;

use std::borrow::Cow;

use drawgate_schemas::{Digest, Options, ReleaseRequest, limits};

use self::desired::desired_plan;
use self::members::{Members, members};
use self::secrets::secret_versions;
use crate::definition::{OnFailure, RollPolicy, ServiceDefinition};
use crate::fleet::{FleetSnapshot, HostPlan, LeftOut, Plan};

pub(crate) use balance::server_ids;
pub use finding::{Awaited, Finding, Severity};
pub use healthcheck::refused_healthcheck;
pub use host::host_plan;
pub use permissions::denied;

impl RollPolicy {
    /// This policy for a fleet of `hosts` hosts, made more careful by a request's options.
    ///
    /// # Errors
    /// Names the option that asks for *less* care. It is refused, because its sender would believe that it
    /// was heeded.
    pub fn tightened(&self, options: &Options, hosts: u32) -> Result<Self, String> {
        let mut roll = self.clone();
        if let Some(wanted) = options.max_unavailable {
            let most = roll.max_unavailable.of(hosts);
            if wanted > most {
                return Err(format!(
                    "options.max_unavailable is {wanted}; the service allows at most {most}"
                ));
            }
            roll.max_unavailable = wanted.into();
        }
        let seconds = [
            (
                "min_healthy_time_s",
                options.min_healthy_time_s,
                &mut roll.min_healthy_time_ms,
            ),
            ("min_drain_s", options.min_drain_s, &mut roll.min_drain_ms),
        ];
        for (name, wanted, value_ms) in seconds {
            let Some(desired_ms) = wanted.map(|s| u64::from(s) * 1000) else {
                continue;
            };
            if desired_ms < *value_ms {
                let least = *value_ms;
                return Err(format!(
                    "options.{name} is {desired_ms} ms; the service wants at least {least} ms"
                ));
            }
            *value_ms = desired_ms;
        }
        Ok(roll)
    }
}

/// The plan for a request on a fleet as it was seen.
///
/// # Errors
/// All findings, when at least one of them refuses the release, or has it wait.
pub fn plan(
    request: &ReleaseRequest,
    digest: Option<&Digest>,
    definition: &ServiceDefinition,
    snapshot: &FleetSnapshot,
) -> Result<Plan, Vec<Finding>> {
    let mut definition = definition.clone();
    let mut findings = Vec::new();
    let Members { hosts, left_out } = members(snapshot, &definition, &mut findings);
    let count = u32::try_from(hosts.len()).unwrap_or(u32::MAX);
    match definition.roll.tightened(&request.options, count) {
        Ok(roll) => definition.roll = roll,
        Err(what) => findings.push(Finding::refuse("request", what, "leave the option out")),
    }
    command::rollback_is_possible(request, digest, &hosts, &definition, &mut findings);
    docker::own_names(request, &hosts, snapshot, &definition, &mut findings);
    docker::platforms(&hosts, snapshot, &mut findings);
    registry::rules(request, &snapshot.image, &mut findings);
    let healthcheck = healthcheck::judge(request, &definition, &snapshot.image, &mut findings);
    hooks(&definition, &mut findings);
    fleet(&hosts, &definition, &mut findings);
    target_groups::found(snapshot, &mut findings);
    let counted = without(snapshot, &left_out);
    let target_groups = balance::target_groups(&counted, &hosts, &definition, &mut findings);
    let groups = snapshot
        .groups
        .iter()
        .map(|group| scaling::group_plan(group, &definition, &mut findings))
        .collect();
    let alarms = alarms::plan_alarms(snapshot, &definition, &mut findings);
    let secrets = secret_versions(&definition, snapshot, &mut findings);
    let desired = desired_plan(&definition, snapshot, &mut findings);
    launching(snapshot, &mut findings);
    if let Some(permissions) = &snapshot.permissions {
        permissions::judge(permissions, &mut findings);
    }
    let mut findings = judged(findings, &definition)?;
    let mut plan = Plan {
        image: request.image.clone(),
        digest: digest.cloned(),
        version_name: request.version_name(),
        definition,
        hosts,
        left_out,
        groups,
        target_groups,
        alarms: alarms.silenced,
        watched: alarms.watched,
        desired,
        healthcheck,
        secrets,
        permissions: snapshot.permissions.clone().unwrap_or_default(),
        warnings: Vec::new(),
    };
    time::judge(&mut plan, snapshot, &mut findings);
    let findings = judged(findings, &plan.definition)?;
    plan.warnings = findings.iter().map(Finding::line).collect();
    Ok(plan)
}

/// The findings, as an error where one of them keeps the release from beginning. Where the file says that
/// nothing is waited for, that refuses which would be.
fn judged(mut findings: Vec<Finding>, definition: &ServiceDefinition) -> Result<Vec<Finding>, Vec<Finding>> {
    if definition.preflight.wait_ms == 0 {
        let awaited = findings
            .iter_mut()
            .filter(|finding| finding.severity == Severity::Wait);
        awaited.for_each(|finding| finding.severity = Severity::Refuse);
    }
    if findings.iter().all(|finding| finding.severity == Severity::Warn) {
        return Ok(findings);
    }
    findings.sort_by_key(|finding| finding.severity);
    Err(findings)
}

/// The fleet without the healthy targets of hosts that are left out: such a host counts as sick, because it
/// may fail at any moment, and the worker could not tell why.
fn without<'s>(snapshot: &'s FleetSnapshot, left_out: &[LeftOut]) -> Cow<'s, FleetSnapshot> {
    if left_out.is_empty() {
        return Cow::Borrowed(snapshot);
    }
    let mut counted = snapshot.clone();
    for group in &mut counted.target_groups {
        let targets = left_out.iter().flat_map(|left_out| &left_out.host.targets);
        let healthy = targets
            .filter(|target| target.target_group == group.arn && target.state_before == "healthy")
            .count();
        group.healthy = group
            .healthy
            .saturating_sub(u32::try_from(healthy).unwrap_or(u32::MAX));
    }
    Cow::Owned(counted)
}

/// Warns of what a person should know of the hooks before the release.
fn hooks(definition: &ServiceDefinition, findings: &mut Vec<Finding>) {
    if definition
        .before
        .as_ref()
        .is_some_and(|before| !before.reversible)
    {
        let what = "reversible = false: once it has run there is no automatic rollback; a host that fails is put \
                    back into service on what it ran, the others stay as they are, and an operator is needed";
        findings.push(Finding::warn("[before]", what));
    }
    if definition
        .after
        .as_ref()
        .is_some_and(|after| after.on_failure == OnFailure::Report)
    {
        let what = "on_failure = \"report\": the release succeeds even when it fails";
        findings.push(Finding::warn("[after]", what));
    }
}

fn fleet(hosts: &[HostPlan], definition: &ServiceDefinition, findings: &mut Vec<Finding>) {
    let subject = format!("{}.{}", definition.environment, definition.service);
    if hosts.len() > limits::HOSTS {
        let what = format!(
            "{} hosts; at most {} are rolled in one release",
            hosts.len(),
            limits::HOSTS
        );
        findings.push(Finding::refuse(&subject, what, "split the service"));
    }
    let kept_back = findings.iter().any(|finding| finding.severity != Severity::Warn);
    if hosts.is_empty() && !kept_back {
        let what = "no instance in service was found";
        findings.push(Finding::refuse(
            &subject,
            what,
            "check [fleet] in the service's file",
        ));
    }
    let count = u32::try_from(hosts.len()).unwrap_or(u32::MAX);
    // On the bastion no host is taken out: the system that runs the service there keeps it up, or does not.
    let all_at_once = definition.roll.max_unavailable.of(count) >= count && !definition.runs_on_bastion();
    // Where hosts are awaited, the fleet is judged when they are there.
    let is_whole = !findings.iter().any(|finding| finding.severity == Severity::Wait);
    if all_at_once && is_whole && !hosts.is_empty() && !definition.roll.allow_outage {
        let what = format!(
            "max_unavailable is {} of {count} hosts",
            definition.roll.max_unavailable
        );
        let hint =
            "service would be interrupted: say allow_outage = true in the service's file if that is meant";
        findings.push(Finding::refuse(&subject, what, hint));
    }
}

/// Warns, before an instance is launched in mid-roll, where its host key will not be believed.
fn launching(snapshot: &FleetSnapshot, findings: &mut Vec<Finding>) {
    if let (Some(why), false) = (&snapshot.unknown_host_keys, snapshot.groups.is_empty()) {
        let what = format!("newly launched hosts cannot be recognized: {why}");
        findings.push(Finding::warn("ssh", what));
    }
}
