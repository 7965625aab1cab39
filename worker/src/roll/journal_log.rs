//! Logs each entry of a journal.

use drawgate_rollout::{Entry, Failure, Record};
use drawgate_schemas::ReleaseId;

pub(super) fn log(id: ReleaseId, entry: &Entry) {
    match &entry.record {
        Record::Intent { step } => tracing::info!(release = %id, n = entry.n, %step, "begins"),
        Record::Outcome { step, outcome } => match outcome.failure() {
            None => tracing::info!(release = %id, n = entry.n, %step, "done"),
            Some(Failure { what, .. }) => {
                tracing::warn!(release = %id, n = entry.n, %step, %what, "not done")
            }
        },
        Record::RollingBack { cause } => {
            tracing::warn!(release = %id, n = entry.n, step = %cause.step, what = %cause.failure.what, "rolls back");
        }
        Record::Ended { ended } => {
            tracing::info!(release = %id, n = entry.n, outcome = %ended.outcome, summary = %ended.summary, "ended");
        }
        Record::RetryLater { cause } => {
            tracing::warn!(release = %id, n = entry.n, step = %cause.step, what = %cause.failure.what, "retried later");
        }
        Record::TryAgain { instance } => {
            tracing::info!(release = %id, n = entry.n, instance, "is tried once more");
        }
        Record::RolledNext { instances, kept } => {
            tracing::warn!(release = %id, n = entry.n, ?instances, group = kept.target_group, "sick, rolled next");
        }
        Record::SickWaitBegun { kept, until, .. } => {
            tracing::warn!(release = %id, n = entry.n, sick = ?kept.sick, group = kept.target_group, %until, "sick, waited for");
        }
        Record::Control { command, .. } => {
            tracing::warn!(release = %id, n = entry.n, command = %command.control, by = command.by, "control command");
        }
        Record::Blocked { blockers } => {
            let blockers: Vec<String> = blockers.iter().map(ToString::to_string).collect();
            tracing::info!(release = %id, n = entry.n, ?blockers, "what blocks it");
        }
        Record::Accepted { .. } | Record::Started | Record::SickWaitOver | Record::TakenOver => {
            tracing::info!(release = %id, n = entry.n, "{}", kind(&entry.record));
        }
    }
}

fn kind(record: &Record) -> &'static str {
    match record {
        Record::Accepted { .. } => "accepted",
        Record::Started => "it begins",
        Record::SickWaitOver => "no host is sick any more",
        Record::TakenOver => "taken over",
        _ => "",
    }
}
