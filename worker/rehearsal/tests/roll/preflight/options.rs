//! Options of a request: more care than the service asks for, never less.

use drawgate_rollout::definition::RollPolicy;
use drawgate_rollout::plan;
use drawgate_schemas::Options;

use super::three;
use crate::world::{definition, digest, request};

fn options(max_unavailable: Option<u32>, healthy_s: Option<u32>, drain_s: Option<u32>) -> Options {
    Options {
        max_unavailable,
        min_healthy_time_s: healthy_s,
        min_drain_s: drain_s,
    }
}

fn policy() -> RollPolicy {
    RollPolicy {
        max_unavailable: 2.into(),
        ..definition().roll
    }
}

#[test]
fn options_make_a_roll_more_careful() {
    let tightened = policy()
        .tightened(&options(Some(1), Some(30), Some(60)), 3)
        .unwrap();
    let expected = RollPolicy {
        max_unavailable: 1.into(),
        min_healthy_time_ms: 30_000,
        min_drain_ms: 60_000,
        ..policy()
    };
    assert_eq!(tightened, expected);
    assert_eq!(
        policy().tightened(&options(None, None, None), 3).unwrap(),
        policy()
    );
    assert_eq!(
        policy()
            .tightened(&options(Some(2), Some(2), Some(5)), 3)
            .unwrap(),
        policy()
    );
}

#[test]
fn options_that_ask_for_less_care_are_refused_by_name() {
    for (options, name) in [
        (
            options(Some(3), None, None),
            "options.max_unavailable is 3; the service allows at most 2",
        ),
        (options(None, Some(1), None), "options.min_healthy_time_s"),
        (options(None, None, Some(4)), "options.min_drain_s"),
    ] {
        let why = policy().tightened(&options, 3).unwrap_err();
        assert!(why.starts_with(name), "{why}");
    }
}

#[test]
fn an_option_that_asks_for_less_care_refuses_the_plan() {
    let mut request = request();
    request.options.max_unavailable = Some(2);
    let findings = plan(&request, Some(&digest('d')), &definition(), &three()).unwrap_err();
    assert_eq!((findings.len(), findings[0].subject.as_str()), (1, "request"));
}

#[test]
fn the_plan_holds_the_tightened_policy() {
    let mut request = request();
    request.options.min_drain_s = Some(45);
    let plan = plan(&request, Some(&digest('d')), &definition(), &three()).unwrap();
    assert_eq!(plan.definition.roll.min_drain_ms, 45_000);
    assert_eq!(plan.drain_ms(&plan.hosts[0]), 45_000);
}
