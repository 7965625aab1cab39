//! Rows of the ledger's tables, and the readers that several files share.

use drawgate_schemas::{Environment, Outcome, ReleaseId, Service};
use serde::de::DeserializeOwned;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection};

use super::error::LedgerError;
use super::lease::Lease;

/// A release's id, target and outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleaseHead {
    pub id: ReleaseId,
    pub environment: Environment,
    pub service: Service,
    /// The outcome, if the release has ended.
    pub outcome: Option<Outcome>,
}

/// Reads a JSON column.
pub(super) fn from_json<T: DeserializeOwned>(
    what: &'static str,
    of: impl std::fmt::Display,
    json: &str,
) -> Result<T, LedgerError> {
    serde_json::from_str(json).map_err(|source| LedgerError::Unreadable {
        what,
        of: of.to_string(),
        source,
    })
}

/// Reads a column with one word of a type that is a string in JSON.
pub(super) fn from_word<T: DeserializeOwned>(
    what: &'static str,
    of: impl std::fmt::Display,
    word: &str,
) -> Result<T, LedgerError> {
    serde_json::from_value(serde_json::Value::from(word)).map_err(|source| LedgerError::Unreadable {
        what,
        of: of.to_string(),
        source,
    })
}

/// Reads a row of `releases`.
pub(super) fn read_head(row: &SqliteRow) -> Result<ReleaseHead, LedgerError> {
    let id: &str = row.get("id");
    let outcome: Option<&str> = row.get("outcome");
    Ok(ReleaseHead {
        id: from_word("id", id, id)?,
        environment: from_word("environment", id, row.get("environment"))?,
        service: from_word("service", id, row.get("service"))?,
        outcome: outcome
            .map(|outcome| from_word("outcome", id, outcome))
            .transpose()?,
    })
}

/// Checks that the release is open and in the lease's lane.
pub(super) async fn check_release(
    connection: &mut SqliteConnection,
    lease: &Lease,
    release: ReleaseId,
) -> Result<(), LedgerError> {
    let row = sqlx::query("SELECT id, environment, service, outcome FROM releases WHERE id = $1")
        .bind(release.to_string())
        .fetch_optional(connection)
        .await
        .map_err(LedgerError::database("read a release"))?;
    let head = read_head(row.as_ref().ok_or(LedgerError::UnknownRelease { release })?)?;
    if !lease.is_for(&head.environment, &head.service) {
        let (environment, service) = lease.lane();
        return Err(LedgerError::WrongLane {
            release,
            environment: environment.to_owned(),
            service: service.to_owned(),
        });
    }
    match head.outcome {
        Some(_) => Err(LedgerError::HasEnded { release }),
        None => Ok(()),
    }
}
