//! The complete search: every way that a roll can go within bounds. At every moment every possible
//! interleaving comes, once or twice in an execution, and each branch runs to its end.
//!
//! ```text
//!   accepted --o--o--o--o--o--> ended       o: an entry was written, or a step is about to end
//!                 \  \  \__ ...             each branch is one interleaving; it goes on calmly from there,
//!                  \  \____ ...             or, where two may come, branches again
//!                   \______ ...
//! ```
//! The search visits states that go on alike only once, and still counts all the executions that such a state
//! stands for. The same bounds give the same search on any machine.

mod aws;
mod fingerprint;
mod fleets;
mod interleaving;
mod outcomes;
pub mod swarm;

use std::collections::{BTreeMap, HashMap};

use drawgate_rollout::limits;
use drawgate_schemas::Outcome;

use self::fingerprint::fingerprint;
pub use self::fleets::{aws_fleets, fleets};
pub(crate) use self::interleaving::Harm;
pub use self::interleaving::Interleaving;
pub use self::outcomes::Outcomes;
use crate::check::ensure;
use crate::mutant::Mutant;
use crate::sim::{Halt, Next, Sim};
use crate::time::start;
use crate::world::World;

/// A rule that was broken, and how it came to be.
#[derive(Debug, Clone, PartialEq)]
pub struct Violation {
    /// The rule that was broken.
    pub what: String,
    /// The interleavings, each with the number of entries that the journal had then.
    pub between: Vec<(u64, Interleaving)>,
}

/// What may come between in one execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// At most so many interleavings.
    pub most: u8,
    /// What of that AWS may bring.
    pub of_aws: OfAws,
}

/// What AWS may bring of the interleavings of an execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OfAws {
    /// One, and nothing else comes between then.
    Alone,
    /// Any of them.
    Any,
    /// All of them.
    All,
}

impl Bounds {
    /// At most so many interleavings; what AWS brings comes alone.
    pub fn at_most(most: u8) -> Self {
        let of_aws = OfAws::Alone;
        Self { most, of_aws }
    }
}

/// The state of the search from one fleet.
struct Explorer {
    bounds: Bounds,
    known: HashMap<u64, Outcomes>,
    /// Outcomes by the family of the first interleaving.
    after: BTreeMap<&'static str, Outcomes>,
    states_after: BTreeMap<&'static str, u64>,
    between: Vec<(u64, Interleaving)>,
}

/// The result of a search.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// Executions from the acceptance to an end, by outcome.
    pub ends: Outcomes,
    /// The same executions by the family of their first interleaving.
    pub after: BTreeMap<&'static str, Outcomes>,
    /// The states that each such family was the first to come to.
    pub states_after: BTreeMap<&'static str, u64>,
    /// Different states on these executions, each taken where a step has just ended.
    pub states: u64,
    /// The first violation, if there is one: it ends the search.
    pub violation: Option<Violation>,
}

/// Searches everything that may become of a roll of this fleet, with at most `most` interleavings.
pub fn explore(world: &World, most: u8, mutant: Option<Mutant>) -> Found {
    explore_within(world, Bounds::at_most(most), mutant)
}

/// Searches everything that may become of a roll of this fleet within these bounds.
pub fn explore_within(world: &World, bounds: Bounds, mutant: Option<Mutant>) -> Found {
    let mut explorer = Explorer {
        bounds,
        known: HashMap::new(),
        after: BTreeMap::new(),
        states_after: BTreeMap::new(),
        between: Vec::new(),
    };
    let mut sim = Sim::new(world.clone());
    sim.forgets(mutant);
    let result = explorer.visit(sim, Harm::default(), bounds.most);
    Found {
        ends: result.clone().unwrap_or_default(),
        after: explorer.after,
        states_after: explorer.states_after,
        states: explorer.known.len() as u64,
        violation: result.err().map(|what| Violation {
            what,
            between: explorer.between,
        }),
    }
}

/// Runs the same roll once more with these interleavings, and keeps journal and events for people to read.
pub fn replay(
    world: &World,
    between: &[(u64, Interleaving)],
    mutant: Option<Mutant>,
) -> (Sim, Result<(), String>) {
    let mut sim = Sim::new(world.clone());
    sim.plant(mutant);
    let result = again(&mut sim, between).and_then(|harm| judge(&sim, harm));
    (sim, result)
}

fn again(sim: &mut Sim, between: &[(u64, Interleaving)]) -> Result<Harm, String> {
    let mut harm = Harm::default();
    let mut rest = between.iter().peekable();
    loop {
        let next = broken(sim.go())?;
        let (now, ends) = (sim.release().last_entry, matches!(next, Next::Lands(_)));
        // Where an earlier interleaving was left out, a later one may come a little later than it did.
        let due = |(at, what): &&(u64, Interleaving)| *at <= now && what.can_come(sim, ends);
        match next {
            Next::Ended => return Ok(harm),
            Next::Slept => {}
            Next::Recorded => {
                if let Some((_, what)) = rest.next_if(due) {
                    broken(what.comes(sim, &mut harm))?;
                }
            }
            Next::Lands(index) => match rest.next_if(due) {
                Some((_, what)) => {
                    broken(what.comes_at(sim, index, &mut harm))?;
                }
                None => broken(sim.land(index))?,
            },
        }
    }
}

pub(crate) fn broken<T>(result: Result<T, Halt>) -> Result<T, String> {
    result.map_err(|halt| match halt {
        Halt::Killed => "killed without having been told to".to_owned(),
        Halt::Broken(violation) => violation,
    })
}

