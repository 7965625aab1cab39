//! Every bound of the producer, with its reason.

use std::time::Duration;

/// One attempt to connect: a broker in the next network answers in milliseconds, a TLS handshake over a bad line in
/// seconds.
pub(crate) const CONNECT_TRY: Duration = Duration::from_secs(10);

/// How long the first connection is tried for: a broker that restarts is back in about 6 s.
pub(crate) const CONNECT_LIMIT: &str = "15s";

/// First pause between two attempts to connect; it doubles.
pub(crate) const BACKOFF_FIRST: Duration = Duration::from_millis(250);

/// Longest pause between two attempts to connect: nobody waits longer than this for a broker that is back.
pub(crate) const BACKOFF_LONGEST: Duration = Duration::from_secs(10);

/// How long a lost connection is tried again for while a release is followed: longer than a broker's upgrade.
pub(crate) const OUTAGE_LIMIT: Duration = Duration::from_secs(15 * 60);

/// Seconds between heartbeats. Two are missed before the connection counts as dead; proxies drop idle ones after 60.
pub(crate) const HEARTBEAT_S: u16 = 15;

/// How long the broker may take to open a channel, make a queue or close: each is a round trip.
pub(crate) const BROKER_CALL: Duration = Duration::from_secs(10);

/// How long the broker may take to say that it has the message. A quorum queue that elects a leader takes a second.
pub(crate) const CONFIRM: Duration = Duration::from_secs(15);

/// A good-bye to the broker is polite, not needed.
pub(crate) const CLOSE: Duration = Duration::from_secs(1);

/// How long all workers together have to answer a question.
pub(crate) const ANSWER: Duration = Duration::from_secs(5);

/// A reply comes at most once: after this the same question is sent again (so at most three times within `ANSWER`).
pub(crate) const ASK_AGAIN: Duration = Duration::from_secs(2);

/// After a worker has heard a question that every worker answers, the others have as long again, and this at least: theirs may be a
/// longer way to the broker. What each then needs for its answer is waited for.
pub(crate) const QUIET: Duration = Duration::from_millis(100);

/// The same, where something is changed or decided by what all say.
pub(crate) const QUIET_OF_ALL: Duration = UNKNOWN_GRACE;

/// After one worker said that it does not know a release, another site's may still say that it does.
pub(crate) const UNKNOWN_GRACE: Duration = Duration::from_secs(1);

/// Pages of one `show`, 500 events each: far more than a release of 500 hosts has.
pub(crate) const PAGES: usize = 100;

/// After publishing, silence for this long is worth a question: has any worker taken the message?
pub(crate) const FIRST_SILENCE: Duration = Duration::from_secs(5);

/// Later, silence for this long: a drain takes minutes, and an event that was lost at the very end leaves no gap.
pub(crate) const SILENCE: Duration = Duration::from_secs(60);

/// Events that are kept while those before them are asked for. More are let go: `show` brings them again.
pub(crate) const HELD_EVENTS: usize = 1_000;

/// Answers without the missing event, after which it is passed over: the end of a release must not hang on it.
pub(crate) const FRUITLESS_ANSWERS: u32 = 3;

/// How long `--wait` and `watch` follow by default: the worker's own bound for a roll is one hour, plus a wait in the
/// lane.
pub(crate) const WAIT: Duration = Duration::from_secs(2 * 3600);

/// The same, as a person would write it on the command line.
pub(crate) const WAIT_TEXT: &str = "2h";

/// Dead letters that are taken at once: each is a round trip, so about a second within a data centre. More is not a list that a
/// person reads; what lies behind them is counted, and comes to the front as these are replayed or dropped.
pub(crate) const DEAD_LETTERS: usize = 1_000;

/// Bytes of dead letters that are taken at once. A good one has 2 KiB; a sender's mistake can have many megabytes, and a
/// build machine is not to run out of memory for it.
pub(crate) const DEAD_LETTER_BYTES: usize = 64 * 1024 * 1024;

/// Longest duration that an option takes: 30 days.
pub(crate) const LONGEST_OPTION: Duration = Duration::from_secs(30 * 24 * 3600);

/// Host rows of a receipt on the screen; `show --format json` has all.
pub(crate) const RECEIPT_ROWS: usize = 30;

/// Names of alarms in one line.
pub(crate) const ALARM_NAMES: usize = 3;

/// A virtual host and a user name travel as short strings (AMQP 0-9-1).
pub(crate) const SHORT_STRING_BYTES: usize = 255;

/// Largest `drawgate.toml`: a few lines and some hundred routes.
pub(crate) const FILE_BYTES: u64 = 64 * 1024;
