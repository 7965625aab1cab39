//! One rehearsal: a roll of a copy of an existing fleet, with a script of what is to go wrong.

use drawgate_rollout::{Phase, Step, limits};
use drawgate_schemas::Direction;

use crate::sim::{Halt, Next, Sim};
use crate::time::start;
use crate::world::{Extent, Fault, World};

/// How long the worker is away: systemd starts it again after two seconds (`infra/systemd`), and then it
/// reads its state.
const AWAY_MS: u64 = 3_000;

/// What is to go wrong in one rehearsal.
#[derive(Debug, Clone, Default)]
pub struct Script {
    /// Instances on which the new version never passes its verification.
    pub fails: Vec<String>,
    /// Moments at which the worker is killed, in milliseconds from the acceptance, in ascending order.
    pub crashes_ms: Vec<u64>,
}

/// Rolls a copy of the fleet to the end. Gives the roll, and the rule that it broke, if any.
pub fn rehearse(mut world: World, script: &Script) -> (Sim, Result<(), String>) {
    for instance in &script.fails {
        let verify = Step::Host {
            instance: instance.clone(),
            direction: Direction::Forward,
            phase: Phase::Verify,
        };
        world.faults.push((verify, Fault::FailsVerification, usize::MAX));
    }
    let mut sim = Sim::new(world);
    let result = drive(&mut sim, script);
    (sim, result)
}

fn drive(sim: &mut Sim, script: &Script) -> Result<(), String> {
    let mut crashes = script
        .crashes_ms
        .iter()
        .map(|ms| limits::after(start(), *ms))
        .peekable();
    let broken = |halt| match halt {
        Halt::Killed => "killed without having been told to".to_owned(),
        Halt::Broken(what) => what,
    };
    loop {
        match sim.go().map_err(broken)? {
            Next::Ended => return sim.check_end(),
            Next::Lands(index) => match crashes.next_if(|at| *at <= sim.now) {
                Some(at) => {
                    let last = sim.journal.last().map_or(at, |entry| entry.at);
                    sim.now = at.max(last);
                    let extents: Vec<Extent> =
                        sim.flights.iter().map(|(_, step)| in_the_middle(step)).collect();
                    sim.crash(&extents, AWAY_MS).map_err(broken)?;
                }
                None => sim.land(index).map_err(broken)?,
            },
            Next::Recorded | Next::Slept => {}
        }
    }
}

/// How far a killed worker brings this step: half, where the step is made of several calls.
fn in_the_middle(step: &Step) -> Extent {
    if World::has_half(step) {
        Extent::Half
    } else {
        Extent::None
    }
}
