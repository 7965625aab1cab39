//! Approvals: who may give them, which digest they are bound to, and what becomes of a release that nobody
//! approves.

use std::collections::BTreeSet;

use drawgate_rollout::{Approval, Record, limits};
use drawgate_schemas::{Control, ControlCommand, Digest, Event, Outcome, ReleaseRequest};

use drawgate_rehearsal::time::start;

use crate::driver::{Sim, by_ben};
use crate::world::{World, digest, request};

const HOUR_MS: u64 = 3_600_000;

fn approval(count: u32) -> Approval {
    Approval {
        from: vec!["ops".to_owned()],
        people: ["anna", "ben", "eve"].map(str::to_owned).into(),
        count,
        within_ms: HOUR_MS,
    }
}

fn accepted(request: ReleaseRequest, publisher: &str, approval: Option<Approval>) -> Record {
    Record::Accepted {
        request: Box::new(request),
        ahead: 0,
        publisher: Some(publisher.to_owned()),
        approval: approval.map(Box::new),
    }
}

fn answer(control: Control, by: &str, digest: Option<Digest>) -> ControlCommand {
    ControlCommand {
        control,
        by: by.to_owned(),
        reason: None,
        digest,
    }
}

fn approves(by: &str) -> ControlCommand {
    answer(Control::Approve, by, Some(digest('d')))
}

/// A release that ben published and that needs `count` approvals, with these answers once its digest is
/// known.
fn sim(count: u32, answers: &[ControlCommand]) -> Sim {
    let mut world = World::new(2, 1);
    world.definition.approval = Some(approval(count));
    let mut sim = Sim::accepted(world, accepted(request(), "ben", Some(approval(count))));
    sim.commands = answers.iter().map(|answer| (3, answer.clone())).collect();
    sim
}

fn asked(sim: &Sim) -> Vec<Vec<String>> {
    let given = |event: &Event| match event {
        Event::AwaitsApproval(awaited) => Some(awaited.given.clone()),
        _ => None,
    };
    sim.events.iter().filter_map(given).collect()
}

#[test]
fn trap_29_whoever_published_it_does_not_approve_it() {
    let sim = sim(1, &[approves("ben")]).finish();
    assert_eq!(
        sim.not_taken,
        ["ben published it: somebody else has to approve it"]
    );
    assert_eq!(sim.outcome(), Outcome::Rejected);
    assert!(
        sim.ended().summary.starts_with("not approved by ops until "),
        "{}",
        sim.ended().summary
    );
    assert!(sim.world.performed.iter().all(|step| step.reads()));
}

#[test]
fn trap_29_the_author_that_a_message_names_counts_for_nothing() {
    let mut request = request();
    request.requested_by = Some("anna".parse().unwrap());
    let asked = sim(1, &[approves("anna")]);
    let record = accepted(request, "ben", Some(approval(1)));
    let mut sim = Sim::accepted(asked.world, record);
    sim.commands = asked.commands;
    assert_eq!(sim.finish().outcome(), Outcome::Succeeded);
}

#[test]
fn trap_29_two_are_two_people() {
    let twice = sim(2, &[approves("anna"), approves("anna")]).finish();
    assert_eq!(twice.not_taken, ["anna has approved it already"]);
    assert_eq!(twice.outcome(), Outcome::Rejected);
    assert_eq!(asked(&twice), [vec![], vec!["anna".to_owned()]]);
    let both = sim(2, &[approves("anna"), approves("eve")]).finish();
    assert_eq!(both.outcome(), Outcome::Succeeded, "{}", both.ended().summary);
    assert_eq!(both.release().approved.len(), 2);
}

#[test]
fn trap_28_an_approval_is_for_one_digest() {
    let other: Digest = format!("sha256:{}", "b".repeat(64)).parse().unwrap();
    let wrong = [Some(other), None].map(|digest| answer(Control::Approve, "anna", digest));
    let sim = sim(1, &wrong).finish();
    assert!(
        sim.not_taken
            .iter()
            .all(|why| why.starts_with("the approval is for ")),
        "{:?}",
        sim.not_taken
    );
    assert_eq!((sim.not_taken.len(), sim.outcome()), (2, Outcome::Rejected));
}

#[test]
fn before_the_digest_is_known_there_is_nothing_to_approve() {
    let mut sim = sim(1, &[]);
    sim.commands = vec![(1, approves("anna")), (3, approves("anna"))];
    let sim = sim.finish();
    assert_eq!(
        sim.not_taken,
        ["its tag is just being looked up: ask again in a moment"]
    );
    assert_eq!(sim.outcome(), Outcome::Succeeded);
}

