use drawgate_rehearsal::World;

use super::super::fakes::{FAULTS, Fault, Parameters, release, told};
use super::*;

const NAME: &str = "/drawgate/lease/staging/api";

struct Case {
    release: Release,
    owner: LeaseOwner,
    parameters: Parameters,
}

impl Case {
    fn new() -> Self {
        Self {
            release: release(World::new(2, 1).with_lease()),
            owner: LeaseOwner {
                ledger: "ours".to_owned(),
                worker: "bastion-1".to_owned(),
                epoch: 3,
            },
            parameters: Parameters::default(),
        }
    }

    /// With what another holder wrote there.
    fn held_by(ledger: &str, release: &str) -> Self {
        let case = Self::new();
        let other = LeaseRecord {
            version: VERSION,
            ledger: ledger.to_owned(),
            worker: "bastion-2".to_owned(),
            release: release.to_owned(),
            epoch: 1,
            since: case.release.accepted_at,
        };
        case.parameters.set(NAME, &serde_json::to_string(&other).unwrap());
        case
    }

    fn holder(&self) -> LeaseRecord {
        serde_json::from_str(&self.parameters.value(NAME).unwrap()).unwrap()
    }

    async fn run(&self, step: &Step) -> StepOutcome {
        let lease = Lease::of(&self.parameters, &self.release, &self.owner).unwrap();
        either(match step {
            Step::TakeLease => lease.take().await,
            _ => lease.give_back().await,
        })
    }

    async fn take(&self) -> String {
        told(&self.run(&Step::TakeLease).await)
    }

    async fn give_back(&self) -> String {
        told(&self.run(&Step::GiveLeaseBack).await)
    }

    fn id(&self) -> String {
        self.release.request.id.to_string()
    }
}

#[tokio::test(start_paused = true)]
async fn a_lease_is_taken_once_and_given_back_once() {
    let case = Case::new();
    assert_eq!(case.take().await, "done");
    assert_eq!(case.holder().release, case.id());
    assert_eq!(case.take().await, "already_done");
    assert_eq!(case.give_back().await, "done");
    assert_eq!(case.parameters.value(NAME), None);
    assert_eq!(case.give_back().await, "already_done");
}

#[tokio::test(start_paused = true)]
async fn what_an_ended_release_of_ours_left_is_replaced() {
    let case = Case::held_by("ours", "an-earlier-release");
    assert_eq!(case.give_back().await, "already_done");
    assert!(case.parameters.calls.take().is_empty());
    assert_eq!(case.take().await, "done");
    assert_eq!(case.holder().release, case.id());
    assert_eq!(case.holder().worker, "bastion-1");
}

#[tokio::test(start_paused = true)]
async fn a_lease_of_another_ledger_is_left_alone() {
    let case = Case::held_by("theirs", "their-release");
    let outcome = case.run(&Step::TakeLease).await;
    let StepOutcome::Done {
        evidence: Evidence::LeasedToAnother { failure },
    } = outcome
    else {
        panic!("{outcome:?}");
    };
    assert!(failure.what.contains("bastion-2") && failure.what.contains("their-release"));
    assert!(failure.hint.is_some_and(|hint| hint.contains(NAME)));
    assert_eq!(case.give_back().await, "already_done");
    assert_eq!(case.parameters.calls.take(), [format!("create {NAME}")]);
    assert_eq!(case.holder().ledger, "theirs");
}

#[tokio::test(start_paused = true)]
async fn the_same_release_of_another_ledger_is_another_holder() {
    let case = Case::held_by("theirs", &Case::new().id());
    assert_eq!(case.give_back().await, "already_done");
    assert_eq!(case.holder().ledger, "theirs");
}

#[tokio::test(start_paused = true)]
async fn what_is_no_lease_is_refused_and_kept() {
    let case = Case::new();
    case.parameters.set(NAME, "a note of somebody's");
    let said = case.take().await;
    assert!(
        said.starts_with("refused: ") && said.contains("no lease"),
        "{said}"
    );
    assert_eq!(case.give_back().await, "already_done");
    assert_eq!(
        case.parameters.value(NAME).as_deref(),
        Some("a note of somebody's")
    );
}

