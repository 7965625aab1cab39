//! The bounds of the ledger, each with its reason.

use std::time::Duration;

/// Version of the records that this worker writes, and the newest it reads. Raise it when an `Entry` is written that
/// the version before could not fold; older ones stay readable (fixtures of them are checked in).
pub const RECORD_VERSION: i64 = 7;

/// A lane's lease. Long enough that a renewal may fail three times, short enough that a machine that hangs gives the
/// fleet back within a minute. A killed process gives it back at once, by its file lock.
pub const LEASE: Duration = Duration::from_secs(60);

/// How long a lane stays shut after the lease of a holder that only hangs: what it had begun when it was stopped may land so
/// long, one call to AWS (20 s) and a margin.
pub const LANDING: Duration = Duration::from_secs(30);

/// How often a holder renews: four times per lease.
pub const RENEW_EVERY: Duration = Duration::from_secs(15);

/// How long one statement waits for another process's transaction. A transaction takes milliseconds; what waits this
/// long has met a process that was stopped in the middle of one.
pub const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a caller waits for one of the connections.
pub const CONNECTION_WAIT: Duration = Duration::from_secs(10);

/// Connections per process: one writes at a time, the others read (WAL: readers never wait for the writer).
pub const CONNECTIONS: u32 = 4;

/// Space that is reserved for open releases: some fifty of them with their events, a whole multiple of 64 KiB.
pub const RESERVE_BYTES: u64 = 8 * 1024 * 1024;

/// Size to which the write-ahead log is cut back after a checkpoint.
pub const WAL_BYTES: u32 = 4 * 1024 * 1024;

/// Published `rejected` events without a release that are kept. Everyone who may publish can cause them, so they
/// must not be able to fill the disk.
pub const REJECTED_EVENTS_KEPT: i64 = 10_000;

/// Requests that are remembered because their number leapt too far. A message is redelivered within minutes; everyone who may publish can
/// cause them, so they must not be able to fill the disk.
pub const REFUSED_SEQUENCES_KEPT: i64 = 10_000;

/// Chat posts that are remembered. A message is redelivered within minutes; this is weeks of posts.
pub const CHAT_POSTS_KEPT: i64 = 10_000;

/// How often the creation of this process's lock file is tried again when another process cleans up beside it.
pub const LOCK_FILE_TRIES: u32 = 10;

/// Pause between two looks whether another process has finished opening the ledger, which takes about 50 ms.
pub const OPENING_POLL: Duration = Duration::from_millis(20);
