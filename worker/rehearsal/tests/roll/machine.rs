//! The machine as its shells see it: what the driver meets and the simulator does not, a lease that lapses
//! and a request to stop.

use drawgate_rollout::{Action, Entry, Judged, Phase, Record, Step, StepOutcome, Waits};
use drawgate_schemas::Control;

use crate::driver::{Sim, by_ben};
use crate::forward;
use crate::world::World;

/// A roll in which this step is under way.
fn under_way(step: &Step) -> Sim {
    let mut sim = Sim::new(World::new(1, 1));
    while !sim.flights.iter().any(|(_, flight)| flight == step) {
        if let drawgate_rehearsal::sim::Next::Lands(index) = sim.go().unwrap() {
            sim.land(index).unwrap();
        }
    }
    // Performs what the machine asks to be performed.
    while let Action::Perform { .. } = sim.machine.next(sim.now) {}
    sim
}

fn write(sim: &mut Sim, record: Record) {
    let entry = Entry {
        n: sim.release().last_entry + 1,
        at: sim.now,
        record,
    };
    sim.machine.written(&entry).unwrap();
}

#[test]
fn a_lapsed_lease_drops_what_is_under_way_and_takes_up() {
    let swap = forward(1, Phase::Swap);
    let mut sim = under_way(&swap);
    sim.machine.lapsed();
    assert_eq!(sim.machine.next(sim.now), Action::Drop(swap.clone()));
    assert_eq!(sim.machine.next(sim.now), Action::Append(Record::TakenOver));
    write(&mut sim, Record::TakenOver);
    // The dropped step ends after all: its outcome is not written.
    sim.machine.finished(swap, StepOutcome::done());
    assert_eq!(sim.machine.unwritten(), None);
}

#[test]
fn a_stop_waits_for_what_changes_something() {
    let swap = forward(1, Phase::Swap);
    let mut sim = under_way(&swap);
    sim.machine.stop();
    assert_eq!(sim.machine.next(sim.now), Action::Wait(Waits::default()));
    sim.machine.finished(swap.clone(), StepOutcome::done());
    let outcome = Record::Outcome {
        step: swap,
        outcome: StepOutcome::done(),
    };
    assert_eq!(sim.machine.next(sim.now), Action::Append(outcome.clone()));
    write(&mut sim, outcome);
    assert_eq!(sim.machine.next(sim.now), Action::Stopped);
}

#[test]
fn a_stop_drops_what_only_waits() {
    let mut sim = under_way(&forward(1, Phase::Drain));
    sim.machine.stop();
    assert_eq!(sim.machine.next(sim.now), Action::Stopped);
}

#[test]
fn a_control_command_that_comes_twice_is_taken_once() {
    let mut sim = under_way(&forward(1, Phase::Drain));
    let Judged::Take(record) = sim.machine.judge("a", by_ben(Control::Pause)) else {
        panic!("it is not taken");
    };
    write(&mut sim, record);
    assert_eq!(sim.machine.judge("a", by_ben(Control::Pause)), Judged::Known);
    let again = sim.machine.judge("b", by_ben(Control::Pause));
    assert_eq!(again, Judged::Refused("it was paused by ben already".to_owned()));
}
