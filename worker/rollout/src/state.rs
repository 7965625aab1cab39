//! A release is the fold of its journal: `apply` each entry in turn. An entry that cannot follow is refused.

use std::collections::{BTreeMap, BTreeSet};

use drawgate_schemas::{Digest, Direction, Ended, Hold, Ordered, ReleaseRequest};
use jiff::Timestamp;

use crate::approval::Approval;
use crate::arguments::Values;
use crate::limits::{self, after, backoff_ms};
use crate::plan::{HostPlan, Plan};
use crate::properties::Patience;
use crate::record::{Cause, Entry, Evidence, Failure, Record, StepOutcome};
use crate::sick::{Obstacle, SickWait};
use crate::snapshot::Observation;
use crate::step::{Phase, Step};

/// One release, as its journal tells it.
#[derive(Debug, Clone, PartialEq)]
pub struct Release {
    /// The message that asked for it.
    pub request: ReleaseRequest,
    /// When it was accepted.
    pub accepted_at: Timestamp,
    /// Who published it, where the broker vouches for somebody.
    pub publisher: Option<String>,
    /// The approval that it needs.
    pub approval: Option<Box<Approval>>,
    /// The approvals that were given.
    pub approved: Vec<Ordered>,
    /// Who rejected it, if somebody did.
    pub rejected: Option<Ordered>,
    /// What else holds it from beginning.
    pub holds: Vec<Hold>,
    /// When its turn in the lane came.
    pub started_at: Option<Timestamp>,
    /// The digest behind the tag, once it is known.
    pub digest: Option<Digest>,
    /// The plan, once it is made.
    pub plan: Option<Box<Plan>>,
    /// Why the fleet cannot be rolled as it was seen, while that is so.
    pub unfit: Option<Unfit>,
    /// When everything in the plan was locked first: the roll's own time begins.
    pub locked_at: Option<Timestamp>,
    /// How often the fleet was inspected.
    pub looks: u32,
    /// Members that joined after the plan was made.
    pub joined: Vec<HostPlan>,
    /// Members that joined and ran the wanted version already: not touched.
    pub adopted: Vec<HostPlan>,
    /// Since when the wanted version is published, if it is.
    pub published_at: Option<Timestamp>,
    /// Instances that left the fleet meanwhile.
    pub gone: BTreeSet<String>,
    /// Every step that was ever begun.
    pub steps: BTreeMap<Step, StepState>,
    /// How often the fleet was looked over for members that joined.
    pub sweeps: u32,
    /// Whether the fleet's lease was asked for, and so may be ours.
    pub leased: bool,
    /// Who else has it, if that was seen.
    pub leased_to_another: Option<Failure>,
    /// Hosts that failed within the failure budget and are on their way back into service, with the reason.
    pub set_aside: BTreeMap<String, Cause>,
    /// Hosts that were set aside and are tried once more.
    pub retried: BTreeSet<String>,
    /// Hosts that turned unhealthy by themselves before their turn, and are rolled before the others.
    pub rolled_next: BTreeSet<String>,
    /// The wait for sick hosts that goes on, or that went on when the release was rolled back.
    pub sick_wait: Option<SickWait>,
    /// How many such waits there were.
    pub sick_waits: u32,
    /// Who paused it, since when, while it is paused.
    pub paused: Option<(Ordered, Timestamp)>,
    /// How long it was paused before, in milliseconds.
    pub paused_ms: u64,
    /// Who cancelled it, if somebody did.
    pub cancelled: Option<Ordered>,
    /// The ids of the orders that it took.
    pub orders: BTreeSet<String>,
    /// Why it turned back, if it did.
    pub turned_back: Option<Cause>,
    /// What was there at the end.
    pub observation: Option<Box<Observation>>,
    /// How often that was looked at.
    pub looks_at_end: u32,
    /// The end.
    pub ended: Option<Ended>,
    /// Number of the last entry.
    pub last_entry: u64,
}

/// A fleet that cannot be rolled as it was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfit {
    /// What is to be locked before that is judged for good.
    pub touches: BTreeSet<String>,
    /// Why it cannot.
    pub failure: Failure,
}

