//! Whether the desired version can be published as it is.

use super::finding::{Finding, Severity};
use crate::definition::ServiceDefinition;
use crate::fleet::{DesiredPlan, DesiredSnapshot, FleetSnapshot};

/// The longest value of a standard parameter (AWS Systems Manager User Guide, "Managing parameter tiers").
const STANDARD_BYTES: usize = 4096;

/// The longest value of an advanced parameter, which AWS charges for.
const ADVANCED_BYTES: usize = 8192;

/// What is published, unless something about it refuses the release.
pub(super) fn desired_plan(
    definition: &ServiceDefinition,
    snapshot: &FleetSnapshot,
    findings: &mut Vec<Finding>,
) -> Option<DesiredPlan> {
    let parameter = definition.wanted_parameter.as_ref()?;
    let wanted = match &snapshot.desired {
        Some(DesiredSnapshot::Read(wanted)) => wanted.as_ref(),
        Some(DesiredSnapshot::Unreadable { why, hint }) => {
            findings.push(Finding {
                severity: Severity::Refuse,
                subject: parameter.clone(),
                what: why.clone(),
                hint: hint.clone(),
            });
            return None;
        }
        None => {
            findings.push(Finding::refuse(parameter, "was not looked at", "publish again"));
            return None;
        }
    };
    let bytes = wanted.value.len();
    if bytes > ADVANCED_BYTES {
        let what =
            format!("the desired version takes {bytes} bytes; a parameter holds at most {ADVANCED_BYTES}");
        let hint = "make [container] smaller (env, labels, command), or remove wanted_parameter";
        findings.push(Finding::refuse(parameter, what, hint));
        return None;
    }
    if bytes > STANDARD_BYTES {
        let what = format!(
            "the desired version takes {bytes} bytes, more than the {STANDARD_BYTES} of a standard parameter: it becomes \
             an advanced one, which AWS charges for"
        );
        findings.push(Finding::warn(parameter, what));
    }
    Some(wanted.clone())
}
