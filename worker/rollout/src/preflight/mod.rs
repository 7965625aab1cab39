//! From a snapshot to a plan, or to the reasons why not: everything that can be known before anything is
//! touched.

mod alarms;
mod balance;
mod command;
mod desired;
mod docker;
mod finding;
mod healthcheck;
mod registry;
mod scaling;
mod secrets;
mod target_groups;
mod threshold;
mod time;

use drawgate_schemas::{Digest, Options, ReleaseRequest, limits};

use self::desired::desired_plan;
use self::secrets::secret_versions;
use crate::definition::{OnFailure, RollPolicy, ServiceDefinition};
use crate::fleet::{FleetSnapshot, HostPlan, HostSnapshot, HostView, Plan};

pub use finding::{Finding, Severity};
pub use healthcheck::refused_healthcheck;

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
/// All findings, when at least one of them refuses the release.
pub fn plan(
    request: &ReleaseRequest,
    digest: Option<&Digest>,
    definition: &ServiceDefinition,
    snapshot: &FleetSnapshot,
) -> Result<Plan, Vec<Finding>> {
    let mut definition = definition.clone();
    let mut findings = Vec::new();
    let hosts = hosts(snapshot, &definition, &mut findings);
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
    let target_groups = balance::target_groups(snapshot, &hosts, &definition, &mut findings);
    let groups = snapshot
        .groups
        .iter()
        .map(|group| scaling::group_plan(group, &definition, &mut findings))
        .collect();
    let alarms = alarms::plan_alarms(snapshot, &definition, &mut findings);
    let secrets = secret_versions(&definition, snapshot, &mut findings);
    let desired = desired_plan(&definition, snapshot, &mut findings);
    launching(snapshot, &mut findings);
    if findings
        .iter()
        .any(|finding| finding.severity == Severity::Refuse)
    {
        findings.sort_by_key(|finding| finding.severity);
        return Err(findings);
    }
    let mut plan = Plan {
        image: request.image.clone(),
        digest: digest.cloned(),
        version_name: request.version_name(),
        definition,
        hosts,
        groups,
        target_groups,
        alarms: alarms.silenced,
        watched: alarms.watched,
        desired,
        healthcheck,
        secrets,
        warnings: Vec::new(),
    };
    time::judge(&mut plan, snapshot, &mut findings);
    if findings
        .iter()
        .any(|finding| finding.severity == Severity::Refuse)
    {
        findings.sort_by_key(|finding| finding.severity);
        return Err(findings);
    }
    plan.warnings = findings.iter().map(Finding::line).collect();
    Ok(plan)
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

/// The hosts in the order of the roll: those that serve nobody first, because they cost nothing; then by zone
/// with `zone_by_zone`; then by id, so that two plans for one fleet are alike.
fn hosts(
    snapshot: &FleetSnapshot,
    definition: &ServiceDefinition,
    findings: &mut Vec<Finding>,
) -> Vec<HostPlan> {
    let mut hosts = Vec::new();
    for host in &snapshot.hosts {
        if is_member(host, snapshot, findings) {
            hosts.extend(host_plan(host, definition, findings));
        }
    }
    let zone = |host: &HostPlan| {
        let by_zone = definition.roll.zone_by_zone;
        by_zone.then(|| host.zone.clone())
    };
    hosts.sort_by_cached_key(|host| (host.was_healthy(), zone(host), host.instance.clone()));
    hosts
}

/// Whether a host is a member: `InService` in its group and `running` in EC2. While `HealthCheck` is
/// suspended a group goes on listing dead instances as `InService`, so one of the two alone proves nothing.
fn is_member(host: &HostSnapshot, snapshot: &FleetSnapshot, findings: &mut Vec<Finding>) -> bool {
    let lifecycle = snapshot
        .groups
        .iter()
        .flat_map(|group| &group.members)
        .find(|member| member.instance == host.instance)
        .map_or("InService", |member| member.lifecycle.as_str());
    match (lifecycle, host.state.as_str()) {
        ("InService", "running") => true,
        ("InService", "pending") | ("Pending" | "Pending:Wait" | "Pending:Proceed", _) => {
            let what = "is still being launched";
            findings.push(Finding::refuse(
                &host.instance,
                what,
                "publish again when it is in service",
            ));
            false
        }
        ("InService", state) => {
            let what = format!("is {state} in EC2 and still InService in its group");
            findings.push(Finding::refuse(
                &host.instance,
                what,
                "let Auto Scaling replace it first",
            ));
            false
        }
        (other, _) => {
            findings.push(Finding::warn(
                &host.instance,
                format!("is {other} in its group: left alone"),
            ));
            false
        }
    }
}

/// The plan for one host, unless something about it refuses the release.
pub fn host_plan(
    host: &HostSnapshot,
    definition: &ServiceDefinition,
    findings: &mut Vec<Finding>,
) -> Option<HostPlan> {
    let before = findings.len();
    match &host.view {
        HostView::Unreachable { why, hint } => findings.push(Finding {
            severity: Severity::Refuse,
            subject: host.instance.clone(),
            what: why.clone(),
            hint: hint.clone(),
        }),
        HostView::Answered { untold, .. } => command::told(host, untold.as_deref(), findings),
        HostView::Reached {
            disk_free_bytes,
            container,
            ports_held,
            outside,
            ..
        } => {
            disk(host, *disk_free_bytes, definition, findings);
            if let Some(wanted) = definition.container() {
                if let Some(container) = container {
                    docker::replaceable(host, container, wanted, findings);
                }
                docker::unit(host, outside, wanted, findings);
                docker::ports(host, ports_held, outside, wanted, findings);
            }
        }
    }
    for target in host.targets.iter().filter(|target| target.state == "draining") {
        let what = format!(
            "is being deregistered from {} by somebody else",
            target.target_group
        );
        findings.push(Finding::refuse(
            &host.instance,
            what,
            "register it again, or wait until it is gone",
        ));
    }
    let refused = findings
        .iter()
        .skip(before)
        .any(|finding| finding.severity == Severity::Refuse);
    (!refused).then(|| HostPlan::of(host))
}

fn disk(host: &HostSnapshot, free: Option<u64>, definition: &ServiceDefinition, findings: &mut Vec<Finding>) {
    let least = definition.roll.min_disk_free_bytes;
    match free {
        None => findings.push(Finding::warn(&host.instance, "free disk space could not be read")),
        Some(free) if free < least => findings.push(Finding::refuse(
            &host.instance,
            format!("{} MiB free for images, {} MiB wanted", free >> 20, least >> 20),
            "make room on the host, or lower roll.min_disk_free",
        )),
        Some(_) => {}
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
    let refused_hosts = findings
        .iter()
        .any(|finding| finding.severity == Severity::Refuse);
    if hosts.is_empty() && !refused_hosts {
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
    if all_at_once && !hosts.is_empty() && !definition.roll.allow_outage {
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
