//! The steps of a release that were ever begun, and how far each has come.
//!
//! A roll of hundreds of hosts has thousands of them, and `decide` is asked after every entry. What it asks of
//! all steps together is therefore kept beside them, and copies of a release share what has not changed since.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Index;
use std::sync::Arc;

use jiff::Timestamp;

use crate::failure::Obstacle;
use crate::journal::{Step, StepOutcome};

/// One step, as far as it has come.
#[derive(Debug, Clone, PartialEq)]
pub struct StepState {
    /// Its first intent.
    pub begun_at: Timestamp,
    /// The moment from which its patience is reckoned: the first intent, or the takeover by another worker. A
    /// step must not count as failed because no worker was there to try it.
    pub patient_from: Timestamp,
    /// Its last entry.
    pub last_at: Timestamp,
    /// Intents so far.
    pub attempts: u32,
    /// Definite refusals so far.
    pub refusals: u32,
    /// The outcome of the last attempt; `None` while it runs.
    pub last: Option<StepOutcome>,
    /// What the load balancer said at the end of the last attempt that ended.
    pub obstacle: Option<Obstacle>,
    /// Whether the floor forbade every attempt so far: then none has changed anything.
    pub always_kept: bool,
    /// Since when the floor has forbidden every attempt, without a break.
    pub kept_since: Option<Timestamp>,
}

/// Every step that was ever begun.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Steps {
    /// Steps about no single instance.
    others: BTreeMap<Step, StepState>,
    /// The steps about each instance.
    by_instance: BTreeMap<Arc<str>, Arc<BTreeMap<Step, StepState>>>,
    /// Those that are under way.
    under_way: BTreeSet<Step>,
    /// How many of them change something of the fleet.
    changing: usize,
    /// How many of them end the roll.
    closing: usize,
}

impl Steps {
    /// How far this step has come, if it was begun.
    pub fn get(&self, step: &Step) -> Option<&StepState> {
        lookups::count();
        match step.instance() {
            None => self.others.get(step),
            Some(instance) => self.by_instance.get(instance)?.get(step),
        }
    }

    /// Whether the step was begun.
    pub fn contains_key(&self, step: &Step) -> bool {
        self.get(step).is_some()
    }

    pub fn is_empty(&self) -> bool {
        self.others.is_empty() && self.by_instance.is_empty()
    }

    /// Every step; those about one instance stand together, in the order of a roll.
    pub fn iter(&self) -> impl Iterator<Item = (&Step, &StepState)> {
        self.others
            .iter()
            .chain(self.by_instance.values().flat_map(|steps| steps.iter()))
            .inspect(|_| lookups::count())
    }

    pub fn keys(&self) -> impl Iterator<Item = &Step> {
        self.iter().map(|(step, _)| step)
    }

    pub fn values(&self) -> impl Iterator<Item = &StepState> {
        self.iter().map(|(_, state)| state)
    }

    /// The steps about this instance.
    pub(crate) fn of(&self, instance: &str) -> impl Iterator<Item = (&Step, &StepState)> {
        self.by_instance
            .get(instance)
            .into_iter()
            .flat_map(|steps| steps.iter())
    }

    /// The steps that are under way, in their order.
    pub fn under_way(&self) -> impl Iterator<Item = &Step> {
        self.under_way.iter()
    }

    /// Whether any of them changes something of the fleet.
    pub(crate) fn change_anything(&self) -> bool {
        self.changing > 0
    }

    /// Whether any of them ends the roll.
    pub(crate) fn close(&self) -> bool {
        self.closing > 0
    }

    pub(crate) fn insert(&mut self, step: Step, state: StepState) {
        if !self.contains_key(&step) {
            self.changing += usize::from(!step.reads());
            self.closing += usize::from(step.closes());
        }
        match state.last.is_none() {
            true => self.under_way.insert(step.clone()),
            false => self.under_way.remove(&step),
        };
        self.of_mut(&step).insert(step, state);
    }

    /// Changes a step that was begun; `None` where it was not.
    pub fn change<T>(&mut self, step: &Step, change: impl FnOnce(&mut StepState) -> T) -> Option<T> {
        let state = match step.instance() {
            None => self.others.get_mut(step)?,
            Some(instance) => Arc::make_mut(self.by_instance.get_mut(instance)?).get_mut(step)?,
        };
        let changed = change(state);
        match state.last.is_none() {
            true => self.under_way.insert(step.clone()),
            false => self.under_way.remove(step),
        };
        Some(changed)
    }

    /// Changes every step.
    pub fn change_all(&mut self, mut change: impl FnMut(&Step, &mut StepState)) {
        let of_instances = self.by_instance.values_mut().map(Arc::make_mut);
        for steps in std::iter::once(&mut self.others).chain(of_instances) {
            for (step, state) in steps {
                change(step, state);
            }
        }
        self.count();
    }

    /// Forgets a step, as if it had never been begun.
    pub fn remove(&mut self, step: &Step) {
        self.retain(|other| other != step);
    }

    pub(crate) fn retain(&mut self, stays: impl Fn(&Step) -> bool) {
        self.others.retain(|step, _| stays(step));
        self.by_instance.retain(|_, steps| {
            if !steps.keys().all(&stays) {
                Arc::make_mut(steps).retain(|step, _| stays(step));
            }
            !steps.is_empty()
        });
        self.count();
    }

    fn of_mut(&mut self, step: &Step) -> &mut BTreeMap<Step, StepState> {
        match step.instance() {
            None => &mut self.others,
            Some(instance) => Arc::make_mut(self.by_instance.entry(instance.into()).or_default()),
        }
    }

    /// Counts anew what is kept beside the steps.
    fn count(&mut self) {
        let under_way = self.iter().filter(|(_, state)| state.last.is_none());
        let under_way = under_way.map(|(step, _)| step.clone()).collect();
        let changing = self.keys().filter(|step| !step.reads()).count();
        let closing = self.keys().filter(|step| step.closes()).count();
        (self.under_way, self.changing, self.closing) = (under_way, changing, closing);
    }
}

impl Index<&Step> for Steps {
    type Output = StepState;

    fn index(&self, step: &Step) -> &StepState {
        match step.instance() {
            None => &self.others[step],
            Some(instance) => &self.by_instance[instance][step],
        }
    }
}

/// Counts the steps and hosts that are looked at: so a test can say that an entry costs the same in a large fleet,
/// without a clock, and `make rehearse-scale` prints it.
#[doc(hidden)]
pub mod lookups {
    use std::cell::Cell;

    thread_local! {
        static SO_FAR: Cell<u64> = const { Cell::new(0) };
    }

    /// How many this thread has looked at.
    pub fn so_far() -> u64 {
        SO_FAR.get()
    }

    /// Counts one.
    pub fn count() {
        SO_FAR.set(SO_FAR.get() + 1);
    }
}
