//! What can go wrong with the ledger, sorted by what the caller may conclude from it.
//!
//! | `is_unavailable()` | meaning                                  | what to do                       |
//! |--------------------|------------------------------------------|----------------------------------|
//! | true               | disk full, locked, unreadable: may pass  | acknowledge nothing, come again  |
//! | false              | definite: lost lease, newer ledger, bug  | stop what you do, say it         |

use std::io;
use std::path::PathBuf;

use drawgate_schemas::ReleaseId;

/// Why the ledger did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The database did not answer, or did not take it. Nothing was written.
    #[error("the ledger is not available ({operation})")]
    Unavailable {
        /// What was asked.
        operation: &'static str,
        /// What was in the way.
        #[source]
        source: sqlx::Error,
    },
    /// The database said a definite no: a damaged file, or a mistake in this program.
    #[error("the ledger refused ({operation})")]
    Refused {
        /// What was asked.
        operation: &'static str,
        /// The database's words.
        #[source]
        source: sqlx::Error,
    },
    /// A file or directory of the ledger could not be made or read.
    #[error("{what} {path}", path = path.display())]
    File {
        /// What was tried.
        what: &'static str,
        /// On which path.
        path: PathBuf,
        /// What was in the way.
        #[source]
        source: io::Error,
    },
    /// The disk has not the space that open releases may need: nothing new is taken in.
    #[error("{path} cannot be reserved: {bytes} bytes for the releases that are open; make room on the ledger's disk", path = path.display())]
    NoRoom {
        /// How much is wanted.
        bytes: u64,
        /// The reserve's file.
        path: PathBuf,
        /// What was in the way.
        #[source]
        source: io::Error,
    },
    /// The file lies on a file system whose locks are not SQLite's.
    #[error("{path} is on {kind}, where file locks cannot be relied on; put the ledger on a local disk", path = path.display())]
    NetworkFileSystem {
        /// The directory that was looked at.
        path: PathBuf,
        /// The kind of file system.
        kind: &'static str,
    },
    /// The tables could not be brought up to date.
    #[error("the ledger's tables could not be brought up to date")]
    Migration(#[source] sqlx::migrate::MigrateError),
    /// A newer worker has made the tables.
    #[error(
        "the ledger's tables are of version {found}, made by a newer drawgate-worker; start that version again"
    )]
    NewerTables {
        /// The version that this worker does not know.
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
        /// Which column.
        what: &'static str,
        /// Whose.
        of: String,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// A value could not be written as JSON.
    #[error("an entry or event could not be written as JSON")]
    Unwritable(#[source] serde_json::Error),
    /// Another holder, or another epoch, has the lane: whoever gets this must stop acting.
    #[error("the lease of {environment}/{service} (epoch {epoch}) is lost")]
    LostLease {
        /// The lane's environment.
        environment: String,
        /// The lane's service.
        service: String,
        /// The epoch that is over.
        epoch: u64,
    },
    /// The lease is for another lane than the release's.
    #[error("release {release} is not in the lane {environment}/{service} that the lease is for")]
    WrongLane {
        /// The release.
        release: ReleaseId,
        /// The lease's environment.
        environment: String,
        /// The lease's service.
        service: String,
    },
    /// The entry was good for some time only, and that is over.
    #[error("the ledger was away for as long as the entry was good")]
    TooLate,
    /// The entry is not the journal's next: another one was appended meanwhile, or one was left out.
    #[error("entry {n} of release {release} cannot be appended: the next is {next}")]
    NotNext {
        /// The release.
        release: ReleaseId,
        /// The entry's number.
        n: u64,
        /// The number that would be right.
        next: u64,
    },
    /// The release has ended; nothing follows.
    #[error("release {release} has ended")]
    HasEnded {
        /// The release.
        release: ReleaseId,
    },
    /// No such release.
    #[error("release {release} is not in the ledger")]
    UnknownRelease {
        /// The release.
        release: ReleaseId,
    },
}

impl LedgerError {
    /// True when it may be otherwise in a moment, without anyone's doing: disk full, locked, I/O.
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

    /// True when another worker has the lane.
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

    /// For `map_err`: what could not be done with which path.
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

/// Whether a database error may be gone in a moment.
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

/// SQLite's primary result codes (sqlite.org/rescode.html), the low byte of the extended ones.
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
