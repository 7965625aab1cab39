//! The journal: folded it gives the release, written and read again it is the same, and a record that cannot
//! follow is refused.

use drawgate_rollout::{Entry, Failure, Phase, Record, Release, Step, StepOutcome, decide};
use drawgate_schemas::Outcome;

use crate::driver::Sim;
use crate::world::{Fault, World, id, request};
use crate::{back, forward, resume};
use drawgate_rehearsal::time::start;

/// Rolls that together write every kind of record, outcome and evidence.
fn rolls() -> Vec<Sim> {
    let mut killed = Sim::new(World::new(2, 1));
    killed.kill_at = Some(30);
    assert!(killed.run().is_err());
    let extents = vec![crate::world::Extent::None; killed.flights.len()];
    killed.die(&extents, 1_000);
    vec![
        Sim::new(World::new(3, 2)).finish(),
        killed.finish(),
        Sim::new(World::new(3, 1).with(Step::DetectJoined, Fault::Refused, 9)).finish(),
        Sim::new(World::new(2, 1).with_arrival(forward(1, Phase::Swap), &id(7))).finish(),
        Sim::new(World::new(2, 1).with(forward(1, Phase::Register), Fault::Gone, 1)).finish(),
        Sim::new(World::new(2, 1).with(forward(1, Phase::Swap), Fault::UnknownHalf, 2)).finish(),
        Sim::new(World::new(2, 1).with(resume(), Fault::Refused, 99)).finish(),
        Sim::new(World::new(1, 2).with(Step::Inspect, Fault::Transient, 3)).finish(),
    ]
}

#[test]
fn folding_any_prefix_gives_the_release_as_it_was() {
    for sim in rolls() {
        let mut live = Release::begin(&sim.journal[0]).unwrap();
        for (k, entry) in sim.journal.iter().enumerate() {
            if k > 0 {
                live.apply(entry).unwrap();
            }
            assert_eq!(
                Release::fold(&sim.journal[..=k]).unwrap(),
                live,
                "after entry {}",
                entry.n
            );
        }
        assert_eq!(&live, sim.release());
    }
}

#[test]
fn every_entry_is_read_as_it_was_written() {
    for sim in rolls() {
        for entry in &sim.journal {
            let json = serde_json::to_string(entry).unwrap();
            assert_eq!(serde_json::from_str::<Entry>(&json).unwrap(), *entry, "{json}");
        }
    }
}

/// Journals as earlier versions wrote them; the name of each ends with its outcome.
fn earlier_journals() -> Vec<(String, Vec<serde_json::Value>)> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/journals");
    let files = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path());
    let journals: Vec<_> = files
        .map(|path| {
            let text = std::fs::read_to_string(&path).unwrap();
            let entries = text.lines().map(|line| serde_json::from_str(line).unwrap());
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, entries.collect())
        })
        .collect();
    assert!(journals.len() > 15, "{} journals", journals.len());
    journals
}

/// A release that was open during an upgrade of the worker goes on from any place in its journal.
#[test]
fn trap_31_journals_of_earlier_versions_are_taken_over() {
    for (name, entries) in earlier_journals() {
        let entries: Vec<Entry> = entries
            .into_iter()
            .map(|entry| serde_json::from_value(entry).unwrap())
            .collect();
        for k in 1..entries.len() {
            let mut release = Release::fold(&entries[..k]).unwrap();
            let now = entries[k - 1].at;
            let n = release.last_entry + 1;
            if !release.steps.is_empty() {
                let record = Record::TakenOver;
                release.apply(&Entry { n, at: now, record }).unwrap();
            }
            assert!(
                !decide(&release, None, now).is_empty(),
                "{name}: nothing to do after entry {k}"
            );
        }
        let ended = Release::fold(&entries).unwrap().ended.unwrap();
        let outcome = ended.outcome.as_str().replace('_', "-");
        assert!(name.ends_with(&outcome), "{name}: {outcome}");
    }
}

/// The number of values in a JSON value.
fn values(json: &serde_json::Value) -> usize {
    match json {
        serde_json::Value::Array(all) => all.iter().map(values).sum::<usize>() + 1,
        // A leftover or a note was a line of text, and is an object now.
        serde_json::Value::Object(all) => {
            let of = |(name, value): (&String, &serde_json::Value)| match name.as_str() {
                "left_over" | "leftovers" | "notes" => value.as_array().map_or(0, Vec::len),
                // Preflight had passed where a plan has it, and `[preflight] firing` took its place.
                "allow_firing" => 0,
                _ => values(value),
            };
            all.iter().map(of).sum::<usize>() + 1
        }
        _ => 1,
    }
}

