//! The contract of a roll's steps. Each is performed by the real effects, in the lab, and by the model on
//! which a search of millions of executions rests; outcome and state afterwards must be the same, whatever
//! the step has met.
//!
//! ```text
//!   table      every step, and how each situation is made for it (scaling, targets, hosts, alarms, desired,
//!              hooks, lease, fleet)
//!   cell       a situation, as data        change   what is made from outside, on both fleets alike
//!   bench      one release on both fleets  outside  the lab, reached past the worker and its adapters
//!   view       the state of a fleet, in words that both have in common
//!   run        performs the cells          printed  the table, for people
//! ```
//! `make test` performs every step once, on the way of a release forward and back; `make contract` all.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "tests; the table goes to stderr"
)]

mod alarms;
mod bench;
mod cell;
mod change;
mod desired;
mod fleet;
mod hooks;
mod hosts;
mod lease;
mod outside;
mod printed;
mod run;
mod scaling;
mod table;
mod targets;
mod view;

use std::collections::BTreeSet;
use std::sync::Arc;

use drawgate_lab::lab::Lab;
use drawgate_rollout::Step;
use serde_json::json;

use outside::Outside;
use printed::Table;
use table::Line;

/// `all`, or parts of the names of lines, separated by commas: performs the cells of those lines alone.
/// Without it, each step is performed once.
const CHOICE: &str = "DRAWGATE_CONTRACT";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn model_and_lab_agree_on_every_step() {
    let Some(lab) = Lab::enter("model_and_lab_agree_on_every_step").await else {
        return;
    };
    let choice = std::env::var(CHOICE).ok();
    let outside = Arc::new(Outside::of(lab));
    let mut table = Table::new();
    match choice.as_deref() {
        None => run::walks(&outside, &mut table, false).await,
        Some("all") => {
            run::walks(&outside, &mut table, true).await;
            run::cells(&outside, &mut table, |_| true).await;
        }
        Some(words) => {
            let is_chosen = |line: &Line| words.split(',').any(|word| line.name().contains(word));
            run::cells(&outside, &mut table, is_chosen).await;
        }
    }
    outside.clear_faults().await;
    table.print();
    let differences = table.differences();
    assert!(
        differences.is_empty(),
        "model and lab differ:\n\n{}",
        differences.join("\n\n")
    );
}

/// Every step that the journal's reader knows must have a line: a step without one would be compared nowhere.
#[test]
fn every_step_has_a_line_in_the_table() {
    let unknown = serde_json::from_str::<Step>("{\"step\": \"?\"}")
        .unwrap_err()
        .to_string();
    let known: BTreeSet<&str> = unknown.split('`').skip(3).step_by(2).collect();
    assert!(known.len() > 20, "{unknown}");
    let lines = table::lines();
    let named = |step: &Step| {
        serde_json::to_value(step).unwrap()["step"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    // A name that is read and no longer written is one that a step had before.
    let is_current = |name: &&&str| {
        let fields =
            json!({"step": name, "instance": "i-1", "group": "g", "direction": "forward", "phase": "swap"});
        named(&serde_json::from_value(fields).unwrap()) == **name
    };
    let told: BTreeSet<String> = lines.iter().map(|line| named(&line.step)).collect();
    let missing: Vec<&&str> = known
        .iter()
        .filter(is_current)
        .filter(|name| !told.contains(**name))
        .collect();
    assert!(missing.is_empty(), "no line for {missing:?}");
}
