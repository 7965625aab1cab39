//! The wanted version: what an instance starts that boots when no release is there to roll it.
//!
//! ```text
//!   all known hosts good -> publish -> sweep: members launched before that are rolled, or found to run it already
//!                              |
//!                              `-- from here on an instance that boots reads the parameter and starts it by itself
//! ```
//!
//! What the parameter's value looks like is the worker's business and the boot script's (`infra/aws/boot`); in here it is
//! text that is put, and put back.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::definition::ServiceDefinition;
use crate::plan::{HostPlan, Plan};
use crate::preflight::{Finding, Severity, host_plan};
use crate::snapshot::{FleetSnapshot, HostSnapshot, HostView, LABEL_RELEASE};
use crate::state::Release;

/// The longest value of a standard parameter (AWS Systems Manager User Guide, "Managing parameter tiers").
pub(crate) const STANDARD_BYTES: usize = 4096;

/// The longest value of an advanced parameter, which AWS charges for.
pub(crate) const ADVANCED_BYTES: usize = 8192;

/// Time that a new instance is given to start its container and join its target groups by itself.
const BOOT: SignedDuration = SignedDuration::from_mins(3);

/// A read of the parameter may be older than its last write: an instance that was launched this soon after it counts as
/// launched before.
const STALE_READS: SignedDuration = SignedDuration::from_secs(10);

/// The parameter as it was seen, and as the release will write it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "seen", rename_all = "snake_case")]
pub enum WantedSnapshot {
    /// It was read.
    Read(Box<WantedPlan>),
    /// It could not be read.
    Unreadable {
        /// Why.
        why: String,
        /// The way out.
        hint: Option<String>,
    },
}

/// What is published, and what was before. The journal has it before anything is overwritten.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WantedPlan {
    /// The parameter's name.
    pub parameter: String,
    /// Its value of before; `None` where there was none.
    pub before: Option<String>,
    /// What a person calls the version that was wanted before.
    pub version_before: Option<String>,
    /// What holds the place of a first value until the hosts are good: it wants nothing.
    pub placeholder: String,
    /// What is wanted once they are.
    pub value: String,
}

impl WantedPlan {
    /// What the parameter holds while the hosts are rolled: the value of before, or one that wants nothing.
    pub fn reserved(&self) -> &str {
        self.before.as_deref().unwrap_or(&self.placeholder)
    }

    /// Whether a value is this release's doing.
    pub fn is_ours(&self, value: &str) -> bool {
        value == self.value || (self.before.is_none() && value == self.placeholder)
    }
}

/// What is published, unless something about it refuses the release.
pub(crate) fn wanted_plan(
    definition: &ServiceDefinition,
    snapshot: &FleetSnapshot,
    findings: &mut Vec<Finding>,
) -> Option<WantedPlan> {
    let parameter = definition.wanted_parameter.as_ref()?;
    let wanted = match &snapshot.wanted {
        Some(WantedSnapshot::Read(wanted)) => wanted.as_ref(),
        Some(WantedSnapshot::Unreadable { why, hint }) => {
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
            format!("the wanted version takes {bytes} bytes; a parameter holds at most {ADVANCED_BYTES}");
        let hint = "make [container] smaller (env, labels, command), or remove wanted_parameter";
        findings.push(Finding::refuse(parameter, what, hint));
        return None;
    }
    if bytes > STANDARD_BYTES {
        let what = format!(
            "the wanted version takes {bytes} bytes, more than the {STANDARD_BYTES} of a standard parameter: it becomes \
             an advanced one, which AWS charges for"
        );
        findings.push(Finding::warn(parameter, what));
    }
    Some(wanted.clone())
}

/// What is to become of a member that joined in mid-roll.
#[derive(Debug, Clone, PartialEq)]
pub enum Newcomer {
    /// It runs this release already, started by its boot script: it is one of the fleet, and is not touched.
    Adopt(Box<HostPlan>),
    /// It is rolled like any other.
    Roll(Box<HostPlan>),
    /// It is not ready for either.
    Await(String),
}

/// What is to become of a member that is in service.
pub fn newcomer(
    seen: &HostSnapshot,
    age: Option<SignedDuration>,
    release: &Release,
    plan: &Plan,
) -> Newcomer {
    let id = &seen.instance;
    // What carries this release's label was made from its definition. It is never rolled: the container that would be
    // replaced is the one that would replace it.
    if runs_label_of(seen, release) {
        return match not_serving(seen) {
            None => Newcomer::Adopt(Box::new(HostPlan::of(seen))),
            Some(missing) => Newcomer::Await(format!("{id} started this release by itself and {missing}")),
        };
    }
    if let Some(missing) = still_boots(seen, age, plan) {
        return Newcomer::Await(format!("{id} joined and {missing}"));
    }
    let mut findings = Vec::new();
    match host_plan(seen, &plan.definition, &mut findings) {
        Some(host) => Newcomer::Roll(Box::new(host)),
        None => {
            let refusal = findings
                .iter()
                .find(|finding| finding.severity == Severity::Refuse);
            let why = refusal.map_or_else(|| id.clone(), Finding::line);
            Newcomer::Await(format!("joined, and cannot be rolled: {why}"))
        }
    }
}

/// Whether an instance that is on its way in is waited for. One that was launched after the wanted version was published
/// starts it by itself.
pub fn is_awaited(launched_at: Option<Timestamp>, release: &Release) -> bool {
    match (launched_at, release.published_at) {
        (Some(launched), Some(published)) => launched.duration_since(published) < STALE_READS,
        _ => true,
    }
}

fn runs_label_of(seen: &HostSnapshot, release: &Release) -> bool {
    let HostView::Reached {
        container: Some(container),
        ..
    } = &seen.view
    else {
        return false;
    };
    container.labels.get(LABEL_RELEASE) == Some(&release.request.id.to_string())
}

fn not_serving(seen: &HostSnapshot) -> Option<String> {
    if !seen.before().is_some_and(|before| before.running) {
        return Some("does not run it".to_owned());
    }
    let sick = seen
        .targets
        .iter()
        .find(|target| !matches!(target.state.as_str(), "healthy" | "unused"));
    sick.map(|target| format!("is {} in {}", target.state, target.target_group))
}

/// An instance is `InService` before its boot script has ended: what that script starts, or registers, in the middle of our
/// swap would be taken for a failure. One that has had its time and still runs nothing is rolled like any other.
fn still_boots(seen: &HostSnapshot, age: Option<SignedDuration>, plan: &Plan) -> Option<String> {
    if age.is_none_or(|age| age > BOOT) {
        return None;
    }
    let runs = seen.before().is_some_and(|before| before.running);
    // Of what is no container nobody knows whether it is still to come.
    if !runs && plan.definition.container().is_some() {
        return Some(format!("does not run {} yet", plan.definition.runs_as()));
    }
    (seen.targets.is_empty() && !plan.target_groups.is_empty()).then(|| "is not registered yet".to_owned())
}
