//! The writes that a plan may need, and what comes of what IAM says of them.

use std::collections::BTreeSet;

use drawgate_rollout::{
    Account, Answer, Denial, Evidence, Need, Permissions, Plan, Record, Release, ResourceKind, Step,
    StepOutcome, Trial, Write, conclude, plan,
};
use drawgate_schemas::Outcome;

use crate::driver::Sim;
use crate::world::{Fault, World, digest, request};

const WHY: &str = "arn:aws:iam::1:role/drawgate may not ask for it";

fn planned(world: &World) -> Plan {
    plan(
        &request(),
        Some(&digest('d')),
        &world.definition,
        &world.snapshot(),
    )
    .unwrap()
}

fn needs(world: &World) -> Vec<Need> {
    planned(world).needs(request().id)
}

fn writes(world: &World) -> BTreeSet<Write> {
    needs(world).into_iter().map(|need| need.write).collect()
}

/// The steps that were begun, in their order.
fn begun(sim: &Sim) -> Vec<Step> {
    let steps = sim.journal.iter().filter_map(|entry| match &entry.record {
        Record::Intent { step } => Some(step.clone()),
        _ => None,
    });
    steps.collect()
}

fn assert_untouched(sim: &Sim) {
    let touching: Vec<Step> = begun(sim).into_iter().filter(|step| !step.reads()).collect();
    assert_eq!(touching, []);
}

fn everything() -> World {
    World::new(3, 1).with_lease().publishing(None)
}

/// The fleet, with the same said of every write but those that have another answer.
fn said(mut world: World, answer: &Answer, others: &[(Write, Answer)]) -> World {
    let account = Account::of("arn:aws:iam::1:role/drawgate", "eu-west-1").unwrap();
    let answers = needs(&world).into_iter().map(|need| {
        let other = others.iter().find(|(write, _)| *write == need.write);
        let answer = other.map_or(answer, |(_, other)| other).clone();
        (need, answer)
    });
    let permissions = Permissions::of(
        Some("arn:aws:iam::1:role/drawgate".to_owned()),
        Some(&account),
        answers.collect(),
    );
    world.fleet_mut().permissions = Some(permissions);
    world
}

#[test]
fn every_write_is_one_that_some_plan_needs() {
    let all: BTreeSet<Write> = Write::ALL.into_iter().collect();
    let mut asked = writes(&everything());
    asked.extend(writes(&everything().muted()));
    assert_eq!(asked, all);
    let actions: BTreeSet<&str> = all.iter().map(|write| write.action()).collect();
    assert_eq!(actions.len(), Write::ALL.len());
}

#[test]
fn a_plan_asks_for_no_more_than_it_may_need() {
    let of = |world: World| writes(&world);
    let parameters = [Write::PutParameter, Write::DeleteParameter];
    assert!(
        of(World::new(2, 1)).is_disjoint(&parameters.into()),
        "no lease, nothing published"
    );
    assert!(
        !of(World::new(2, 1).publishing(Some("x"))).contains(&Write::DeleteParameter),
        "it had a value"
    );
    let by_rule = of(World::new(2, 1).muted());
    assert!(by_rule.contains(&Write::PutMuteRule) && !by_rule.contains(&Write::EnableActions));
    assert_eq!(
        of(World::on_bastion()),
        BTreeSet::new(),
        "what runs on the bastion is not AWS's"
    );
    let mut suspended = World::new(2, 1);
    for process in planned(&suspended).groups[0].suspend.clone() {
        suspended.suspend_by_hand(process.as_str());
    }
    assert!(
        !of(suspended).contains(&Write::Resume),
        "nothing is left to suspend"
    );
}

/// A mute rule needs its permission on the rule and on each alarm; a lease is created or replaced.
#[test]
fn a_write_is_asked_for_with_what_its_request_says() {
    let needs = needs(&everything().muted());
    let kinds = needs.iter().filter(|need| need.write == Write::PutMuteRule);
    let kinds: BTreeSet<ResourceKind> = kinds.map(|need| need.on.kind).collect();
    assert_eq!(kinds, [ResourceKind::Alarm, ResourceKind::MuteRule].into());
    let lease = needs
        .iter()
        .filter(|need| need.write == Write::PutParameter && need.on.name.contains("lease"));
    let overwrites: Vec<&str> = lease
        .map(|need| need.context["ssm:Overwrite"][0].as_str())
        .collect();
    assert_eq!(overwrites, ["false", "true"]);
    let tagged: Vec<&Need> = needs
        .iter()
        .filter(|need| need.write == Write::TagInstance)
        .collect();
    assert_eq!(tagged.len(), 3);
    assert_eq!(tagged[0].context["aws:TagKeys"], ["drawgate:target:web:8080"]);
    assert!(tagged[0].context["aws:RequestTag/drawgate:target:web:8080"][0].contains("i-1 8080"));
}