/// One step, as far as it has come.
#[derive(Debug, Clone, PartialEq)]
pub struct StepState {
    /// Its first intent.
    pub begun_at: Timestamp,
    /// From here on its patience is reckoned: the first intent, or the take-up by another worker process. A step must
    /// not count as failed because nobody was there to try it.
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
    /// Whether every attempt so far ended because the floor forbids it: then none has changed anything.
    pub always_kept: bool,
    /// Since when, without a break, attempts end so.
    pub kept_since: Option<Timestamp>,
}

/// Where a step stands for the one who decides.
#[derive(Debug, Clone, PartialEq)]
pub enum Standing<'a> {
    /// Never begun.
    Fresh,
    /// An intent without an outcome.
    Running,
    /// Done.
    Done,
    /// Not done yet; not to be tried before that moment.
    Again {
        /// That moment.
        at: Timestamp,
    },
    /// Not done, and not tried any more.
    Failed(&'a Failure),
}

/// An entry that cannot follow the ones before it. A journal that holds one was not written by this code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("entry {n} cannot follow: {why}")]
pub struct Illegal {
    /// The entry's number.
    pub n: u64,
    /// Why.
    pub why: String,
}

impl Release {
    /// The release that begins with this entry.
    ///
    /// # Errors
    /// When the entry is not number 1 or not an acceptance.
    pub fn begin(entry: &Entry) -> Result<Self, Illegal> {
        let Record::Accepted {
            request,
            publisher,
            approval,
            ..
        } = &entry.record
        else {
            return Err(Illegal {
                n: entry.n,
                why: "a journal begins with an acceptance".to_owned(),
            });
        };
        if entry.n != 1 {
            return Err(Illegal {
                n: entry.n,
                why: "a journal begins with entry 1".to_owned(),
            });
        }
        Ok(Self {
            request: request.as_ref().clone(),
            accepted_at: entry.at,
            publisher: publisher.clone(),
            approval: approval.clone(),
            approved: Vec::new(),
            rejected: None,
            holds: Vec::new(),
            started_at: None,
            digest: request.image.digest().cloned(),
            plan: None,
            unfit: None,
            locked_at: None,
            looks: 0,
            joined: Vec::new(),
            adopted: Vec::new(),
            published_at: None,
            gone: BTreeSet::new(),
            steps: BTreeMap::new(),
            sweeps: 0,
            leased: false,
            leased_to_another: None,
            set_aside: BTreeMap::new(),
            retried: BTreeSet::new(),
            rolled_next: BTreeSet::new(),
            sick_wait: None,
            sick_waits: 0,
            paused: None,
            paused_ms: 0,
            cancelled: None,
            orders: BTreeSet::new(),
            turned_back: None,
            observation: None,
            looks_at_end: 0,
            ended: None,
            last_entry: 1,
        })
    }

    /// The release that a whole journal tells.
    ///
    /// # Errors
    /// At the first entry that cannot follow.
    pub fn fold(entries: &[Entry]) -> Result<Self, Illegal> {
        let Some((first, rest)) = entries.split_first() else {
            return Err(Illegal {
                n: 0,
                why: "the journal is empty".to_owned(),
            });
        };
        let mut release = Self::begin(first)?;
        for entry in rest {
            release.apply(entry)?;
        }
        Ok(release)
    }

