//! The end of a release: what was before, what is after, and which outcome follows.
//!
//! Only what was seen is called fine: without an observation at the end, the outcome is `needs_operator`.

mod leftovers;
mod notes;
mod receipt;
mod summary;
mod times;
mod untouched;
mod version;

use drawgate_schemas::{Ended, Leftover, Outcome};
use jiff::Timestamp;

use self::leftovers::{leftovers, lost_to_another, unseen};
use self::receipt::receipt;
use self::summary::{hint, summary};
use self::untouched::without_plan;
use crate::fleet::Plan;
use crate::release::Release;

pub(crate) use leftovers::is_anything_left;
pub(crate) use untouched::{expired, not_approved, rejected, there_already};

/// Outcome and receipt of a release that has nothing left to do.
pub fn conclude(release: &Release, now: Timestamp) -> Ended {
    let Some(plan) = &release.plan else {
        return without_plan(release);
    };
    let seen = release.observation.as_deref();
    let leftovers = match seen {
        _ if release.lost_to_another().is_some() => lost_to_another(release),
        Some(seen) => leftovers(release, plan, seen),
        None if release.changed_anything() => unseen(plan),
        None => Vec::new(),
    };
    let outcome = outcome(release, plan, &leftovers);
    let receipt = receipt(release, plan, seen, leftovers, now);
    Ended {
        outcome,
        summary: summary(release, plan, outcome, &receipt),
        hint: hint(release, outcome),
        receipt: Some(receipt),
    }
}

fn outcome(release: &Release, plan: &Plan, leftovers: &[Leftover]) -> Outcome {
    let touched = release.hosts().any(|host| release.touched(&host.instance));
    match (&release.rolling_back, leftovers.is_empty()) {
        (_, false) => Outcome::NeedsOperator,
        (_, true) if all_gone(release, plan) => Outcome::NeedsOperator,
        (None, true) => Outcome::Succeeded,
        (Some(_), true) if release.cancelled.is_some() => Outcome::Cancelled,
        (Some(_), true) if touched => Outcome::RolledBack,
        (Some(_), true) => Outcome::Failed,
    }
}

fn all_gone(release: &Release, plan: &Plan) -> bool {
    !plan.hosts.is_empty()
        && release
            .everyone()
            .all(|host| release.gone.contains(&host.instance))
}
