//! A swap that the image's own HEALTHCHECK verifies.

use drawgate_rehearsal::sim::Next;
use drawgate_rollout::definition::{Probe, ServiceDefinition};
use drawgate_rollout::{
    Decision, FleetSnapshot, Healthcheck, ImageHealthcheck, Phase, Plan, Severity, decide, limits, plan,
};
use drawgate_schemas::Outcome;

use crate::driver::Sim;
use crate::forward;
use crate::world::{World, definition, digest, request};

fn checked(start_timeout_ms: u64) -> ServiceDefinition {
    let mut definition = definition();
    definition.verify.probe = Probe::Healthcheck;
    definition.verify.start_timeout_ms = start_timeout_ms;
    definition
}

fn seen(image: Option<ImageHealthcheck>) -> FleetSnapshot {
    let mut snapshot = World::new(3, 1).snapshot();
    snapshot.image.healthcheck = image;
    snapshot
}

/// The plan, or the findings that refuse it.
fn planned(start_timeout_ms: u64, image: Option<ImageHealthcheck>) -> Result<Plan, String> {
    let definition = checked(start_timeout_ms);
    plan(&request(), Some(&digest('d')), &definition, &seen(image)).map_err(|findings| {
        let refused = findings
            .iter()
            .find(|finding| finding.severity == Severity::Refuse);
        let refused = refused.unwrap();
        assert!(refused.hint.is_some());
        refused.what.clone()
    })
}

#[test]
fn trap_39_a_bound_below_the_images_own_is_refused() {
    let usual = Some(ImageHealthcheck::Present(Healthcheck::default()));
    assert_eq!(
        planned(179_000, usual).unwrap_err(),
        "the image's HEALTHCHECK may take 3m to come to a verdict (start period 0s + 3 x (interval 30s + timeout 30s)), \
         and verify.start_timeout is 179s"
    );
    let absent = planned(300_000, Some(ImageHealthcheck::Absent)).unwrap_err();
    assert!(absent.contains("has no HEALTHCHECK"), "{absent}");
    let fit = planned(180_000, usual).unwrap();
    assert_eq!(fit.warnings, Vec::<String>::new());
    // The first probe comes after a whole interval, and each host costs that time.
    let without = planned(180_000, None).unwrap();
    assert!(without.warnings[0].contains("HEALTHCHECK could not be read"));
    assert_eq!(fit.expected_ms() - without.expected_ms(), 3 * 30_000);
    // For a service that is verified by another check the image's HEALTHCHECK does not matter.
    let by_http = plan(&request(), Some(&digest('d')), &definition(), &seen(usual)).unwrap();
    assert_eq!((by_http.healthcheck, by_http.warnings.len()), (None, 0));
}

/// One attempt has time for all of `starting`, and the time of other steps cuts no attempt off.
#[test]
fn trap_39_one_attempt_outlasts_starting() {
    let mut world = World::new(1, 1);
    world.definition = ServiceDefinition {
        roll: world.definition.roll.clone(),
        ..checked(1_800_000)
    };
    let check = Healthcheck {
        start_period_ms: 600_000,
        ..Healthcheck::default()
    };
    world.fleet_mut().image.healthcheck = Some(ImageHealthcheck::Present(check));
    let mut sim = Sim::new(world);
    let verify = forward(1, Phase::Verify);
    let mut longest_ms = 0;
    loop {
        for decision in decide(sim.release(), None, sim.now) {
            if let Decision::Perform { step, deadline } = decision
                && step == verify
            {
                longest_ms = limits::between_ms(sim.now, deadline);
            }
        }
        match sim.go().unwrap() {
            Next::Lands(index) => sim.land(index).unwrap(),
            Next::Ended => break,
            Next::Recorded | Next::Slept => {}
        }
    }
    assert!(longest_ms > 1_800_000, "{longest_ms}");
    assert!(drawgate_rollout::patience_ms(&verify, sim.release()) >= 1_800_000);
    assert_eq!((sim.attempts(&verify), sim.outcome()), (1, Outcome::Succeeded));
}
