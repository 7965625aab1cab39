//! Bastion and ledger are lost at any moment of a roll. Another worker recovers the release from its marks,
//! and rolls it back.

use std::collections::BTreeMap;

use drawgate_rehearsal::oracle::differences;
use drawgate_rollout::{Phase, Step};
use drawgate_schemas::Outcome;

use crate::crash::{killed_at, under_way};
use crate::driver::Sim;
use crate::world::{Fault, Host, World};
use crate::{back, forward};

/// Asserts that hosts which were whole and on one version stay so, and that the rest is as it was before.
fn put_in_order(mut recovered: Sim, context: &dyn Fn() -> String) {
    let as_found = recovered.world.hosts.clone();
    recovered.run().unwrap();
    assert_eq!(recovered.outcome(), Outcome::Failed, "{}", context());
    let differs = |on_new| differences(&recovered.before, &recovered.world, on_new);
    assert!(
        differs(true).is_empty() || differs(false).is_empty(),
        "{:?} {:?} {}",
        differs(true),
        differs(false),
        context()
    );
    let serves = |hosts: &BTreeMap<String, Host>| {
        let named = hosts.values().map(|host| (host.named, host.target));
        named.collect::<Vec<_>>()
    };
    assert_eq!(serves(&recovered.world.hosts), serves(&as_found), "{}", context());
}

/// Loses the ledger at every moment of this roll; gives how often marks were left that had to be recovered
/// from.
fn lost_at_every_moment(world: &World) -> usize {
    let calm = Sim::new(world.clone()).finish();
    let mut led_back = 0;
    for k in 1..calm.journal.len() {
        let open = under_way(&calm.journal[..k]);
        for extents in world.combinations(&open) {
            let mut lost = killed_at(world, k);
            lost.die(&extents, 60_000);
            let request = lost.world.request.clone();
            let marks = lost.world.marks(request.id);
            if !marks.is_anything_left() {
                continue;
            }
            led_back += 1;
            let context = || format!("lost after entry {k}, {open:?} {extents:?}, {marks:?}");
            // An operator who is sure that the worker is gone has deleted its lease.
            lost.world.lease_owner = None;
            let plan = marks.plan(&request, &world.definition, lost.world.snapshot());
            let plan = plan.unwrap_or_else(|findings| panic!("{findings:?} {}", context()));
            let journal = marks.journal(&request, &plan, lost.now);
            let recovered =
                Sim::taken_over(lost.before.clone(), lost.world.clone(), journal, lost.now).unwrap();
            if marks.was_ending() {
                put_in_order(recovered, &context);
                continue;
            }
            let ended = recovered.finish().outcome();
            assert!(
                matches!(ended, Outcome::RolledBack | Outcome::Failed),
                "{ended} {}",
                context()
            );
        }
    }
    led_back
}

#[test]
fn a_roll_whose_ledger_is_lost_is_led_back_from_its_marks() {
    let of = |hosts, out| World::new(hosts, out).by_people();
    let worlds = [
        of(1, 1),
        of(2, 1),
        of(3, 2),
        of(2, 1).in_two_groups(),
        of(2, 1).with_lease(),
        of(3, 1).with_canary(),
        of(2, 1).muted(),
    ];
    let led_back: Vec<usize> = worlds.iter().map(lost_at_every_moment).collect();
    assert!(led_back.iter().all(|number| *number > 30), "{led_back:?}");
}

#[test]
fn a_rollback_whose_ledger_is_lost_goes_on_from_its_marks() {
    let fails = forward(2, Phase::Verify);
    let world = World::new(2, 1).by_people().with(fails, Fault::Refused, 1);
    assert!(lost_at_every_moment(&world) > 60);
}

/// Recovery does nothing to a host that the lost release had not touched.
#[test]
fn hosts_without_a_mark_are_left_alone() {
    let world = World::new(3, 1).by_people();
    let calm = Sim::new(world.clone()).finish();
    let drains = Step::Host {
        instance: crate::world::id(1),
        direction: drawgate_schemas::Direction::Forward,
        phase: Phase::Drain,
    };
    let begins = |entry: &drawgate_rollout::Entry| matches!(&entry.record, drawgate_rollout::Record::Intent { step } if *step == drains);
    let k = calm.journal.iter().position(begins).unwrap() + 1;
    let lost = killed_at(&world, k);
    let request = lost.world.request.clone();
    let marks = lost.world.marks(request.id);
    let plan = marks
        .plan(&request, &world.definition, lost.world.snapshot())
        .unwrap();
    let journal = marks.journal(&request, &plan, lost.now);
    let recovered = Sim::taken_over(lost.before.clone(), lost.world.clone(), journal, lost.now).unwrap();
    let recovered = recovered.finish();
    assert_eq!(recovered.outcome(), Outcome::RolledBack);
    assert_eq!(recovered.attempts(&back(1, Phase::AwaitHealthy)), 1);
    for phase in [Phase::Deregister, Phase::Swap, Phase::Register] {
        assert_eq!(recovered.attempts(&back(2, phase)), 0);
    }
}