    /// Takes one entry in.
    ///
    /// # Errors
    /// When the entry cannot follow; the release is then unchanged.
    pub fn apply(&mut self, entry: &Entry) -> Result<(), Illegal> {
        let illegal = |why: String| Err(Illegal { n: entry.n, why });
        if entry.n != self.last_entry + 1 {
            return illegal(format!("the last one was {}", self.last_entry));
        }
        if self.ended.is_some() {
            return illegal("the release has ended".to_owned());
        }
        match &entry.record {
            Record::Accepted { .. } => return illegal("it was accepted before".to_owned()),
            Record::Started if self.started_at.is_some() => {
                return illegal("it was started before".to_owned());
            }
            Record::Held { .. } if self.started_at.is_some() => {
                return illegal("it has begun already".to_owned());
            }
            Record::Held { holds } => self.holds.clone_from(holds),
            Record::Started if !self.holds.is_empty() => return illegal("it is held".to_owned()),
            Record::Started => self.started_at = Some(entry.at),
            Record::TakenUp => self.lose_open_intents(entry.at),
            Record::Intent { step } => self.intend(step, entry)?,
            Record::Outcome { step, outcome } => self.conclude_step(step, outcome, entry)?,
            Record::SetAside { cause } => self.set_aside(cause, entry)?,
            Record::TryAgain { instance } => self.try_again(instance, entry)?,
            Record::RolledNext { instances, .. } => self.rolled_next.extend(instances.iter().cloned()),
            Record::SickWaitBegun { .. } if self.sick_wait.is_some() => {
                return illegal("sick hosts are waited for already".to_owned());
            }
            Record::SickWaitBegun {
                instance,
                kept,
                until,
            } => self.begin_sick_wait(SickWait {
                instance: instance.clone(),
                kept: kept.clone(),
                since: entry.at,
                until: *until,
            }),
            Record::SickWaitOver if self.sick_wait.is_none() => {
                return illegal("no sick host is waited for".to_owned());
            }
            Record::SickWaitOver => self.end_sick_wait(),
            Record::TurnedBack { .. } if self.is_rolling_back() => {
                return illegal("it turned back before".to_owned());
            }
            Record::TurnedBack { cause } => {
                self.turned_back = Some(cause.clone());
                self.paused = None;
            }
            Record::Ordered { id, ordered } => self.take_order(id, ordered, entry)?,
            Record::Ended { ended } => self.ended = Some(ended.as_ref().clone()),
        }
        self.last_entry = entry.n;
        Ok(())
    }

    fn set_aside(&mut self, cause: &Cause, entry: &Entry) -> Result<(), Illegal> {
        let instance = cause
            .step
            .instance()
            .filter(|instance| self.host(instance).is_some());
        match instance {
            Some(instance) if !self.set_aside.contains_key(instance) && !self.retried.contains(instance) => {
                self.set_aside.insert(instance.to_owned(), cause.clone());
                Ok(())
            }
            _ => Err(Illegal {
                n: entry.n,
                why: format!("{} cannot be set aside", cause.step),
            }),
        }
    }

    /// What the first try left in the journal would pass for the second one's.
    fn try_again(&mut self, instance: &str, entry: &Entry) -> Result<(), Illegal> {
        if self.set_aside.remove(instance).is_none() {
            return Err(Illegal {
                n: entry.n,
                why: format!("{instance} was not set aside"),
            });
        }
        self.retried.insert(instance.to_owned());
        self.steps
            .retain(|step, _| !matches!(step, Step::Host { instance: of, .. } if of == instance));
        Ok(())
    }

    fn intend(&mut self, step: &Step, entry: &Entry) -> Result<(), Illegal> {
        self.leased |= *step == Step::TakeLease;
        match self.steps.get_mut(step) {
            None => {
                let state = StepState {
                    begun_at: entry.at,
                    patient_from: entry.at,
                    last_at: entry.at,
                    attempts: 1,
                    refusals: 0,
                    last: None,
                    obstacle: None,
                    always_kept: false,
                    kept_since: None,
                };
                self.steps.insert(step.clone(), state);
            }
            Some(StepState { last: None, .. }) => {
                return Err(Illegal {
                    n: entry.n,
                    why: format!("{step} is under way"),
                });
            }
            Some(state) => {
                state.attempts += 1;
                state.last_at = entry.at;
                state.last = None;
            }
        }
        Ok(())
    }

    fn conclude_step(&mut self, step: &Step, outcome: &StepOutcome, entry: &Entry) -> Result<(), Illegal> {
        match self.steps.get_mut(step) {
            Some(state) if state.last.is_none() => {
                state.last_at = entry.at;
                state.refusals += u32::from(matches!(outcome, StepOutcome::Refused { .. }));
                state.last = Some(outcome.clone());
                state.meet(outcome, entry.at);
                if *step == Step::Watch && outcome.evidence().is_some() {
                    // It could see until now: only from here on is it blind.
                    state.patient_from = entry.at;
                }
            }
            _ => {
                return Err(Illegal {
                    n: entry.n,
                    why: format!("{step} has an outcome without an intent"),
                });
            }
        }
        if let Some(evidence) = outcome.evidence() {
            self.learn(step, evidence);
        }
        if *step == Step::Lock && self.done(step) {
            self.locked_at.get_or_insert(entry.at);
        }
        Ok(())
    }

