//! One host: whether it can be rolled as it was seen.

use super::finding::{Finding, Severity};
use super::{command, docker};
use crate::definition::ServiceDefinition;
use crate::fleet::{HostPlan, HostSnapshot, HostView};

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
