//! The ledger's file: who wrote it, who may read it, who has locked it.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use drawgate_rollout::Record;
use drawgate_worker::ledger::limits::RECORD_VERSION;
use drawgate_worker::ledger::{Accept, Leap, Ledger, LedgerError};

use crate::fixtures::{accept, connection, entry, open, place, raw, request};

#[tokio::test]
async fn trap_31_what_a_newer_worker_wrote_is_refused() {
    let place = place();
    let ledger = open(&place.path).await;
    accept(&ledger, &request()).await;
    ledger.close().await;
    drop(ledger);
    let newer = RECORD_VERSION + 1;
    raw(
        &place.path,
        "UPDATE journal SET record_version = record_version + 1",
    )
    .await;
    let error = Ledger::open(&place.path, "w").await.unwrap_err();
    assert!(
        matches!(error, LedgerError::NewerRecords { found, known: RECORD_VERSION } if found == newer),
        "{error}"
    );
    raw(&place.path, "UPDATE journal SET record_version = 3").await;
    raw(
        &place.path,
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (9999, 'x', 1, x'00', 0)",
    )
    .await;
    let error = Ledger::open(&place.path, "w").await.unwrap_err();
    assert!(
        matches!(error, LedgerError::NewerTables { found: 9999 }),
        "{error}"
    );
}

#[tokio::test]
async fn the_ledger_is_private() {
    let place = place();
    let ledger = open(&place.path).await;
    accept(&ledger, &request()).await;
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(place.path.parent().unwrap()), 0o700);
    for file in ["ledger.db", "ledger.db-wal"] {
        assert_eq!(mode(&place.path.with_file_name(file)), 0o600, "{file}");
    }
    assert_eq!(mode(&place.path.with_file_name("ledger.db.holders")), 0o700);
}

#[tokio::test]
async fn a_locked_ledger_is_unavailable_and_not_broken() {
    let place = place();
    let ledger = open(&place.path).await;
    let mut other = connection(&place.path).await;
    sqlx::query("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
    let request = request();
    let build = |ahead| {
        (
            entry(
                1,
                Record::Accepted {
                    request: Box::new(request.clone()),
                    ahead,
                    publisher: None,
                    approval: None,
                },
            ),
            vec![],
        )
    };
    let error = ledger
        .accept(&request, build, 10, Leap::Refused)
        .await
        .unwrap_err();
    assert!(error.is_unavailable(), "{error:?}");
    assert!(ledger.probe().await.unwrap_err().is_unavailable());
    sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();
    ledger.probe().await.unwrap();
    assert_eq!(accept(&ledger, &request).await, Accept::New { ahead: 0 });
}
