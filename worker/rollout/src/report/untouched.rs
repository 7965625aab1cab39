//! The end of a release that touched nothing.

use drawgate_schemas::{AwaitedApproval, ControlCommand, Ended, Outcome};

use super::summary::why;
use crate::fleet::Plan;
use crate::release::Release;

/// The end of a request whose time ran out before it began.
pub(crate) fn expired(release: &Release) -> Ended {
    let at = release
        .request
        .expires_at
        .map(|at| at.to_string())
        .unwrap_or_default();
    Ended {
        outcome: Outcome::Rejected,
        summary: format!("expired at {at}, before it began: nothing was touched"),
        hint: Some("publish again".to_owned()),
        receipt: None,
    }
}

/// The end of a release whose version every host runs already, apart from those that were left out.
pub(crate) fn there_already(plan: &Plan) -> Ended {
    let left_out: Vec<&str> = plan
        .left_out
        .iter()
        .map(|left_out| left_out.host.instance.as_str())
        .collect();
    let out = match left_out.is_empty() {
        true => String::new(),
        false => format!("; left out because out of reach: {}", left_out.join(", ")),
    };
    Ended {
        outcome: Outcome::Succeeded,
        summary: format!(
            "{} of {} serve {} already: nothing was touched{out}",
            plan.hosts.len(),
            plan.hosts.len() + left_out.len(),
            plan.version_name
        ),
        hint: Some(
            "drawgate publish --force swaps it all the same, as after a change of the service's file"
                .to_owned(),
        ),
        receipt: None,
    }
}

/// The end of a request that was rejected by somebody who was asked to approve it.
pub(crate) fn rejected(rejected: &ControlCommand) -> Ended {
    Ended {
        outcome: Outcome::Rejected,
        summary: format!("{}; nothing was touched", rejected.told()),
        hint: None,
        receipt: None,
    }
}

/// The end of a request that waited for approvals in vain.
pub(crate) fn not_approved(awaited: &AwaitedApproval) -> Ended {
    Ended {
        outcome: Outcome::Rejected,
        summary: format!(
            "not approved by {} until {:.0} ({} of {}): nothing was touched",
            awaited.from.join(", "),
            awaited.until,
            awaited.given.len(),
            awaited.count
        ),
        hint: Some("publish again, and tell those who have to approve it".to_owned()),
        receipt: None,
    }
}

pub(super) fn without_plan(release: &Release) -> Ended {
    let cause = release.rolling_back.as_ref();
    Ended {
        outcome: if release.cancelled.is_some() {
            Outcome::Cancelled
        } else {
            Outcome::Failed
        },
        summary: cause.map_or_else(
            || "ended before it began: nothing was touched".to_owned(),
            |cause| format!("{}; nothing was touched", why(cause)),
        ),
        hint: cause.and_then(|cause| cause.failure.hint.clone()),
        receipt: None,
    }
}
