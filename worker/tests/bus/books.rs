//! A ledger, and what is written into it.

use std::path::PathBuf;

use drawgate_rollout::{Entry, Record};
use drawgate_schemas::{Event, ReleaseRequest, StatusEvent};
use drawgate_worker::ledger::{Accept, Acquired, Leap, Lease, Ledger};
use jiff::Timestamp;
use tempfile::TempDir;

use crate::fixtures::event;

/// A ledger in a directory of its own.
pub(crate) struct Books {
    _directory: TempDir,
    pub(crate) path: PathBuf,
    pub(crate) ledger: Ledger,
}

pub(crate) async fn books() -> Books {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("ledger.db");
    let ledger = Ledger::open(&path, "bastion-1").await.unwrap();
    Books {
        _directory: directory,
        path,
        ledger,
    }
}

/// Accepts a release with one event.
pub(crate) async fn accept(ledger: &Ledger, request: &ReleaseRequest) -> Accept {
    let build = |ahead| {
        let record = Record::Accepted {
            request: Box::new(request.clone()),
            ahead,
            publisher: None,
            approval: None,
        };
        let accepted = Event::Accepted {
            version_name: request.version_name(),
            image: request.image.to_string(),
            ahead,
            requested_by: Some("ben".to_owned()),
            build: Some("812".to_owned()),
            build_url: None,
        };
        (
            Entry {
                n: 1,
                at: Timestamp::now(),
                record,
            },
            vec![event(request, 1, accepted)],
        )
    };
    ledger
        .accept(request, build, 10_000, Leap::Refused)
        .await
        .unwrap()
}

pub(crate) async fn lease(ledger: &Ledger, request: &ReleaseRequest) -> Lease {
    match ledger
        .acquire(&request.environment, &request.service)
        .await
        .unwrap()
    {
        Acquired::Lease(lease) => lease,
        held => panic!("{held:?}"),
    }
}

/// Appends journal entry `n` with these events.
pub(crate) async fn append(
    ledger: &Ledger,
    lease: &Lease,
    request: &ReleaseRequest,
    n: u64,
    events: &[StatusEvent],
) {
    let entry = Entry {
        n,
        at: Timestamp::now(),
        record: Record::TakenOver,
    };
    ledger
        .append(lease, request.id, &entry, events, None)
        .await
        .unwrap();
}
