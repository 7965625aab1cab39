//! Members that joined in mid-roll: whether each is rolled, up to date, or waited for.

use jiff::{SignedDuration, Timestamp};

use super::fold::Release;
use crate::fleet::{HostPlan, HostSnapshot, HostView, LABEL_RELEASE, Plan, TargetGroupSnapshot};
use crate::limits;
use crate::preflight::{Finding, Severity, host_plan, server_ids};

/// A read of the parameter may be older than its last write, so an instance that was launched this soon after
/// the write counts as launched before it.
const STALE_READS: SignedDuration = SignedDuration::from_secs(10);

/// What is to become of a member that joined in mid-roll.
#[derive(Debug, Clone, PartialEq)]
pub enum Newcomer {
    /// It runs this release already, started by its boot script: it belongs to the fleet and is not touched.
    UpToDate(Box<HostPlan>),
    /// It is rolled like any other.
    Roll(Box<HostPlan>),
    /// It is ready for neither, for this reason.
    Await(String),
    /// It was left out because it did not answer, and cannot be rolled now either: nobody waits for it.
    LeftOut,
}

/// What is to become of a member that is in service. `groups`: the target groups that newcomers are in.
pub fn newcomer(
    seen: &HostSnapshot,
    age: Option<SignedDuration>,
    groups: &[TargetGroupSnapshot],
    release: &Release,
    plan: &Plan,
) -> Newcomer {
    let id = &seen.instance;
    if release.is_left_out(id) && matches!(seen.view, HostView::Unreachable { .. }) {
        return Newcomer::LeftOut;
    }
    // A container with this release's label was made from its definition. Its host is never rolled, because
    // the container to be replaced is the one that would replace it.
    if runs_label_of(seen, release) {
        return match not_serving(seen) {
            None => Newcomer::UpToDate(Box::new(HostPlan::of(seen))),
            Some(missing) => Newcomer::Await(format!("{id} started this release by itself and {missing}")),
        };
    }
    if let Some(missing) = still_boots(seen, age, plan) {
        return Newcomer::Await(format!("{id} joined and {missing}"));
    }
    let mut findings = Vec::new();
    let is_in = |group: &&TargetGroupSnapshot| seen.targets.iter().any(|of| of.target_group == group.arn);
    if let Some(group) = groups.iter().filter(is_in).find(|group| group.has_server_ids) {
        let why = server_ids(group).line();
        return Newcomer::Await(format!("{id} joined, and cannot be rolled: {why}"));
    }
    match host_plan(seen, &plan.definition, &mut findings) {
        Some(host) => Newcomer::Roll(Box::new(host)),
        None if release.is_left_out(id) => Newcomer::LeftOut,
        None => {
            let refusal = findings
                .iter()
                .find(|finding| finding.severity == Severity::Refuse);
            let why = refusal.map_or_else(|| id.clone(), Finding::line);
            Newcomer::Await(format!("joined, and cannot be rolled: {why}"))
        }
    }
}

/// Whether the roll waits for an instance that is on its way in. It does not wait for one that was launched
/// after the desired version was published, because that one starts it by itself.
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

/// What a booting instance still lacks. An instance is `InService` before its boot script has ended: a
/// container that the script starts, or a registration, in the middle of our swap would be taken for a
/// failure. An instance that has had its time and still runs nothing is rolled like any other.
fn still_boots(seen: &HostSnapshot, age: Option<SignedDuration>, plan: &Plan) -> Option<String> {
    let boot = SignedDuration::from_millis(i64::try_from(limits::BOOT_MS).unwrap_or(i64::MAX));
    if age.is_none_or(|age| age > boot) {
        return None;
    }
    let runs = seen.before().is_some_and(|before| before.running);
    // Where no container is swapped, nobody knows whether a version is still to come.
    if !runs && plan.definition.container().is_some() {
        return Some(format!("does not run {} yet", plan.definition.runs_as()));
    }
    (seen.targets.is_empty() && !plan.target_groups.is_empty()).then(|| "is not registered yet".to_owned())
}
