//! Recovers a lost release: accepts it into this ledger, and drives it to its end like any other.

use std::sync::Arc;
use std::time::Duration;

use drawgate_config::Config;
use drawgate_rollout::definition::ServiceDefinition;
use drawgate_rollout::{Entry, Finding, Marks, Record, Release};
use drawgate_schemas::{Ended, LeftoverKind, ReleaseId, ReleaseRequest, StatusEvent, Version1};
use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::sleep;

use super::super::{CommandError, plan, setup};
use super::report::{Case, Diagnosis, Fixed, LedgerState};
use crate::effects::{Effects, Leftovers};
use crate::events;
use crate::ledger::{Accept, Ledger};
use crate::roll::Lanes;

/// Pause between two checks for the release's end: another process may drive it, and would not notify this
/// one.
const LOOK: Duration = Duration::from_millis(200);

/// The parts that are needed to put one target in order.
pub(super) struct Cure<'a> {
    pub(super) ledger: &'a Ledger,
    pub(super) effects: &'a Effects,
    pub(super) config: &'a Arc<Config>,
    pub(super) definition: &'a ServiceDefinition,
    pub(super) evict: Option<&'a str>,
}

impl Cure<'_> {
    /// Recovers every lost release, and takes away the lease of the worker that `evict` names.
    pub(super) async fn apply(
        &self,
        diagnosis: &mut Diagnosis,
        leftovers: Leftovers,
    ) -> Result<(), CommandError> {
        if diagnosis.lease.is_some() {
            let holder = leftovers
                .lease
                .as_ref()
                .filter(|holder| Some(holder.worker.as_str()) == self.evict);
            let Some(holder) = holder else {
                // The worker that has the lease may be rolling.
                return Ok(());
            };
            tracing::warn!(
                worker = holder.worker,
                lease = holder.parameter,
                "its lease is taken away"
            );
            self.effects.evict(holder).await.map_err(|outcome| {
                let unsaid = || drawgate_rollout::Failure::new("the lease could not be taken away");
                CommandError::Fleet(outcome.failure().cloned().unwrap_or_else(unsaid))
            })?;
            diagnosis.lease = None;
        }
        let mut all = true;
        for case in &mut diagnosis.cases {
            let lost = case.ledger_state == LedgerState::Lost;
            let marks = leftovers.marks.iter().find(|marks| marks.release == case.release);
            let Some(marks) = marks.filter(|marks| lost && marks.is_anything_left()) else {
                all &= !lost || marks.is_some();
                continue;
            };
            let fixed = self.recover(marks, &leftovers).await?;
            all &= fixed.leftovers.is_empty();
            case.fixed = Some(fixed);
        }
        let is_only_lease = |case: &Case| case.fixed.is_none() && case.ledger_state == LedgerState::Lost;
        diagnosis.cases.retain(|case| !is_only_lease(case));
        if all {
            diagnosis.put_in_order();
        }
        Ok(())
    }

    async fn recover(&self, marks: &Marks, leftovers: &Leftovers) -> Result<Fixed, CommandError> {
        let not_begun = |summary: String| {
            let why = "see the commands of drawgate-worker doctor".to_owned();
            Fixed {
                outcome: None,
                summary,
                leftovers: vec![LeftoverKind::NotRecovered { why }.for_a_person()],
            }
        };
        if self.definition.command().is_some() {
            let why =
                "what runs on its hosts is its own programs' doing, which leave no mark of what was before";
            return Ok(not_begun(why.to_owned()));
        }
        let request = self.request(marks)?;
        let planned = marks.plan(&request, self.definition, leftovers.fleet.clone());
        let plan = match planned {
            Ok(plan) => plan,
            Err(findings) => {
                let lines: Vec<String> = findings.iter().map(Finding::line).collect();
                return Ok(not_begun(format!(
                    "cannot be recovered by itself: {}",
                    lines.join("; ")
                )));
            }
        };
        let entries = marks.journal(&request, &plan, Timestamp::now());
        let events = told(&entries, self.config.worker());
        let accepted = self.ledger.recover(&request, &entries, &events).await;
        match accepted.map_err(|source| setup::ledger_error(self.config, source))? {
            Accept::New { .. } => self.drive(request.id).await,
            _ => Ok(not_begun(
                "another release of this service is open in this ledger".to_owned(),
            )),
        }
    }

    /// The request as far as the marks show it: the release's containers name the image.
    fn request(&self, marks: &Marks) -> Result<ReleaseRequest, CommandError> {
        let images = marks.containers.values().filter_map(|left| left.image.clone());
        let repository = self.definition.images.first();
        let image = images
            .chain(repository.map(|repository| format!("{repository}:unknown")))
            .next();
        let (environment, service) = (
            self.definition.environment.as_str(),
            self.definition.service.as_str(),
        );
        let mut request = plan::request(environment, service, &image.unwrap_or_default())?;
        request.id = marks.release;
        request.version = Version1;
        Ok(request)
    }

    /// Waits for the release's end. This process drives it, or another worker that has the lane.
    async fn drive(&self, id: ReleaseId) -> Result<Fixed, CommandError> {
        let (stopper, stop) = watch::channel(false);
        let lanes = Arc::new(Lanes::new(
            self.ledger.clone(),
            self.effects.clone(),
            setup::policies(self.config),
            self.config.worker().to_owned(),
            stop,
        ));
        lanes.accepted(&self.definition.environment, &self.definition.service, id);
        let ended = self.ended(id).await;
        stopper.send_replace(true);
        lanes.ended().await;
        let ended = ended?;
        let receipt = ended.receipt;
        Ok(Fixed {
            outcome: Some(ended.outcome),
            summary: ended.summary,
            leftovers: receipt.map_or_else(Vec::new, |receipt| receipt.leftovers),
        })
    }

    async fn ended(&self, id: ReleaseId) -> Result<Ended, CommandError> {
        loop {
            let journal = self.ledger.journal(id).await;
            let journal = journal.map_err(|source| setup::ledger_error(self.config, source))?;
            let end = journal.into_iter().find_map(|entry| match entry.record {
                Record::Ended { ended } => Some(*ended),
                _ => None,
            });
            match end {
                Some(ended) => return Ok(ended),
                None => sleep(LOOK).await,
            }
        }
    }
}

/// The events of a journal that was written all at once.
fn told(entries: &[Entry], worker: &str) -> Vec<StatusEvent> {
    let mut entries = entries.iter();
    let Some(first) = entries.next() else {
        return Vec::new();
    };
    let Ok(mut release) = Release::begin(first) else {
        return Vec::new();
    };
    let mut events = events::of_entry(&release, first, 0, worker);
    for entry in entries {
        if release.apply(entry).is_err() {
            break;
        }
        let last = events.len() as u64;
        events.extend(events::of_entry(&release, entry, last, worker));
    }
    events
}
