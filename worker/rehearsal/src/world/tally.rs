//! What each host counts for in the rules about the whole fleet, and the sums.
//!
//! The oracle judges after every entry, and an entry changes one host or none. Going through all others each time
//! would make a rehearsal's time grow with the square of its hosts.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;

use drawgate_rollout::{FleetSnapshot, Plan};

/// How many targets are healthy, by target group and zone.
type Healthy = BTreeMap<String, BTreeMap<String, usize>>;

/// What the hosts count for, each alone and together.
#[derive(Clone)]
pub(crate) struct Tally {
    of: Of,
    hosts: BTreeMap<String, Counted>,
    /// How many hosts are out of service by our doing, by zone.
    out: BTreeMap<String, usize>,
    lost_by_fate: usize,
    /// How many are no members of the fleet any more.
    left: usize,
    /// Those on the new version that speak against it.
    against: BTreeSet<String>,
    healthy: Healthy,
    /// How many targets of these hosts were healthy at first, by target group.
    healthy_at_first: BTreeMap<String, usize>,
}

/// A fleet that is held and not looked at. A panic leaves it as it was.
pub(super) trait Fleet: Any + Send + Sync + UnwindSafe + RefUnwindSafe {}

impl<T: Any + Send + Sync + UnwindSafe + RefUnwindSafe> Fleet for T {}

/// What the hosts are counted against. Another one of these is another tally.
#[derive(Clone)]
pub(super) struct Of {
    /// The fleet before the release; held, so that no other one can have its address.
    pub(super) before: Arc<dyn Fleet>,
    pub(super) plan: Arc<Plan>,
    /// The first look at the fleet.
    pub(super) fleet: Arc<FleetSnapshot>,
}

impl PartialEq for Of {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::addr_eq(Arc::as_ptr(&self.before), Arc::as_ptr(&other.before))
            && Arc::ptr_eq(&self.plan, &other.plan)
            && Arc::ptr_eq(&self.fleet, &other.fleet)
    }
}

/// What one host counts for.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Counted {
    pub(super) zone: String,
    pub(super) out: bool,
    pub(super) lost_by_fate: bool,
    pub(super) left: bool,
    pub(super) against: bool,
    /// The target groups in which it is healthy.
    pub(super) healthy: BTreeSet<String>,
    /// The target group of each target that was healthy at first.
    pub(super) healthy_at_first: Vec<String>,
}

impl Tally {
    /// The zones of the hosts that are out of service by our doing, each as often as it has one.
    pub(crate) fn out(&self) -> &BTreeMap<String, usize> {
        &self.out
    }

    /// The hosts that are out of service by our doing.
    pub(crate) fn hosts_out(&self) -> impl Iterator<Item = &String> {
        let out = self.hosts.iter().filter(|(_, counted)| counted.out);
        out.map(|(instance, _)| instance)
    }

    /// The hosts that speak against the new version.
    pub(super) fn against(&self) -> &BTreeSet<String> {
        &self.against
    }

    /// Whether any host has left the fleet.
    pub(super) fn any_left(&self) -> bool {
        self.left > 0
    }

    /// Whether this host was counted as healthy in a target group.
    pub(super) fn is_healthy_in(&self, instance: &str, target_group: &str) -> bool {
        let counted = self.hosts.get(instance);
        counted.is_some_and(|counted| counted.healthy.contains(target_group))
    }

    /// How many targets are healthy in a target group, and how many were at first.
    pub(super) fn healthy_and_at_first(&self, target_group: &str) -> (usize, usize) {
        let zones = self.healthy.get(target_group);
        let at_first = self.healthy_at_first.get(target_group).copied();
        (
            zones.map_or(0, |zones| zones.values().sum()),
            at_first.unwrap_or(0),
        )
    }

    /// How many healthy hosts the fleet has lost without our doing.
    pub(crate) fn lost_by_fate(&self) -> usize {
        self.lost_by_fate
    }

    /// How many hosts are healthy in a target group and a zone.
    pub(crate) fn healthy_in(&self, target_group: &str, zone: &str) -> usize {
        let zones = self.healthy.get(target_group);
        zones.and_then(|zones| zones.get(zone)).copied().unwrap_or(0)
    }

    /// All that it says of the fleet.
    pub(super) fn says(&self) -> impl std::fmt::Debug + PartialEq + '_ {
        let zones = |(group, zones): (&String, &BTreeMap<String, usize>)| {
            let there = zones.iter().filter(|(_, hosts)| **hosts > 0);
            let of_group = there.map(|(zone, hosts)| (group.clone(), zone.clone(), *hosts));
            of_group.collect::<Vec<_>>()
        };
        let healthy: Vec<_> = self.healthy.iter().flat_map(zones).collect();
        let hosts = (&self.hosts, &self.out, &self.against);
        (
            hosts,
            healthy,
            self.lost_by_fate,
            self.left,
            &self.healthy_at_first,
        )
    }

    pub(super) fn plan(&self) -> Arc<Plan> {
        Arc::clone(&self.of.plan)
    }

    pub(super) fn is_of(&self, of: &Of) -> bool {
        self.of == *of
    }

    /// Whether the first look at the fleet was this one.
    pub(super) fn is_of_fleet(&self, fleet: &Arc<FleetSnapshot>) -> bool {
        Arc::ptr_eq(&self.of.fleet, fleet)
    }

    pub(super) fn new(of: Of) -> Self {
        Self {
            of,
            hosts: BTreeMap::new(),
            out: BTreeMap::new(),
            lost_by_fate: 0,
            left: 0,
            against: BTreeSet::new(),
            healthy: Healthy::new(),
            healthy_at_first: BTreeMap::new(),
        }
    }

    /// Takes in what a host counts for, instead of what it counted for until now.
    pub(super) fn count(&mut self, instance: &str, counted: Counted) {
        match counted.against {
            true => self.against.insert(instance.to_owned()),
            false => self.against.remove(instance),
        };
        match self.hosts.get_mut(instance) {
            Some(known) if *known == counted => return,
            Some(known) => {
                let known = std::mem::replace(known, counted.clone());
                self.add(&known, |sum| *sum -= 1);
            }
            None => {
                self.hosts.insert(instance.to_owned(), counted.clone());
            }
        }
        self.add(&counted, |sum| *sum += 1);
    }

    fn add(&mut self, counted: &Counted, change: impl Fn(&mut usize)) {
        let zone = &counted.zone;
        if counted.out {
            change(self.out.entry(zone.clone()).or_default());
            self.out.retain(|_, hosts| *hosts > 0);
        }
        if counted.lost_by_fate {
            change(&mut self.lost_by_fate);
        }
        if counted.left {
            change(&mut self.left);
        }
        for group in &counted.healthy {
            let zones = self.healthy.entry(group.clone()).or_default();
            change(zones.entry(zone.clone()).or_default());
        }
        for group in &counted.healthy_at_first {
            change(self.healthy_at_first.entry(group.clone()).or_default());
        }
    }
}
