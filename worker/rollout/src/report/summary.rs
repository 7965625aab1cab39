//! The end in one line, and the way on.

use drawgate_schemas::{Outcome, Receipt};

use super::receipt::is_gone;
use super::version::version_before;
use crate::fleet::{HostPlan, Plan};
use crate::journal::{Cause, Step};
use crate::release::Release;

/// Why the release was rolled back, for a person.
pub(super) fn why(cause: &Cause) -> String {
    let what = &cause.failure.what;
    match (&cause.step, cause.instance()) {
        (Step::Control, _) => what.clone(),
        (_, Some(instance)) if cause.is_of_watched_host() => format!("{instance}: {what}"),
        _ => format!("{}: {what}", cause.step),
    }
}

pub(super) fn summary(release: &Release, plan: &Plan, outcome: Outcome, receipt: &Receipt) -> String {
    let to = &plan.version_name;
    let seen = release.observation.as_deref();
    let there = |host: &&HostPlan| !is_gone(release, host, seen);
    let hosts = release.everyone().filter(there).count();
    let why = release.rolling_back.as_ref().map(why).unwrap_or_default();
    match outcome {
        Outcome::Succeeded => {
            let joined = release.joined.len() + release.up_to_date.len();
            let after =
                failed_after(release).map_or_else(String::new, |what| format!("; [after] FAILED: {what}"));
            if plan.definition.runs_on_bastion() {
                return format!("deployed {to}, alarms as before{after}");
            }
            let left_out: Vec<&str> = release
                .left_out()
                .map(|left_out| left_out.host.instance.as_str())
                .collect();
            let all = hosts + left_out.len();
            let out = match left_out.is_empty() {
                true => String::new(),
                false => format!(", left out because out of reach: {}", left_out.join(", ")),
            };
            format!("{hosts} of {all} on {to}{out}, {joined} joined, scaling and alarms as before{after}")
        }
        Outcome::Cancelled if release.hosts().all(|host| !release.touched(&host.instance)) => {
            format!("{why}; no host was touched, scaling and alarms as before")
        }
        Outcome::RolledBack | Outcome::Cancelled => {
            format!(
                "{why}; service is on {} everywhere, scaling and alarms as before",
                version_before(release)
            )
        }
        Outcome::Failed => format!("{why}; no host was touched, scaling and alarms as before"),
        _ if release.is_one_way() && receipt.leftovers.len() == 1 => {
            let first = receipt
                .leftovers
                .first()
                .map(|leftover| leftover.what.to_string());
            format!("{why}; {}", first.unwrap_or_default())
        }
        _ if receipt.leftovers.is_empty() => "no instance of the fleet is left".to_owned(),
        _ => {
            let first = receipt
                .leftovers
                .first()
                .map(|leftover| leftover.what.to_string());
            let leftovers = match receipt.leftovers.len() {
                1 => "1 leftover".to_owned(),
                n => format!("{n} leftovers, the first"),
            };
            let cause = if why.is_empty() {
                String::new()
            } else {
                format!("{why}; ")
            };
            format!("{cause}{leftovers}: {}", first.unwrap_or_default())
        }
    }
}

/// What went wrong in an `[after]` whose failure is only reported.
fn failed_after(release: &Release) -> Option<&str> {
    let last = release.steps.get(&Step::RunAfter)?.last.as_ref()?;
    last.failure().map(|failure| failure.what.as_str())
}

pub(super) fn hint(release: &Release, outcome: Outcome) -> Option<String> {
    let cause = release.rolling_back.as_ref();
    let id = release.request.id;
    match outcome {
        Outcome::Succeeded => None,
        Outcome::NeedsOperator => Some(format!(
            "drawgate show {id} lists what is left, and what to run; runbooks/needs-operator.md says what each means"
        )),
        _ if cause.is_some_and(|cause| !cause.failure.logs.is_empty()) => Some(format!(
            "drawgate show {id} --logs has the container's last lines"
        )),
        _ => cause.and_then(|cause| cause.failure.hint.clone()),
    }
}