/// Together the journals of 0.2.0 contain every name that has changed since: a name that nothing reads any
/// more would be lost without an error where its field has a default.
#[test]
fn trap_31_nothing_of_an_earlier_journal_is_lost() {
    let mut read = 0;
    for (name, entries) in earlier_journals() {
        for entry in entries.into_iter().filter(|_| name.starts_with("0.2.0")) {
            let written =
                serde_json::to_value(serde_json::from_value::<Entry>(entry.clone()).unwrap()).unwrap();
            assert_eq!(values(&written), values(&entry), "{name}: {entry}\n{written}");
            read += 1;
        }
    }
    assert!(read > 300, "{read} entries");
    for name in ["after", "renew"] {
        serde_json::from_value::<Step>(serde_json::json!({"step": name})).unwrap();
    }
}

/// Journals from the time when every swap was a container have `container` among the definition's fields; new
/// ones still do.
#[test]
fn a_definition_is_written_and_read_as_it_always_was() {
    let definition = crate::world::definition();
    let json = serde_json::to_value(&definition).unwrap();
    assert_eq!(json["container"]["name"], definition.container().unwrap().name);
    assert_eq!(json.get("swap"), None);
    let read: drawgate_rollout::definition::ServiceDefinition = serde_json::from_value(json).unwrap();
    assert_eq!(read, definition);
}

fn entry(release: &Release, record: Record) -> Entry {
    Entry {
        n: release.last_entry + 1,
        at: start(),
        record,
    }
}

fn accepted() -> Record {
    Record::Accepted {
        request: Box::new(request()),
        ahead: 0,
        publisher: None,
        approval: None,
    }
}

#[test]
fn a_journal_begins_with_entry_1_and_an_acceptance() {
    assert!(Release::fold(&[]).is_err());
    assert!(
        Release::begin(&Entry {
            n: 1,
            at: start(),
            record: Record::Started
        })
        .is_err()
    );
    assert!(
        Release::begin(&Entry {
            n: 2,
            at: start(),
            record: accepted()
        })
        .is_err()
    );
    assert!(
        Release::begin(&Entry {
            n: 1,
            at: start(),
            record: accepted()
        })
        .is_ok()
    );
}

#[test]
fn an_entry_that_cannot_follow_is_refused_and_changes_nothing() {
    let done = |step: Step| Record::Outcome {
        step,
        outcome: StepOutcome::done(),
    };
    let intent = |step: Step| Record::Intent { step };
    let cause = drawgate_rollout::Cause {
        step: Step::Resolve,
        failure: Failure::new("x"),
        attempts: 1,
    };
    let rolling_back = || Record::RollingBack { cause: cause.clone() };
    let cases: [(&str, Vec<Record>, Record); 6] = [
        ("accepted before", vec![], accepted()),
        ("started before", vec![Record::Started], Record::Started),
        ("under way", vec![intent(Step::Resolve)], intent(Step::Resolve)),
        ("without an intent", vec![], done(Step::Resolve)),
        (
            "without an intent",
            vec![intent(Step::Resolve), done(Step::Resolve)],
            done(Step::Resolve),
        ),
        ("rolled back before", vec![rolling_back()], rolling_back()),
    ];
    for (why, before, refused) in cases {
        let mut release = Release::begin(&Entry {
            n: 1,
            at: start(),
            record: accepted(),
        })
        .unwrap();
        for record in before {
            release.apply(&entry(&release, record)).unwrap();
        }
        let unchanged = release.clone();
        let illegal = release.apply(&entry(&release, refused)).unwrap_err();
        assert!(illegal.to_string().contains(why), "{illegal}");
        assert_eq!(release, unchanged);
    }
}

#[test]
fn no_number_is_skipped_or_repeated_and_none_follows_the_end() {
    let sim = Sim::new(World::new(2, 1)).finish();
    let skipped = [&sim.journal[..3], &sim.journal[4..]].concat();
    assert!(
        Release::fold(&skipped)
            .unwrap_err()
            .why
            .contains("the last one was 3")
    );
    let repeated = [&sim.journal[..3], &sim.journal[2..]].concat();
    assert!(
        Release::fold(&repeated)
            .unwrap_err()
            .why
            .contains("the last one was 3")
    );
    let mut ended = sim.release().clone();
    let late = entry(&ended, Record::TakenOver);
    assert!(ended.apply(&late).unwrap_err().why.contains("has ended"));
}

#[test]
fn nothing_but_the_steps_of_the_rollback_follows_a_turn() {
    let world = World::new(3, 2).with(forward(2, Phase::Verify), Fault::Refused, 9);
    let sim = Sim::new(world).finish();
    assert_eq!(sim.outcome(), Outcome::RolledBack);
    let turn = sim
        .journal
        .iter()
        .position(|entry| matches!(entry.record, Record::RollingBack { .. }))
        .unwrap();
    for entry in &sim.journal[turn..] {
        if let Record::Intent { step } = &entry.record {
            assert!(step.restores(), "{step} during rollback");
        }
    }
    assert!(sim.attempts(&back(1, Phase::Swap)) == 1 && sim.attempts(&back(3, Phase::Swap)) == 0);
}
