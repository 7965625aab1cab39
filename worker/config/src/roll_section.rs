//! `[roll]`: pace, time-outs, and which Auto Scaling processes are suspended.

use drawgate_rollout::Share;
use drawgate_rollout::definition::{Canary, Process, RollPolicy};

use super::error::Problems;
use super::limits as at;
use super::reader::{Field, Table};

/// Pace, and the processes to suspend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Roll {
    pub(super) policy: RollPolicy,
    pub(super) suspend: Vec<Process>,
}

impl Default for Roll {
    fn default() -> Self {
        let policy = RollPolicy {
            max_unavailable: Share::Count(1),
            canary: None,
            zone_by_zone: false,
            failure_budget: 0,
            max_roll_ms: drawgate_rollout::limits::MAX_ROLL_DEFAULT_MS,
            max_pause_ms: drawgate_rollout::limits::MAX_PAUSE_DEFAULT_MS,
            sick_wait_ms: drawgate_rollout::limits::SICK_WAIT_DEFAULT_MS,
            watch_hosts: true,
            allow_missed_actions: false,
            allow_outage: false,
            min_healthy_time_ms: at::MIN_HEALTHY_TIME_DEFAULT_MS,
            min_drain_ms: at::MIN_DRAIN_DEFAULT_MS,
            nlb_min_drain_ms: drawgate_rollout::limits::NLB_MIN_DRAIN_DEFAULT_MS,
            nlb_registration_ms: drawgate_rollout::limits::NLB_REGISTRATION_DEFAULT_MS,
            drain_timeout_ms: at::DRAIN_TIMEOUT_DEFAULT_MS,
            healthy_timeout_ms: at::HEALTHY_TIMEOUT_DEFAULT_MS,
            poll_interval_ms: at::POLL_INTERVAL_DEFAULT_MS,
            pull_concurrency: at::PULL_CONCURRENCY_DEFAULT,
            pull_timeout_ms: at::PULL_TIMEOUT_DEFAULT_MS,
            min_disk_free_bytes: at::MIN_DISK_FREE_DEFAULT,
        };
        Self {
            policy,
            suspend: Process::DEFAULT.to_vec(),
        }
    }
}

/// Reads the section.
pub(super) fn read(mut table: Table<'_, '_>, problems: &mut Problems<'_>) -> Roll {
    let Roll {
        policy: default,
        suspend,
    } = Roll::default();
    let canary = table
        .section("canary", problems)
        .and_then(|table| canary(table, problems));
    let max_unavailable = table
        .take("max_unavailable")
        .and_then(|field| max_unavailable(&field, problems));
    let mut flag = |key, default| {
        table
            .take(key)
            .and_then(|field| field.flag(problems))
            .unwrap_or(default)
    };
    let allow_outage = flag("allow_outage", default.allow_outage);
    let zone_by_zone = flag("zone_by_zone", default.zone_by_zone);
    let allow_missed_actions = flag("allow_missed_actions", default.allow_missed_actions);
    let watch_hosts = flag("watch_hosts", default.watch_hosts);
    let failure_budget = table
        .take("failure_budget")
        .and_then(|field| field.count(problems));
    let pull_concurrency = table
        .take("pull_concurrency")
        .and_then(|field| field.count(problems));
    let min_disk_free = table.take("min_disk_free").and_then(|field| field.size(problems));
    let suspend = table
        .take("suspend")
        .map_or(suspend, |field| read_suspend(&field, problems));
    let mut duration = |key, default| {
        table
            .take(key)
            .and_then(|field| field.duration(problems))
            .unwrap_or(default)
    };
    let policy = RollPolicy {
        max_unavailable: max_unavailable.unwrap_or(default.max_unavailable),
        canary,
        zone_by_zone,
        failure_budget: failure_budget.unwrap_or(default.failure_budget),
        max_roll_ms: duration("max_roll", default.max_roll_ms),
        max_pause_ms: duration("max_pause", default.max_pause_ms),
        sick_wait_ms: duration("sick_wait", default.sick_wait_ms),
        watch_hosts,
        allow_missed_actions,
        allow_outage,
        min_healthy_time_ms: duration("min_healthy_time", default.min_healthy_time_ms),
        min_drain_ms: duration("min_drain", default.min_drain_ms),
        nlb_min_drain_ms: duration("nlb_min_drain", default.nlb_min_drain_ms),
        nlb_registration_ms: duration("nlb_registration", default.nlb_registration_ms),
        drain_timeout_ms: duration("drain_timeout", default.drain_timeout_ms),
        healthy_timeout_ms: duration("healthy_timeout", default.healthy_timeout_ms),
        poll_interval_ms: duration("poll_interval", default.poll_interval_ms),
        pull_concurrency: pull_concurrency.unwrap_or(default.pull_concurrency),
        pull_timeout_ms: duration("pull_timeout", default.pull_timeout_ms),
        min_disk_free_bytes: min_disk_free.unwrap_or(default.min_disk_free_bytes),
    };
    table.finish(problems);
    Roll { policy, suspend }
}

