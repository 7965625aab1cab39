//! Releases and their journals.

use drawgate_rollout::{Entry, Evidence, Other, Queued, Record, Step};
use drawgate_schemas::{Environment, Outcome, ReleaseId, Service, StatusEvent};
use jiff::Timestamp;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection};

use super::lease::{self, Lease};
use super::rows::{ReleaseHead, check_release, from_json, from_word, read_head};
use super::store::{Ledger, from_db, to_db};
use super::{LedgerError, limits, locks, outbox};

/// A release that has not ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenRelease {
    pub id: ReleaseId,
    pub environment: Environment,
    pub service: Service,
    /// Whether the release is an emergency: it passes every gate and goes before the waiting releases.
    pub emergency: bool,
    /// Whether the release has begun.
    pub begun: bool,
}

/// An entry of a journal, with the events that report it.
#[derive(Debug, Clone, PartialEq)]
pub struct Reported {
    pub entry: Entry,
    pub events: Vec<StatusEvent>,
}

impl Ledger {
    /// Releases that have not ended, in the order of acceptance.
    ///
    /// # Errors
    /// When the ledger is not available.
    pub async fn open_releases(&self) -> Result<Vec<OpenRelease>, LedgerError> {
        let rows = sqlx::query(
            "SELECT id, environment, service, outcome, emergency, begun FROM releases WHERE outcome IS NULL ORDER BY place",
        )
        .fetch_all(&self.inner.pool)
        .await
        .map_err(LedgerError::database("read open releases"))?;
        let open = |row: &SqliteRow| {
            let head = read_head(row)?;
            Ok(OpenRelease {
                id: head.id,
                environment: head.environment,
                service: head.service,
                emergency: row.get("emergency"),
                begun: row.get("begun"),
            })
        };
        rows.iter().map(open).collect()
    }

    /// The releases of one lane that have not ended, in the order of acceptance.
    ///
    /// # Errors
    /// When the ledger is not available.
    pub async fn queue_of(
        &self,
        environment: &Environment,
        service: &Service,
    ) -> Result<Vec<Queued>, LedgerError> {
        let rows = sqlx::query(
            "SELECT id, emergency, begun FROM releases
             WHERE outcome IS NULL AND environment = $1 AND service = $2 ORDER BY place",
        )
        .bind(environment.as_str())
        .bind(service.as_str())
        .fetch_all(&self.inner.pool)
        .await
        .map_err(LedgerError::database("read a lane's queue"))?;
        let queued = |row: &SqliteRow| {
            let id: &str = row.get("id");
            Ok(Queued {
                id: from_word("id", id, id)?,
                emergency: row.get("emergency"),
                begun: row.get("begun"),
            })
        };
        rows.iter().map(queued).collect()
    }

    /// One release, or `None` when it is not in this ledger.
    ///
    /// # Errors
    /// When the ledger is not available.
    pub async fn release_head(&self, id: ReleaseId) -> Result<Option<ReleaseHead>, LedgerError> {
        let row = sqlx::query("SELECT id, environment, service, outcome FROM releases WHERE id = $1")
            .bind(id.to_string())
            .fetch_optional(&self.inner.pool)
            .await
            .map_err(LedgerError::database("read a release"))?;
        row.as_ref().map(read_head).transpose()
    }

    /// The other open releases of the same target, and its highest build that has succeeded since the lane's
    /// numbers were last forgotten.
    ///
    /// # Errors
    /// When the ledger is not available.
    pub async fn others_of(&self, id: ReleaseId) -> Result<Vec<Other>, LedgerError> {
        const OTHERS: &str = "SELECT other.id, other.sequence, other.place > this.place AS came_later, other.outcome
             FROM releases other JOIN releases this
                 ON other.environment = this.environment AND other.service = this.service AND other.id <> this.id
             WHERE this.id = $1";
        let open = format!("{OTHERS} AND other.outcome IS NULL ORDER BY other.place");
        let succeeded = format!(
            "{OTHERS} AND other.outcome = 'succeeded' AND other.forgotten = 0
             AND other.sequence IS NOT NULL ORDER BY other.sequence DESC LIMIT 1"
        );
        let mut others = Vec::new();
        for query in [open, succeeded] {
            let rows = sqlx::query(sqlx::AssertSqlSafe(query))
                .bind(id.to_string())
                .fetch_all(&self.inner.pool)
                .await
                .map_err(LedgerError::database("read a lane's releases"))?;
            for row in &rows {
                others.push(read_other(row)?);
            }
        }
        Ok(others)
    }

