//! Counts what each host counts for in the rules about the whole fleet (`tally.rs`), and judges the rules about one host.

use std::collections::BTreeSet;
use std::sync::Arc;

use drawgate_rollout::{Plan, lookups};

use super::World;
use super::host::Host;
use super::tally::{Counted, Fleet, Of, Tally};
use crate::check::ensure;

impl World {
    /// Brings the tally up to date with the hosts that may have changed.
    ///
    /// # Errors
    /// The rule about one host that does not hold.
    pub(crate) fn tally(&mut self, before: &Arc<Self>, plan: &Arc<Plan>) -> Result<Arc<Tally>, String> {
        let known = self.hosts.tally.take();
        let of = self.counted_against(before, plan);
        let known = known.filter(|tally| tally.is_of(&of));
        let changed = std::mem::take(&mut self.hosts.changed);
        let tally = match known {
            Some(tally) if changed.is_empty() => tally,
            Some(mut tally) => {
                self.count(Arc::make_mut(&mut tally), before, &changed)?;
                tally
            }
            None => {
                let mut tally = Tally::new(of);
                self.count(&mut tally, before, &self.hosts.keys().cloned().collect())?;
                Arc::new(tally)
            }
        };
        self.hosts.tally = Some(Arc::clone(&tally));
        Ok(tally)
    }

    /// Checks that the tally, brought up to date with the changed hosts alone, says what a look at every host says.
    ///
    /// # Errors
    /// Where it does not.
    pub(crate) fn check_tally(&self, before: &Arc<Self>, plan: &Arc<Plan>) -> Result<(), String> {
        let kept = self.clone().tally(before, plan)?;
        let mut anew = Tally::new(self.counted_against(before, plan));
        self.count(&mut anew, before, &self.hosts.keys().cloned().collect())?;
        ensure(kept.says() == anew.says(), || {
            format!(
                "the tally says {:?}, and the fleet {:?}",
                kept.says(),
                anew.says()
            )
        })
    }

    fn counted_against(&self, before: &Arc<Self>, plan: &Arc<Plan>) -> Of {
        Of {
            before: Arc::clone(before) as Arc<dyn Fleet>,
            plan: Arc::clone(plan),
            fleet: Arc::clone(&self.fleet),
        }
    }

    fn count(&self, tally: &mut Tally, before: &Self, instances: &BTreeSet<String>) -> Result<(), String> {
        let plan = tally.plan();
        let mut newcomer = None;
        for (instance, host) in instances
            .iter()
            .filter_map(|instance| self.hosts.get_key_value(instance))
        {
            lookups::count();
            let known = before.hosts.get(instance);
            let was = match known {
                Some(was) => was,
                None => newcomer.get_or_insert_with(|| before.newcomer()),
            };
            let planned = || plan.hosts.iter().any(|planned| planned.instance == *instance);
            let counts = known.is_some() || planned();
            self.check_host(instance, host, was)?;
            tally.count(instance, self.counted(instance, host, was, counts));
        }
        Ok(())
    }

    fn check_host(&self, instance: &str, host: &Host, was: &Host) -> Result<(), String> {
        let context = || format!("{:#?}\nafter {:?}", self.hosts, self.performed.last());
        ensure(host.running() <= 1, || {
            format!("two containers run on {instance}: {}", context())
        })?;
        let serves_nothing = host.member && host.registered_somewhere() && was.ran() && host.running() != 1;
        ensure(!serves_nothing, || {
            format!("{instance} is registered and runs nothing: {}", context())
        })
    }

    fn counted(&self, instance: &str, host: &Host, was: &Host, counts: bool) -> Counted {
        let serves = host.registered() && !host.initial && (host.running() == 1 || !was.ran());
        let by_fate = !host.member || (counts && host.sick);
        let seen = self.seen_first(instance);
        let targets = || seen.into_iter().flat_map(|seen| &seen.targets);
        let healthy = targets().filter(|target| self.is_healthy_in(instance, &target.target_group));
        let itself = seen.is_some_and(|seen| seen.instance == instance);
        let at_first = targets().filter(|target| itself && target.state == "healthy");
        Counted {
            zone: self.zone(instance),
            out: !by_fate && was.healthy() && !serves,
            lost_by_fate: by_fate && counts && was.healthy(),
            left: !host.member,
            against: host.speaks_against_new(),
            healthy: healthy.map(|target| target.target_group.clone()).collect(),
            healthy_at_first: at_first.map(|target| target.target_group.clone()).collect(),
        }
    }

    fn is_healthy_in(&self, instance: &str, target_group: &str) -> bool {
        self.state_in(instance, target_group) == "healthy"
    }

    /// The tally, where it was made of the same first look at the fleet, with the hosts that may have changed since.
    fn known_tally(&self) -> Option<&Tally> {
        let tally = self.hosts.tally.as_deref();
        tally.filter(|tally| tally.is_of_fleet(&self.fleet))
    }

    /// How many of these hosts' targets are healthy in a target group, and how many were at first.
    pub(super) fn healthy_and_at_first(&self, target_group: &str) -> (usize, usize) {
        let is_healthy = |instance: &&String| self.is_healthy_in(instance, target_group);
        let Some(tally) = self.known_tally() else {
            let seen = |instance: &String| {
                self.seen_first(instance)
                    .filter(|seen| seen.instance == *instance)
            };
            let all = || self.hosts.keys().inspect(|_| lookups::count());
            let at_first = all().filter_map(seen).flat_map(|seen| &seen.targets);
            let at_first =
                at_first.filter(|target| target.target_group == target_group && target.state == "healthy");
            return (all().filter(is_healthy).count(), at_first.count());
        };
        let (counted, at_first) = tally.healthy_and_at_first(target_group);
        let was_counted = |instance: &&String| tally.is_healthy_in(instance, target_group);
        let changed = || self.hosts.changed.iter();
        let now = counted - changed().filter(was_counted).count() + changed().filter(is_healthy).count();
        (now, at_first)
    }

    /// The hosts on the new version that speak against it.
    pub(crate) fn against_new(&self) -> BTreeSet<&str> {
        let against = |instance: &&String| self.hosts.get(*instance).is_some_and(Host::speaks_against_new);
        let may_be: Vec<&String> = match self.known_tally() {
            None => self.hosts.keys().inspect(|_| lookups::count()).collect(),
            Some(tally) => tally.against().iter().chain(&self.hosts.changed).collect(),
        };
        let all = may_be.into_iter().filter(against);
        all.map(String::as_str).collect()
    }

    /// Whether any host has left the fleet.
    pub(super) fn any_left(&self) -> bool {
        let left = |host: &Host| !host.member;
        match self.known_tally() {
            None => self.hosts.values().inspect(|_| lookups::count()).any(left),
            Some(tally) => {
                let mut changed = self.hosts.changed.iter();
                tally.any_left() || changed.any(|instance| self.hosts.get(instance).is_some_and(left))
            }
        }
    }
}