    fn learn(&mut self, step: &Step, evidence: &Evidence) {
        match evidence {
            Evidence::Resolved { digest } => self.digest = Some(digest.clone()),
            Evidence::Planned { plan } | Evidence::Fit { plan } => {
                self.looks += 1;
                self.plan = Some(plan.clone());
            }
            Evidence::Unfit { touches, failure } => {
                self.looks += 1;
                self.unfit = Some(Unfit {
                    touches: touches.clone(),
                    failure: failure.clone(),
                });
            }
            Evidence::LeasedToAnother { failure } => self.leased_to_another = Some(failure.clone()),
            Evidence::Locked { fresh: true } => {}
            Evidence::Locked { fresh: false } => self.look_again(),
            Evidence::Gone { .. } => {
                self.gone.extend(step.instance().map(str::to_owned));
            }
            Evidence::Joined { hosts, adopted } => {
                // Whoever is found on the wanted version costs no round of the roll.
                self.sweeps += u32::from(!hosts.is_empty());
                let known: BTreeSet<String> = self.everyone().map(|host| host.instance.clone()).collect();
                let new = |host: &&HostPlan| !known.contains(&host.instance);
                let joined: Vec<HostPlan> = hosts.iter().filter(new).cloned().collect();
                if !joined.is_empty() {
                    // They are to be locked too.
                    self.steps.remove(&Step::Lock);
                }
                self.joined.extend(joined);
                self.adopted.extend(adopted.iter().filter(new).cloned());
                // The newcomers are rolled, and then the fleet is looked over again.
                self.steps.remove(step);
            }
            Evidence::Observed { observation } => {
                self.looks_at_end += 1;
                self.observation = Some(observation.clone());
            }
            Evidence::Published { at } => self.published_at = Some(*at),
            Evidence::Nothing
            | Evidence::Stopped
            | Evidence::Muted { .. }
            | Evidence::Unmuted { .. }
            | Evidence::Swapped { .. }
            | Evidence::Outlasted { .. }
            | Evidence::Swept { .. }
            | Evidence::Ran { .. } => {}
        }
    }

    /// Another release had some of it when it was looked at: what was seen is not what is. Once something was changed, that
    /// can only be true of members that joined; they are found again.
    fn look_again(&mut self) {
        if self.changed_anything() {
            let begun: BTreeSet<&str> = self.steps.keys().filter_map(Step::instance).collect();
            self.joined.retain(|host| begun.contains(host.instance.as_str()));
            return;
        }
        self.plan = None;
        self.unfit = None;
        self.steps.remove(&Step::Inspect);
        self.steps.remove(&Step::Lock);
    }

    /// The process that had begun them is gone: what came of them is not known. What it saw at the end is no longer
    /// true once a step that restores is tried again: the look is repeated. Nor is it known who has the fleet's lease now.
    fn lose_open_intents(&mut self, at: Timestamp) {
        if !self.begun(&Step::GiveLeaseBack) {
            self.steps.remove(&Step::TakeLease);
            self.leased_to_another = None;
            if self.observation.take().is_some() {
                self.steps.remove(&Step::Confirm);
            }
        }
        self.wait_for_sick_anew(at);
        for state in self.steps.values_mut() {
            state.patient_from = at;
            if state.last.is_none() {
                let failure = Failure::new("the worker stopped while this was under way");
                let unknown = StepOutcome::Unknown { failure };
                state.meet(&unknown, at);
                state.last = Some(unknown);
                state.last_at = at;
            }
        }
    }

    /// How often, and how far apart, a step is tried that has its number of attempts in the service's file.
    fn counted_attempts(&self, step: &Step) -> Option<(u32, u64)> {
        let definition = &self.plan.as_ref()?.definition;
        match step.properties().patience {
            Patience::Verify => Some((definition.verify.attempts, definition.verify.interval_ms)),
            Patience::After => {
                let after = definition.after.as_ref()?;
                Some((after.attempts, after.interval_ms))
            }
            _ => None,
        }
    }

    /// Where `[before]` runs, or ran: on the first host that takes requests, because its image and its network do
    /// work; once begun there, nowhere else.
    pub fn before_host(&self) -> Option<&str> {
        let begun = self.steps.keys().find_map(|step| match step {
            Step::CreateBefore { instance } => Some(instance.as_str()),
            _ => None,
        });
        begun.or_else(|| self.any_host())
    }

