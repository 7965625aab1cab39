//! The inbox: a request becomes this worker's to handle, once.

use drawgate_rollout::{Entry, leaps};
use drawgate_schemas::{Environment, ReleaseId, ReleaseRequest, Service, StatusEvent};
use sqlx::{Row as _, SqliteConnection};

use super::store::Ledger;
use super::{LedgerError, journal, outbox, sequence};

/// The result of accepting a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accept {
    /// The ledger has it now.
    New {
        /// Open releases of the same target ahead of it.
        ahead: u32,
    },
    /// The ledger had it already with the same content: the message came twice.
    Same,
    /// Another request with this id was accepted earlier.
    Reused,
    /// The lane's queue is full.
    LaneFull,
    /// Its build number lies too far above the highest of its target.
    Leaps {
        /// The highest number of the target's releases that have succeeded, roll or wait.
        highest: u64,
    },
}

/// Whether a build number may lie far above the highest of its target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leap {
    /// It may not: a mistyped number would keep every other build out.
    Refused,
    /// An operator with the right to do so says that the number is meant.
    Meant,
}

impl Ledger {
    /// Accepts a request: release, first journal entry and events, in one transaction. `build` gets the
    /// number of open releases ahead and makes the entry and the events. One release of a lane runs, and at
    /// most `max_waiting` wait behind it. A leap of the number is judged inside the transaction, where no
    /// other request can come in between.
    ///
    /// # Errors
    /// When the ledger is not available, or the entry or the events cannot be written.
    pub async fn accept(
        &self,
        request: &ReleaseRequest,
        build: impl FnOnce(u32) -> (Entry, Vec<StatusEvent>),
        max_waiting: u32,
        leap: Leap,
    ) -> Result<Accept, LedgerError> {
        self.inner.reserve.keep()?;
        let mut write = self.write("accept a release").await?;
        let fingerprint = request.fingerprint();
        if let Some(known) = fingerprint_of(write.connection()?, request.id).await? {
            write.commit().await?;
            return Ok(if known == fingerprint {
                Accept::Same
            } else {
                Accept::Reused
            });
        }
        if open_in_lane(write.connection()?, &request.environment, &request.service).await? > max_waiting {
            write.commit().await?;
            return Ok(Accept::LaneFull);
        }
        if leap == Leap::Refused
            && let Some(highest) = leaps_above(write.connection()?, request, &fingerprint).await?
        {
            write.commit().await?;
            return Ok(Accept::Leaps { highest });
        }
        insert_release(write.connection()?, request, &fingerprint).await?;
        let ahead = journal::ahead_of(write.connection()?, request.id).await?;
        let (entry, events) = build(ahead);
        // Acceptance needs no lease: epoch 0 comes before every lease.
        journal::insert(write.connection()?, request.id, 0, &entry).await?;
        outbox::insert_all(write.connection()?, &events).await?;
        write.commit().await?;
        self.inner.wake.notify_one();
        Ok(Accept::New { ahead })
    }
}

impl Ledger {
    /// Accepts a release whose own ledger is lost, with the journal that the doctor wrote anew for it. One
    /// transaction takes all of it, so that no driver takes it for a release that is to roll forward. Refused
    /// when the release is known here, or when its lane is not free.
    ///
    /// # Errors
    /// When the ledger is not available, or the entries or the events cannot be written.
    pub async fn recover(
        &self,
        request: &ReleaseRequest,
        entries: &[Entry],
        events: &[StatusEvent],
    ) -> Result<Accept, LedgerError> {
        self.inner.reserve.keep()?;
        let mut write = self.write("recover a release").await?;
        let refused = if fingerprint_of(write.connection()?, request.id).await?.is_some() {
            Some(Accept::Reused)
        } else if open_in_lane(write.connection()?, &request.environment, &request.service).await? > 0 {
            Some(Accept::LaneFull)
        } else {
            None
        };
        if let Some(refused) = refused {
            write.commit().await?;
            return Ok(refused);
        }
        insert_release(write.connection()?, request, &request.fingerprint()).await?;
        for entry in entries {
            journal::insert(write.connection()?, request.id, 0, entry).await?;
        }
        outbox::insert_all(write.connection()?, events).await?;
        write.commit().await?;
        self.inner.wake.notify_one();
        Ok(Accept::New { ahead: 0 })
    }
}

/// The highest number that the request leaps too far above, if it does. A request refused for a leap stays
/// refused, because its dead letter and its event are out already.
async fn leaps_above(
    connection: &mut SqliteConnection,
    request: &ReleaseRequest,
    fingerprint: &str,
) -> Result<Option<u64>, LedgerError> {
    if let Some(highest) = sequence::refused_before(connection, fingerprint).await? {
        return Ok(Some(highest));
    }
    let (environment, service) = (&request.environment, &request.service);
    let highest = sequence::highest(connection, environment, service).await?;
    let highest = highest.filter(|highest| leaps(request.sequence, Some(*highest)));
    if let Some(highest) = highest {
        sequence::refuse(connection, request, fingerprint, highest).await?;
    }
    Ok(highest)
}

async fn fingerprint_of(
    connection: &mut SqliteConnection,
    id: ReleaseId,
) -> Result<Option<String>, LedgerError> {
    let row = sqlx::query("SELECT fingerprint FROM releases WHERE id = $1")
        .bind(id.to_string())
        .fetch_optional(connection)
        .await
        .map_err(LedgerError::database("look for a release"))?;
    Ok(row.map(|row| row.get(0)))
}

async fn open_in_lane(
    connection: &mut SqliteConnection,
    environment: &Environment,
    service: &Service,
) -> Result<u32, LedgerError> {
    let count: i64 = sqlx::query_scalar(
        "SELECT COUNT(*) FROM releases WHERE environment = $1 AND service = $2 AND outcome IS NULL",
    )
    .bind(environment.as_str())
    .bind(service.as_str())
    .fetch_one(connection)
    .await
    .map_err(LedgerError::database("count a lane's releases"))?;
    Ok(u32::try_from(count).unwrap_or(u32::MAX))
}

async fn insert_release(
    connection: &mut SqliteConnection,
    request: &ReleaseRequest,
    fingerprint: &str,
) -> Result<(), LedgerError> {
    // A number beyond the database's range is stored as the greatest one, newer than all others: no build
    // counts that far.
    let sequence = request
        .sequence
        .map(|sequence| i64::try_from(sequence).unwrap_or(i64::MAX));
    sqlx::query(
        "INSERT INTO releases (id, environment, service, fingerprint, sequence, digest, emergency)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(request.id.to_string())
    .bind(request.environment.as_str())
    .bind(request.service.as_str())
    .bind(fingerprint)
    .bind(sequence)
    .bind(request.image.digest().map(ToString::to_string))
    .bind(i32::from(request.emergency.is_some()))
    .execute(connection)
    .await
    .map_err(LedgerError::database("insert a release"))?;
    Ok(())
}
