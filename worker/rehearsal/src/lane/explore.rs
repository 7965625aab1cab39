//! Searches two releases of one target: completely with one interleaving, and by chance with many.

use std::fmt;

use drawgate_rollout::limits::after;
use drawgate_schemas::{Control, ControlCommand, Freeze, Outcome};
use jiff::Timestamp;

use super::{Asked, Lane, Place, Scenario, scenarios};
use crate::check::ensure;
use crate::explore::{Harm, Interleaving, Outcomes};
use crate::mutant::Mutant;
use crate::random::Random;
use crate::sim::Halt;
use crate::world::{Extent, digest};

/// How long a freeze lasts: longer than a roll.
const FREEZE_MS: u64 = 20 * 60_000;
/// After a worker was killed, no worker drives the releases for this time.
const AWAY_MS: u64 = 90_000;
/// One of so many moments gets an interleaving.
const MOMENTS: u64 = 20;
/// Most interleavings in one run by chance.
const MOST: usize = 6;
/// After so many places a queue is said to go round in circles: two rolls of a few hosts have some hundred
/// places.
const PLACES: usize = 20_000;

/// One event that comes between two moments of a lane.
#[derive(Debug, Clone, PartialEq)]
pub enum Comes {
    /// An interleaving of this release's roll.
    ToRoll(usize, Interleaving),
    /// The worker is killed while the steps under way have come so far; another process takes over.
    Killed(Extent),
    /// The second release is accepted.
    Accepted,
    /// An operator freezes the environment for a while.
    Frozen,
    /// An operator ends the freeze early.
    Thawed,
    /// An operator gives a control command to a queued release.
    Told(usize, Control),
}

impl fmt::Display for Comes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// A rule that was broken, and how it came to be.
#[derive(Debug, Clone, PartialEq)]
pub struct Violation {
    /// The rule that was broken.
    pub what: String,
    /// The interleavings, each with the number of its place.
    pub between: Vec<(usize, Comes)>,
}

/// The result of a search.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// Executions, by the outcome of the first release.
    pub ends: Outcomes,
    /// The first violation, if there is one: it ends the search.
    pub violation: Option<Box<Violation>>,
}

/// Searches every execution of a scenario with at most one interleaving.
pub fn explore(scenario: &Scenario, mutant: Option<Mutant>) -> Found {
    let mut search = Search {
        ends: Outcomes::default(),
        at: None,
    };
    let mut lane = Lane::new(scenario, mutant);
    let result = search.visit(&mut lane);
    let violation = result.err().map(|what| {
        Box::new(Violation {
            what,
            between: search.at.into_iter().collect(),
        })
    });
    Found {
        ends: search.ends,
        violation,
    }
}

struct Search {
    ends: Outcomes,
    at: Option<(usize, Comes)>,
}

impl Search {
    fn visit(&mut self, lane: &mut Lane) -> Result<(), String> {
        for n in 0..PLACES {
            let place = broken(lane.go())?;
            for comes in at(lane, place) {
                self.at = Some((n, comes.clone()));
                let mut branch = lane.clone();
                let mut harm = Harm::default();
                if broken(comes.comes(&mut branch, place, &mut harm))? {
                    broken(to_the_end(&mut branch))?;
                    judge(&branch, harm)?;
                    self.ends += Outcomes::one(branch.members[0].sim.outcome());
                }
            }
            self.at = None;
            if place == Place::Ended {
                judge(lane, Harm::default())?;
                self.ends += Outcomes::one(lane.members[0].sim.outcome());
                return Ok(());
            }
            broken(goes_on(lane, place))?;
        }
        Err("goes round in circles".to_owned())
    }
}

/// Runs two releases once, with the interleavings of this seed.
///
/// # Errors
/// The violation.
pub fn run(seed: u64, mutant: Option<Mutant>) -> Result<Outcome, Box<Violation>> {
    let mut random = Random::new(!seed);
    let mut lane = Lane::new(&scenario(seed), mutant);
    let mut between = Vec::new();
    match by_chance(&mut lane, &mut random, &mut between) {
        Ok(()) => Ok(lane.members[0].sim.outcome()),
        Err(what) => Err(Box::new(Violation { what, between })),
    }
}

/// The scenario of a seed: one of the searched scenarios, with up to three hosts for each release.
pub fn scenario(seed: u64) -> Scenario {
    let mut random = Random::new(seed);
    let all = scenarios();
    let mut scenario = random.pick(&all).copied().unwrap_or(all[0]);
    let mut hosts = |asked: Asked| Asked {
        hosts: 1 + usize::try_from(random.below(3)).unwrap_or(0),
        ..asked
    };
    (scenario.first, scenario.second) = (hosts(scenario.first), hosts(scenario.second));
    scenario
}

fn by_chance(lane: &mut Lane, random: &mut Random, between: &mut Vec<(usize, Comes)>) -> Result<(), String> {
    let mut harm = Harm::default();
    for n in 0..PLACES {
        let place = broken(lane.go())?;
        if between.len() < MOST && random.one_in(MOMENTS) {
            let all = at(lane, place);
            if let Some(comes) = random.pick(&all) {
                between.push((n, comes.clone()));
                if broken(comes.comes(lane, place, &mut harm))? {
                    continue;
                }
            }
        }
        if place == Place::Ended {
            return check_ends(lane);
        }
        broken(goes_on(lane, place))?;
    }
    Err("goes round in circles".to_owned())
}