/// Whose lease an old answer shows, and whose it is now.
#[tokio::test(start_paused = true)]
async fn trap_14_an_old_answer_decides_on_no_lease() {
    let theirs = serde_json::to_string(&Case::held_by("theirs", "their-release").holder()).unwrap();
    let ended = serde_json::to_string(&Case::held_by("ours", "an-earlier-release").holder()).unwrap();

    let own = Case::new();
    assert_eq!(own.take().await, "done");
    for old in [None, Some(&theirs), Some(&ended)] {
        own.parameters.answer_old(old.map(String::as_str), 1);
        assert_eq!(own.give_back().await, "done", "it had {old:?} before");
        assert_eq!(own.parameters.value(NAME), None);
        assert_eq!(own.take().await, "done");
    }

    // A lease that an ended release of this ledger left may have become another's since.
    let taken = Case::held_by("theirs", "their-release");
    taken.parameters.answer_old(Some(&ended), 1);
    let outcome = taken.run(&Step::TakeLease).await;
    let is_left = matches!(outcome.evidence(), Some(Evidence::LeasedToAnother { .. }));
    assert!(is_left && taken.holder().ledger == "theirs", "{outcome:?}");

    let given_back = Case::held_by("ours", "an-earlier-release");
    given_back.parameters.answer_old(Some(&theirs), 1);
    assert_eq!(given_back.take().await, "done");
    assert_eq!(given_back.holder().release, given_back.id());
}

#[tokio::test(start_paused = true)]
async fn a_lease_given_back_at_that_moment_is_tried_again() {
    let case = Case::held_by("theirs", "their-release");
    case.parameters.answer_old(None, 1);
    let said = case.take().await;
    assert!(
        said.starts_with("transient: ") && said.contains("given back"),
        "{said}"
    );
}

#[tokio::test(start_paused = true)]
async fn who_loses_a_race_hears_the_holder_whatever_the_code() {
    let theirs = Case::held_by("theirs", "their-release");
    theirs.parameters.calls.fail_once("create", Fault::Throttled);
    let outcome = theirs.run(&Step::TakeLease).await;
    assert!(
        matches!(
            &outcome,
            StepOutcome::Done { evidence: Evidence::LeasedToAnother { failure } } if failure.what.contains("bastion-2")
        ),
        "{outcome:?}"
    );
    assert_eq!(theirs.holder().ledger, "theirs");

    let ended = Case::held_by("ours", "an-earlier-release");
    ended.parameters.calls.fail_once("create", Fault::Throttled);
    assert_eq!(ended.take().await, "done");
    assert_eq!(ended.holder().release, ended.id());

    // The first attempt's answer was lost, and the second one comes too soon after it.
    let own = Case::new();
    own.parameters.calls.fail_once("create", Fault::Lost);
    assert!(own.take().await.starts_with("unknown: "));
    own.parameters.calls.fail_once("create", Fault::Throttled);
    assert_eq!(own.take().await, "already_done");
}

#[tokio::test(start_paused = true)]
async fn a_write_that_fails_says_what_is_known_of_it() {
    for (fault, kind) in FAULTS {
        let case = Case::new();
        case.parameters.calls.fail_once("create", fault);
        let said = case.take().await;
        assert!(said.starts_with(kind), "create, {fault:?}: {said}");
        let again = case.take().await;
        assert!(again == "done" || again == "already_done", "{fault:?}: {again}");
        case.parameters.calls.fail_once("delete", fault);
        let said = case.give_back().await;
        assert!(said.starts_with(kind), "delete, {fault:?}: {said}");
        let again = case.give_back().await;
        assert!(again == "done" || again == "already_done", "{fault:?}: {again}");
        assert_eq!(case.parameters.value(NAME), None);
    }
}

#[test]
fn a_fleet_without_a_lease_is_refused() {
    let mut case = Case::new();
    case.release = release(World::new(2, 1));
    let refused = Lease::of(&case.parameters, &case.release, &case.owner).err();
    assert!(
        matches!(refused, Some(StepOutcome::Refused { .. })),
        "{refused:?}"
    );
}
