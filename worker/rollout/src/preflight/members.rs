//! Which hosts of the fleet are rolled, which are waited for, and which are left out.
//!
//! ```text
//!   on its way in or out   waited for, up to `wait`       in Standby, detached, …   left alone
//!   does not answer        left out, up to `unreachable`; one more, and each of them refuses the release,
//!                          except where it may still boot: then it is waited for
//! ```

use jiff::SignedDuration;

use super::finding::Finding;
use super::host::host_plan;
use crate::definition::{PreflightPolicy, ServiceDefinition};
use crate::fleet::{FleetSnapshot, HostPlan, HostSnapshot, HostView, LeftOut};
use crate::limits;

/// The members of a fleet.
pub(super) struct Members {
    /// The hosts in the order of the roll.
    pub(super) hosts: Vec<HostPlan>,
    /// The hosts that do not answer and are left out.
    pub(super) left_out: Vec<LeftOut>,
}

/// The hosts in the order of the roll: those that serve nobody first, because they cost nothing; then by zone
/// with `zone_by_zone`; then by id, so that two plans for one fleet are alike.
pub(super) fn members(
    snapshot: &FleetSnapshot,
    definition: &ServiceDefinition,
    findings: &mut Vec<Finding>,
) -> Members {
    let mut members = Vec::new();
    for host in &snapshot.hosts {
        if is_member(host, snapshot, findings) {
            members.push(host);
        }
    }
    let (silent, answering): (Vec<_>, Vec<_>) = members.into_iter().partition(|host| does_not_answer(host));
    let may_be_silent = bound(&definition.preflight, silent.len(), answering.len());
    let left_out: Vec<LeftOut> = match silent.len() <= may_be_silent {
        true => silent.iter().filter_map(|host| LeftOut::of(host)).collect(),
        false => Vec::new(),
    };
    let mut hosts = Vec::new();
    let judged = silent.iter().filter(|_| left_out.is_empty()).chain(&answering);
    for host in judged {
        match does_not_answer(host) && may_boot(host, snapshot) {
            true => findings.push(Finding::wait(
                &host.instance,
                "was just launched, and does not answer yet",
            )),
            false => hosts.extend(host_plan(host, definition, findings)),
        }
    }
    let told = left_out
        .iter()
        .map(|left_out| Finding::warn(&left_out.host.instance, left_out.what()));
    findings.extend(told);
    let zone = |host: &HostPlan| {
        let by_zone = definition.roll.zone_by_zone;
        by_zone.then(|| host.zone.clone())
    };
    hosts.sort_by_cached_key(|host| (host.was_healthy(), zone(host), host.instance.clone()));
    Members { hosts, left_out }
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
    let finding = match (lifecycle, host.state.as_str()) {
        ("InService", "running") => return true,
        ("InService", "pending") | ("Pending" | "Pending:Wait" | "Pending:Proceed", _) => {
            Finding::wait(&host.instance, "is still being launched")
        }
        ("InService", state) => {
            let what = format!("is {state} in EC2 and still InService in its group");
            Finding::wait(&host.instance, what)
        }
        (other, _) => Finding::warn(&host.instance, format!("is {other} in its group: left alone")),
    };
    findings.push(finding);
    false
}

fn does_not_answer(host: &HostSnapshot) -> bool {
    matches!(host.view, HostView::Unreachable { .. })
}

/// Whether an instance is so young that it may still boot.
fn may_boot(host: &HostSnapshot, snapshot: &FleetSnapshot) -> bool {
    let age = host.launched_at.map(|at| snapshot.at.duration_since(at));
    let boot = SignedDuration::from_millis(i64::try_from(limits::BOOT_MS).unwrap_or(i64::MAX));
    age.is_some_and(|age| age <= boot)
}

/// How many hosts may be left out: never all, because a release that rolls none would succeed.
fn bound(policy: &PreflightPolicy, silent: usize, answering: usize) -> usize {
    let all = u32::try_from(silent + answering).unwrap_or(u32::MAX);
    match answering {
        0 => 0,
        _ => policy.unreachable.of(all) as usize,
    }
}
