//! The build numbers of a lane: the highest, requests that leap too far above it, and the command to forget
//! them.

use drawgate_schemas::{Environment, ForgottenSequence, ReleaseId, ReleaseRequest, Service, StatusEvent};
use jiff::Timestamp;
use sqlx::{Row as _, SqliteConnection};
use uuid::Uuid;

use super::rows::{from_json, from_word};
use super::store::{Ledger, from_db, to_db};
use super::{LedgerError, limits, outbox};

/// The command to forget a lane's numbers.
#[derive(Debug, Clone)]
pub struct Forget<'a> {
    /// The command's own id: a command that comes twice is done once.
    pub id: Uuid,
    /// The command is not done after this time, because the operator has been told that nobody answered.
    pub expires_at: Timestamp,
    pub environment: &'a Environment,
    pub service: &'a Service,
}

/// The result of the command to forget.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forgot {
    /// The record of forgetting, made now or when the command came earlier. `None` where no succeeded release
    /// of the lane has a number that counts.
    pub forgotten: Option<ForgottenSequence>,
    /// Open releases with a number, the highest first. Their numbers keep counting, also once they have
    /// succeeded.
    pub open: Vec<(ReleaseId, u64)>,
}

impl Ledger {
    /// Forgets the numbers of a lane's succeeded releases. `make` gets the highest one and makes the record
    /// and the event that reports it. One transaction writes everything.
    ///
    /// # Errors
    /// When the ledger is not available; [`LedgerError::TooLate`] when the command expired before it could be
    /// done.
    pub async fn forget_sequence(
        &self,
        forget: &Forget<'_>,
        make: impl FnOnce(u64) -> (ForgottenSequence, StatusEvent),
    ) -> Result<Forgot, LedgerError> {
        let (environment, service) = (forget.environment, forget.service);
        let mut write = self.write("forget a lane's numbers").await?;
        let connection = write.connection()?;
        let open = open_numbers(connection, environment, service).await?;
        if let forgotten @ Some(_) = known(connection, forget.id).await? {
            write.commit().await?;
            return Ok(Forgot { forgotten, open });
        }
        if forget.expires_at <= Timestamp::now() {
            return Err(LedgerError::TooLate);
        }
        let Some(highest) = highest_that_succeeded(connection, environment, service).await? else {
            write.commit().await?;
            let forgotten = None;
            return Ok(Forgot { forgotten, open });
        };
        let (forgotten, event) = make(highest);
        mark(connection, environment, service).await?;
        keep(connection, forget, &forgotten).await?;
        outbox::insert_all(connection, &[event]).await?;
        write.commit().await?;
        self.inner.wake.notify_one();
        let forgotten = Some(forgotten);
        Ok(Forgot { forgotten, open })
    }

    /// The records of forgetting a lane's numbers, the latest first.
    ///
    /// # Errors
    /// When the ledger is not available, or a row cannot be read.
    pub async fn forgotten_sequences(
        &self,
        environment: &Environment,
        service: &Service,
        limit: u32,
    ) -> Result<Vec<ForgottenSequence>, LedgerError> {
        let rows = sqlx::query(
            "SELECT id, forgotten FROM forgotten_sequences WHERE environment = $1 AND service = $2
             ORDER BY place DESC LIMIT $3",
        )
        .bind(environment.as_str())
        .bind(service.as_str())
        .bind(i64::from(limit))
        .fetch_all(&self.inner.pool)
        .await
        .map_err(LedgerError::database("read what was forgotten"))?;
        let read =
            |row: &sqlx::sqlite::SqliteRow| from_json("forgotten number", row.get::<&str, _>(0), row.get(1));
        rows.iter().map(read).collect()
    }
}

/// The highest number of a lane's succeeded releases since its numbers were last forgotten.
async fn highest_that_succeeded(
    connection: &mut SqliteConnection,
    environment: &Environment,
    service: &Service,
) -> Result<Option<u64>, LedgerError> {
    let highest: Option<i64> = sqlx::query_scalar(
        "SELECT MAX(sequence) FROM releases WHERE environment = $1 AND service = $2
             AND outcome = 'succeeded' AND forgotten = 0 AND sequence IS NOT NULL",
    )
    .bind(environment.as_str())
    .bind(service.as_str())
    .fetch_one(connection)
    .await
    .map_err(LedgerError::database("look for a lane's highest number"))?;
    Ok(highest.map(from_db))
}

