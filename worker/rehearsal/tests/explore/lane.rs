//! The search of two releases of one target and their queue, with one interleaving.

use drawgate_rehearsal::Mutant;
use drawgate_rehearsal::lane::explore::{explore, run};
use drawgate_rehearsal::lane::scenarios;

#[test]
fn a_queue_comes_to_its_end_whatever_comes_between() {
    let mut executions = 0;
    for scenario in scenarios() {
        let found = explore(&scenario, None);
        assert_eq!(found.violation, None, "{}", scenario.name);
        executions += found.ends.total();
    }
    assert_eq!(executions, 4_154);
}

#[test]
fn by_chance_a_queue_comes_to_its_end_too() {
    for seed in 0..500 {
        run(seed, None).unwrap();
    }
}

#[test]
fn every_mistake_about_the_queue_is_found() {
    let finds = |mutant| {
        scenarios()
            .iter()
            .any(|scenario| explore(scenario, Some(mutant)).violation.is_some())
    };
    let missed: Vec<Mutant> = Mutant::OF_A_QUEUE
        .into_iter()
        .filter(|mutant| !finds(*mutant))
        .collect();
    assert_eq!(missed, []);
}
