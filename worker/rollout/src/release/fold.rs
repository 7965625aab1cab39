//! A release is the fold of its journal: `apply` takes each entry in turn, and refuses an entry that cannot
//! follow.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use drawgate_schemas::{Blocker, ControlCommand, Digest, Ended, ReleaseRequest};
use jiff::Timestamp;

use crate::definition::Approval;
use crate::failure::{Failure, FloorKept};
use crate::fleet::{HostPlan, Observation, Plan};
use crate::journal::{Cause, Entry, Evidence, Record, Step, StepOutcome};
use crate::preflight::Awaited;

use super::roster::Roster;
use super::steps::{StepState, Steps};

/// One release, as its journal tells it.
#[derive(Debug, Clone, PartialEq)]
pub struct Release {
    /// The message that asked for it.
    pub request: ReleaseRequest,
    /// When it was accepted.
    pub accepted_at: Timestamp,
    /// The user who published it, where the broker vouches for one.
    pub publisher: Option<String>,
    /// The approval that it needs.
    pub approval: Option<Box<Approval>>,
    /// The approvals that were given.
    pub approved: Vec<ControlCommand>,
    /// The command that rejected it, if one did.
    pub rejected: Option<ControlCommand>,
    /// The freezes and shut windows that block it from beginning.
    pub blockers: Vec<Blocker>,
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// The digest behind the tag, once it is known.
    pub digest: Option<Digest>,
    /// The plan, once it is made.
    pub plan: Option<Arc<Plan>>,
    /// Why preflight refused the fleet as it was seen, while that stands.
    pub not_ready: Option<PreflightRefused>,
    /// Since when hosts on their way in or out are waited for, where there were such.
    pub awaited_since: Option<Timestamp>,
    /// The first intent to change what serves or what guards it ([`Step::begins_roll`]): `max_roll` is
    /// reckoned from here.
    pub rolls_since: Option<Timestamp>,
    /// How long pauses before that moment lasted in all, in milliseconds.
    pub paused_before_ms: u64,
    /// How often the fleet was inspected.
    pub looks: u32,
    /// Members that joined after the plan was made.
    pub joined: Vec<HostPlan>,
    /// Members that joined and already ran the desired version: not touched.
    pub up_to_date: Vec<HostPlan>,
    /// Since when the desired version is published, if it is.
    pub published_at: Option<Timestamp>,
    /// Instances that left the fleet meanwhile.
    pub gone: BTreeSet<String>,
    /// Every step that was ever begun.
    pub steps: Steps,
    /// How often the fleet was looked over for members that joined.
    pub detections: u32,
    /// Whether the fleet's lease was asked for, and so may be ours.
    pub leased: bool,
    /// The failure that names the other worker with the fleet's lease, if one was seen.
    pub leased_to_another: Option<Failure>,
    /// Hosts that failed within the failure budget and are coming back into service, with the reason.
    pub to_retry: BTreeMap<String, Cause>,
    /// Hosts that failed within the failure budget and were begun anew.
    pub retried: BTreeSet<String>,
    /// Hosts that turned unhealthy by themselves before they were rolled, and are rolled before the others.
    pub rolled_next: BTreeSet<String>,
    /// The wait for sick hosts that goes on, or that went on when the release was rolled back.
    pub sick_wait: Option<SickWait>,
    /// How many such waits there were.
    pub sick_waits: u32,
    /// The command that paused it, and since when, while it is paused.
    pub paused: Option<(ControlCommand, Timestamp)>,
    /// How long earlier pauses lasted in all, in milliseconds.
    pub paused_ms: u64,
    /// The command that cancelled it, if one did.
    pub cancelled: Option<ControlCommand>,
    /// The ids of the control commands that it took.
    pub commands: BTreeSet<String>,
    /// Why it rolled back, if it did.
    pub rolling_back: Option<Cause>,
    /// What the last look found of everything that was touched.
    pub observation: Option<Box<Observation>>,
    /// How often the release took a last look.
    pub looks_at_end: u32,
    pub ended: Option<Ended>,
    /// Number of the last entry.
    pub last_entry: u64,
    /// The hosts by their id, and where each stands.
    pub(super) roster: Roster,
}

/// A fleet that preflight refused as it was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreflightRefused {
    /// What has to be locked before the refusal is final.
    pub touches: BTreeSet<String>,
    /// Why preflight refused it.
    pub failure: Failure,
    /// What it waits for.
    pub awaited: Option<Awaited>,
    /// When it was seen.
    pub at: Timestamp,
    /// Whether the hosts that it waits for are others than at the look before.
    pub is_news: bool,
}

