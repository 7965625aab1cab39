//! Locks on things that several services can share: Auto Scaling groups, target groups, instances. A release
//! takes all locks it needs or none, in one transaction, so that no two releases can wait for each other. It
//! keeps them until its end, whatever happens to the process; the transaction that writes the end frees them.
//!
//! Every end frees them, `needs_operator` included, because nobody would be left to free them. What such an
//! end leaves behind is marked on the things themselves, where the next preflight sees it (decision 10).

use std::collections::{BTreeMap, BTreeSet};

use drawgate_schemas::{Environment, ReleaseId, Service};
use jiff::Timestamp;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection};
use tokio::sync::watch;

use super::LedgerError;
use super::lease::{self, Lease};
use super::rows::{check_release, from_word};
use super::store::{Ledger, from_db};

/// A lock, and the release that has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lock {
    /// The locked thing.
    pub name: String,
    /// The release that has it.
    pub release: ReleaseId,
    /// That release's environment.
    pub environment: Environment,
    /// That release's service.
    pub service: Service,
    /// When it was taken. Shown to operators only.
    pub since: Timestamp,
}

/// The answer to a request for locks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Locking {
    /// The release has all of them.
    Ours {
        /// How often locks had been freed by then.
        frees: u64,
    },
    /// No lock was taken, because another release has this one (the first by name).
    Held(Box<Lock>),
}

/// A release's locks at one moment, to tell later whether what it saw then is still true.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LockNote {
    /// The locks that the release had.
    pub ours: BTreeSet<String>,
    /// How often locks had been freed by then.
    pub frees: u64,
}

impl Ledger {
    /// Takes all of these locks for a release, or none. Locks it has already stay its own.
    ///
    /// # Errors
    /// [`LedgerError::LostLease`] when another worker has the lane.
    pub async fn lock(
        &self,
        lease: &Lease,
        release: ReleaseId,
        names: &BTreeSet<String>,
    ) -> Result<Locking, LedgerError> {
        let mut write = self.write("take locks").await?;
        let connection = write.connection()?;
        lease::check(connection, lease).await?;
        check_release(connection, lease, release).await?;
        let held = read_all(connection).await?;
        let others = names.iter().filter_map(|name| held.get(name));
        let mut others = others.filter(|lock| lock.release != release);
        if let Some(other) = others.next().cloned() {
            write.commit().await?;
            return Ok(Locking::Held(Box::new(other)));
        }
        let since = Timestamp::now();
        for name in names.iter().filter(|name| !held.contains_key(*name)) {
            insert(connection, lease, release, name, since).await?;
        }
        let frees = count_frees(connection).await?;
        write.commit().await?;
        Ok(Locking::Ours { frees })
    }

    /// The release's locks, and how often locks have been freed so far.
    ///
    /// # Errors
    /// When the ledger is not available.
    pub async fn lock_note(&self, release: ReleaseId) -> Result<LockNote, LedgerError> {
        // Reads the frees first: a free between the two reads then makes the note seem older than it is,
        // never newer.
        let frees = count_frees(&self.inner.pool).await?;
        let ours = self.locks().await?.into_iter();
        let ours = ours.filter(|lock| lock.release == release).map(|lock| lock.name);
        Ok(LockNote {
            ours: ours.collect(),
            frees,
        })
    }

    /// All locks, by name.
    ///
    /// # Errors
    /// When the ledger is not available.
    pub async fn locks(&self) -> Result<Vec<Lock>, LedgerError> {
        let rows = sqlx::query(READ_ALL)
            .fetch_all(&self.inner.pool)
            .await
            .map_err(LedgerError::database("read locks"))?;
        rows.iter().map(read).collect()
    }

    /// Notified whenever this process frees locks.
    pub fn freed_locks(&self) -> watch::Receiver<()> {
        self.inner.freed.subscribe()
    }
}

/// Within the transaction that ends a release: frees its locks, and returns whether there were any.
pub(super) async fn free(connection: &mut SqliteConnection, release: ReleaseId) -> Result<bool, LedgerError> {
    let freed = sqlx::query("DELETE FROM locks WHERE release_id = $1")
        .bind(release.to_string())
        .execute(&mut *connection)
        .await
        .map_err(LedgerError::database("free locks"))?;
    if freed.rows_affected() == 0 {
        return Ok(false);
    }
    sqlx::query("UPDATE lock_frees SET count = count + 1")
        .execute(connection)
        .await
        .map_err(LedgerError::database("count freed locks"))?;
    Ok(true)
}

const READ_ALL: &str = "SELECT name, release_id, environment, service, since FROM locks ORDER BY name";

/// Reads all locks. A few hundred at most: a release has one lane, and one release of a lane runs.
async fn read_all(connection: &mut SqliteConnection) -> Result<BTreeMap<String, Lock>, LedgerError> {
    let rows = sqlx::query(READ_ALL)
        .fetch_all(connection)
        .await
        .map_err(LedgerError::database("read locks"))?;
    let locks = rows
        .iter()
        .map(|row| read(row).map(|lock| (lock.name.clone(), lock)));
    locks.collect()
}

fn read(row: &SqliteRow) -> Result<Lock, LedgerError> {
    let name: String = row.get("name");
    Ok(Lock {
        release: from_word("lock", &name, row.get("release_id"))?,
        environment: from_word("lock", &name, row.get("environment"))?,
        service: from_word("lock", &name, row.get("service"))?,
        since: from_word("lock", &name, row.get("since"))?,
        name,
    })
}

async fn insert(
    connection: &mut SqliteConnection,
    lease: &Lease,
    release: ReleaseId,
    name: &str,
    since: Timestamp,
) -> Result<(), LedgerError> {
    let (environment, service) = lease.lane();
    sqlx::query(
        "INSERT INTO locks (name, release_id, environment, service, since) VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(name)
    .bind(release.to_string())
    .bind(environment)
    .bind(service)
    .bind(since.to_string())
    .execute(connection)
    .await
    .map_err(LedgerError::database("take a lock"))?;
    Ok(())
}

async fn count_frees<'c>(from: impl sqlx::SqliteExecutor<'c>) -> Result<u64, LedgerError> {
    let count: i64 = sqlx::query_scalar("SELECT count FROM lock_frees")
        .fetch_one(from)
        .await
        .map_err(LedgerError::database("count freed locks"))?;
    Ok(from_db(count))
}
