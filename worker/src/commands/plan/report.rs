//! The report on a planned release: a table at 80 columns for people, JSON for programs.

use std::fmt::{self, Write as _};

use drawgate_rollout::definition::{CommandPlace, OnFailure, Place, Swap};
use drawgate_rollout::{
    Approval, Cost, Estimate, Finding, FleetSnapshot, HostSnapshot, HostView, Permissions, Plan, Severity,
};
use drawgate_schemas::limits::cut;
use drawgate_schemas::{Digest, Environment, ReleaseRequest, Service};
use serde::Serialize;

use super::super::layout::{clock, wrapped};
use crate::effects::Inspection;

/// The column at which a step's text begins.
const INDENT: usize = 10;
/// How many of the largest parts of the time are named.
const COSTS: usize = 3;

/// A release's plan, or why it would be refused. Its fields are the JSON of `plan`.
#[derive(Debug, Serialize)]
pub(in crate::commands) struct Report {
    environment: Environment,
    service: Service,
    version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<Digest>,
    /// Whether preflight lets the release begin.
    possible: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    expected_ms: Option<u64>,
    /// Preflight's reasons against the release, with remedies.
    findings: Vec<Finding>,
    #[serde(skip_serializing_if = "Option::is_none")]
    estimate: Option<Estimate>,
    #[serde(skip_serializing_if = "Option::is_none")]
    plan: Option<Plan>,
    /// What is known of the permissions that the release may need; nothing where preflight refuses it for
    /// other reasons.
    #[serde(skip_serializing_if = "Option::is_none")]
    permissions: Option<Permissions>,
    /// The snapshot of the fleet.
    fleet: FleetSnapshot,
}

impl Report {
    pub(in crate::commands) fn new(
        request: &ReleaseRequest,
        digest: Option<Digest>,
        fleet: FleetSnapshot,
        inspection: Inspection,
    ) -> Self {
        let (plan, findings) = match inspection {
            Ok(plan) => (Some(plan), Vec::new()),
            Err(findings) => (None, findings),
        };
        let estimate = plan.as_ref().map(Plan::estimate);
        Self {
            environment: request.environment.clone(),
            service: request.service.clone(),
            version: request.version_name(),
            digest,
            possible: plan.is_some(),
            expected_ms: estimate.as_ref().map(|estimate| estimate.expected_ms),
            findings,
            estimate,
            plan,
            permissions: fleet.permissions.clone(),
            fleet,
        }
    }

    pub(in crate::commands) fn possible(&self) -> bool {
        self.possible
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} {} -> {}", self.service, self.version, self.environment)?;
        match &self.digest {
            Some(digest) => writeln!(f, "every host gets {digest}\n")?,
            None => writeln!(f)?,
        }
        self.hosts(f)?;
        if let (Some(plan), Some(estimate)) = (&self.plan, &self.estimate) {
            steps(f, plan, estimate)?;
            time(f, plan, estimate)?;
        } else {
            findings(f, &self.findings)?;
        }
        if let Some(known) = &self.permissions {
            permissions(f, known)?;
        }
        f.write_str("nothing was touched\n")
    }
}

impl Report {
    /// Lists the hosts, in the order of the roll if there is a plan.
    fn hosts(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = |host: &&HostSnapshot| {
            let hosts = self.plan.iter().flat_map(|plan| &plan.hosts);
            let instances = hosts.map(|planned| &planned.instance);
            instances
                .clone()
                .position(|instance| *instance == host.instance)
                .unwrap_or(usize::MAX)
        };
        let mut hosts: Vec<&HostSnapshot> = self.fleet.hosts.iter().collect();
        hosts.sort_by_key(place);
        if hosts.is_empty() {
            return Ok(());
        }
        writeln!(f, "{:<19} {:<14} {:<16} TARGETS", "HOST", "ZONE", "RUNS NOW")?;
        for host in hosts {
            let line = format!(
                "{:<19} {:<14} {:<16} {}",
                host.instance,
                host.zone,
                cut(&runs_now(host), 16),
                self.targets(host)
            );
            wrapped(f, "", &line, 52)?;
        }
        writeln!(f)
    }

