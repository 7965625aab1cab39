//! The fleet's lease outside the ledger: a worker that meets another's lease touches nothing, and a worker
//! that was away asks for it again.

use drawgate_rollout::{Entry, Phase, Record, Step};
use drawgate_schemas::Outcome;

use crate::crash::{AWAY_MS, explore, killed_at, under_way};
use crate::driver::{Next, Sim};
use crate::world::{Extent, Fault, LeaseOwner, World};
use crate::{back, forward, notes, resume};

const ALWAYS: usize = usize::MAX;

fn world() -> World {
    World::new(2, 1).with_lease()
}

#[test]
fn trap_08_a_fleet_that_another_worker_has_is_not_touched() {
    let mut world = world();
    world.lease_owner = Some(LeaseOwner::Another);
    let sim = Sim::new(world).finish();
    assert_eq!(sim.outcome(), Outcome::Failed);
    let expected = "take the fleet's lease: the fleet's lease is held by worker bastion-b; no host was touched, scaling and \
                    alarms as before";
    assert_eq!(sim.ended().summary, expected);
    assert!(
        sim.world.performed.iter().all(Step::reads),
        "{:?}",
        sim.world.performed
    );
    assert_eq!(
        sim.world.lease_owner,
        Some(LeaseOwner::Another),
        "another's lease was given back"
    );
}

#[test]
fn trap_08_the_lease_is_held_from_before_any_touch_to_the_end() {
    for sim in [
        Sim::new(world()).finish(),
        Sim::new(world().with(forward(2, Phase::Verify), Fault::Refused, ALWAYS)).finish(),
    ] {
        assert_eq!(sim.world.lease_owner, None);
        let performed = &sim.world.performed;
        let place = |step: &Step| performed.iter().position(|other| other == step);
        let first_touch = performed.iter().position(|step| !step.reads());
        assert!(place(&Step::TakeLease) < first_touch);
        let last_touch = performed.iter().rposition(|step| !step.reads());
        assert!(place(&Step::GiveLeaseBack) > last_touch);
    }
}

#[test]
fn trap_08_killed_at_every_moment_with_a_lease() {
    let back = world().with(forward(2, Phase::Verify), Fault::Refused, ALWAYS);
    let executions = explore(&world(), Outcome::Succeeded) + explore(&back, Outcome::RolledBack);
    assert!(executions > 150, "{executions}");
}

/// No worker drove the release for a while, an operator took its worker for dead, and another worker has the
/// fleet: from then on the release does nothing, on the way forward or back.
#[test]
fn trap_08_a_fleet_that_was_lost_meanwhile_is_left_alone() {
    let mut lost = 0;
    for world in [
        world(),
        world().with(forward(2, Phase::Verify), Fault::Refused, ALWAYS),
    ] {
        let calm = Sim::new(world.clone()).finish();
        for k in 1..calm.journal.len() {
            for extents in world.combinations(&under_way(&calm.journal[..k])) {
                let mut sim = killed_at(&world, k);
                sim.die(&extents, AWAY_MS);
                if sim.world.lease_owner.is_none() || sim.release().begun(&Step::GiveLeaseBack) {
                    continue;
                }
                sim.world.lease_owner = Some(LeaseOwner::Another);
                let touched = sim.release().changed_anything();
                let performed = sim.world.performed.len();
                let sim = sim.finish();
                if touched {
                    assert_eq!(sim.outcome(), Outcome::NeedsOperator, "killed after entry {k}");
                    assert!(sim.world.performed[performed..].iter().all(Step::reads));
                    lost += 1;
                } else {
                    assert_eq!(sim.outcome(), Outcome::Failed, "killed after entry {k}");
                }
            }
        }
    }
    assert!(lost > 100, "{lost}");
}

/// A permission that was revoked meanwhile does not prove another worker: the fleet is not left half-way
/// because of it.
#[test]
fn trap_08_a_denied_lease_rolls_back_unless_all_is_done() {
    let calm = Sim::new(world()).finish();
    let mut back = 0;
    for k in 1..calm.journal.len() {
        let mut sim = killed_at(&world(), k);
        sim.world = sim.world.with(Step::TakeLease, Fault::Refused, ALWAYS);
        let open = sim.flights.len();
        sim.die(&vec![crate::world::Extent::Whole; open], AWAY_MS);
        if sim.release().begun(&Step::GiveLeaseBack) || sim.release().ended.is_some() {
            continue;
        }
        let touched = sim.release().touched(&crate::world::id(1));
        let has_ended = sim.release().begun(&crate::resume());
        let sim = sim.finish();
        let expected = match (touched, has_ended) {
            (_, true) => Outcome::Succeeded,
            (true, false) => Outcome::RolledBack,
            (false, false) => Outcome::Failed,
        };
        assert_eq!(sim.outcome(), expected, "killed after entry {k}");
        back += usize::from(touched);
    }
    assert!(back > 10, "{back}");
}