#[test]
fn strangers_are_told_whose_word_it_is() {
    let answers = [approves("mallory"), answer(Control::Reject, "mallory", None)];
    let sim = sim(1, &answers).finish();
    assert_eq!(sim.not_taken, ["mallory may not: that is for ops"; 2]);
    assert_eq!(sim.outcome(), Outcome::Rejected);
}

/// The first answer wins, and the later one is refused with the reason.
#[test]
fn rejected_it_ends_untouched_and_nobody_approves_it_any_more() {
    let answers = [answer(Control::Reject, "eve", None), approves("anna")];
    let sim = sim(1, &answers).finish();
    assert_eq!(sim.ended().summary, "rejected by eve; nothing was touched");
    assert_eq!(sim.outcome(), Outcome::Rejected);
    assert_eq!(sim.not_taken, ["it was rejected by eve already"]);
    assert!(sim.world.performed.iter().all(|step| step.reads()));
}

/// A paused release, and how it ends: rejected, cancelled, expired, or approved by nobody.
#[test]
fn a_pause_holds_no_release_that_can_begin_no_more() {
    let paused = |then: &[ControlCommand]| {
        let mut sim = sim(1, &[by_ben(Control::Pause)]);
        sim.commands
            .extend(then.iter().map(|command| (4, command.clone())));
        sim
    };
    let ended = |sim: Sim| {
        let sim = sim.finish();
        let after_s = limits::between_ms(start(), sim.now) / 1_000;
        (sim.outcome(), after_s, sim.ended().summary.clone())
    };
    let (outcome, after_s, why) = ended(paused(&[answer(Control::Reject, "eve", None)]));
    assert_eq!((outcome, after_s), (Outcome::Rejected, 1), "{why}");
    let (outcome, after_s, why) = ended(paused(&[by_ben(Control::Cancel)]));
    assert_eq!((outcome, after_s), (Outcome::Cancelled, 1), "{why}");
    let mut request = request();
    request.expires_at = Some(limits::after(start(), 600_000));
    let mut expires = Sim::accepted(paused(&[]).world, accepted(request, "ben", Some(approval(1))));
    expires.commands = paused(&[]).commands;
    let (outcome, after_s, why) = ended(expires);
    assert_eq!((outcome, after_s), (Outcome::Rejected, 600), "{why}");
    let (outcome, after_s, why) = ended(paused(&[]));
    assert_eq!((outcome, after_s), (Outcome::Rejected, HOUR_MS / 1_000), "{why}");
}

#[test]
fn one_that_has_begun_is_neither_approved_nor_rejected() {
    for control in [Control::Approve, Control::Reject] {
        let mut sim = sim(1, &[approves("anna")]);
        sim.commands.push((12, answer(control, "eve", Some(digest('d')))));
        let sim = sim.finish();
        assert_eq!(sim.not_taken, ["it has begun already"]);
        assert_eq!(sim.outcome(), Outcome::Succeeded);
    }
    let mut sim = Sim::new(World::new(1, 1));
    sim.commands = vec![(3, approves("anna"))];
    assert_eq!(sim.finish().not_taken, ["it needs no approval"]);
}

/// The files asked for no approval when the release was accepted; the worker has been restarted with other
/// files since.
#[test]
fn what_the_files_ask_for_by_now_is_asked_for_at_the_start() {
    let mut world = World::new(2, 1);
    world.definition.approval = Some(approval(1));
    let sim = Sim::accepted(world, accepted(request(), "ben", None)).finish();
    assert_eq!(sim.outcome(), Outcome::Failed);
    assert!(
        sim.ended()
            .summary
            .contains("asks for 1 approval by ops by now, and it has 0"),
        "{}",
        sim.ended().summary
    );
    let people: BTreeSet<String> = approval(1).people;
    assert!(people.contains("anna") && sim.world.suspended().is_empty());
}

#[test]
fn killed_while_it_waits_it_waits_on() {
    for at in 1..6 {
        // Each approval is given twice, because one that comes while the tag is resolved again is not taken.
        let twice = [(3, "anna"), (4, "eve"), (5, "anna"), (6, "eve")];
        let mut sim = sim(2, &[]);
        sim.commands = twice.map(|(at, by)| (at, approves(by))).to_vec();
        sim.kill_at = Some(at);
        if sim.run().is_ok() {
            continue;
        }
        let extents = vec![crate::world::Extent::None; sim.flights.len()];
        sim.die(&extents, 5_000);
        assert_eq!(sim.finish().outcome(), Outcome::Succeeded, "killed at {at}");
    }
}