    /// Counts the open releases of the same target that go before this one: see [`ahead_of`].
    ///
    /// # Errors
    /// When the ledger is not available.
    pub async fn ahead_of(&self, id: ReleaseId) -> Result<u32, LedgerError> {
        let mut connection = self
            .inner
            .pool
            .acquire()
            .await
            .map_err(LedgerError::database("count the releases ahead"))?;
        ahead_of(&mut connection, id).await
    }

    /// The journal of a release, in order. Empty when the release is not in this ledger.
    ///
    /// # Errors
    /// When the ledger is not available, or an entry cannot be read.
    pub async fn journal(&self, id: ReleaseId) -> Result<Vec<Entry>, LedgerError> {
        let rows = sqlx::query("SELECT entry FROM journal WHERE release_id = $1 ORDER BY n")
            .bind(id.to_string())
            .fetch_all(&self.inner.pool)
            .await
            .map_err(LedgerError::database("read a journal"))?;
        rows.iter()
            .map(|row| from_json("entry", id, row.get(0)))
            .collect()
    }

    /// Appends the journal's next entry with the events that report it, as [`Ledger::append_all`] does.
    ///
    /// # Errors
    /// As [`Ledger::append_all`].
    pub async fn append(
        &self,
        lease: &Lease,
        id: ReleaseId,
        entry: &Entry,
        events: &[StatusEvent],
        ended: Option<Outcome>,
    ) -> Result<(), LedgerError> {
        let reported = Reported {
            entry: entry.clone(),
            events: events.to_vec(),
        };
        self.append_all(None, lease, id, &[reported], ended).await
    }

    /// Appends the journal's next entries, each with the events that report it. With `ended`, also ends the
    /// release and frees its locks. Everything is written or nothing. Refused when the lease's epoch is over,
    /// even if the lease itself seems valid; and after `moment`, where the entries are valid until then only,
    /// however long the wait for the ledger takes.
    ///
    /// # Errors
    /// [`LedgerError::LostLease`] and [`LedgerError::NotNext`] mean that another process is at work: stop
    /// acting. [`LedgerError::TooLate`] when the moment has passed.
    pub async fn append_all(
        &self,
        moment: Option<Timestamp>,
        lease: &Lease,
        id: ReleaseId,
        entries: &[Reported],
        ended: Option<Outcome>,
    ) -> Result<(), LedgerError> {
        let appended = self.try_append(moment, lease, id, entries, ended).await;
        self.spending(appended)
    }

    async fn try_append(
        &self,
        moment: Option<Timestamp>,
        lease: &Lease,
        id: ReleaseId,
        entries: &[Reported],
        ended: Option<Outcome>,
    ) -> Result<(), LedgerError> {
        let mut write = self.write("append to a journal").await?;
        if moment.is_some_and(|moment| moment <= Timestamp::now()) {
            return Err(LedgerError::TooLate);
        }
        let connection = write.connection()?;
        lease::check(connection, lease).await?;
        check_release(connection, lease, id).await?;
        check_next(connection, id, entries).await?;
        for Reported { entry, events } in entries {
            insert(connection, id, lease.epoch(), entry).await?;
            keep_digest(connection, id, entry).await?;
            outbox::insert_all(connection, events).await?;
        }
        let mut freed = false;
        if let (Some(outcome), Some(last)) = (ended, entries.last()) {
            end(connection, id, outcome, last.entry.at).await?;
            freed = locks::free(connection, id).await?;
        }
        write.commit().await?;
        if freed {
            self.inner.freed.send_replace(());
        }
        if entries.iter().any(|reported| !reported.events.is_empty()) {
            self.inner.wake.notify_one();
        }
        Ok(())
    }
}