    fn targets(&self, host: &HostSnapshot) -> String {
        let name = |arn: &str| {
            let group = self.fleet.target_groups.iter().find(|group| group.arn == arn);
            group.map_or_else(|| arn.to_owned(), |group| group.name.clone())
        };
        let targets: Vec<String> = host
            .targets
            .iter()
            .map(|target| format!("{}:{} {}", name(&target.target_group), target.port, target.state))
            .collect();
        match (host.state.as_str(), targets.is_empty()) {
            ("running", true) => "none".to_owned(),
            ("running", false) => targets.join(", "),
            (state, _) => format!("{state} in EC2"),
        }
    }
}

fn runs_now(host: &HostSnapshot) -> String {
    match (&host.view, host.before()) {
        (HostView::Unreachable { .. }, _) => "out of reach".to_owned(),
        (HostView::Answered { version, .. }, _) => version.clone().unwrap_or_else(|| "not told".to_owned()),
        (_, Some(before)) if before.running => before.version_name,
        (_, Some(before)) => format!("{} (stopped)", before.version_name),
        (_, None) => "nothing".to_owned(),
    }
}

fn steps(f: &mut fmt::Formatter<'_>, plan: &Plan, estimate: &Estimate) -> fmt::Result {
    writeln!(f, "{:>8}  WHAT", "AT")?;
    for text in before_hosts(plan) {
        step(f, None, &text)?;
    }
    let mut canary = estimate
        .canary_until_ms
        .map(|until_ms| (until_ms, plan.definition.roll.canary));
    // Most hosts are alike, so the parts of their time are listed once.
    let mut told = None;
    for host in &estimate.hosts {
        if let Some((_, Some(policy))) = canary.take_if(|(until_ms, _)| *until_ms <= host.from_ms) {
            let bake = clock(policy.bake_ms);
            step(
                f,
                None,
                &format!("the canary is watched for {bake} before another host is touched"),
            )?;
        }
        let mut text = format!("{} for {}", host.instance, clock(host.takes_ms));
        if told.replace(&host.parts) != Some(&host.parts) {
            let parts: Vec<String> = host.parts.iter().map(part).collect();
            let _ = write!(text, ": {}", parts.join(", "));
        }
        step(f, Some(host.from_ms), &text)?;
    }
    for text in after_hosts(plan) {
        step(f, None, &text)?;
    }
    step(
        f,
        Some(estimate.expected_ms),
        "resume and enable exactly that again; compare before and after",
    )?;
    writeln!(f)
}

pub(in crate::commands) fn part(cost: &Cost) -> String {
    format!("{} {}", cost.setting, clock(cost.ms))
}

fn approved(approval: &Approval) -> String {
    format!(
        "wait for approval: {} of {}, never its publisher, within {}",
        approval.count,
        approval.from.join(", "),
        clock(approval.within_ms)
    )
}

fn before_hosts(plan: &Plan) -> Vec<String> {
    let approval = plan.definition.approval.as_ref();
    let mut steps: Vec<String> = approval.map(approved).into_iter().collect();
    steps.push(match &plan.definition.swap {
        Swap::Container(_) => format!(
            "pull the image on {} hosts, {} at a time",
            plan.hosts.len(),
            plan.definition.roll.pull_concurrency
        ),
        Swap::Command(command) => format!(
            "{}: {}; back with: {}",
            match command.place {
                CommandPlace::Host { .. } => "a swap, on each host",
                CommandPlace::Worker(_) => "a swap, once, on the bastion",
            },
            command.deploy.join(" "),
            command.rollback.join(" ")
        ),
    });
    if let Some(lease) = &plan.definition.lease_parameter {
        steps.push(format!("take the fleet's lease, {lease}"));
    }
    if let Some(before) = &plan.definition.before {
        steps.push(format!(
            "[before], once, in a container on one host: {}; if it fails, nothing is rolled{}",
            before.run.join(" "),
            if before.reversible {
                ""
            } else {
                "; after it there is no automatic rollback"
            }
        ));
    }
    for group in plan.groups.iter().filter(|group| !group.suspend.is_empty()) {
        let names: Vec<&str> = group.suspend.iter().map(|process| process.as_str()).collect();
        steps.push(format!("suspend {} of {}", names.join(", "), group.name));
    }
    if !plan.alarms.is_empty() {
        let names: Vec<&str> = plan.alarms.iter().map(|alarm| alarm.name.as_str()).collect();
        let how = if plan.mutes() {
            "mute"
        } else {
            "disable the actions of"
        };
        steps.push(format!("{how} {}", names.join(", ")));
    }
    if !plan.watched.is_empty() {
        let names: Vec<&str> = plan.watched.iter().map(|alarm| alarm.name.as_str()).collect();
        steps.push(format!(
            "all along: back again when one of {} fires",
            names.join(", ")
        ));
    }
    steps
}