    /// A member that serves, or else any: for what is to run on one of them.
    pub fn any_host(&self) -> Option<&str> {
        let members = || self.hosts().filter(|host| !self.gone.contains(&host.instance));
        let serving = members().find(|host| host.was_healthy());
        serving
            .or_else(|| members().next())
            .map(|host| host.instance.as_str())
    }

    /// Whether `[before]` ran to its end and cannot be undone: there is no way back without a person, then.
    pub fn is_one_way(&self) -> bool {
        let irreversible = self
            .plan
            .as_ref()
            .and_then(|plan| plan.definition.before.as_ref())
            .is_some_and(|before| !before.reversible);
        let mut steps = self.steps.keys();
        irreversible && steps.any(|step| matches!(step, Step::RunBefore { .. }) && self.done(step))
    }

    /// Whether a host keeps the new version on the way back: it serves with it, and there is no way back from what
    /// `[before]` did.
    pub fn stays(&self, instance: &str) -> bool {
        self.is_one_way() && self.is_through(instance, Direction::Forward)
    }

    /// Whether new instances go on starting the new version on the way back: every known host serves with it, and no host
    /// is taken back.
    pub fn keeps_the_new(&self) -> bool {
        self.is_one_way() && self.begun(&Step::Publish)
    }

    /// Every host, in the order of the roll: the plan's, then those that joined.
    pub fn hosts(&self) -> impl Iterator<Item = &HostPlan> {
        self.plan
            .iter()
            .flat_map(|plan| plan.hosts.iter())
            .chain(self.joined.iter())
    }

    /// What placeholders stand for on a host, as far as the request and the plan say.
    pub fn values_on(&self, host: &HostPlan) -> Option<Values> {
        let plan = self.plan.as_ref()?;
        let values = Values::of(&self.request, self.digest.as_ref(), &plan.definition).on(host);
        Some(values.with("previous", host.version_before()))
    }

    /// Every host that is of this release's concern: those that are rolled, then those that were adopted untouched.
    pub fn everyone(&self) -> impl Iterator<Item = &HostPlan> {
        self.hosts().chain(self.adopted.iter())
    }

    /// A host of that id.
    pub fn host(&self, instance: &str) -> Option<&HostPlan> {
        self.hosts().find(|host| host.instance == instance)
    }

