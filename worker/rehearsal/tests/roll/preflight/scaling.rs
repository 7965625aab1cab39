//! What Auto Scaling is doing, and what of it is suspended already.

use drawgate_rollout::FleetSnapshot;
use drawgate_rollout::definition::Process;

use super::{refuses, warns};
use crate::world::GROUP;

#[test]
fn an_instance_refresh_refuses() {
    refuses(
        |snapshot| snapshot.groups[0].refresh = Some("r-1".to_owned()),
        GROUP,
        "instance refresh r-1 is running",
    );
}

#[test]
fn another_releases_suspension_refuses() {
    let tagged =
        |snapshot: &mut FleetSnapshot| snapshot.groups[0].suspension_tag = Some("0190 Launch".to_owned());
    refuses(tagged, GROUP, "suspension tag of another release: 0190 Launch");
}

#[test]
fn a_classic_load_balancer_refuses() {
    let classic = |snapshot: &mut FleetSnapshot| {
        snapshot.groups[0]
            .unsupported
            .push("the classic load balancer x".to_owned());
    };
    refuses(classic, GROUP, "the classic load balancer x attached");
}

#[test]
fn processes_suspended_already_are_said_and_left_alone() {
    let suspend = |snapshot: &mut FleetSnapshot| {
        snapshot.groups[0].suspended = ["HealthCheck", "Launch"].map(str::to_owned).into();
    };
    let plan = warns(
        suspend,
        "web-asg: already suspended, left alone: HealthCheck, Launch",
    );
    assert_eq!(plan.groups[0].suspended_before, ["HealthCheck", "Launch"]);
    assert!(!plan.groups[0].suspend.contains(&Process::HealthCheck));
    assert_eq!(plan.groups[0].suspend.len(), 5);
}
