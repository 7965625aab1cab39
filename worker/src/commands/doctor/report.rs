//! The doctor's diagnosis, for people and programs.

use std::collections::BTreeMap;
use std::fmt;

use drawgate_rollout::Marks;
use drawgate_rollout::definition::ServiceDefinition;
use drawgate_schemas::{Environment, Leftover, Outcome, ReleaseId, Service};
use serde::Serialize;

use super::super::layout::wrapped;
use crate::effects::Leftovers;

/// What this ledger knows of a release that has left something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "type", content = "outcome", rename_all = "snake_case")]
pub(super) enum LedgerState {
    /// The release is open in this ledger: its worker takes it over.
    Open,
    /// The release has ended in this ledger.
    Ended(Outcome),
    /// The release belongs to this service, but this ledger does not know it.
    Lost,
    /// This ledger does not know the release, and nothing shows that it belongs to this service.
    Unknown,
}

/// One release, and its leftovers.
#[derive(Debug, Serialize)]
pub(super) struct Case {
    pub(super) release: ReleaseId,
    pub(super) ledger_state: LedgerState,
    /// Whether the hosts were whole already: the recovery then keeps them, and only puts the rest in order.
    leftovers: Vec<Leftover>,
    #[serde(skip)]
    ending: bool,
    /// The result of the recovery, if there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) fixed: Option<Fixed>,
}

/// The result of recovering a release.
#[derive(Debug, Serialize)]
pub(super) struct Fixed {
    pub(super) outcome: Option<Outcome>,
    pub(super) summary: String,
    pub(super) leftovers: Vec<Leftover>,
}

impl Case {
    pub(super) fn new(marks: &Marks, definition: &ServiceDefinition, ledger_state: LedgerState) -> Self {
        Self {
            release: marks.release,
            ledger_state,
            leftovers: marks.leftovers(definition),
            ending: marks.was_ending(),
            fixed: None,
        }
    }

    fn is_sound(&self) -> bool {
        match &self.fixed {
            Some(fixed) => {
                let good = matches!(fixed.outcome, Some(Outcome::RolledBack | Outcome::Failed));
                good && fixed.leftovers.is_empty()
            }
            None => self.ledger_state == LedgerState::Open,
        }
    }
}

/// The fleet's lease, if a worker with another ledger has it.
#[derive(Debug, Serialize)]
pub(super) struct ForeignLease {
    pub(super) parameter: String,
    pub(super) worker: String,
    pub(super) since: jiff::Timestamp,
}

#[derive(Debug, Serialize)]
pub(super) struct Diagnosis {
    environment: Environment,
    service: Service,
    hosts: usize,
    pub(super) cases: Vec<Case>,
    /// The fleet's lease, if another ledger has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) lease: Option<ForeignLease>,
    /// Each version with the hosts that serve it; empty if all hosts serve the same version.
    versions: BTreeMap<String, Vec<String>>,
    /// Hosts that could not be inspected, and why.
    unseen: BTreeMap<String, String>,
}

impl Diagnosis {
    pub(super) fn new(
        definition: &ServiceDefinition,
        leftovers: &Leftovers,
        cases: Vec<Case>,
        ledger: Option<&str>,
    ) -> Self {
        let foreign = leftovers
            .lease
            .as_ref()
            .filter(|lease| Some(lease.ledger.as_str()) != ledger);
        let mut versions: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for host in leftovers
            .fleet
            .hosts
            .iter()
            .filter(|host| host.state == "running")
        {
            let version = host.before().map(|before| before.version_name);
            let version = version.or_else(|| host.told().map(str::to_owned));
            let version = version.unwrap_or_else(|| "nothing".to_owned());
            versions.entry(version).or_default().push(host.instance.clone());
        }
        if versions.len() < 2 {
            versions.clear();
        }
        Self {
            environment: definition.environment.clone(),
            service: definition.service.clone(),
            hosts: leftovers.fleet.hosts.len(),
            cases,
            lease: foreign.map(|lease| ForeignLease {
                parameter: lease.parameter.clone(),
                worker: lease.worker.clone(),
                since: lease.since,
            }),
            versions,
            unseen: leftovers.unseen.clone(),
        }
    }

    pub(super) fn is_sound(&self) -> bool {
        let alone = self.lease.is_none() && self.unseen.is_empty();
        alone && self.versions.is_empty() && self.cases.iter().all(Case::is_sound)
    }

