//! One word for one thing: what was renamed does not come back, in code, on the wire, in texts or in runbooks.
//!
//! The words in use are the glossary's (`ARCHITECTURE.md`). Old names live on where they have to be read: in `#[serde(alias)]`, in
//! journals that were kept, in the CHANGELOG and in the table of old paths.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::path::Path;

/// What was retired, and the word for it. Each is matched as a whole word, in this case.
const RETIRED: [(&str, &str); 95] = [
    ("TurnedBack", "RollingBack"),
    ("turned_back", "rolling_back"),
    ("turn_back", "begin_rollback"),
    ("way_back", "rollback"),
    ("way back", "rollback"),
    ("ways back", "rollbacks"),
    ("turned back", "rolled back"),
    ("turns back", "rolls back"),
    ("turn back", "roll back"),
    ("leads back", "rolls back"),
    ("led back", "rolled back, or recovered"),
    ("lead_back", "recover"),
    ("TakenUp", "TakenOver"),
    ("taken_up", "taken_over"),
    ("take_up", "take_over"),
    ("taken up", "taken over"),
    ("takes it up", "takes it over"),
    ("takes the release up", "takes the release over"),
    ("SetAside", "RetryLater"),
    ("keeps_the_new", "desired_stays_on_new_version"),
    ("WantedPlan", "DesiredPlan"),
    ("WantedSnapshot", "DesiredSnapshot"),
    ("WantedVersion", "DesiredVersion"),
    ("WantedReceipt", "DesiredReceipt"),
    ("wanted version", "desired version"),
    ("wanted_version", "desired_version"),
    ("wanted_plan", "desired_plan"),
    ("wanted_snapshot", "desired_snapshot"),
    ("left_over_wanted", "leftovers of the desired version"),
    ("BESIDE_WORKER", "ON_BASTION"),
    ("BesideWorker", "Bastion"),
    ("beside_worker", "on_bastion"),
    ("is_beside_worker", "runs_on_bastion"),
    ("beside the worker", "on the bastion"),
    ("BesideDocker", "OutsideDocker"),
    ("beside_prefix", "new_prefix"),
    ("beside_command", "command_checks"),
    ("told_beside", "told_on_bastion"),
    ("tell_beside", "tell_on_bastion"),
    ("run_beside", "run_on_bastion"),
    ("Tenant", "LeaseOwner"),
    ("LeaseNote", "LeaseRecord"),
    ("Standing", "StepStatus, or LedgerState"),
    ("Outlook", "Estimate"),
    ("HostOutlook", "HostEstimate"),
    ("outlook", "estimate"),
    ("Commanders", "Operators"),
    ("commanders", "operators"),
    ("commander", "operator"),
    ("GiveOrder", "ControlRequest"),
    ("OrderArgs", "ControlArgs"),
    ("OrderFailed", "ControlFailed"),
    ("take_order", "take_command"),
    ("give_orders", "give_commands"),
    ("a person's order", "a control command"),
    ("takes orders", "takes control commands"),
    ("told to go on", "resumed"),
    ("fiction", "fixtures"),
    ("HostPhase::Settling", "HostPhase::AwaitingHealthy"),
    ("Phase::Settle", "Phase::AwaitHealthy"),
    ("Phase::Enable", "Phase::SetRestartPolicy"),
    ("try_settle", "try_await_healthy"),
    ("try_enable", "try_set_restart_policy"),
    ("AwaitTurn", "AwaitSlot"),
    ("await_turn", "await_slot"),
    ("turn_at", "slot_at"),
    ("opening_turn", "opening_lock"),
    ("RELAY_TURN_POLL", "RELAY_LEASE_POLL"),
    ("whose turn it is", "the next host, or the first of the queue"),
    ("its turn has come", "it begins"),
    ("let_go", "unblocked"),
    ("cancelling", "cancel_requested"),
    ("rejecting", "reject_requested"),
    ("Sweep", "DetectJoined"),
    ("Swept", "NoneJoined"),
    ("try_sweep", "try_detect_joined"),
    ("look_for_joined", "detect_joined"),
    ("Retire", "CleanUp"),
    ("retire_images", "clean_up_images"),
    ("try_retire", "try_clean_up"),
    ("Unfit", "PreflightRefused, or Unsendable"),
    ("unfit_healthcheck", "refused_healthcheck"),
    ("adopted", "up to date, or recovered"),
    ("adoption", "recovery, or launch"),
    ("left_over_adopted", "leftovers of hosts that are up to date"),
    ("Step::Reserve", "Step::ReserveDesired"),
    ("Step::Publish", "Step::PublishDesired"),
    ("Step::Unpublish", "Step::RestoreDesired"),
    ("Step::After", "Step::RunAfter"),
    ("Step::Order", "Step::Control"),
    ("unsilenced", "alarms_unsilenced"),
    ("Record::Held", "Record::Blocked"),
    ("Event::Held", "Event::Blocked"),
    ("drawgate-worker hold", "drawgate-worker supervise"),
    ("narrate.rs", "events"),
];

