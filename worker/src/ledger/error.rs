//! Errors of the ledger, sorted by what the caller may conclude from them.
//!
//! | `is_unavailable()` | meaning                                  | what to do                       |
//! |--------------------|------------------------------------------|----------------------------------|
//! | true               | disk full, locked, unreadable: may pass  | acknowledge nothing, come again  |
//! | false              | definite: lost lease, newer ledger, bug  | stop what you do, say it         |

use std::io;
use std::path::PathBuf;

use drawgate_schemas::ReleaseId;

/// Why a ledger operation failed.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The database did not answer, or did not take the write. Nothing was written.
    #[error("the ledger is not available ({operation})")]
    Unavailable {
        /// The operation.
        operation: &'static str,
        /// The database's error.
        #[source]
        source: sqlx::Error,
    },
    /// The database definitely refused: a damaged file, or a mistake in this program.
    #[error("the ledger refused ({operation})")]
    Refused {
        /// The operation.
        operation: &'static str,
        /// The database's error.
        #[source]
        source: sqlx::Error,
    },
    /// A file or directory of the ledger could not be created or read.
    #[error("{what} {path}", path = path.display())]
    File {
        /// The attempt that failed.
        what: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The file system's error.
        #[source]
        source: io::Error,
    },
    /// The disk lacks the space that open releases may need, so no new release is accepted.
    #[error("{path} cannot be reserved: {bytes} bytes for the releases that are open; make room on the ledger's disk", path = path.display())]
    NoRoom {
        /// The size of the reserve.
        bytes: u64,
        /// The reserve's file.
        path: PathBuf,
        /// The file system's error.
        #[source]
        source: io::Error,
    },
    /// The ledger lies on a file system whose locks SQLite cannot rely on.
    #[error("{path} is on {kind}, where file locks cannot be relied on; put the ledger on a local disk", path = path.display())]
    NetworkFileSystem {
        /// The ledger's directory.
        path: PathBuf,
        /// The kind of file system.
        kind: &'static str,
    },
    /// The tables could not be migrated.
    #[error("the ledger's tables could not be brought up to date")]
    Migration(#[source] sqlx::migrate::MigrateError),
    /// A newer worker has migrated the tables.
    #[error(
        "the ledger's tables are of version {found}, made by a newer drawgate-worker; start that version again"
    )]
    NewerTables {
        /// The migration that this worker does not know.
        found: i64,
    },
    /// A newer worker has written records.
    #[error(
        "the ledger holds records of version {found}, this drawgate-worker reads up to {known}; start the newer version again"
    )]
    NewerRecords {
        /// The newest version in the ledger.
        found: i64,
        /// The newest version that this worker reads.
        known: i64,
    },
    /// A row could not be read back.
    #[error("the ledger's {what} of {of} cannot be read")]
    Unreadable {
        what: &'static str,
        of: String,
        /// The parser's error.
        #[source]
        source: serde_json::Error,
    },
    /// A value could not be written as JSON.
    #[error("an entry or event could not be written as JSON")]
    Unwritable(#[source] serde_json::Error),
    /// Another holder, or another epoch, has the lane: the caller must stop acting.
    #[error("the lease of {environment}/{service} (epoch {epoch}) is lost")]
    LostLease {
        /// The lane's environment.
        environment: String,
        /// The lane's service.
        service: String,
        /// The caller's epoch, which is over.
        epoch: u64,
    },
    /// The lease is for another lane than the release's.
    #[error("release {release} is not in the lane {environment}/{service} that the lease is for")]
    WrongLane {
        release: ReleaseId,
        /// The lease's environment.
        environment: String,
        /// The lease's service.
        service: String,
    },
    /// The entry or command was valid only until a moment, and the moment has passed.
    #[error("the ledger was away for as long as the entry was good")]
    TooLate,
    /// The entry is not the journal's next: another entry was appended meanwhile, or one was left out.
    #[error("entry {n} of release {release} cannot be appended: the next is {next}")]
    NotNext {
        release: ReleaseId,
        /// The entry's number.
        n: u64,
        /// The number of the next entry.
        next: u64,
    },
    /// The release has ended; nothing may follow.
    #[error("release {release} has ended")]
    HasEnded { release: ReleaseId },
    /// The release is not in this ledger.
    #[error("release {release} is not in the ledger")]
    UnknownRelease { release: ReleaseId },
}

impl LedgerError {
    /// True when the problem may pass by itself: disk full, locked, I/O.
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::Unavailable { .. } | Self::NoRoom { .. })
    }

    /// True when the disk is full.
    pub(super) fn is_full(&self) -> bool {
        const FULL: i32 = 13;
        let Self::Unavailable {
            source: sqlx::Error::Database(error),
            ..
        } = self
        else {
            return false;
        };
        let code: Option<i32> = error.code().and_then(|code| code.parse().ok());
        code.is_some_and(|code| code & 0xff == FULL)
    }

    /// True when another worker has taken the lane.
    pub fn is_lost_lease(&self) -> bool {
        matches!(self, Self::LostLease { .. })
    }

    /// For `map_err`: sorts a database error.
    pub(super) fn database(operation: &'static str) -> impl FnOnce(sqlx::Error) -> Self {
        move |source| {
            if may_pass(&source) {
                Self::Unavailable { operation, source }
            } else {
                Self::Refused { operation, source }
            }
        }
    }

    /// For `map_err`: the attempt that failed, and its path.
    pub(super) fn file(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { what, path, source }
    }

    pub(super) fn migration(error: sqlx::migrate::MigrateError) -> Self {
        use sqlx::migrate::MigrateError;
        match error {
            MigrateError::VersionMissing(found) | MigrateError::VersionTooNew(found, _) => {
                Self::NewerTables { found }
            }
            MigrateError::Execute(source) if may_pass(&source) => Self::Unavailable {
                operation: "bring the tables up to date",
                source,
            },
            other => Self::Migration(other),
        }
    }
}

/// Whether a database error may pass by itself.
fn may_pass(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => true,
        sqlx::Error::Database(error) => error
            .code()
            .and_then(|code| code.parse().ok())
            .is_some_and(passing_code),
        _ => false,
    }
}

/// SQLite's primary result codes (sqlite.org/rescode.html); an extended code has its primary code in the low
/// byte.
fn passing_code(code: i32) -> bool {
    const BUSY: i32 = 5;
    const LOCKED: i32 = 6;
    const NOMEM: i32 = 7;
    const READONLY: i32 = 8;
    const IOERR: i32 = 10;
    const FULL: i32 = 13;
    const CANTOPEN: i32 = 14;
    const PROTOCOL: i32 = 15;
    matches!(
        code & 0xff,
        BUSY | LOCKED | NOMEM | READONLY | IOERR | FULL | CANTOPEN | PROTOCOL
    )
}