    /// Drops findings that the recovery has made untrue.
    pub(super) fn put_in_order(&mut self) {
        self.versions.clear();
        self.lease = None;
    }
}

#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(super) struct Report(pub(super) Vec<Diagnosis>);

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for diagnosis in &self.0 {
            write!(f, "{diagnosis}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hosts = match self.hosts {
            1 => "1 host".to_owned(),
            n => format!("{n} hosts"),
        };
        if self.is_sound() && self.cases.is_empty() {
            return writeln!(
                f,
                "{}/{}: {hosts}, nothing is left behind",
                self.environment, self.service
            );
        }
        writeln!(f, "{}/{}: {hosts}", self.environment, self.service)?;
        for case in &self.cases {
            self.case(f, case)?;
        }
        if let Some(lease) = &self.lease {
            let since = lease.since.strftime("%Y-%m-%d %H:%M:%SZ");
            let held = format!(
                "the fleet's lease is held by worker {}, which has another ledger, since {since}",
                lease.worker
            );
            wrapped(f, "  !!    ", &held, 8)?;
            let hint = format!(
                "hint: if that worker is gone for good: drawgate-worker doctor --fix --evict {}, or: aws ssm \
                 delete-parameter --name {}",
                lease.worker, lease.parameter
            );
            wrapped(f, "        ", &hint, 8)?;
        }
        if !self.versions.is_empty() {
            let versions = self
                .versions
                .iter()
                .map(|(version, hosts)| format!("{version} on {}", hosts.join(", ")));
            let versions: Vec<String> = versions.collect();
            wrapped(
                f,
                "  !!    ",
                &format!("hosts serve different versions: {}", versions.join("; ")),
                8,
            )?;
            let hint = format!(
                "hint: when the rest is in order: drawgate publish --environment {} --service {} --image …",
                self.environment, self.service
            );
            wrapped(f, "        ", &hint, 8)?;
        }
        for (instance, why) in &self.unseen {
            wrapped(
                f,
                "  !!    ",
                &format!("{instance} could not be looked at: {why}"),
                8,
            )?;
        }
        Ok(())
    }
}

impl Diagnosis {
    fn case(&self, f: &mut fmt::Formatter<'_>, case: &Case) -> fmt::Result {
        let told = match case.ledger_state {
            LedgerState::Open => "is open in this ledger: drawgate-worker run takes it over".to_owned(),
            LedgerState::Ended(outcome) => format!(
                "{outcome}, and has left something: drawgate show {}",
                case.release
            ),
            LedgerState::Lost => "its worker is gone, and it is in no ledger here".to_owned(),
            LedgerState::Unknown => {
                "is in no ledger here, and may be another service's that shares something".to_owned()
            }
        };
        let mark = if case.is_sound() { "  ok    " } else { "  !!    " };
        wrapped(f, mark, &format!("release {}: {told}", case.release), 8)?;
        if let Some(fixed) = &case.fixed {
            let outcome = fixed
                .outcome
                .map_or_else(|| "not ended yet".to_owned(), |outcome| outcome.to_string());
            wrapped(f, "        ", &format!("{outcome}: {}", fixed.summary), 8)?;
            for leftover in &fixed.leftovers {
                wrapped(f, "  left  ", &leftover.to_string(), 8)?;
            }
            return Ok(());
        }
        // The command is not folded, so that it can be copied.
        for leftover in &case.leftovers {
            wrapped(f, "        ", &leftover.what.to_string(), 10)?;
            for command in &leftover.commands {
                writeln!(f, "          {command}")?;
            }
        }
        let hint = match (case.ledger_state, case.ending) {
            (LedgerState::Lost, false) => {
                "hint: drawgate-worker doctor --fix recovers it, and this with it".to_owned()
            }
            (LedgerState::Lost, true) => {
                "hint: its hosts are whole; drawgate-worker doctor --fix restores the rest".to_owned()
            }
            (LedgerState::Unknown, _) => format!(
                "hint: if it is: drawgate-worker doctor --fix --service {} --release {}",
                self.service, case.release
            ),
            (LedgerState::Open | LedgerState::Ended(_), _) => return Ok(()),
        };
        wrapped(f, "        ", &hint, 8)
    }
}
