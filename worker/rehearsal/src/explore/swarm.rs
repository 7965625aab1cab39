//! Runs by chance, with larger fleets and many interleavings: what a complete search cannot reach. The same
//! seed gives the same run. When a run ends in a violation, interleavings that the violation does not need
//! are left out, one after another.

use drawgate_schemas::Outcome;

use super::interleaving::{Harm, Interleaving};
use super::{Violation, again, broken};
use crate::mutant::Mutant;
use crate::random::Random;
use crate::sim::{Next, Sim};
use crate::world::{Extent, World};

/// One of so many moments gets an interleaving.
const MOMENTS: u64 = 25;
/// Most interleavings in one run; after that many the run goes on calmly to its end.
const MOST: usize = 12;
/// Most hosts of a fleet.
const HOSTS: u64 = 12;

/// The fleet of a seed: at least four hosts, with a random choice of the features that a service may use.
pub fn fleet(seed: u64) -> World {
    let mut random = Random::new(seed);
    let mut number = |bound: u64| u32::try_from(random.below(bound)).unwrap_or(0);
    let (hosts, out) = (4 + number(HOSTS - 3), 1 + number(3));
    let mut world = World::new(hosts as usize, out).by_people();
    if number(2) == 0 {
        world = world.with_canary();
    }
    if number(2) == 0 {
        world = world.in_two_groups();
    }
    if number(3) == 0 {
        world = world.watched(30_000);
    }
    if number(3) == 0 {
        world = world.with_lease();
    }
    match number(6) {
        0 => world = world.commanded(),
        1 => world = world.publishing(Some("main-41")),
        2 => world = world.with_before(true),
        _ => {}
    }
    if number(3) == 0 {
        world = world.sharing_alarms();
    }
    world.definition.roll.zone_by_zone = number(3) == 0;
    world.definition.roll.failure_budget = number(3);
    world.definition.roll.watch_hosts = number(2) == 0;
    world
}

/// A run that ended without a violation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ran {
    /// Entries that the run wrote.
    pub entries: u64,
    /// How the release ended.
    pub outcome: Outcome,
}

/// Rolls a fleet once, with the interleavings of this seed. Gives the outcome, or the violation with as few
/// interleavings as it needs.
///
/// # Errors
/// The violation.
pub fn run(world: &World, seed: u64, mutant: Option<Mutant>) -> Result<Ran, Box<Violation>> {
    let mut between = Vec::new();
    let mut sim = Sim::new(world.clone());
    sim.forgets(mutant);
    // The seed differs from the fleet's, because both would draw the same numbers otherwise.
    let result = drive(&mut sim, &mut Random::new(!seed), &mut between);
    // Which outcomes many interleavings together allow is not modelled: the run only has to end without a
    // violation.
    match result {
        Ok(()) => Ok(Ran {
            entries: sim.release().last_entry,
            outcome: sim.outcome(),
        }),
        Err(what) => Err(Box::new(shrunk(world, Violation { what, between }, mutant))),
    }
}

fn drive(sim: &mut Sim, random: &mut Random, between: &mut Vec<(u64, Interleaving)>) -> Result<(), String> {
    let mut harm = Harm::default();
    loop {
        let next = broken(sim.go())?;
        let at = sim.release().last_entry;
        let strikes = between.len() < MOST && random.one_in(MOMENTS);
        match next {
            Next::Ended => return sim.check_end(),
            Next::Slept => {}
            Next::Recorded if strikes => {
                let extents = sim.flights.iter().map(|(_, step)| sim.world.extents(step));
                let extents: Vec<Extent> = extents
                    .filter_map(|extents| random.pick(extents).copied())
                    .collect();
                let killed = Interleaving::Killed(extents);
                between.push((at, killed.clone()));
                broken(killed.comes(sim, &mut harm))?;
            }
            Next::Recorded => {}
            Next::Lands(index) => {
                let step = sim.flights.get(index).map(|(_, step)| step.clone());
                let all = step.map_or_else(Vec::new, |step| Interleaving::at_the_end_of(sim, &step));
                match random.pick(&all).filter(|_| strikes) {
                    Some(what) => {
                        between.push((at, what.clone()));
                        broken(what.comes_at(sim, index, &mut harm))?;
                    }
                    None => broken(sim.land(index))?,
                }
            }
        }
    }
}

/// Leaves out each interleaving without which a violation still occurs.
fn shrunk(world: &World, mut violation: Violation, mutant: Option<Mutant>) -> Violation {
    let mut place = 0;
    while place < violation.between.len() {
        let mut fewer = violation.between.clone();
        fewer.remove(place);
        let mut sim = Sim::new(world.clone());
        sim.plant(mutant);
        match again(&mut sim, &fewer).and_then(|_| sim.check_end()) {
            Err(what) => violation = Violation { what, between: fewer },
            Ok(()) => place += 1,
        }
    }
    violation
}
