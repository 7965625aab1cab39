//! Searches two services that share an alarm, with one interleaving: the worker dies, a step of either release meets
//! a fault, an operator cancels either of them.

use std::fmt;

use drawgate_rollout::{Step, limits};
use drawgate_schemas::Outcome;

use super::{Pair, Place, Scenario};
use crate::check::ensure;
use crate::explore::{Harm, Interleaving, Outcomes, broken, judge};
use crate::mutant::Mutant;
use crate::sim::Halt;
use crate::world::Extent;

/// After a worker was killed, no worker drives the releases for this time.
const AWAY_MS: u64 = 90_000;
/// After so many places two rolls of one host each are said to go round in circles.
const PLACES: usize = 20_000;
/// A moment, beside that of a change to the alarm.
const BESIDE_MS: u64 = 1_000;

/// One event that comes between two moments of the two rolls.
#[derive(Debug, Clone, PartialEq)]
pub enum Comes {
    /// An interleaving of this release's roll.
    ToRoll(usize, Interleaving),
    /// The worker is killed while the steps under way have come so far; another process takes over.
    Killed(Extent),
}

impl fmt::Display for Comes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// The result of a search.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// Executions, by the outcome of the first release.
    pub ends: Outcomes,
    /// The rule that was broken first, with the place and what came there: it ends the search.
    pub violation: Option<(String, Option<(usize, Comes)>)>,
}

/// The scenarios: gaps that bring the changes of the two releases to the alarm into every order, each with none or
/// one of them failing.
pub fn scenarios() -> Vec<Scenario> {
    let (silenced_ms, unsilenced_ms) = changes_ms();
    let whole = unsilenced_ms - silenced_ms;
    let gaps = [
        0,
        BESIDE_MS / 2,
        whole / 2,
        whole - BESIDE_MS,
        whole,
        whole + BESIDE_MS,
    ];
    let fails = [None, Some(0), Some(1)];
    let of = |gap_ms: u64| fails.map(|fails| Scenario { gap_ms, fails });
    gaps.into_iter().flat_map(of).collect()
}

/// When a calm roll silences its alarms, and when it unsilences them.
fn changes_ms() -> (u64, u64) {
    let scenario = Scenario {
        gap_ms: 3_600_000,
        fails: None,
    };
    let mut pair = Pair::new(scenario, None);
    let begun = pair.now;
    let (mut silenced_ms, mut unsilenced_ms) = (0, 0);
    while let Ok(place @ (Place::Recorded | Place::Lands(0, _))) = pair.go() {
        let Place::Lands(n, index) = place else { continue };
        let at_ms = limits::between_ms(begun, pair.now);
        match pair.sims[n].flights.get(index) {
            Some((_, Step::Silence)) => silenced_ms = at_ms,
            Some((_, Step::Unsilence)) => unsilenced_ms = at_ms,
            _ => {}
        }
        if pair.land(n, index).is_err() {
            break;
        }
    }
    (silenced_ms, unsilenced_ms)
}

/// Searches every execution of a scenario with at most one interleaving.
pub fn explore(scenario: Scenario, mutant: Option<Mutant>) -> Found {
    let mut search = Search {
        scenario,
        ends: Outcomes::default(),
        at: None,
    };
    let mut pair = Pair::new(scenario, mutant);
    let result = search.visit(&mut pair);
    Found {
        ends: search.ends,
        violation: result.err().map(|what| (what, search.at)),
    }
}

struct Search {
    scenario: Scenario,
    ends: Outcomes,
    at: Option<(usize, Comes)>,
}

impl Search {
    fn visit(&mut self, pair: &mut Pair) -> Result<(), String> {
        for n in 0..PLACES {
            let place = broken(pair.go())?;
            for comes in at(pair, place) {
                self.at = Some((n, comes.clone()));
                let mut branch = pair.clone();
                let mut harm = [Harm::default(); 2];
                if broken(comes.comes(&mut branch, place, &mut harm))? {
                    broken(to_the_end(&mut branch))?;
                    self.judge(&branch, harm)?;
                }
            }
            self.at = None;
            match place {
                Place::Ended => return self.judge(pair, [Harm::default(); 2]),
                Place::Recorded => {}
                Place::Lands(n, index) => broken(pair.land(n, index))?,
            }
        }
        Err("goes round in circles".to_owned())
    }

    /// Judges each release by what came to it alone: what happens to one never harms the other. At the end the
    /// alarms are as they were.
    fn judge(&mut self, pair: &Pair, mut harm: [Harm; 2]) -> Result<(), String> {
        if let Some(failed) = self.scenario.fails {
            harm[failed].failed = true;
        }
        // What one could not put back keeps the alarm off, and the other leaves it so.
        let stuck = pair
            .sims
            .iter()
            .any(|sim| sim.outcome() == Outcome::NeedsOperator);
        for (n, (sim, harm)) in pair.sims.iter().zip(harm).enumerate() {
            judge(sim, harm).map_err(|what| format!("release {}: {what}", n + 1))?;
            ensure(stuck || sim.world.alarms == sim.before.alarms, || {
                format!("alarms are left as {:?}", sim.world.alarms)
            })?;
        }
        self.ends += Outcomes::one(pair.sims[0].outcome());
        Ok(())
    }
}

fn to_the_end(pair: &mut Pair) -> Result<(), Halt> {
    for _ in 0..PLACES {
        match pair.go()? {
            Place::Ended => return Ok(()),
            Place::Recorded => {}
            Place::Lands(n, index) => pair.land(n, index)?,
        }
    }
    Err(Halt::Broken("goes round in circles".to_owned()))
}

/// What may come at this place. Beside the steps that look at the alarm or change it, a release may fail, or be
/// cancelled, at the end of any step; what else may come there, the search of one roll shows.
fn at(pair: &Pair, place: Place) -> Vec<Comes> {
    match place {
        Place::Ended => Vec::new(),
        Place::Recorded => [Extent::None, Extent::Half, Extent::Whole]
            .map(Comes::Killed)
            .into(),
        Place::Lands(n, index) => {
            let sim = &pair.sims[n];
            let Some((_, step)) = sim.flights.get(index) else {
                return Vec::new();
            };
            let mut all = Interleaving::at_the_end_of(sim, step);
            all.extend(Interleaving::of_aws_at_the_end_of(sim, step));
            let silences = matches!(step, Step::Silence | Step::Unsilence);
            let is_by_others = |what: &Interleaving| {
                matches!(what, Interleaving::OtherSilences | Interleaving::OtherUnsilences)
            };
            let everywhere =
                |what: &Interleaving| matches!(what, Interleaving::Cancelled | Interleaving::RefusedForEver);
            all.retain(|what| !is_by_others(what) && (silences || everywhere(what)));
            all.into_iter().map(|what| Comes::ToRoll(n, what)).collect()
        }
    }
}

impl Comes {
    /// Applies the interleaving. Says whether it could come; if so, the caller asks for the next place instead of
    /// going on from this one.
    fn comes(&self, pair: &mut Pair, place: Place, harm: &mut [Harm; 2]) -> Result<bool, Halt> {
        match (self, place) {
            (Self::Killed(extent), _) => pair.crash(*extent, AWAY_MS).map(|()| true),
            (Self::ToRoll(n, what), Place::Lands(_, index)) => {
                let came = what.comes_at(&mut pair.sims[*n], index, &mut harm[*n])?;
                if came {
                    pair.share(*n);
                }
                Ok(came)
            }
            _ => Ok(false),
        }
    }
}
