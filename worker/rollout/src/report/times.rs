//! Where the time of a roll went.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::definition::Swap;
use crate::fleet::Plan;
use crate::journal::{Phase, Step};
use crate::limits::between_ms;
use crate::release::Release;

/// Time in which at least one host was waiting for the load balancer: with hosts one after another it is the
/// sum, with several at once no moment counts twice.
pub(super) fn balancer_wait_ms(release: &Release) -> u64 {
    let mut spans: Vec<(Timestamp, Timestamp)> = release
        .steps
        .iter()
        .filter(|(step, _)| step.waits_for_balancer())
        .map(|(_, state)| (state.begun_at, state.last_at))
        .collect();
    spans.sort();
    let mut total_ms = 0;
    let mut covered = Timestamp::MIN;
    for (from, to) in spans {
        total_ms += between_ms(from.max(covered), to.max(covered));
        covered = covered.max(to);
    }
    total_ms
}

/// The one setting that would save most time if it were smaller.
pub(super) fn costs_most(release: &Release, plan: &Plan) -> Option<String> {
    let sum = |phase: Phase| -> u64 {
        let of_phase = release
            .steps
            .iter()
            .filter(|(step, _)| matches!(step, Step::Host { phase: p, .. } if *p == phase));
        of_phase
            .map(|(_, state)| between_ms(state.begun_at, state.last_at))
            .sum()
    };
    let delays: BTreeSet<u64> = plan
        .target_groups
        .values()
        .map(|group| group.deregistration_delay_s)
        .collect();
    let delay_s = delays.last().copied().unwrap_or(0);
    let healthy_s = plan
        .target_groups
        .values()
        .map(|group| group.healthy_after_s)
        .max()
        .unwrap_or(0);
    let swap = match &plan.definition.swap {
        Swap::Container(container) => {
            let stop_s = container.stop_timeout_s;
            format!("stopping and starting the container (stop_timeout {stop_s} s)")
        }
        Swap::Command(command) => format!("`{}`", command.deploy.join(" ")),
    };
    let costs = [
        (
            sum(Phase::Drain),
            format!("the deregistration delay of {delay_s} s"),
        ),
        (
            sum(Phase::AwaitHealthy),
            format!("the health check's {healthy_s} s until a target is healthy"),
        ),
        (sum(Phase::Swap), swap),
        (sum(Phase::Verify), "verification".to_owned()),
    ];
    costs
        .into_iter()
        .max_by_key(|(ms, _)| *ms)
        .filter(|(ms, _)| *ms > 0)
        .map(|(_, what)| what)
}
