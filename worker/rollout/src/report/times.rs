//! Where the time of a roll went.

use jiff::Timestamp;

use crate::definition::Swap;
use crate::fleet::{HostPlan, Plan};
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
    let swap = match &plan.definition.swap {
        Swap::Container(container) => {
            let stop_s = container.stop_timeout_s;
            format!("stopping and starting the container (stop_timeout {stop_s} s)")
        }
        Swap::Command(command) => format!("`{}`", command.deploy.join(" ")),
    };
    let costs = [
        (sum(Phase::Drain), drains(plan)),
        (sum(Phase::AwaitHealthy), settles(plan)),
        (sum(Phase::Swap), swap),
        (sum(Phase::Verify), "verification".to_owned()),
    ];
    costs
        .into_iter()
        .max_by_key(|(ms, _)| *ms)
        .filter(|(ms, _)| *ms > 0)
        .map(|(_, what)| what)
}

fn drains(plan: &Plan) -> String {
    let longest_ms = plan.hosts.iter().map(|host| plan.drain_ms(host)).max();
    let delays = plan.hosts.iter().flat_map(|host| plan.groups_in_use(host));
    let delay_ms = delays.map(|group| group.deregistration_delay_s * 1000).max();
    let s = longest_ms.unwrap_or(0) / 1000;
    match longest_ms == delay_ms {
        true => format!("the deregistration delay of {s} s"),
        false => format!("the least drain of {s} s"),
    }
}

fn settles(plan: &Plan) -> String {
    let settles_ms = |host: &HostPlan| {
        plan.registration_ms(host) + plan.healthy_after_ms(host) + plan.min_healthy_ms(host)
    };
    let s = plan
        .hosts
        .iter()
        .map(settles_ms)
        .max()
        .unwrap_or(0)
        .div_ceil(1000);
    format!("the {s} s until a target is healthy for long enough")
}