#[test]
fn what_is_allowed_is_planned_without_a_step_more() {
    let world = said(everything(), &Answer::Allowed, &[]);
    let plan = planned(&world);
    assert_eq!(plan.warnings, Vec::<String>::new());
    assert_eq!(plan.permissions.proved, needs(&world).len());
    let sim = Sim::new(world).finish();
    assert_eq!(sim.outcome(), Outcome::Succeeded);
    assert!(!begun(&sim).contains(&Step::ProvePermissions));
}

/// The classic: a worker that may deregister, and may not register.
#[test]
fn what_is_missing_refuses_before_anything_is_touched() {
    let denied = [(Write::Register, Answer::Denied(Denial::NotAllowed))];
    let sim = Sim::new(said(everything(), &Answer::Allowed, &denied)).finish();
    assert_eq!(sim.outcome(), Outcome::Failed);
    assert!(
        sim.ended()
            .summary
            .contains("elasticloadbalancing:RegisterTargets"),
        "{}",
        sim.ended().summary
    );
    assert_untouched(&sim);
}

#[test]
fn what_iam_cannot_say_is_tried_before_the_first_host() {
    let world = said(everything(), &Answer::Unknown(WHY.to_owned()), &[]);
    let plan = planned(&world);
    let warning = plan
        .warnings
        .iter()
        .find(|warning| warning.starts_with("permissions: "))
        .unwrap();
    let (tried, rest) = warning.split_once("needed before the first host").unwrap();
    assert!(
        tried.contains(WHY) && tried.contains("ec2:CreateTags"),
        "{warning}"
    );
    assert!(
        rest.contains("NOT PROVED: cloudwatch:EnableAlarmActions, ssm:DeleteParameter"),
        "{warning}"
    );
    let sim = Sim::new(world).finish();
    assert_eq!(sim.outcome(), Outcome::Succeeded);
    let begun = begun(&sim);
    let place = |wanted: &Step| begun.iter().position(|step| step == wanted).unwrap();
    let first_change = begun.iter().position(|step| !step.reads()).unwrap();
    assert!(place(&Step::TakeLease) < place(&Step::ProvePermissions));
    assert!(place(&Step::ProvePermissions) < first_change);
}

#[test]
fn a_denied_trial_fails_the_release_with_nothing_touched() {
    let world = said(everything(), &Answer::Unknown(WHY.to_owned()), &[]);
    let sim = Sim::new(world.with(Step::ProvePermissions, Fault::Refused, 1)).finish();
    assert_eq!(sim.outcome(), Outcome::Failed);
    assert_untouched(&sim);
}

/// Only steps before the first host prove their own permission, and what a rollback needs is tried.
#[test]
fn no_write_of_a_rollback_is_left_to_its_step() {
    let of_rollback = [
        Write::Resume,
        Write::SetInstanceHealth,
        Write::UntagGroup,
        Write::Register,
        Write::Deregister,
        Write::UntagInstance,
        Write::EnableActions,
        Write::UntagAlarm,
        Write::DeleteMuteRule,
        Write::DeleteParameter,
    ];
    for write in of_rollback {
        assert_ne!(write.trial(), Trial::ItsStep, "{write}");
    }
}

#[test]
fn the_receipt_says_what_no_call_could_prove() {
    let world = said(everything(), &Answer::Unknown(WHY.to_owned()), &[]);
    let mut sim = Sim::new(world).finish();
    let line = "permissions: NOT PROVED: elasticloadbalancing:RegisterTargets: web has targets by address";
    for entry in &mut sim.journal {
        if let Record::Outcome {
            step: Step::ProvePermissions,
            outcome,
        } = &mut entry.record
        {
            let unproved = vec![line.to_owned()];
            *outcome = StepOutcome::Done {
                evidence: Evidence::Tried { unproved },
            };
        }
    }
    let release = Release::fold(&sim.journal).unwrap();
    let notes = conclude(&release, sim.now).receipt.unwrap().notes;
    assert!(notes.iter().any(|note| note.to_string() == line), "{notes:?}");
}