/// What is no text of the project's own, or has to name what was.
const EXCEPTED: [&str; 6] = [
    "CHANGELOG.md",
    "Cargo.lock",
    "runbooks/decisions/paths.md",
    "schemas/tests/events-0.2.0.jsonl",
    "tests/tests/words.rs",
    "worker/rehearsal/tests/journals",
];

/// Folders with sources, texts and docs; and the files beside them.
const PLACES: [&str; 12] = [
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "Cargo.toml",
    "Makefile",
    "README.md",
    "infra",
    "producer",
    "runbooks",
    "schemas",
    "tests",
    "worker",
];

#[test]
fn no_retired_word_is_in_use() {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let mut found = Vec::new();
    let mut read = 0;
    let mut open: Vec<_> = PLACES.iter().map(|place| root.join(place)).collect();
    while let Some(path) = open.pop() {
        let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
        if EXCEPTED.contains(&name.as_str()) {
            continue;
        }
        if path.is_dir() {
            open.extend(
                std::fs::read_dir(&path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
            continue;
        }
        found.extend(
            retired(&name)
                .into_iter()
                .map(|word| format!("{name}: the name of the file: {word}")),
        );
        // What is no text is a picture or the like.
        if let Ok(text) = std::fs::read_to_string(&path) {
            read += 1;
            for (number, line) in text.lines().enumerate() {
                let places = retired(line).into_iter();
                found.extend(places.map(|word| format!("{name}:{}: {word}", number + 1)));
            }
        }
    }
    assert!(read > 600, "{read} files");
    assert!(
        found.is_empty(),
        "{} retired words:\n{}",
        found.len(),
        found.join("\n")
    );
}

/// The retired words of a line, each with the word in use.
fn retired(line: &str) -> Vec<String> {
    if line.contains("#[serde(") && line.contains("alias = ") {
        return Vec::new();
    }
    let found = RETIRED.iter().filter(|(word, _)| has(line, word));
    found.map(|(word, now)| format!("{word:?}; now: {now}")).collect()
}

fn has(line: &str, word: &str) -> bool {
    let part = |character: Option<char>| {
        character.is_some_and(|character| character.is_alphanumeric() || character == '_')
    };
    line.match_indices(word)
        .any(|(at, _)| !part(line[..at].chars().next_back()) && !part(line[at + word.len()..].chars().next()))
}

#[test]
fn a_retired_word_is_found_alone_and_not_as_a_part() {
    assert_eq!(retired("/// On the way back nothing stops it.").len(), 1);
    assert_eq!(retired("fn turn_back() {}").len(), 1);
    assert!(retired("it was rolled back in two days of settled weather").is_empty());
    assert!(retired("    #[serde(alias = \"turned_back\")]").is_empty());
    assert!(retired("fn return_backwards() {}").is_empty());
}
