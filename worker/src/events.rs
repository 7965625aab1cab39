//! Makes the status events of a journal entry for the outbox.

use drawgate_rollout::{Entry, Release, about, events_of};
use drawgate_schemas::StatusEvent;
use uuid::Uuid;

/// The status events of an entry, numbered from `last` + 1. `release` already includes the entry.
pub(crate) fn of_entry(release: &Release, entry: &Entry, last: u64, worker: &str) -> Vec<StatusEvent> {
    let request = &release.request;
    let about = about(release);
    events_of(release, entry)
        .into_iter()
        .zip(last + 1..)
        .map(|(event, sequence)| StatusEvent {
            id: Uuid::now_v7(),
            release: Some(request.id),
            sequence,
            at: entry.at,
            environment: Some(request.environment.clone()),
            service: Some(request.service.clone()),
            worker: worker.to_owned(),
            about: Some(about.clone()),
            event,
        })
        .collect()
}
