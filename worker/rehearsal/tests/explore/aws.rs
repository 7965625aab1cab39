//! What AWS lets come between: old answers, throttling, a deleted target group, expired credentials and the like; and
//! two services that share an alarm.

use drawgate_rehearsal::explore::{Bounds, OfAws, aws_fleets, explore_within, swarm};
use drawgate_rehearsal::{Mutant, World, pair};

/// `make explore` lets all else come between in these fleets too.
const ONE: Bounds = Bounds {
    most: 1,
    of_aws: OfAws::All,
};

#[test]
fn whatever_aws_lets_come_between_a_release_succeeds() {
    let mut executions = 0;
    for (name, world) in aws_fleets() {
        let found = explore_within(&world, ONE, None);
        assert_eq!(found.violation, None, "{name}");
        executions += found.ends.total();
    }
    assert_eq!(executions, 605);
}

#[test]
fn whichever_three_aws_lets_come_between_a_release_succeeds() {
    for seed in 0..100 {
        if let Err(violation) = swarm::run_of_aws(&swarm::aws_fleet(seed), seed, None) {
            panic!("seed {seed}: {} after {:?}", violation.what, violation.between);
        }
    }
}

#[test]
fn every_mistake_about_aws_is_found() {
    let fleets = aws_fleets();
    let finds = |mutant: Mutant| {
        let mut fleets = fleets.iter();
        let found = |(_, world): &(String, World)| explore_within(world, ONE, Some(mutant)).violation;
        fleets.any(|fleet| found(fleet).is_some())
    };
    let mut missed = Mutant::OF_AWS.to_vec();
    missed.retain(|mutant| !finds(*mutant));
    assert_eq!(missed, []);
}

/// Of the gaps between two releases the one that lets the second come while the first leaves, and the one that lets
/// both come at once; `make explore` goes through all.
#[test]
fn trap_38_two_services_that_share_an_alarm_leave_it_as_it_was() {
    let mut scenarios = pair::explore::scenarios();
    scenarios.retain(|scenario| scenario.fails.is_none());
    let chosen = [scenarios[0], scenarios[4]];
    let executions = chosen.map(|scenario| {
        let found = pair::explore::explore(scenario, None);
        assert_eq!(found.violation, None, "{scenario:?}");
        found.ends.total()
    });
    assert!(executions.iter().all(|number| *number > 100), "{executions:?}");
    let missed = |mutant: &&Mutant| {
        let found = chosen.map(|scenario| pair::explore::explore(scenario, Some(**mutant)).violation);
        found.iter().all(Option::is_none)
    };
    let planted = [
        Mutant::EnablesWhatAnotherHolds,
        Mutant::LeavesOffAsLastOut,
        Mutant::BelievesAStaleHolder,
    ];
    assert_eq!(planted.iter().find(missed), None);
}