/// A wait for sick hosts to become healthy, or to be replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SickWait {
    /// The host that would be taken out next.
    pub instance: String,
    /// What kept it in service when the wait began.
    pub kept: FloorKept,
    /// When the wait began.
    pub since: Timestamp,
    /// Past this moment the release is rolled back.
    pub until: Timestamp,
}

/// An entry that cannot follow the ones before it. This code has written no journal that contains one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("entry {n} cannot follow: {why}")]
pub struct Illegal {
    /// The entry's number.
    pub n: u64,
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
            blockers: Vec::new(),
            started_at: None,
            digest: request.image.digest().cloned(),
            plan: None,
            not_ready: None,
            awaited_since: None,
            rolls_since: None,
            paused_before_ms: 0,
            looks: 0,
            joined: Vec::new(),
            up_to_date: Vec::new(),
            published_at: None,
            gone: BTreeSet::new(),
            steps: Steps::default(),
            detections: 0,
            leased: false,
            leased_to_another: None,
            to_retry: BTreeMap::new(),
            retried: BTreeSet::new(),
            rolled_next: BTreeSet::new(),
            sick_wait: None,
            sick_waits: 0,
            paused: None,
            paused_ms: 0,
            cancelled: None,
            commands: BTreeSet::new(),
            rolling_back: None,
            observation: None,
            looks_at_end: 0,
            ended: None,
            last_entry: 1,
            roster: Roster::default(),
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
            Record::Blocked { .. } if self.started_at.is_some() => {
                return illegal("it has begun already".to_owned());
            }
            Record::Blocked { blockers } => self.blockers.clone_from(blockers),
            Record::Started if !self.blockers.is_empty() => return illegal("it is blocked".to_owned()),
            Record::Started => self.started_at = Some(entry.at),
            Record::TakenOver => self.lose_open_intents(entry.at),
            Record::Intent { step } => self.intend(step, entry)?,
            Record::Outcome { step, outcome } => self.conclude_step(step, outcome, entry)?,
            Record::RetryLater { cause } => self.retry_later(cause, entry)?,
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
            Record::RollingBack { .. } if self.is_rolling_back() => {
                return illegal("it rolled back before".to_owned());
            }
            Record::RollingBack { cause } => {
                self.rolling_back = Some(cause.clone());
                self.paused = None;
            }
            Record::Control { id, command } => self.take_command(id, command, entry)?,
            Record::Ended { ended } => self.ended = Some(ended.as_ref().clone()),
        }
        self.last_entry = entry.n;
        self.follow(&entry.record);
        Ok(())
    }

    fn retry_later(&mut self, cause: &Cause, entry: &Entry) -> Result<(), Illegal> {
        let instance = cause
            .step
            .instance()
            .filter(|instance| self.host(instance).is_some());
        match instance {
            Some(instance) if !self.to_retry.contains_key(instance) && !self.retried.contains(instance) => {
                self.to_retry.insert(instance.to_owned(), cause.clone());
                Ok(())
            }
            _ => Err(Illegal {
                n: entry.n,
                why: format!("{} cannot be retried later", cause.step),
            }),
        }
    }

    /// Forgets the steps of the first try, because the second one would pass over them.
    fn try_again(&mut self, instance: &str, entry: &Entry) -> Result<(), Illegal> {
        if self.to_retry.remove(instance).is_none() {
            return Err(Illegal {
                n: entry.n,
                why: format!("{instance} is not to be retried"),
            });
        }
        self.retried.insert(instance.to_owned());
        self.steps
            .retain(|step| !matches!(step, Step::Host { instance: of, .. } if of == instance));
        Ok(())
    }

    fn intend(&mut self, step: &Step, entry: &Entry) -> Result<(), Illegal> {
        self.leased |= *step == Step::TakeLease;
        if step.begins_roll() && self.rolls_since.is_none() {
            self.rolls_since = Some(entry.at);
            self.paused_before_ms = self.paused_in_all_ms(entry.at);
        }
        match self.steps.get(step) {
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
            Some(_) => {
                self.steps.change(step, |state| {
                    state.attempts += 1;
                    state.last_at = entry.at;
                    state.last = None;
                });
            }
        }
        Ok(())
    }

    fn conclude_step(&mut self, step: &Step, outcome: &StepOutcome, entry: &Entry) -> Result<(), Illegal> {
        let is_under_way = |state: &StepState| state.last.is_none();
        if !self.steps.get(step).is_some_and(is_under_way) {
            return Err(Illegal {
                n: entry.n,
                why: format!("{step} has an outcome without an intent"),
            });
        }
        self.steps.change(step, |state| {
            state.last_at = entry.at;
            state.refusals += u32::from(matches!(outcome, StepOutcome::Refused { .. }));
            state.last = Some(outcome.clone());
            state.meet(outcome, entry.at);
            if *step == Step::Watch && outcome.evidence().is_some() {
                // The watch could see until now: its blindness is reckoned from here.
                state.patient_from = entry.at;
            }
        });
        if let Some(evidence) = outcome.evidence() {
            self.learn(step, evidence, entry.at);
        }
        Ok(())
    }

    fn learn(&mut self, step: &Step, evidence: &Evidence, at: Timestamp) {
        match evidence {
            Evidence::Resolved { digest } => self.digest = Some(digest.clone()),
            Evidence::Planned { plan } | Evidence::PreflightPassed { plan } => {
                self.looks += 1;
                self.not_ready = None;
                self.plan = Some(plan.clone());
            }
            Evidence::PreflightRefused {
                touches,
                failure,
                awaited,
            } => self.is_not_ready(PreflightRefused {
                touches: touches.clone(),
                failure: (**failure).clone(),
                awaited: awaited.as_deref().cloned(),
                at,
                is_news: false,
            }),
            Evidence::LeasedToAnother { failure } => self.leased_to_another = Some(failure.clone()),
            Evidence::Locked { fresh: true } => {}
            Evidence::Locked { fresh: false } => self.look_again(),
            Evidence::Gone { .. } => {
                self.gone.extend(step.instance().map(str::to_owned));
            }
            Evidence::Joined { hosts, up_to_date } => {
                // A member that already runs the desired version costs no round of the roll.
                self.detections += u32::from(!hosts.is_empty());
                let known: BTreeSet<String> = self.everyone().map(|host| host.instance.clone()).collect();
                let new = |host: &&HostPlan| !known.contains(&host.instance);
                let joined: Vec<HostPlan> = hosts.iter().filter(new).cloned().collect();
                if !joined.is_empty() {
                    // The new hosts have to be locked too.
                    self.steps.remove(&Step::Lock);
                }
                self.joined.extend(joined);
                self.up_to_date.extend(up_to_date.iter().filter(new).cloned());
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
            | Evidence::Tried { .. }
            | Evidence::Muted { .. }
            | Evidence::Unsilenced { .. }
            | Evidence::Unmuted { .. }
            | Evidence::Swapped { .. }
            | Evidence::Outlasted { .. }
            | Evidence::NoneJoined { .. }
            | Evidence::Ran { .. } => {}
        }
    }

    /// Looks at the fleet again, because another release had part of it when it was looked at, and it may
    /// have changed since. Once this release has changed something, only members that joined can be meant;
    /// they are found again.
    fn look_again(&mut self) {
        if self.changed_anything() {
            let begun: BTreeSet<&str> = self.steps.keys().filter_map(Step::instance).collect();
            self.joined.retain(|host| begun.contains(host.instance.as_str()));
            return;
        }
        self.plan = None;
        self.not_ready = None;
        self.steps.remove(&Step::Inspect);
        self.steps.remove(&Step::Lock);
    }

    /// Makes the outcomes of open intents unknown, because the process that had begun them is gone. A last
    /// look counts no longer, because a step that restores may be tried again: the look is repeated. Nor is
    /// it known who has the fleet's lease now: it is taken again.
    fn lose_open_intents(&mut self, at: Timestamp) {
        if !self.begun(&Step::GiveLeaseBack) {
            self.steps.remove(&Step::TakeLease);
            self.leased_to_another = None;
            if self.observation.take().is_some() {
                self.steps.remove(&Step::Confirm);
            }
        }
        self.wait_for_sick_anew(at);
        self.wait_for_hosts_anew(at);
        self.steps.change_all(|_, state| {
            state.patient_from = at;
            if state.last.is_none() {
                let failure = Failure::new("the worker stopped while this was under way");
                let unknown = StepOutcome::Unknown { failure };
                state.meet(&unknown, at);
                state.last = Some(unknown);
                state.last_at = at;
            }
        });
    }

    /// Changes the steps without an entry, to make a mistake or a test's beginning.
    #[doc(hidden)]
    pub fn change_steps(&mut self, change: impl FnOnce(&mut Steps)) {
        change(&mut self.steps);
        self.look_at_all();
    }
}
