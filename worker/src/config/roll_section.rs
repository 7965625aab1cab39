//! `[roll]`: pace and patience, and which Auto Scaling processes are suspended.

use drawgate_rollout::definition::{Process, RollPolicy};

use super::error::Problems;
use super::limits as at;
use super::reader::{Field, Table};
use super::units::Bounds;

/// The section's keys, for the hint about a key in the wrong table.
pub(super) const KEYS: [&str; 12] = [
    "max_unavailable",
    "allow_outage",
    "min_healthy_time",
    "min_drain",
    "drain_timeout",
    "healthy_timeout",
    "poll_interval",
    "pull_concurrency",
    "pull_timeout",
    "min_disk_free",
    "suspend",
    "canary",
];

/// Pace, and the processes to suspend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Roll {
    pub(super) policy: RollPolicy,
    pub(super) suspend: Vec<Process>,
}

impl Default for Roll {
    fn default() -> Self {
        let policy = RollPolicy {
            max_unavailable: 1,
            allow_outage: false,
            min_healthy_time_ms: at::MIN_HEALTHY_TIME_DEFAULT_MS,
            min_drain_ms: at::MIN_DRAIN_DEFAULT_MS,
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
pub(super) fn read(
    mut table: Table<'_, '_>,
    belongs: impl Fn(&str) -> Option<&'static str>,
    problems: &mut Problems<'_>,
) -> Roll {
    let Roll {
        policy: default,
        suspend,
    } = Roll::default();
    table.refuse(
        "canary",
        "remove it; max_unavailable = 1 rolls one host at a time and stops at the first failure",
        problems,
    );
    let max_unavailable = table
        .take("max_unavailable")
        .and_then(|field| max_unavailable(&field, problems));
    let allow_outage = table.take("allow_outage").and_then(|field| field.flag(problems));
    let pull_concurrency = table
        .take("pull_concurrency")
        .and_then(|field| count(&field, at::PULL_CONCURRENCY, problems));
    let min_disk_free = table
        .take("min_disk_free")
        .and_then(|field| field.size(at::MIN_DISK_FREE, problems));
    let suspend = table
        .take("suspend")
        .map_or(suspend, |field| read_suspend(&field, problems));
    let mut duration = |key, bounds, default| {
        table
            .take(key)
            .and_then(|field| field.duration(bounds, problems))
            .unwrap_or(default)
    };
    let policy = RollPolicy {
        max_unavailable: max_unavailable.unwrap_or(default.max_unavailable),
        allow_outage: allow_outage.unwrap_or(default.allow_outage),
        min_healthy_time_ms: duration(
            "min_healthy_time",
            at::MIN_HEALTHY_TIME,
            default.min_healthy_time_ms,
        ),
        min_drain_ms: duration("min_drain", at::MIN_DRAIN, default.min_drain_ms),
        drain_timeout_ms: duration("drain_timeout", at::DRAIN_TIMEOUT, default.drain_timeout_ms),
        healthy_timeout_ms: duration("healthy_timeout", at::HEALTHY_TIMEOUT, default.healthy_timeout_ms),
        poll_interval_ms: duration("poll_interval", at::POLL_INTERVAL, default.poll_interval_ms),
        pull_concurrency: pull_concurrency.unwrap_or(default.pull_concurrency),
        pull_timeout_ms: duration("pull_timeout", at::PULL_TIMEOUT, default.pull_timeout_ms),
        min_disk_free_bytes: min_disk_free.unwrap_or(default.min_disk_free_bytes),
    };
    table.finish(belongs, problems);
    Roll { policy, suspend }
}

/// A number of hosts; what it needs to be said of a percentage is said.
fn max_unavailable(field: &Field<'_, '_>, problems: &mut Problems<'_>) -> Option<u32> {
    let text = field.as_text().map(str::trim);
    if text
        .and_then(|text| text.strip_suffix('%'))
        .is_some_and(|number| number.trim().parse::<f64>().is_ok())
    {
        problems
            .error(
                field.span.clone(),
                "`roll.max_unavailable`: a percentage is not supported by this version",
            )
            .hint("write a number of hosts, as in max_unavailable = 1");
        return None;
    }
    count(field, at::MAX_UNAVAILABLE, problems)
}

/// A number that fits a `u32`, as its bounds see to.
pub(super) fn count(field: &Field<'_, '_>, bounds: Bounds, problems: &mut Problems<'_>) -> Option<u32> {
    field
        .number(bounds, problems)
        .and_then(|number| u32::try_from(number).ok())
}

fn read_suspend(field: &Field<'_, '_>, problems: &mut Problems<'_>) -> Vec<Process> {
    let mut processes = Vec::new();
    let items = field.list(
        at::LIST,
        "suspend = [\"HealthCheck\", \"ReplaceUnhealthy\"]",
        problems,
    );
    let Some(items) = items else { return processes };
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