/// Reads a number of hosts, or a share of the fleet.
fn max_unavailable(field: &Field<'_, '_>, problems: &mut Problems<'_>) -> Option<Share> {
    match field.as_text() {
        Some(text) if text.contains('%') => match text.parse() {
            Ok(share) => Some(share),
            Err(problem) => {
                field.invalid_hint(
                    problem,
                    "write max_unavailable = \"25%\" or a number of hosts",
                    problems,
                );
                None
            }
        },
        _ => field.count(problems).map(Share::Count),
    }
}

/// Reads `{ instances = 1, bake = "2m" }`.
fn canary(mut table: Table<'_, '_>, problems: &mut Problems<'_>) -> Option<Canary> {
    let instances = table
        .require("instances", problems)
        .and_then(|field| field.count(problems));
    let bake = table.take("bake").and_then(|field| field.duration(problems));
    table.finish(problems);
    Some(Canary {
        instances: instances?,
        bake_ms: bake.unwrap_or(at::BAKE_DEFAULT_MS),
    })
}

fn read_suspend(field: &Field<'_, '_>, problems: &mut Problems<'_>) -> Vec<Process> {
    let mut processes = Vec::new();
    let Some(items) = field.list(problems) else {
        return processes;
    };
    for item in &items {
        let Some(process) = item
            .plain_text(problems)
            .and_then(|name| process(name, item, problems))
        else {
            continue;
        };
        if processes.contains(&process) {
            item.invalid(format!("{} is there twice", process.as_str()), problems);
        }
        processes.push(process);
    }
    let guards = [Process::HealthCheck, Process::ReplaceUnhealthy];
    let all_read = processes.len() == items.len();
    if all_read && !guards.iter().any(|guard| processes.contains(guard)) {
        problems
            .warning(field.span.clone(), "neither HealthCheck nor ReplaceUnhealthy is suspended")
            .hint("Auto Scaling may terminate a host while its container is swapped; leave `suspend` out for the usual set");
    }
    processes
}

fn process(name: &str, item: &Field<'_, '_>, problems: &mut Problems<'_>) -> Option<Process> {
    match Process::from_name(name) {
        Some(Process::AddToLoadBalancer) => {
            item.invalid_hint(
                "AddToLoadBalancer is never suspended",
                "instances launched meanwhile would never join the load balancer, not even after it is resumed; remove it",
                problems,
            );
            None
        }
        Some(process) => Some(process),
        None => {
            let names = NAMES.into_iter().map(Process::as_str);
            let hint = match super::suggest::nearest(name, names.clone()) {
                Some(known) => format!("did you mean {known:?}?"),
                None => format!("known: {}", names.collect::<Vec<_>>().join(", ")),
            };
            item.invalid_hint(format!("{name:?} is no Auto Scaling process"), hint, problems);
            None
        }
    }
}

/// The processes that may be suspended.
const NAMES: [Process; 8] = [
    Process::AlarmNotification,
    Process::AzRebalance,
    Process::HealthCheck,
    Process::InstanceRefresh,
    Process::Launch,
    Process::ReplaceUnhealthy,
    Process::ScheduledActions,
    Process::Terminate,
];
