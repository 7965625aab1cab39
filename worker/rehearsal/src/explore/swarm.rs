//! Runs by chance, with larger fleets and many interleavings: what a complete search cannot reach. The same
//! seed gives the same run. When a run ends in a violation, interleavings that the violation does not need
//! are left out, one after another.

use drawgate_schemas::Outcome;

use super::interleaving::{Harm, Interleaving};
use super::{Violation, again, broken, judge};
use crate::mutant::Mutant;
use crate::random::Random;
use crate::sim::{Next, Sim};
use crate::world::{Extent, World};

/// One of so many moments gets an interleaving.
const MOMENTS: u64 = 25;
/// Most interleavings in one run; after that many the run goes on calmly to its end.
const MOST: usize = 12;
/// How many things AWS lets come between in a run in which nothing else does.
const OF_AWS: usize = 3;
/// Such a run has one of so many moments for them: few where they are to be spread over the whole roll.
const MOMENTS_OF_AWS: [u64; 3] = [5, 20, 60];
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

/// The same right after another release of the same fleet, with a mute rule or a parameter made anew now and then.
pub fn aws_fleet(seed: u64) -> World {
    let mut world = fleet(seed).after_another_release();
    let mut random = Random::new(seed.rotate_left(32));
    if !world.shares_alarms && random.one_in(4) {
        world = world.muted();
    }
    let container = world.definition.container().is_some();
    if container && world.definition.wanted_parameter.is_none() && random.one_in(4) {
        world = world.publishing(None);
    }
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
    let chance = Chance {
        random: Random::new(!seed),
        moments: MOMENTS,
        most: MOST,
        only_of_aws: false,
    };
    let result = chance.drive(&mut sim, &mut between).and_then(|_| sim.check_end());
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

/// Rolls a fleet once, with three things that AWS lets come between, at moments of this seed. Nothing else comes
/// between, so the release has to succeed.
///
/// # Errors
/// The violation.
pub fn run_of_aws(world: &World, seed: u64, mutant: Option<Mutant>) -> Result<Ran, Box<Violation>> {
    let mut between = Vec::new();
    let mut sim = Sim::new(world.clone());
    sim.forgets(mutant);
    let mut random = Random::new(!seed);
    let moments = random.pick(&MOMENTS_OF_AWS).copied().unwrap_or(MOMENTS);
    let chance = Chance {
        random,
        moments,
        most: OF_AWS,
        only_of_aws: true,
    };
    let ended = chance.drive(&mut sim, &mut between);
    match ended.and_then(|harm| judge(&sim, harm)) {
        Ok(()) => Ok(Ran {
            entries: sim.release().last_entry,
            outcome: sim.outcome(),
        }),
        Err(what) => Err(Box::new(Violation { what, between })),
    }
}

/// What chance lets come between, and how often.
struct Chance {
    random: Random,
    /// One of so many moments gets an interleaving.
    moments: u64,
    /// Most interleavings.
    most: usize,
    /// Whether only AWS brings any.
    only_of_aws: bool,
}

impl Chance {
    fn drive(mut self, sim: &mut Sim, between: &mut Vec<(u64, Interleaving)>) -> Result<Harm, String> {
        let mut harm = Harm::default();
        loop {
            let next = broken(sim.go())?;
            let at = sim.release().last_entry;
            let strikes = between.len() < self.most && self.random.one_in(self.moments);
            match next {
                Next::Ended => return Ok(harm),
                Next::Slept => {}
                Next::Recorded if strikes && !self.only_of_aws => {
                    let extents = sim.flights.iter().map(|(_, step)| sim.world.extents(step));
                    let extents: Vec<Extent> = extents
                        .filter_map(|extents| self.random.pick(extents).copied())
                        .collect();
                    let killed = Interleaving::Killed(extents);
                    between.push((at, killed.clone()));
                    broken(killed.comes(sim, &mut harm))?;
                }
                Next::Recorded => {}
                Next::Lands(index) => {
                    let all = self.at_the_end(sim, index);
                    match self.random.pick(&all).filter(|_| strikes) {
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

    fn at_the_end(&self, sim: &Sim, index: usize) -> Vec<Interleaving> {
        let Some((_, step)) = sim.flights.get(index) else {
            return Vec::new();
        };
        let mut all = Interleaving::of_aws_at_the_end_of(sim, step);
        let others = Interleaving::at_the_end_of(sim, step).into_iter();
        let alarms =
            |what: &Interleaving| matches!(what, Interleaving::OtherSilences | Interleaving::OtherUnsilences);
        all.extend(others.filter(|what| !self.only_of_aws || alarms(what)));
        all
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
