//! Copies of existing fleets: their ids are names, and they may be large.

use std::sync::Arc;

use drawgate_rehearsal::{Script, World, rehearse};
use drawgate_rollout::{FleetSnapshot, limits};
use drawgate_schemas::Outcome;

use super::driver::Sim;
use super::world::{definition, request};
use drawgate_rehearsal::time::start;

/// A copy of `hosts` healthy hosts with ids as EC2 writes them: these digits, then a number of their own.
fn copy(hosts: usize, out: u32, digits: &str) -> World {
    let made_up = World::new(hosts, out);
    let mut fleet: FleetSnapshot = Arc::unwrap_or_clone(made_up.fleet);
    let named = |id: &str| format!("i-{digits}{:0>6}", id.trim_start_matches("i-"));
    for member in fleet.groups.iter_mut().flat_map(|group| &mut group.members) {
        member.instance = named(&member.instance);
    }
    for host in &mut fleet.hosts {
        host.instance = named(&host.instance);
        for target in &mut host.targets {
            target.id = named(&target.id);
        }
    }
    World::of(request(), made_up.definition, fleet)
}

fn rehearsed(world: World) -> Sim {
    let (sim, result) = rehearse(world, &Script::default());
    assert_eq!(result, Ok(()));
    assert_eq!(sim.outcome(), Outcome::Succeeded);
    sim
}

#[test]
fn ids_of_digits_cost_no_time() {
    let takes_ms = |digits: &str| {
        let sim = rehearsed(copy(3, 1, digits));
        limits::between_ms(start(), sim.now)
    };
    assert_eq!(takes_ms("01234567890"), takes_ms("0abcdef9876"));
    assert!(takes_ms("99999999999") < definition().roll.max_roll_ms);
}

/// A fleet of 200 writes 4,000 entries.
#[test]
fn a_large_fleet_is_rehearsed_to_its_end() {
    let mut world = copy(200, 40, "0abcdef9876");
    world.definition.roll.max_roll_ms = 24 * 3_600_000;
    let sim = rehearsed(world);
    assert!(sim.journal.len() > 3_000, "{}", sim.journal.len());
}
