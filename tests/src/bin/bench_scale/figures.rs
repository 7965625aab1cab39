//! The figures of a roll, from what the lab's AWS saw of it.

use std::collections::{BTreeMap, BTreeSet};

use drawgate_schemas::Outcome;
use drawgate_tests::lab::{Crowd, Fleet, Lab, Rates};
use drawgate_tests::oracle;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::order::{self, Order};
use super::process::{self, Cost};

const HEALTH: &str = "elasticloadbalancing:DescribeTargetHealth";

/// The result, printed as the last line.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Figures {
    pub(crate) hosts: usize,
    pub(crate) groups_in_region: usize,
    pub(crate) alarms: usize,
    /// Of them the fleet's own, which were silenced.
    pub(crate) silenced: usize,
    pub(crate) share: f64,
    pub(crate) outcome: String,
    /// Requests by `service:Action`, the throttled ones included.
    pub(crate) calls: BTreeMap<String, u64>,
    pub(crate) throttled: u64,
    /// The throttled requests by `service:Action`.
    pub(crate) throttled_calls: BTreeMap<String, u64>,
    /// Target groups of strangers that were asked for their targets.
    pub(crate) strangers_asked: usize,
    pub(crate) wall_s: f64,
    /// The most hosts that were out of service at one moment.
    pub(crate) most_out: usize,
    /// Waves of so many hosts, times the deregistration delay, one health interval and `min_healthy_time`.
    pub(crate) waits_s: f64,
    /// The least time in which the buckets admit the requests that were made.
    pub(crate) rate_floor_s: f64,
    /// The bucket that needs this time.
    pub(crate) slowest_bucket: String,
    /// The wall less the waits and that least time.
    pub(crate) overhead_s: f64,
    pub(crate) rss_mb_max: u64,
    pub(crate) fds_max: usize,
    pub(crate) cpu_s: f64,
    /// The machine's load average at the end, which says how far its processors were others'.
    pub(crate) load: f64,
    /// Whether the worker was built without optimizations.
    pub(crate) debug_build: bool,
}

/// What the lab's AWS saw of a roll.
pub(crate) struct Seen {
    hosts: usize,
    rates: Rates,
    strangers_asked: usize,
    most_out: usize,
}

impl Seen {
    pub(crate) async fn by(lab: &Lab, crowd: &Crowd, fleet: &Fleet) -> Self {
        let (log, transitions) = (lab.get("calls/log").await, lab.get("transitions").await);
        let group = &fleet.target_groups.first().expect("a target group").name;
        Self {
            hosts: fleet.instances.len(),
            rates: lab.rates().await,
            strangers_asked: asked(&log, crowd),
            most_out: oracle::most_out(&transitions, group),
        }
    }
}

/// How many strangers' target groups were asked for their targets.
fn asked(log: &Value, crowd: &Crowd) -> usize {
    let calls = log.as_array().expect("a log").iter();
    let health = calls.filter(|call| call["action"] == HEALTH);
    let asked: BTreeSet<&str> = health.filter_map(|call| call["target"].as_str()).collect();
    let strangers = crowd.target_groups.iter();
    strangers.filter(|arn| asked.contains(arn.as_str())).count()
}

impl Figures {
    pub(crate) fn of(order: &Order, outcome: Outcome, wall_s: f64, seen: &Seen, cost: Cost) -> Self {
        let waves = seen.hosts.div_ceil(seen.most_out.max(1));
        let wave_s = order::DEREGISTRATION_DELAY_S + order::INTERVAL_S + order::MIN_HEALTHY_TIME_S;
        let waits_s = waves as f64 * wave_s as f64;
        let (slowest_bucket, rate_floor_s) = seen.rates.floor();
        Self {
            hosts: seen.hosts,
            groups_in_region: order.groups,
            alarms: order.alarms,
            silenced: order.silenced,
            share: order.share,
            outcome: outcome.as_str().to_owned(),
            calls: seen.rates.calls.clone(),
            throttled: seen.rates.throttled.values().sum(),
            throttled_calls: seen.rates.throttled.clone(),
            strangers_asked: seen.strangers_asked,
            wall_s: tenths(wall_s),
            most_out: seen.most_out,
            waits_s: tenths(waits_s),
            rate_floor_s: tenths(rate_floor_s),
            slowest_bucket,
            overhead_s: tenths(wall_s - waits_s - rate_floor_s),
            rss_mb_max: cost.rss_kb_max / 1024,
            fds_max: cost.descriptors_max,
            cpu_s: tenths(cost.cpu_s),
            load: process::load_average(),
            debug_build: cfg!(debug_assertions),
        }
    }

    /// All requests.
    pub(crate) fn calls_in_all(&self) -> u64 {
        self.calls.values().sum()
    }
}

fn tenths(seconds: f64) -> f64 {
    (seconds * 10.0).round() / 10.0
}