#[test]
fn trap_08_no_answer_about_the_lease_stops_no_rollback() {
    let world = world().with(forward(2, Phase::Verify), Fault::Refused, ALWAYS);
    let calm = Sim::new(world.clone()).finish();
    let at = calm.journal.iter().position(|entry| {
        matches!(&entry.record, drawgate_rollout::Record::Intent { step } if *step == back(2, Phase::Swap))
    });
    let mut sim = killed_at(&world, at.unwrap() + 1);
    sim.world = sim.world.with(Step::TakeLease, Fault::Transient, ALWAYS);
    let open = sim.flights.len();
    sim.die(&vec![crate::world::Extent::None; open], AWAY_MS);
    let before = sim.now;
    let sim = sim.finish();
    assert_eq!(sim.outcome(), Outcome::RolledBack);
    let took_ms = drawgate_rollout::limits::between_ms(before, sim.now);
    assert!(took_ms < 3 * 60_000, "{took_ms}");
}

/// Parameter Store takes a parameter's name again only some 30 s after its deletion: both the lease and the
/// desired version are written by one release soon after the one before deleted them.
#[test]
fn trap_42_a_name_free_after_thirty_seconds_is_waited_for() {
    let took_ms = |world: World| {
        let sim = Sim::new(world);
        let before = sim.now;
        let sim = sim.finish();
        assert_eq!(sim.outcome(), Outcome::Succeeded, "{}", sim.ended().summary);
        drawgate_rollout::limits::between_ms(before, sim.now)
    };
    let calm = took_ms(world().publishing(None));
    for step in [Step::TakeLease, Step::ReserveDesired, Step::PublishDesired] {
        // Pauses of 0.5, 1, 2, 4, 8 and then 10 s each; images are pulled meanwhile.
        let world = world().publishing(None).with(step.clone(), Fault::Transient, 8);
        let waited = took_ms(world).saturating_sub(calm);
        assert!((30_000..60_000).contains(&waited), "{step:?}: {waited}");
    }
}

#[test]
fn trap_08_a_lease_not_given_back_is_told_and_spoils_nothing() {
    let mut sim = Sim::new(world().with(Step::GiveLeaseBack, Fault::Refused, ALWAYS));
    sim.run().unwrap();
    assert_eq!(sim.outcome(), Outcome::Succeeded);
    let notes = notes(&sim);
    let mends = notes.iter().filter_map(|note| note.command.as_ref());
    let mends: Vec<&str> = mends.map(|command| command.run.as_str()).collect();
    assert_eq!(
        mends,
        ["aws ssm delete-parameter --name /drawgate/lease/staging/api"]
    );
}

/// Runs a release to its end. The worker is killed as it begins this step, whose effect comes all the same.
fn killed_as_it_begins(step: &Step, away_ms: u64) -> Sim {
    let mut sim = Sim::new(World::new(2, 1).with_lease());
    let mut killed = false;
    loop {
        let begun = |entry: &Entry| matches!(&entry.record, Record::Intent { step: other } if other == step);
        match sim.go().unwrap() {
            Next::Ended => break,
            Next::Recorded if !killed && sim.journal.last().is_some_and(begun) => {
                killed = true;
                sim.die(&[Extent::Whole], away_ms);
            }
            Next::Lands(index) => sim.land(index).unwrap(),
            Next::Recorded | Next::Slept => {}
        }
    }
    sim.check_end().unwrap();
    assert!(killed);
    sim
}

/// Found by chance: a look after the lease is given back may show another worker's changes, and restoring
/// those would disturb its roll.
#[test]
fn nothing_is_looked_at_or_restored_once_the_lease_is_back() {
    let sim = killed_as_it_begins(&Step::GiveLeaseBack, 1_000);
    assert_eq!(sim.outcome(), Outcome::Succeeded);
    assert_eq!((sim.attempts(&Step::Confirm), sim.attempts(&resume())), (1, 1));
}

/// Found by chance: the lease was asked for with a deadline in the past.
#[test]
fn restoring_past_max_roll_has_time_to_ask_for_the_lease() {
    let sim = killed_as_it_begins(&Step::Confirm, 2 * 3_600_000);
    assert_eq!(sim.outcome(), Outcome::Succeeded);
}