/// Counts the releases of the lane that go before this one: releases that have begun, then emergencies, then
/// the order of acceptance. The core has the same rule (`drawgate_rollout::next`), and a test compares the
/// two.
pub(super) async fn ahead_of(connection: &mut SqliteConnection, id: ReleaseId) -> Result<u32, LedgerError> {
    let count: i64 = sqlx::query_scalar(
        "SELECT COUNT(*) FROM releases other JOIN releases this
             ON other.environment = this.environment AND other.service = this.service AND other.id <> this.id
         WHERE this.id = $1 AND this.begun = 0 AND other.outcome IS NULL
             AND (other.begun = 1 OR other.emergency > this.emergency
                 OR (other.emergency = this.emergency AND other.place < this.place))",
    )
    .bind(id.to_string())
    .fetch_one(connection)
    .await
    .map_err(LedgerError::database("count the releases ahead"))?;
    Ok(u32::try_from(count).unwrap_or(u32::MAX))
}

pub(super) async fn insert(
    connection: &mut SqliteConnection,
    id: ReleaseId,
    epoch: u64,
    entry: &Entry,
) -> Result<(), LedgerError> {
    let json = serde_json::to_string(entry).map_err(LedgerError::Unwritable)?;
    sqlx::query(
        "INSERT INTO journal (release_id, n, record_version, epoch, entry) VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(id.to_string())
    .bind(to_db(entry.n))
    .bind(limits::RECORD_VERSION)
    .bind(to_db(epoch))
    .bind(json)
    .execute(connection)
    .await
    .map_err(LedgerError::database("insert a journal entry"))?;
    Ok(())
}

fn read_other(row: &SqliteRow) -> Result<Other, LedgerError> {
    let id: &str = row.get("id");
    let sequence: Option<i64> = row.get("sequence");
    Ok(Other {
        id: from_word("id", id, id)?,
        sequence: sequence.and_then(|sequence| u64::try_from(sequence).ok()),
        came_later: row.get("came_later"),
        has_succeeded: row.get::<Option<&str>, _>("outcome").is_some(),
    })
}

/// Checks that these entries follow the journal's last one, and each other.
async fn check_next(
    connection: &mut SqliteConnection,
    release: ReleaseId,
    entries: &[Reported],
) -> Result<(), LedgerError> {
    let last: Option<i64> = sqlx::query_scalar("SELECT MAX(n) FROM journal WHERE release_id = $1")
        .bind(release.to_string())
        .fetch_one(connection)
        .await
        .map_err(LedgerError::database("read the journal's end"))?;
    let numbers = entries.iter().map(|reported| reported.entry.n);
    for (n, next) in numbers.zip(last.map_or(0, from_db) + 1..) {
        if n != next {
            return Err(LedgerError::NotNext { release, n, next });
        }
    }
    Ok(())
}

/// Stores the resolved digest, for the question in which environments it has succeeded.
async fn keep_digest(
    connection: &mut SqliteConnection,
    release: ReleaseId,
    entry: &Entry,
) -> Result<(), LedgerError> {
    let Record::Outcome {
        step: Step::Resolve,
        outcome,
    } = &entry.record
    else {
        return Ok(());
    };
    let Some(Evidence::Resolved { digest }) = outcome.evidence() else {
        return Ok(());
    };
    sqlx::query("UPDATE releases SET digest = $1 WHERE id = $2")
        .bind(digest.to_string())
        .bind(release.to_string())
        .execute(connection)
        .await
        .map_err(LedgerError::database("keep a digest"))?;
    Ok(())
}

async fn end(
    connection: &mut SqliteConnection,
    release: ReleaseId,
    outcome: Outcome,
    at: Timestamp,
) -> Result<(), LedgerError> {
    sqlx::query("UPDATE releases SET outcome = $1, ended_at = $2 WHERE id = $3")
        .bind(outcome.as_str())
        .bind(at.to_string())
        .bind(release.to_string())
        .execute(connection)
        .await
        .map_err(LedgerError::database("end a release"))?;
    Ok(())
}
