//! What is rolled, and in what world.

use std::str::FromStr;
use std::time::Duration;

use drawgate_tests::Service;
use drawgate_tests::lab::hosts;
use serde_json::{Value, json};

pub(crate) const SERVICE: &str = "search";
pub(crate) const TARGET_GROUPS: usize = 3;
pub(crate) const DEREGISTRATION_DELAY_S: u64 = 30;
pub(crate) const INTERVAL_S: u64 = 5;
pub(crate) const MIN_HEALTHY_TIME_S: u64 = 10;
/// Time between two looks at every target's health before the roll.
pub(crate) const HEALTH_AGAIN: Duration = Duration::from_secs(1);
/// Longest wait for a fleet whose targets need a check every 5 s.
pub(crate) const HEALTHY_WITHIN: Duration = Duration::from_secs(300);

/// The knobs, each a variable of the environment.
pub(crate) struct Order {
    /// The worker's share of AWS's request rates.
    pub(crate) share: f64,
    /// The part of each bucket that a second user of the account takes.
    pub(crate) others: f64,
    /// Target groups in the region, the fleet's own included.
    pub(crate) groups: usize,
    /// Alarms in the region, those of the fleet included.
    pub(crate) alarms: usize,
    /// Alarms of the fleet, all of which are silenced.
    pub(crate) silenced: usize,
}

impl Order {
    pub(crate) fn of_environment() -> Self {
        Self {
            share: knob("DRAWGATE_SCALE_SHARE", 0.5),
            others: knob("DRAWGATE_SCALE_OTHERS", 0.5),
            groups: knob("DRAWGATE_SCALE_GROUPS", 500),
            alarms: knob("DRAWGATE_SCALE_ALARMS", 3_000),
            silenced: knob("DRAWGATE_SCALE_SILENCED", 200),
        }
    }

    /// The service's file: it names its target groups, as one in a crowded region does, so that no stranger's is asked.
    pub(crate) fn service(&self) -> Service {
        let mut service = Service {
            max_unavailable: "\"25%\"".to_owned(),
            min_healthy_time: format!("{MIN_HEALTHY_TIME_S}s"),
            min_drain: "5s".to_owned(),
            poll_interval: "2s".to_owned(),
            drain_timeout: "2m".to_owned(),
            healthy_timeout: "5m".to_owned(),
            ..Service::of(SERVICE)
        };
        service.fleet += "\ntarget_groups = []";
        service
    }

    /// The lab's order of the fleet.
    pub(crate) fn fleet(&self) -> Value {
        let group = |number: usize| {
            json!({"name": format!("{SERVICE}-{number}"), "port": 8080, "listen": 8100 + number,
                   "deregistration_delay_s": DEREGISTRATION_DELAY_S,
                   "health": {"path": "/health", "interval_s": INTERVAL_S, "timeout_s": 2, "healthy_threshold": 2,
                              "unhealthy_threshold": 2}})
        };
        let groups: Vec<Value> = (0..TARGET_GROUPS).map(group).collect();
        json!({"name": format!("{SERVICE}-staging"), "hosts": hosts(), "target_groups": groups,
               "health_check_type": "EC2", "tags": {"stack": SERVICE, "deployment": "staging"}})
    }

    /// The lab's order of everybody else in the region, and of the fleet's alarms.
    pub(crate) fn crowd(&self) -> Value {
        json!({"target_groups": self.groups.saturating_sub(TARGET_GROUPS), "vpcs": 3, "share_in_fleet_vpc": 0.5,
               "alarms": self.alarms.saturating_sub(self.silenced), "prefix": format!("{SERVICE}-"),
               "prefixed": self.silenced})
    }
}

/// The value of a knob, or what it is without one.
fn knob<T: FromStr>(name: &str, usual: T) -> T {
    let asked = std::env::var(name).ok();
    asked.map_or(usual, |asked| {
        asked
            .parse()
            .unwrap_or_else(|_| panic!("{name} is a number, and is {asked}"))
    })
}
