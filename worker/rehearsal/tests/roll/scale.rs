//! What a roll of a large fleet costs the core and a rehearsal, counted and not timed: `make rehearse-scale` has the times.

use drawgate_rollout::{Share, lookups};

use crate::driver::Sim;
use crate::forward;
use crate::world::{Fault, World};
use drawgate_rollout::Phase;

/// How many steps and hosts are looked at for a hundred entries of a roll, by the core, the model and the oracle.
fn looks(world: World) -> u64 {
    let before = lookups::so_far();
    let sim = Sim::new(world).finish();
    100 * (lookups::so_far() - before) / sim.journal.len() as u64
}

fn world(hosts: usize, max_unavailable: Share) -> World {
    let mut world = World::new(hosts, 1);
    world.definition.roll.max_unavailable = max_unavailable;
    world.definition.roll.max_roll_ms = u64::MAX / 4;
    world
}

fn assert_the_same(small: u64, large: u64) {
    assert!(
        large * 10 <= small * 11,
        "{small} in a small fleet, {large} in a large one"
    );
}

/// Otherwise a roll's time would grow with the square of its hosts.
#[test]
fn an_entry_costs_the_same_in_a_large_fleet() {
    let one_at_a_time = |hosts| looks(world(hosts, Share::Count(1)));
    assert_the_same(one_at_a_time(25), one_at_a_time(100));
    let a_quarter = |hosts| looks(world(hosts, Share::Percent(25)));
    assert_the_same(a_quarter(25), a_quarter(100));
}

#[test]
fn an_entry_costs_the_same_in_a_large_fleet_that_is_watched() {
    let watched = |hosts| looks(world(hosts, Share::Percent(25)).watching_hosts(60_000));
    assert_the_same(watched(25), watched(100));
}

#[test]
fn an_entry_of_a_rollback_costs_the_same_in_a_large_fleet() {
    // The last one by its name.
    let fails = |hosts, last| {
        let verify = forward(last, Phase::Verify);
        looks(world(hosts, Share::Count(1)).with(verify, Fault::Refused, 9))
    };
    assert_the_same(fails(25, 9), fails(100, 99));
}
