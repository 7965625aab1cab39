//! Opens the ledger, and has the only way to write to it.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use sqlx::pool::PoolConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Row as _, Sqlite, SqliteConnection, SqlitePool};
use tokio::sync::{Mutex, MutexGuard, Notify, watch};
use uuid::Uuid;

use super::holder::Holder;
use super::reserve::Reserve;
use super::{LedgerError, clock, file, limits};
use crate::Causes;

/// One worker process's access to the ledger. Clones share it.
#[derive(Debug, Clone)]
pub struct Ledger {
    pub(super) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) pool: SqlitePool,
    pub(super) holder: Holder,
    pub(super) worker: String,
    pub(super) identity: String,
    pub(super) boot_id: String,
    pub(super) lease: Duration,
    pub(super) landing: Duration,
    pub(super) reserve: Reserve,
    /// Notified whenever an event is appended.
    pub(super) wake: Notify,
    /// Notified whenever locks are freed.
    pub(super) freed: watch::Sender<()>,
    /// SQLite has one writer at a time. Writers of this process queue here in order, instead of in SQLite's
    /// busy handler.
    turn: Mutex<()>,
}

impl Ledger {
    /// Opens the ledger, creates it where it is missing, and migrates its tables. `worker` is the name that
    /// other processes read while this one has a lane.
    ///
    /// # Errors
    /// When the path is not fit for a ledger, when a newer worker has written to it, or when it is not
    /// available.
    pub async fn open(path: &Path, worker: &str) -> Result<Self, LedgerError> {
        Self::open_with_lease(path, worker, limits::LEASE, limits::LANDING).await
    }

    /// [`Ledger::open`] with another length of leases than [`limits::LEASE`], and another time than
    /// [`limits::LANDING`] that a lane stays closed after the lease of a suspended holder.
    ///
    /// # Errors
    /// As [`Ledger::open`].
    pub async fn open_with_lease(
        path: &Path,
        worker: &str,
        lease: Duration,
        landing: Duration,
    ) -> Result<Self, LedgerError> {
        file::prepare(path)?;
        let holder = Holder::new(path)?;
        // Two workers that start at once must not both migrate the tables.
        let _guard = opening_lock(path).await?;
        let pool = connect(path).await?;
        sqlx::migrate!("./migrations")
            .run(&pool)
            .await
            .map_err(LedgerError::migration)?;
        refuse_newer_records(&pool).await?;
        holder.remove_stale(&holders_of_lanes(&pool).await?);
        let reserve = Reserve::of(path);
        if let Err(error) = reserve.keep() {
            // Open releases must be taken over even on a full disk.
            tracing::error!(error = %Causes(&error), "nothing is taken in until there is room");
        }
        let inner = Inner {
            identity: identity(&pool).await?,
            pool,
            reserve,
            holder,
            worker: worker.to_owned(),
            boot_id: clock::boot_id()?,
            lease,
            landing,
            wake: Notify::new(),
            freed: watch::Sender::new(()),
            turn: Mutex::new(()),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// This process's id as a holder of leases: new at each start.
    pub fn holder(&self) -> Uuid {
        self.inner.holder.id()
    }

    /// Writes one row to learn whether the ledger can be written, because a full disk still reads well.
    ///
    /// # Errors
    /// Why the ledger cannot be written.
    pub async fn probe(&self) -> Result<(), LedgerError> {
        let mut write = self.write("probe").await?;
        sqlx::query(
            "INSERT INTO probes (name, count) VALUES ('write', 1)
             ON CONFLICT (name) DO UPDATE SET count = probes.count + 1",
        )
        .execute(write.connection()?)
        .await
        .map_err(LedgerError::database("probe"))?;
        write.commit().await
    }

    /// The ledger's identity, created with the file and different from every other ledger's.
    pub fn identity(&self) -> &str {
        &self.inner.identity
    }

    /// The name of the worker that opened the ledger.
    pub fn worker(&self) -> &str {
        &self.inner.worker
    }

    /// Whether a release may be accepted or begun: the disk has room for it, and for the rollback of open
    /// releases.
    ///
    /// # Errors
    /// Why not.
    pub async fn ready(&self) -> Result<(), LedgerError> {
        self.inner.reserve.keep()?;
        self.probe().await
    }

    /// Gives up the reserve when an open release's write fails on a full disk. The write that failed goes
    /// through when it is tried again.
    pub(super) fn spending<T>(&self, written: Result<T, LedgerError>) -> Result<T, LedgerError> {
        if let Err(error) = &written
            && error.is_full()
            && self.inner.reserve.spend()
        {
            tracing::error!(
                "the ledger's disk is full: its reserve is given up for the releases that are open"
            );
        }
        written
    }

    /// Waits for the write under way and closes the file. Nothing works afterwards.
    pub async fn close(&self) {
        let _guard = self.inner.turn.lock().await;
        self.inner.pool.close().await;
    }

    /// Begins this process's only write transaction.
    pub(super) async fn write(&self, operation: &'static str) -> Result<Write<'_>, LedgerError> {
        let turn = self.inner.turn.lock().await;
        let connection = self
            .inner
            .pool
            .acquire()
            .await
            .map_err(LedgerError::database(operation))?;
        let mut write = Write {
            connection: Some(connection),
            operation,
            _guard: turn,
        };
        // IMMEDIATE takes the lock before anything is read. A transaction then cannot find at its end that
        // what it read has changed.
        write.execute("BEGIN IMMEDIATE").await?;
        Ok(write)
    }
}

/// A transaction. Dropped without [`Write::commit`] it is undone, and its connection is closed. SQLite itself
/// rolls back when the disk is full, and sqlx's own transaction would not know: it returns the connection to
/// the pool, and every later transaction on it fails.
pub(super) struct Write<'a> {
    // Present until `commit` has succeeded.
    connection: Option<PoolConnection<Sqlite>>,
    operation: &'static str,
    _guard: MutexGuard<'a, ()>,
}

impl Write<'_> {
    pub(super) fn connection(&mut self) -> Result<&mut SqliteConnection, LedgerError> {
        match &mut self.connection {
            Some(connection) => Ok(connection),
            None => Err(LedgerError::database(self.operation)(sqlx::Error::PoolClosed)),
        }
    }

    pub(super) async fn commit(mut self) -> Result<(), LedgerError> {
        self.execute("COMMIT").await?;
        // Returns the connection to the pool.
        drop(self.connection.take());
        Ok(())
    }

    async fn execute(&mut self, sql: &'static str) -> Result<(), LedgerError> {
        let operation = self.operation;
        sqlx::query(sql)
            .execute(self.connection()?)
            .await
            .map_err(LedgerError::database(operation))?;
        Ok(())
    }
}

impl Drop for Write<'_> {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            drop(connection.detach());
        }
    }
}

