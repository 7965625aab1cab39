//! Target groups that are deleted, or not used any more, while a fleet is rolled, and targets that AWS does not take.

use super::*;

const WAYS: [Direction; 2] = [Direction::Forward, Direction::Back];

/// Two hosts in two target groups, of which the first, "web", was deleted.
fn one_group_deleted() -> Case {
    let case = Case::new(World::new(2, 1).in_two_groups());
    case.fake.delete(&case.target().target_group);
    case
}

#[tokio::test(start_paused = true)]
async fn a_deleted_group_stops_no_phase() {
    let healthy = Some(TargetState::Healthy);
    // The phase, the state in the other group before it and after it, and what is written.
    let phases: [(Phase, _, _, &[&str]); 4] = [
        (
            Phase::Deregister,
            healthy.clone(),
            Some(TargetState::Draining),
            &["tag drawgate:target:admin", "deregister"],
        ),
        (Phase::Drain, None, None, &[]),
        (Phase::Register, None, healthy.clone(), &["register", "register"]),
        (Phase::AwaitHealthy, healthy.clone(), healthy, &["untag"]),
    ];
    for direction in WAYS {
        for (phase, before, after, writes) in &phases {
            let what = format!("{phase}, {direction:?}");
            let case = one_group_deleted();
            let other = &case.host().targets[1];
            case.fake.set(other, before.clone());
            assert_eq!(told(&case.run(*phase, direction).await), "done", "{what}");
            assert_eq!(case.fake.of(other), *after, "{what}");
            let made = case.fake.calls.take();
            assert_eq!(made.len(), writes.len(), "{what}: {made:?}");
            for (made, write) in made.iter().zip(*writes) {
                assert!(made.starts_with(write), "{what}: {made}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn without_any_group_left_there_is_nothing_to_do() {
    for direction in WAYS {
        let case = Case::two();
        case.fake.delete(&case.target().target_group);
        for (phase, outcome) in [
            (Phase::Deregister, "already_done"),
            (Phase::Drain, "done"),
            (Phase::Register, "done"),
            (Phase::AwaitHealthy, "done"),
        ] {
            assert_eq!(told(&case.run(phase, direction).await), outcome, "{phase}");
        }
    }
}

/// The look at the group is older than its deletion, or AWS does not know the target.
#[tokio::test(start_paused = true)]
async fn a_refusal_that_means_the_target_passes_over_it() {
    for direction in WAYS {
        for code in ["TargetGroupNotFound", "InvalidTarget"] {
            for (phase, operation, state) in [
                (Phase::Deregister, "deregister", Some(TargetState::Healthy)),
                (Phase::Register, "register", None),
            ] {
                let what = format!("{phase}, {direction:?}, {code}");
                let case = Case::new(World::new(2, 1).in_two_groups());
                for target in &case.host().targets {
                    case.fake.set(target, state.clone());
                }
                case.fake.calls.fail_once(operation, Fault::RefusedAs(code));
                assert_eq!(told(&case.run(phase, direction).await), "done", "{what}");
                let [first, second] = [0, 1].map(|n| case.fake.of(&case.host().targets[n]));
                assert!(first == state && second != state, "{what}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn another_refusal_is_not_passed_over() {
    for (phase, operation) in [(Phase::Deregister, "deregister"), (Phase::Register, "register")] {
        let case = Case::two();
        case.fake
            .calls
            .fail_once(operation, Fault::RefusedAs("AccessDenied"));
        let said = case.forward(phase).await;
        assert!(said.starts_with("refused: "), "{phase}: {said}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_deleted_group_has_no_floor_and_hides_no_other() {
    for direction in WAYS {
        let case = one_group_deleted();
        // The other host is missing in the group that is left.
        case.fake
            .set(&case.plan().hosts[1].targets[1], Some(TargetState::Unhealthy));
        let outcome = case.run(Phase::Deregister, direction).await;
        let arn = &case.host().targets[1].target_group;
        // An untouched host has its obstacle, although it is not registered in a group that is gone.
        assert!(
            matches!(obstacle(&outcome), Some(Obstacle::Floor(kept)) if kept.target_group == *arn),
            "{direction:?}: {outcome:?}"
        );
    }
}

/// AWS has a group leave its listeners before it can be deleted.
#[tokio::test(start_paused = true)]
async fn health_in_a_group_that_lost_its_listener_is_not_awaited() {
    for direction in WAYS {
        let case = Case::new(World::new(2, 1).in_two_groups());
        case.fake.set(case.target(), Some(TargetState::Unused));
        assert_eq!(told(&case.run(Phase::AwaitHealthy, direction).await), "done");
        // What is amiss in its other group keeps the host waiting.
        let other = &case.host().targets[1];
        case.fake.set(other, Some(TargetState::Unhealthy));
        let outcome = case.run(Phase::AwaitHealthy, direction).await;
        let arn = &other.target_group;
        assert!(
            matches!(obstacle(&outcome), Some(Obstacle::Unhealthy { target_group }) if target_group == arn),
            "{direction:?}: {outcome:?}"
        );
    }
}

/// The first looks are older than the listener that the group has again.
#[tokio::test(start_paused = true)]
async fn an_old_answer_does_not_make_a_group_unused() {
    let case = Case::two();
    case.fake.set(case.target(), Some(TargetState::Unused));
    case.fake.answer_old(2);
    case.fake.set(case.target(), Some(TargetState::Unhealthy));
    let outcome = case.run(Phase::AwaitHealthy, Direction::Forward).await;
    assert!(
        matches!(obstacle(&outcome), Some(Obstacle::Unhealthy { .. })),
        "{outcome:?}"
    );
}