/// The highest number of a lane's releases that have succeeded, roll or wait. A release with another end says
/// nothing about how far the build counter has come.
pub(super) async fn highest(
    connection: &mut SqliteConnection,
    environment: &Environment,
    service: &Service,
) -> Result<Option<u64>, LedgerError> {
    let succeeded = highest_that_succeeded(connection, environment, service).await?;
    let open = open_numbers(connection, environment, service).await?;
    Ok(succeeded.max(open.first().map(|(_, number)| *number)))
}

/// The highest number that this same request was refused against, unless the lane's numbers were forgotten
/// since.
pub(super) async fn refused_before(
    connection: &mut SqliteConnection,
    fingerprint: &str,
) -> Result<Option<u64>, LedgerError> {
    let highest: Option<i64> =
        sqlx::query_scalar("SELECT highest FROM refused_sequences WHERE fingerprint = $1")
            .bind(fingerprint)
            .fetch_optional(connection)
            .await
            .map_err(LedgerError::database("look for a refused number"))?;
    Ok(highest.map(from_db))
}

/// Remembers a refusal. Every publisher can cause one, so only a limited number is kept.
pub(super) async fn refuse(
    connection: &mut SqliteConnection,
    request: &ReleaseRequest,
    fingerprint: &str,
    highest: u64,
) -> Result<(), LedgerError> {
    sqlx::query(
        "INSERT INTO refused_sequences (fingerprint, environment, service, highest) VALUES ($1, $2, $3, $4)",
    )
    .bind(fingerprint)
    .bind(request.environment.as_str())
    .bind(request.service.as_str())
    .bind(to_db(highest))
    .execute(&mut *connection)
    .await
    .map_err(LedgerError::database("keep a refused number"))?;
    sqlx::query(
        "DELETE FROM refused_sequences WHERE place <= (SELECT MAX(place) FROM refused_sequences) - $1",
    )
    .bind(limits::REFUSED_SEQUENCES_KEPT)
    .execute(connection)
    .await
    .map_err(LedgerError::database("drop old refusals"))?;
    Ok(())
}

async fn known(
    connection: &mut SqliteConnection,
    id: Uuid,
) -> Result<Option<ForgottenSequence>, LedgerError> {
    let row = sqlx::query("SELECT forgotten FROM forgotten_sequences WHERE id = $1")
        .bind(id.to_string())
        .fetch_optional(connection)
        .await
        .map_err(LedgerError::database("look for a command"))?;
    row.map(|row| from_json("forgotten number", id, row.get(0)))
        .transpose()
}

async fn open_numbers(
    connection: &mut SqliteConnection,
    environment: &Environment,
    service: &Service,
) -> Result<Vec<(ReleaseId, u64)>, LedgerError> {
    let rows = sqlx::query(
        "SELECT id, sequence FROM releases WHERE environment = $1 AND service = $2 AND outcome IS NULL
             AND sequence IS NOT NULL ORDER BY sequence DESC",
    )
    .bind(environment.as_str())
    .bind(service.as_str())
    .fetch_all(connection)
    .await
    .map_err(LedgerError::database("read a lane's open releases"))?;
    let read = |row: &sqlx::sqlite::SqliteRow| {
        let id: &str = row.get(0);
        Ok((from_word("id", id, id)?, from_db(row.get(1))))
    };
    rows.iter().map(read).collect()
}

/// Forgets the lane's numbers. Requests that were refused because of them may come again.
async fn mark(
    connection: &mut SqliteConnection,
    environment: &Environment,
    service: &Service,
) -> Result<(), LedgerError> {
    for statement in [
        "UPDATE releases SET forgotten = 1 WHERE environment = $1 AND service = $2 AND outcome = 'succeeded'
             AND forgotten = 0 AND sequence IS NOT NULL",
        "DELETE FROM refused_sequences WHERE environment = $1 AND service = $2",
    ] {
        sqlx::query(statement)
            .bind(environment.as_str())
            .bind(service.as_str())
            .execute(&mut *connection)
            .await
            .map_err(LedgerError::database("forget a lane's numbers"))?;
    }
    Ok(())
}

async fn keep(
    connection: &mut SqliteConnection,
    forget: &Forget<'_>,
    forgotten: &ForgottenSequence,
) -> Result<(), LedgerError> {
    let json = serde_json::to_string(forgotten).map_err(LedgerError::Unwritable)?;
    sqlx::query(
        "INSERT INTO forgotten_sequences (id, environment, service, forgotten) VALUES ($1, $2, $3, $4)",
    )
    .bind(forget.id.to_string())
    .bind(forget.environment.as_str())
    .bind(forget.service.as_str())
    .bind(json)
    .execute(connection)
    .await
    .map_err(LedgerError::database("keep what was forgotten"))?;
    Ok(())
}
