use drawgate_rehearsal::World;
use drawgate_rollout::Release;

use super::super::fakes::{FAULTS, Fault, Parameters, release, task, told};
use super::*;

struct Case {
    release: Release,
    parameters: Parameters,
}

impl Case {
    /// With the parameter as it was when the release was planned.
    fn new(before: Option<&str>) -> Self {
        let case = Self {
            release: release(World::new(2, 1).publishing(before)),
            parameters: Parameters::default(),
        };
        if let Some(before) = &case.planned().before {
            case.parameters.set(case.name(), before);
        }
        case
    }

    fn planned(&self) -> &DesiredPlan {
        self.release.plan.as_deref().unwrap().desired.as_ref().unwrap()
    }

    fn name(&self) -> &str {
        &self.planned().parameter
    }

    fn value(&self) -> Option<String> {
        self.parameters.value(self.name())
    }

    async fn run(&self, step: &str) -> String {
        let desired = DesiredVersion {
            parameters: &self.parameters,
            task: task(&self.release),
        };
        told(&match step {
            "reserve" => desired.reserve().await,
            "publish" => desired.publish().await,
            _ => desired.restore().await,
        })
    }
}

#[tokio::test(start_paused = true)]
async fn reserving_keeps_the_earlier_value_and_shows_the_permission() {
    let case = Case::new(Some("main-41"));
    assert_eq!(case.run("reserve").await, "done");
    assert_eq!(case.parameters.calls.take(), ["put main-41"]);
    case.parameters.calls.fail_once("put", Fault::Refused);
    assert!(case.run("reserve").await.starts_with("refused: "));
    assert_eq!(case.value().as_deref(), Some("main-41"));
}

#[tokio::test(start_paused = true)]
async fn a_first_value_is_reserved_by_a_placeholder_then_deleted() {
    let case = Case::new(None);
    assert_eq!(case.run("reserve").await, "done");
    assert_eq!(case.value().as_ref(), Some(&case.planned().placeholder));
    assert_eq!(case.run("restore").await, "done");
    assert_eq!(case.value(), None);
    assert_eq!(case.run("restore").await, "already_done");
}

#[tokio::test(start_paused = true)]
async fn publishing_is_done_once_and_taken_back() {
    for before in [None, Some("main-41")] {
        let case = Case::new(before);
        assert_eq!(case.run("reserve").await, "done");
        assert_eq!(case.run("publish").await, "done");
        assert_eq!(case.value().as_ref(), Some(&case.planned().value));
        case.parameters.calls.take();
        assert_eq!(case.run("publish").await, "already_done");
        assert!(case.parameters.calls.take().is_empty());
        assert_eq!(case.run("restore").await, "done");
        assert_eq!(case.value().as_deref(), before);
    }
}

#[tokio::test(start_paused = true)]
async fn a_value_of_somebody_else_is_not_overwritten() {
    let case = Case::new(Some("main-41"));
    case.parameters.set(case.name(), "by hand");
    for step in ["reserve", "publish"] {
        let said = case.run(step).await;
        assert!(
            said.starts_with("refused: ") && said.contains("by somebody else"),
            "{step}: {said}"
        );
    }
    assert_eq!(case.run("restore").await, "already_done");
    assert!(case.parameters.calls.take().is_empty());
}

#[tokio::test(start_paused = true)]
async fn trap_14_one_old_answer_is_no_definite_no() {
    let case = Case::new(Some("main-41"));
    for step in ["reserve", "publish"] {
        case.parameters.answer_old(Some("main-40"), 1);
        assert_eq!(case.run(step).await, "done", "{step}");
    }
    case.parameters.answer_old(Some("main-41"), 1);
    assert_eq!(case.run("restore").await, "done");
    assert_eq!(case.value().as_deref(), Some("main-41"));
}

#[tokio::test(start_paused = true)]
async fn an_answer_older_than_the_write_is_transient() {
    let case = Case::new(Some("main-41"));
    case.parameters.answer_old(Some("main-41"), 2);
    let said = case.run("publish").await;
    assert!(
        said.starts_with("transient: ") && said.contains("new value yet"),
        "{said}"
    );
    let published = case.planned().value.clone();
    case.parameters.answer_old(Some(&published), 2);
    let said = case.run("restore").await;
    assert!(
        said.starts_with("transient: ") && said.contains("earlier value yet"),
        "{said}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_write_that_fails_says_what_is_known_of_it() {
    for (fault, kind) in FAULTS {
        let case = Case::new(None);
        for (step, operation) in [("reserve", "put"), ("publish", "put"), ("restore", "delete")] {
            case.parameters.calls.fail_once(operation, fault);
            let said = case.run(step).await;
            assert!(said.starts_with(kind), "{step}, {fault:?}: {said}");
            let again = case.run(step).await;
            assert!(
                again == "done" || again == "already_done",
                "{step}, {fault:?}: {again}"
            );
        }
        assert_eq!(case.value(), None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_release_that_publishes_nothing_is_refused() {
    let release = release(World::new(2, 1));
    let desired = DesiredVersion {
        parameters: &Parameters::default(),
        task: task(&release),
    };
    assert!(told(&desired.publish().await).starts_with("refused: "));
}
