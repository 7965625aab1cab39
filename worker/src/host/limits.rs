//! The bounds of the host adapter, each with its reason.

use std::time::Duration;

/// Longest wait for a TCP connection and key exchange, given to ssh. A cold connection takes 0.2 s; a host
/// behind a jump host and a session manager takes a few seconds.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Time for logging in, on top of [`CONNECT_TIMEOUT`]; ssh does not bound it by itself. A slow name service
/// or PAM module on the host takes seconds.
pub const LOGIN_TIMEOUT: Duration = Duration::from_secs(10);

/// Silence after which ssh asks whether the host is still there; three unanswered questions end the
/// connection. So a dead host is noticed within 20 s, between any two polls of a drain.
pub const ALIVE_INTERVAL: Duration = Duration::from_secs(5);

/// Longest time for a running ssh master to answer a request for a forward; the answer takes under a
/// millisecond.
pub const FORWARD_TIMEOUT: Duration = Duration::from_secs(5);

/// Longest plain command (`df`, `ss`). They look into the kernel's tables; a network file system may hang
/// `df`.
pub const COMMAND_TIMEOUT: Duration = Duration::from_secs(10);

/// Connections that are kept while nobody uses them and more are needed. A connection takes three descriptors and an ssh
/// process of some megabytes, so that this many stay below 700 descriptors with all else that a worker has open. A roll
/// of as many hosts connects to each once; a larger one connects to the others again for each look, 0.1 s each.
pub const CONNECTIONS: usize = 180;

/// A host that was used this lately is about to be used again: a look at it has several requests.
pub const USED_LATELY: Duration = Duration::from_secs(2);

/// Commands at once on one host: sshd allows 10 sessions per connection, and the lifeline is one of them.
pub const COMMANDS_AT_ONCE: usize = 4;

/// Bytes read of a command's output, and of the lines before the lifeline answers (a banner, a chatty
/// profile).
pub const COMMAND_OUTPUT_BYTES: usize = 64 * 1024;

/// Bytes read of systemd's list of services. Each takes about 300 bytes, and a host has 50 to 300 of them.
pub const UNITS_OUTPUT_BYTES: usize = 512 * 1024;

/// Images of one repository removed from one host in one go: far more than a release leaves, and seconds of
/// the engine's time.
pub const IMAGES_REMOVED: usize = 50;

/// How long an ssh master may take to end on request before it is killed.
pub const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// How often the worker looks whether the ssh master has ended; ending takes a few milliseconds.
pub const CLOSE_POLL: Duration = Duration::from_millis(5);

/// Tries of one request, each over its own connection: the first finds out that a connection has died since
/// its last use, and the second has a new one.
pub const LINK_TRIES: usize = 2;

/// Most containers of one host that are looked at: far beyond what a host runs. A host with more needs
/// cleaning up first.
pub const CONTAINERS: usize = 500;

/// Containers inspected at the same time, each over its own channel.
pub const INSPECTIONS_AT_ONCE: usize = 8;

/// Time that the engine may need beyond a container's own stop time-out to answer a stop.
pub const STOP_MARGIN: Duration = Duration::from_secs(15);

/// Longest stop time-out that is passed on; Docker reads a negative one as "for ever".
pub const STOP_TIMEOUT_MAX_S: u32 = 24 * 3600;

/// Log lines kept of a container.
pub const LOG_LINES: usize = 50;

/// Characters kept of a log line: enough for the message of a stack trace, and fit for a chat message.
pub const LOG_LINE_CHARS: usize = 500;

/// Most pieces of a log that are read; the engine cuts lines at 16 KiB, so this bounds the memory to 16 MiB.
pub const LOG_PIECES: usize = 1024;

/// Bytes kept of a verification's HTTP answer.
pub const HTTP_BODY_BYTES: usize = 2 * 1024;

/// Bytes kept of a verification command's output, from its end.
pub const EXEC_OUTPUT_BYTES: usize = 4 * 1024;

/// A Unix socket's address is at most 108 bytes with its final zero, and ssh binds its control socket under a
/// name 17 characters longer before it renames it.
pub const CONTROL_PATH_BYTES: usize = 108 - 1 - 17;

/// Bytes read of ssh's own messages when a connection fails.
pub const SSH_LOG_BYTES: usize = 2 * 1024;

/// Entries of the directory for sockets that are looked at for leftovers of killed processes: the directory
/// may be `/tmp`.
pub const STALE_SOCKET_DIRS: usize = 10_000;

/// A directory younger than this may belong to a process that is about to lock it.
pub const SOCKET_DIR_YOUTH: Duration = Duration::from_secs(60);