fn broken<T>(result: Result<T, Halt>) -> Result<T, String> {
    result.map_err(|halt| match halt {
        Halt::Killed => "killed without having been told to".to_owned(),
        Halt::Broken(violation) => violation,
    })
}

fn goes_on(lane: &mut Lane, place: Place) -> Result<(), Halt> {
    match place {
        Place::Lands(n, index) => lane.land(n, index),
        Place::Sleeps(n, at) => lane.sleep(n, at),
        Place::Recorded(_) | Place::Ended => Ok(()),
    }
}

fn to_the_end(lane: &mut Lane) -> Result<(), Halt> {
    for _ in 0..PLACES {
        let place = lane.go()?;
        if place == Place::Ended {
            return Ok(());
        }
        goes_on(lane, place)?;
    }
    Err(Halt::Broken("goes round in circles".to_owned()))
}

/// All interleavings that may come at this place.
fn at(lane: &Lane, place: Place) -> Vec<Comes> {
    let mut all = Vec::new();
    match place {
        Place::Recorded(_) => {
            all.extend([Comes::Killed(Extent::None), Comes::Killed(Extent::Whole)]);
            return all;
        }
        Place::Lands(n, index) => {
            let sim = &lane.members[n].sim;
            let steps = sim.flights.get(index);
            let to_roll = steps.map(|(_, step)| Interleaving::at_the_end_of(sim, step));
            all.extend(
                to_roll
                    .into_iter()
                    .flatten()
                    .map(|between| Comes::ToRoll(n, between)),
            );
        }
        Place::Sleeps(..) | Place::Ended => {}
    }
    all.extend(lane.to_come.map(|_| Comes::Accepted));
    if place == Place::Ended {
        return all;
    }
    all.push(match lane.frozen().is_empty() {
        true => Comes::Frozen,
        false => Comes::Thawed,
    });
    for (n, member) in lane.members.iter().enumerate() {
        if !member.is_open() || !member.release().is_queued() {
            continue;
        }
        let commands = [
            Control::Pause,
            Control::Resume,
            Control::Cancel,
            Control::Approve,
            Control::Reject,
        ];
        let taken = commands
            .into_iter()
            .filter(|control| member.release().accepts(&by_anna(*control)).is_ok());
        all.extend(taken.map(|control| Comes::Told(n, control)));
    }
    all
}

fn by_anna(control: Control) -> ControlCommand {
    ControlCommand {
        control,
        by: "anna".to_owned(),
        reason: None,
        digest: (control == Control::Approve).then(|| digest('d')),
    }
}

impl Comes {
    /// Applies the interleaving. Says whether it could come; if so, the caller asks the lane for its next
    /// place instead of going on from this one.
    fn comes(&self, lane: &mut Lane, place: Place, harm: &mut Harm) -> Result<bool, Halt> {
        match self {
            Self::ToRoll(n, between) => {
                let Place::Lands(_, index) = place else {
                    return Ok(false);
                };
                lane.members[*n].sim.now = lane.now;
                let came = between.comes_at(&mut lane.members[*n].sim, index, harm)?;
                lane.recorded(*n)?;
                return Ok(came);
            }
            Self::Killed(extent) => lane.crash(AWAY_MS, *extent)?,
            Self::Accepted => {
                if let Some(asked) = lane.to_come.take() {
                    lane.accept(asked);
                }
            }
            Self::Frozen => lane.freezes.push(freeze(lane.now)),
            Self::Thawed => lane.freezes.clear(),
            Self::Told(n, control) => {
                harm.told |= matches!(control, Control::Cancel | Control::Reject);
                harm.failed |= *control == Control::Pause;
                lane.members[*n].sim.now = lane.now;
                lane.members[*n].sim.give(by_anna(*control))?;
                lane.recorded(*n)?;
            }
        }
        Ok(true)
    }
}

fn freeze(now: Timestamp) -> Freeze {
    Freeze {
        environment: None,
        until: after(now, FREEZE_MS),
        reason: "db upgrade".parse().unwrap(),
        by: "ben".to_owned(),
        since: now,
    }
}

/// Checks the rules that hold at every end, whatever came between.
fn check_ends(lane: &Lane) -> Result<(), String> {
    lane.members.iter().try_for_each(|member| member.sim.check_end())
}

/// Checks the same, and that these interleavings allow the outcomes.
fn judge(lane: &Lane, harm: Harm) -> Result<(), String> {
    check_ends(lane)?;
    for (n, member) in lane.members.iter().enumerate() {
        let ended = member.sim.ended();
        let may_be = match ended.outcome {
            Outcome::Succeeded => true,
            Outcome::Superseded => lane.members.len() > 1,
            Outcome::Rejected => member.asked.approval || harm.told,
            Outcome::Cancelled => harm.cancelled || harm.told,
            Outcome::RolledBack | Outcome::Failed => harm.failed,
            Outcome::NeedsOperator => harm.stuck,
        };
        ensure(may_be, || {
            format!("release {} ends as {}: {}", n + 1, ended.outcome, ended.summary)
        })?;
    }
    Ok(())
}
