//! A ledger on a file of its own, and what is written into it.

use std::path::{Path, PathBuf};

use drawgate_lab::request_of;
use drawgate_rollout::{Entry, Record};
use drawgate_schemas::{Environment, Event, ReleaseRequest, Service, StatusEvent};
use drawgate_worker::ledger::{Accept, Acquired, Leap, Lease, Ledger};
use jiff::Timestamp;
use tempfile::TempDir;
use uuid::Uuid;

pub(crate) struct Place {
    _directory: TempDir,
    pub(crate) path: PathBuf,
}

pub(crate) fn place() -> Place {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("deep/ledger.db");
    Place {
        _directory: directory,
        path,
    }
}

pub(crate) async fn open(path: &Path) -> Ledger {
    Ledger::open(path, "bastion-1").await.unwrap()
}

pub(crate) fn environment() -> Environment {
    "staging".parse().unwrap()
}

pub(crate) fn service() -> Service {
    "search-api".parse().unwrap()
}

pub(crate) fn request() -> ReleaseRequest {
    request_of("search-api")
}

pub(crate) fn entry(n: u64, record: Record) -> Entry {
    Entry {
        n,
        at: Timestamp::now(),
        record,
    }
}

pub(crate) fn event(request: &ReleaseRequest, sequence: u64) -> StatusEvent {
    StatusEvent {
        about: None,
        id: Uuid::now_v7(),
        release: Some(request.id),
        sequence,
        at: Timestamp::now(),
        environment: Some(request.environment.clone()),
        service: Some(request.service.clone()),
        worker: "bastion-1".to_owned(),
        event: Event::Warning {
            text: format!("event {sequence}"),
        },
    }
}

pub(crate) async fn accept(ledger: &Ledger, request: &ReleaseRequest) -> Accept {
    let build = |ahead| {
        let record = Record::Accepted {
            request: Box::new(request.clone()),
            ahead,
            publisher: None,
            approval: None,
        };
        (entry(1, record), vec![event(request, 1)])
    };
    ledger.accept(request, build, 1000, Leap::Refused).await.unwrap()
}

pub(crate) async fn lease(ledger: &Ledger) -> Lease {
    lease_of(ledger, &service()).await
}

pub(crate) async fn lease_of(ledger: &Ledger, service: &Service) -> Lease {
    match ledger.acquire(&environment(), service).await.unwrap() {
        Acquired::Lease(lease) => lease,
        held => panic!("not ours: {held:?}"),
    }
}

pub(crate) async fn is_held(ledger: &Ledger) -> bool {
    matches!(
        ledger.acquire(&environment(), &service()).await.unwrap(),
        Acquired::Held { .. }
    )
}

pub(crate) async fn connection(path: &Path) -> sqlx::SqliteConnection {
    use sqlx::ConnectOptions as _;
    sqlx::sqlite::SqliteConnectOptions::new()
        .filename(path)
        .connect()
        .await
        .unwrap()
}

pub(crate) async fn raw(path: &Path, sql: &'static str) {
    sqlx::query(sql)
        .execute(&mut connection(path).await)
        .await
        .unwrap();
}