    /// Where a step stands.
    pub fn standing(&self, step: &Step, now: Timestamp) -> Standing<'_> {
        let Some(state) = self.steps.get(step) else {
            return Standing::Fresh;
        };
        let Some(last) = &state.last else {
            return Standing::Running;
        };
        match last {
            StepOutcome::Done { .. } | StepOutcome::AlreadyDone { .. } => Standing::Done,
            StepOutcome::Refused { failure } => self.after_refusal(step, state, failure),
            _ if *step == Step::Watch => self.after_blindness(state, last, now),
            StepOutcome::Transient { failure } | StepOutcome::Unknown { failure } => {
                self.after_setback(step, state, failure, now)
            }
        }
    }

    /// A watch is patient by itself while it cannot see: what it says then is its last word. One that was broken off is
    /// begun anew, but not for ever.
    fn after_blindness<'a>(&self, state: &StepState, last: &'a StepOutcome, now: Timestamp) -> Standing<'a> {
        let given_up_at = after(state.patient_from, limits::patience_ms(&Step::Watch, self));
        match last {
            // Where a worker took up, at once: nothing goes on unwatched.
            StepOutcome::Unknown { .. } if state.last_at == state.patient_from => {
                Standing::Again { at: state.last_at }
            }
            StepOutcome::Unknown { .. } if now < given_up_at => Standing::Again {
                at: after(state.last_at, limits::BACKOFF_LAST_MS),
            },
            outcome => outcome.failure().map_or(Standing::Done, Standing::Failed),
        }
    }

    fn after_refusal<'a>(&self, step: &Step, state: &StepState, failure: &'a Failure) -> Standing<'a> {
        if step.restores() && state.refusals < limits::RESTORE_REFUSALS {
            return Standing::Again {
                at: after(state.last_at, backoff_ms(state.attempts)),
            };
        }
        Standing::Failed(failure)
    }

    fn after_setback<'a>(
        &self,
        step: &Step,
        state: &StepState,
        failure: &'a Failure,
        now: Timestamp,
    ) -> Standing<'a> {
        let not_passed = matches!(state.last, Some(StepOutcome::Transient { .. }));
        if let Some((attempts, interval_ms)) = self.counted_attempts(step).filter(|_| not_passed) {
            if state.attempts >= attempts {
                return Standing::Failed(failure);
            }
            return Standing::Again {
                at: after(state.last_at, interval_ms),
            };
        }
        // The floor alone sends nobody back: how long it is waited for is said beside it (`sick.rs`).
        let forward = matches!(
            step,
            Step::Host {
                direction: Direction::Forward,
                ..
            }
        );
        if forward && state.kept().is_some() && state.attempts < limits::ATTEMPTS {
            return Standing::Again {
                at: after(state.last_at, limits::kept_again_ms(state.attempts)),
            };
        }
        let given_up_at = after(state.patient_from, limits::patience_ms(step, self));
        // An attempt of a bounded wait ends a little before its time, to tell what it saw last: what is left then is no
        // time for another one, whose words would be poorer.
        let too_little_ms = match &self.plan {
            Some(plan) if step.is_bounded_wait() => 1_000 + 2 * plan.definition.roll.poll_interval_ms,
            _ => 0,
        };
        if after(now, too_little_ms) >= given_up_at || state.attempts >= limits::ATTEMPTS {
            return Standing::Failed(failure);
        }
        // A lock is waited for in the step itself: a pause would only let somebody else have it first.
        let pause_ms = match step {
            Step::Lock => 0,
            _ if state.kept().is_some() => limits::kept_again_ms(state.attempts),
            _ => backoff_ms(state.attempts),
        };
        Standing::Again {
            at: after(state.last_at, pause_ms),
        }
    }

    /// Whether a step was begun, whatever came of it.
    pub fn begun(&self, step: &Step) -> bool {
        self.steps.contains_key(step)
    }

    /// Whether a step has its good end.
    pub fn done(&self, step: &Step) -> bool {
        let last = self.steps.get(step).and_then(|state| state.last.as_ref());
        last.is_some_and(|outcome| outcome.evidence().is_some())
    }

    /// Whether the last attempt of a step met a definite no.
    pub fn was_refused(&self, step: &Step) -> bool {
        let last = self.steps.get(step).and_then(|state| state.last.as_ref());
        matches!(last, Some(StepOutcome::Refused { .. }))
    }

    /// Why nothing more may be done to the fleet, if so: while nobody drove this release, another worker took the fleet.
    pub fn lost_to_another(&self) -> Option<&Failure> {
        let another = self.leased_to_another.as_ref();
        another.filter(|_| self.changed_anything())
    }

    /// Whether anything was changed, or may have been, that could be left behind.
    pub fn changed_anything(&self) -> bool {
        self.steps.keys().any(|step| !step.reads())
    }

    /// When the bake is over, if it has begun. A bake that no worker saw to its end begins anew with the next one.
    pub fn bakes_until(&self) -> Option<Timestamp> {
        let state = self.steps.get(&Step::Bake)?;
        let plan = self.plan.as_ref()?;
        Some(after(state.patient_from, plan.definition.alarms.bake_ms))
    }

    /// Whether a host is out of service by our doing: deregistered, or perhaps so, and not yet healthy again.
    pub fn is_out(&self, host: &HostPlan) -> bool {
        crate::path::is_out(self, host)
    }

    /// Whether a host was taken out of service on the way forward, or may have been: an intent is enough. So was one that
    /// is tried again, although its journal begins anew.
    pub fn touched(&self, instance: &str) -> bool {
        self.retried.contains(instance)
            || (self.begun(&host_step(
                instance,
                Direction::Forward,
                crate::path::first_touch(self),
            )) && self.kept_in(instance, Direction::Forward).is_none())
    }
}

/// A phase of a host as a step.
pub(crate) fn host_step(instance: &str, direction: Direction, phase: Phase) -> Step {
    Step::Host {
        instance: instance.to_owned(),
        direction,
        phase,
    }
}
