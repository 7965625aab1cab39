//! Larger fleets and many things that come between, by chance: what a complete search cannot reach. A run is had again from its
//! seed; of one that must never be, the things that do not matter are left out again, one after another.

use drawgate_schemas::Outcome;

use super::interleaving::{Harm, Interleaving};
use super::{Violation, again, broken};
use crate::mutant::Mutant;
use crate::random::Random;
use crate::sim::{Next, Sim};
use crate::world::{Extent, World};

/// One of so many moments has something come between.
const MOMENTS: u64 = 25;
/// Most things that come between in one run: after that many it shall come to its end.
const MOST: usize = 12;
/// Most hosts of a fleet.
const HOSTS: u64 = 12;

/// The fleet of a seed: four hosts at least, and whatever a service may have.
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
    world.definition.roll.zone_by_zone = number(3) == 0;
    world.definition.roll.failure_budget = number(3);
    world
}

/// A run that came to a proper end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ran {
    /// Entries that it wrote.
    pub entries: u64,
    /// How it ended.
    pub outcome: Outcome,
}

/// One roll of a fleet, and what comes between by this seed. Gives how it ended, or what must never be, with as little between as it
/// needs.
///
/// # Errors
/// What must never be.
pub fn run(world: &World, seed: u64, mutant: Option<Mutant>) -> Result<Ran, Box<Violation>> {
    let mut between = Vec::new();
    let mut sim = Sim::new(world.clone());
    sim.forgets(mutant);
    // Another seed than the fleet's, or both would go by the same numbers.
    let result = drive(&mut sim, &mut Random::new(!seed), &mut between);
    // Of many things together nobody says before which end they may bring: it has to be a proper one.
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

/// Leaves out whatever is not needed for something to be wrong still.
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
