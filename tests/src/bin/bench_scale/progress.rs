//! What is printed while the roll goes on, and which steps took its time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use drawgate_schemas::{Direction, Ended, Event, HostPhase, ReleaseId, StatusEvent};
use drawgate_tests::Events;
use serde_json::Value;
use tokio::time::{Instant, sleep};

/// Time between two looks at the events: of the end it costs the measurement a fifth of a second at most.
const LOOK_AGAIN: Duration = Duration::from_millis(200);
/// Time between two lines.
const TELL_AGAIN: Duration = Duration::from_secs(10);
/// Longest roll: ten times what four waves of a fleet take.
const ROLL_WITHIN: Duration = Duration::from_secs(3600);

/// Waits for the end of a release, and tells meanwhile how far it has come.
pub(crate) async fn until_the_end(events: &Events, id: ReleaseId, hosts: usize) -> Ended {
    let begun = Instant::now();
    let mut told = begun;
    loop {
        if let Some(ended) = events.last(id).and_then(ended) {
            return ended;
        }
        let now = Instant::now();
        assert!(
            now - begun < ROLL_WITHIN,
            "the roll has not ended within {ROLL_WITHIN:?}"
        );
        if now - told >= TELL_AGAIN {
            told = now;
            tell(&events.of(id), (now - begun).as_secs(), hosts);
        }
        sleep(LOOK_AGAIN).await;
    }
}

fn ended(event: StatusEvent) -> Option<Ended> {
    match event.event {
        Event::Ended(ended) => Some(*ended),
        _ => None,
    }
}

fn tell(events: &[StatusEvent], after_s: u64, hosts: usize) {
    let mut phases = BTreeMap::new();
    for event in events {
        match &event.event {
            Event::Host(host) if host.direction == Direction::Forward => {
                phases.insert(&host.instance, host.phase);
            }
            Event::Host(host) => {
                phases.remove(&host.instance);
            }
            _ => {}
        }
    }
    let done = phases.values().filter(|phase| **phase == HostPhase::Done).count();
    let under_way = phases.len() - done;
    let kind = events.last().map_or("nothing", |event| event.event.kind().name());
    println!("{after_s:>5} s  {done} of {hosts} hosts done, {under_way} under way; last event: {kind}");
}

/// Prints the kinds of steps of a journal: how many there were, when the first began and the last ended, and how long
/// one took at most.
pub(crate) fn print_steps(journal: &[Value]) {
    #[derive(Default)]
    struct Kind {
        steps: BTreeSet<String>,
        first: f64,
        last: f64,
        longest: f64,
    }
    let at = |entry: &Value| {
        let at: jiff::Timestamp = entry["at"]
            .as_str()
            .and_then(|at| at.parse().ok())
            .expect("a time");
        at.as_millisecond() as f64 / 1e3
    };
    let begin = journal.first().map_or(0.0, at);
    let mut kinds: BTreeMap<String, Kind> = BTreeMap::new();
    let mut begun: BTreeMap<String, f64> = BTreeMap::new();
    for entry in journal {
        let record = &entry["record"];
        let step = &record["step"];
        let name = format!("{} {}", text(&step["step"]), text(&step["phase"]));
        match text(&record["record"]) {
            "intent" => {
                begun.insert(step.to_string(), at(entry));
                kinds.entry(name).or_insert_with(|| Kind {
                    first: at(entry) - begin,
                    ..Kind::default()
                });
            }
            "outcome" => {
                let Some(since) = begun.remove(&step.to_string()) else {
                    continue;
                };
                let kind = kinds.entry(name).or_default();
                kind.steps.insert(step.to_string());
                kind.last = at(entry) - begin;
                kind.longest = kind.longest.max(at(entry) - since);
            }
            _ => {}
        }
    }
    let mut kinds: Vec<_> = kinds.into_iter().collect();
    kinds.sort_by(|(_, one), (_, other)| one.first.total_cmp(&other.first));
    println!(
        "{:<28} {:>6} {:>9} {:>9} {:>9}",
        "STEPS", "COUNT", "FROM", "TO", "LONGEST"
    );
    for (name, kind) in kinds {
        println!(
            "{:<28} {:>6} {:>7.1} s {:>7.1} s {:>7.1} s",
            name.trim_end(),
            kind.steps.len(),
            kind.first,
            kind.last,
            kind.longest
        );
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
