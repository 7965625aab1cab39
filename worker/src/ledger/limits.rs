//! The ledger's bounds, each with its reason.

use std::time::Duration;

/// Version of the records that this worker writes, and the newest it reads. Raise it when an `Entry` changes
/// so that the previous version could not fold it. Older entries stay readable (fixtures of them are checked
/// in).
pub const RECORD_VERSION: i64 = 9;

/// Length of a lane's lease, unless `worker.toml` sets another. The lane of a killed process is free at once,
/// through its file lock.
pub const LEASE: Duration = drawgate_config::LEASE_DEFAULT;

/// How long a lane stays closed after the lease of a holder that may be suspended. A call that it had begun
/// may land that late: one call to AWS (20 s) and a margin.
pub const LANDING: Duration = Duration::from_secs(30);

/// How often the relay renews its lease at least: four times per [`LEASE`]. Lanes renew theirs more often.
pub const RENEW_EVERY: Duration = Duration::from_secs(15);

/// How long one statement waits for another process's transaction. A transaction takes milliseconds; a longer
/// wait means that a process was suspended in the middle of one.
pub const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a caller waits for one of the connections.
pub const CONNECTION_WAIT: Duration = Duration::from_secs(10);

/// Connections per process: one writes at a time, the others read (WAL: readers never wait for the writer).
pub const CONNECTIONS: u32 = 4;

/// Space reserved for open releases: enough for some fifty of them with their events. A whole multiple of 64
/// KiB.
pub const RESERVE_BYTES: u64 = 8 * 1024 * 1024;

/// Size to which the write-ahead log is truncated after a checkpoint.
pub const WAL_BYTES: u32 = 4 * 1024 * 1024;

/// How many published `rejected` events without a release are kept. Every publisher can cause them, so they
/// must not be able to fill the disk.
pub const REJECTED_EVENTS_KEPT: i64 = 10_000;

/// How many requests refused for a leap of their number are remembered. A message is redelivered within
/// minutes. Every publisher can cause refusals, so they must not be able to fill the disk.
pub const REFUSED_SEQUENCES_KEPT: i64 = 10_000;

/// How often the creation of this process's lock file is retried while another process removes stale files.
pub const LOCK_FILE_TRIES: u32 = 10;

/// How often to check whether another process has finished opening the ledger, which takes about 50 ms.
pub const OPENING_POLL: Duration = Duration::from_millis(20);