/// A number as the database stores it. No number here reaches 2^63.
pub(super) fn to_db(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A number from the database. The ledger writes none below zero.
pub(super) fn from_db(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

async fn identity(pool: &SqlitePool) -> Result<String, LedgerError> {
    let row = sqlx::query("SELECT ledger FROM identity").fetch_one(pool).await;
    let row = row.map_err(LedgerError::database("read its identity"))?;
    Ok(row.get(0))
}

async fn connect(path: &Path) -> Result<SqlitePool, LedgerError> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        // With WAL, a lower setting may lose the last commits in a power failure: an effect without its
        // intent.
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(limits::BUSY_TIMEOUT)
        .pragma("journal_size_limit", limits::WAL_BYTES.to_string())
        .pragma("trusted_schema", "OFF")
        .disable_statement_logging();
    SqlitePoolOptions::new()
        .max_connections(limits::CONNECTIONS)
        .acquire_timeout(limits::CONNECTION_WAIT)
        .connect_with(options)
        .await
        .map_err(LedgerError::database("open"))
}

/// A lock for the time that a process opens the ledger.
async fn opening_lock(path: &Path) -> Result<File, LedgerError> {
    let directory = file::beside(path, ".holders");
    let handle = File::open(&directory).map_err(LedgerError::file("cannot open", &directory))?;
    let until = Instant::now() + limits::CONNECTION_WAIT;
    loop {
        match flock(&handle, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(handle),
            Err(rustix::io::Errno::WOULDBLOCK) if Instant::now() < until => {
                tokio::time::sleep(limits::OPENING_POLL).await;
            }
            Err(errno) => return Err(LedgerError::file("cannot lock", directory)(errno.into())),
        }
    }
}

async fn refuse_newer_records(pool: &SqlitePool) -> Result<(), LedgerError> {
    let newest: Option<i64> = sqlx::query_scalar("SELECT MAX(record_version) FROM journal")
        .fetch_one(pool)
        .await
        .map_err(LedgerError::database("read the version of the records"))?;
    match newest {
        Some(found) if found > limits::RECORD_VERSION => Err(LedgerError::NewerRecords {
            found,
            known: limits::RECORD_VERSION,
        }),
        _ => Ok(()),
    }
}

async fn holders_of_lanes(pool: &SqlitePool) -> Result<Vec<Uuid>, LedgerError> {
    let rows = sqlx::query("SELECT holder FROM lanes WHERE holder IS NOT NULL")
        .fetch_all(pool)
        .await
        .map_err(LedgerError::database("read the holders of lanes"))?;
    Ok(rows
        .iter()
        .filter_map(|row| Uuid::try_parse(row.get::<&str, _>(0)).ok())
        .collect())
}