fn after_hosts(plan: &Plan) -> Vec<String> {
    let mut steps = Vec::new();
    if let Some(wanted) = &plan.desired {
        steps.push(format!(
            "publish the version in {}, for instances that boot from now on",
            wanted.parameter
        ));
    }
    if plan.definition.alarms.bake_ms > 0 {
        steps.push(format!(
            "wait for {} before it is called good",
            clock(plan.definition.alarms.bake_ms)
        ));
    }
    if let Some(after) = &plan.definition.after {
        steps.push(format!(
            "[after] {}: {}, {} at most; {}",
            match after.place {
                Place::Worker(_) => "on the worker",
                Place::Container { .. } => "in a container on one host",
            },
            after.run.join(" "),
            match after.attempts {
                1 => "1 attempt".to_owned(),
                attempts => format!("{attempts} attempts"),
            },
            match after.on_failure {
                OnFailure::RollBack => "if it fails, the release is rolled back",
                OnFailure::Report => "if it fails, that is only reported",
            }
        ));
    }
    steps
}

fn time(f: &mut fmt::Formatter<'_>, plan: &Plan, estimate: &Estimate) -> fmt::Result {
    if !plan.definition.runs_on_bastion() {
        writeln!(
            f,
            "{} of {} hosts out at once{}",
            plan.at_once(),
            plan.hosts.len(),
            if plan.definition.roll.zone_by_zone {
                ", of one zone at a time"
            } else {
                ""
            }
        )?;
    }
    for group in plan.target_groups.values() {
        writeln!(f, "{}: never fewer than {} healthy", group.name, group.floor)?;
    }
    let expected_ms = estimate.expected_ms;
    writeln!(f, "about {} in all, without pulls and hooks", clock(expected_ms))?;
    let most: Vec<String> = estimate
        .costs
        .iter()
        .take(COSTS)
        .map(|cost| format!("{} ({} %)", part(cost), cost.ms * 100 / expected_ms.max(1)))
        .collect();
    if !most.is_empty() {
        wrapped(f, "", &format!("costs most: {}", most.join(", ")), 12)?;
    }
    for warning in &plan.warnings {
        wrapped(f, "", &format!("note: {warning}"), 6)?;
    }
    Ok(())
}

/// Lists what keeps the release from beginning, and whether it would wait for that.
fn findings(f: &mut fmt::Formatter<'_>, findings: &[Finding]) -> fmt::Result {
    let refused = findings
        .iter()
        .any(|finding| finding.severity == Severity::Refuse);
    f.write_str(match refused {
        true => "this release would be refused:\n",
        false => "this release would wait as long as [preflight] wait says, and then be refused:\n",
    })?;
    for finding in findings {
        let mark = match finding.severity {
            Severity::Refuse => "  !!    ",
            Severity::Wait => "  wait  ",
            Severity::Warn => "  note  ",
        };
        wrapped(f, mark, &finding.line(), 8)?;
        if let Some(hint) = &finding.hint {
            wrapped(f, "        ", &format!("hint: {hint}"), 8)?;
        }
    }
    Ok(())
}

/// Counts what is known of the permissions; what is missing is a finding, and what is not proved a note.
fn permissions(f: &mut fmt::Formatter<'_>, known: &Permissions) -> fmt::Result {
    let counts = match (known.missing.len(), known.unproved.len()) {
        (0, 0) => format!("{} proved", known.proved),
        (missing, unproved) => format!(
            "{} proved, {missing} missing, {unproved} not simulated",
            known.proved
        ),
    };
    let whose = known
        .principal
        .as_deref()
        .map_or_else(String::new, |who| format!(" ({who})"));
    wrapped(f, "", &format!("permissions: {counts}{whose}"), 13)
}

fn step(f: &mut fmt::Formatter<'_>, at_ms: Option<u64>, text: &str) -> fmt::Result {
    let at = at_ms.map_or_else(String::new, clock);
    wrapped(f, &format!("{at:>8}  "), text, INDENT)
}

#[cfg(test)]
mod tests;
