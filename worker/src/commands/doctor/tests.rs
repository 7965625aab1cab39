//! The doctor's report on a fleet that a lost release has left, as an operator sees it.

use drawgate_rollout::definition::{Process, RestartPolicy};
use drawgate_rollout::{FleetSnapshot, LeftContainers, TargetSnapshot};
use drawgate_schemas::Outcome;

use super::super::plan;
use super::report::{Case, Diagnosis, Fixed, LedgerState, Report};
use super::*;
use crate::effects::LeaseHolder;

const RELEASE: &str = "0190f6f0-0000-7000-8000-000000000001";
const OUT: &str = "i-0003a5c9e71b2d4f0";

fn example() -> (ServiceDefinition, FleetSnapshot) {
    let examples = std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../infra/examples");
    let config = Config::load(&examples.join("worker.toml")).unwrap_or_else(|errors| panic!("{errors}"));
    let request = plan::request("staging", "ingest", "registry.example.com/data/ingest:4f2c91e").unwrap();
    let definition = plan::allowed(&config, &request).unwrap();
    let fleet = std::fs::read_to_string(examples.join("fleet.json")).unwrap();
    (definition, serde_json::from_str(&fleet).unwrap())
}

fn leftovers(definition: &ServiceDefinition, mut fleet: FleetSnapshot) -> Leftovers {
    let release: ReleaseId = RELEASE.parse().unwrap();
    let mut marks = drawgate_rollout::Marks::of(release);
    let processes = vec![Process::HealthCheck, Process::ReplaceUnhealthy];
    for process in &processes {
        fleet.groups[0].suspended.insert(process.as_str().to_owned());
    }
    marks.suspended.insert("ingest-staging".to_owned(), processes);
    marks.silenced.insert("ingest-5xx".to_owned());
    let out: TargetSnapshot = fleet.hosts[0].targets[0].clone();
    marks.taken_out.insert(OUT.to_owned(), vec![out]);
    let left = LeftContainers {
        image: None,
        swapped: true,
        before: None,
        restart_before: Some(RestartPolicy::Always),
    };
    marks.containers.insert(OUT.to_owned(), left);
    marks.has_lease = true;
    Leftovers {
        marks: vec![marks.on(&fleet, definition)],
        fleet,
        lease: Some(LeaseHolder {
            parameter: "/drawgate/lease/staging/ingest".to_owned(),
            worker: "bastion-a".to_owned(),
            ledger: "another".to_owned(),
            release,
            since: "2026-01-05T09:00:00Z".parse().unwrap(),
        }),
        unseen: Default::default(),
    }
}

#[test]
fn a_release_whose_worker_is_gone() {
    let (definition, fleet) = example();
    let leftovers = leftovers(&definition, fleet);
    let case = Case::new(&leftovers.marks[0], &definition, LedgerState::Lost);
    let diagnosis = Diagnosis::new(&definition, &leftovers, vec![case], None);
    assert!(!diagnosis.is_sound());
    insta::assert_snapshot!(Report(vec![diagnosis]).to_string());
}

#[test]
fn the_same_when_it_was_recovered() {
    let (definition, fleet) = example();
    let mut leftovers = leftovers(&definition, fleet);
    leftovers.lease = None;
    let mut case = Case::new(&leftovers.marks[0], &definition, LedgerState::Lost);
    case.fixed = Some(Fixed {
        outcome: Some(Outcome::RolledBack),
        summary: "its worker is gone; service is on 9d11ab0 everywhere, scaling and alarms as before"
            .to_owned(),
        leftovers: Vec::new(),
    });
    let diagnosis = Diagnosis::new(&definition, &leftovers, vec![case], None);
    assert!(diagnosis.is_sound());
    insta::assert_snapshot!(Report(vec![diagnosis]).to_string());
}

#[test]
fn a_fleet_on_which_nothing_was_left() {
    let (definition, fleet) = example();
    let leftovers = Leftovers {
        marks: Vec::new(),
        fleet,
        lease: None,
        unseen: Default::default(),
    };
    let diagnosis = Diagnosis::new(&definition, &leftovers, Vec::new(), None);
    insta::assert_snapshot!(Report(vec![diagnosis]).to_string());
}