impl Explorer {
    /// Counts the executions from this state on, or gives the violation.
    fn visit(&mut self, mut sim: Sim, harm: Harm, left: u8) -> Result<Outcomes, String> {
        let mut marks = Vec::new();
        let mut branches = Outcomes::default();
        let rest = loop {
            match broken(sim.go())? {
                Next::Slept => {}
                Next::Ended => {
                    judge(&sim, harm)?;
                    break Outcomes::one(sim.outcome());
                }
                Next::Recorded => {
                    if left > 0 {
                        branches += self.branch_after_an_entry(&sim, harm, left)?;
                    }
                }
                Next::Lands(index) => {
                    if left > 0 {
                        branches += self.branch_at_an_end(&sim, index, harm, left)?;
                    }
                    broken(sim.land(index))?;
                    let mark = self.fingerprint(&sim, harm, left);
                    if let Some(executions) = self.known.get(&mark) {
                        break *executions;
                    }
                    marks.push((mark, branches));
                }
            }
        };
        let mut executions = branches;
        executions += rest;
        for (mark, before) in marks {
            self.known.insert(mark, executions - before);
        }
        Ok(executions)
    }

    /// Whether AWS may bring the next interleaving, where so many may still come.
    fn aws_may_come(&self, left: u8) -> bool {
        left > 0 && (self.bounds.of_aws != OfAws::Alone || left == self.bounds.most)
    }

    fn fingerprint(&self, sim: &Sim, harm: Harm, left: u8) -> u64 {
        fingerprint(sim, harm, left, self.aws_may_come(left))
    }

    fn branch_after_an_entry(&mut self, sim: &Sim, harm: Harm, left: u8) -> Result<Outcomes, String> {
        let mut executions = Outcomes::default();
        if self.bounds.of_aws == OfAws::All {
            return Ok(executions);
        }
        for between in Interleaving::after_an_entry(sim) {
            let (mut branch, mut harm) = (sim.clone(), harm);
            self.between.push((sim.release().last_entry, between.clone()));
            if broken(between.comes(&mut branch, &mut harm))? {
                executions += self.branch(&between, branch, harm, left)?;
            }
            self.between.pop();
        }
        Ok(executions)
    }

    fn branch_at_an_end(
        &mut self,
        sim: &Sim,
        index: usize,
        harm: Harm,
        left: u8,
    ) -> Result<Outcomes, String> {
        let mut executions = Outcomes::default();
        let Some((_, step)) = sim.flights.get(index) else {
            return Ok(executions);
        };
        let mut all = match self.bounds.of_aws {
            OfAws::All => Vec::new(),
            OfAws::Alone | OfAws::Any => Interleaving::at_the_end_of(sim, step),
        };
        if self.aws_may_come(left) {
            all.extend(Interleaving::of_aws_at_the_end_of(sim, step));
        }
        for between in all {
            let (mut branch, mut harm) = (sim.clone(), harm);
            self.between.push((sim.release().last_entry, between.clone()));
            if broken(between.comes_at(&mut branch, index, &mut harm))? {
                executions += self.branch(&between, branch, harm, left)?;
            }
            self.between.pop();
        }
        Ok(executions)
    }

    fn branch(&mut self, between: &Interleaving, sim: Sim, harm: Harm, left: u8) -> Result<Outcomes, String> {
        let alone = self.bounds.of_aws == OfAws::Alone && between.is_of_aws();
        let known = self.known.len();
        let ends = self.known_or_visit(sim, harm, if alone { 0 } else { left - 1 })?;
        if self.between.len() == 1 {
            *self.after.entry(between.family()).or_default() += ends;
            *self.states_after.entry(between.family()).or_default() += (self.known.len() - known) as u64;
        }
        Ok(ends)
    }

    fn known_or_visit(&mut self, sim: Sim, harm: Harm, left: u8) -> Result<Outcomes, String> {
        let mark = self.fingerprint(&sim, harm, left);
        if let Some(executions) = self.known.get(&mark) {
            return Ok(*executions);
        }
        let executions = self.visit(sim, harm, left)?;
        self.known.insert(mark, executions);
        Ok(executions)
    }
}

/// Judges the end: the rules that always hold, and whether these interleavings allow this outcome.
pub(crate) fn judge(sim: &Sim, harm: Harm) -> Result<(), String> {
    sim.check_end()?;
    let ended = sim.ended();
    let is_member = |instance: &String| sim.world.hosts.get(instance).is_some_and(|host| host.member);
    let nobody = !sim.release().everyone().any(|host| is_member(&host.instance));
    let may_be = match ended.outcome {
        Outcome::Succeeded => !harm.cancelled,
        Outcome::Cancelled => harm.cancelled,
        Outcome::RolledBack | Outcome::Failed => harm.failed,
        Outcome::NeedsOperator => harm.stuck || nobody,
        Outcome::Rejected | Outcome::Superseded => false,
    };
    if !may_be {
        return Err(format!("ends as {}: {}", ended.outcome, ended.summary));
    }
    let roll = &sim.world.definition.roll;
    let took_ms = limits::between_ms(start(), sim.now);
    let cause = sim.release().rolling_back.as_ref();
    let overdue = cause.is_some_and(|cause| cause.failure.overdue);
    ensure(
        !overdue && took_ms <= roll.max_roll_ms + roll.max_pause_ms,
        || format!("took {took_ms} ms, which fingerprints leave out"),
    )
}
