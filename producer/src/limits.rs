//! Every bound of the producer, with its reason.

use std::time::Duration;

/// How long one attempt to connect may take. A broker in the next network answers in milliseconds, a TLS
/// handshake over a bad line takes seconds.
pub(crate) const CONNECT_TRY: Duration = Duration::from_secs(10);

/// How long the first connection is tried for. A broker that restarts is back in about 6 s.
pub(crate) const CONNECT_LIMIT: &str = "15s";

/// First pause between two attempts to connect; each later pause is twice as long.
pub(crate) const BACKOFF_FIRST: Duration = Duration::from_millis(250);

/// Longest pause between two attempts to connect, so that nobody waits longer than this for a broker that is
/// back.
pub(crate) const BACKOFF_LONGEST: Duration = Duration::from_secs(10);

/// How long a lost connection is tried for while a release is followed: longer than a broker's upgrade takes.
pub(crate) const OUTAGE_LIMIT: Duration = Duration::from_secs(15 * 60);

/// Seconds between heartbeats. The connection counts as dead after two missed ones; proxies drop idle
/// connections after 60 s.
pub(crate) const HEARTBEAT_S: u16 = 15;

/// How long the broker may take to open a channel, make a queue or close: each is one round trip.
pub(crate) const BROKER_CALL: Duration = Duration::from_secs(10);

/// How long the broker may take to confirm a message. A quorum queue that elects a leader takes a second.
pub(crate) const CONFIRM: Duration = Duration::from_secs(15);

/// How long closing the connection may take: a good-bye is polite, not needed.
pub(crate) const CLOSE: Duration = Duration::from_secs(1);

/// How long all workers together have to answer a question.
pub(crate) const ANSWER: Duration = Duration::from_secs(5);

/// When the same question is sent again, because a reply comes at most once: so at most three times within
/// `ANSWER`.
pub(crate) const ASK_AGAIN: Duration = Duration::from_secs(2);

/// Least time that the other workers get after one worker has heard a question that every worker answers.
/// They get as long as that worker took, because their way to the broker may be longer. The answers of those
/// that have heard it are waited for.
pub(crate) const QUIET: Duration = Duration::from_millis(100);

/// [`QUIET`] for questions that change something, or where the answers of all workers decide.
pub(crate) const QUIET_OF_ALL: Duration = UNKNOWN_GRACE;

/// How long to wait after one worker said that it does not know a release, because another site's worker may
/// still know it.
pub(crate) const UNKNOWN_GRACE: Duration = Duration::from_secs(1);

/// Most pages of one `show`, of 500 events each: far more than a release of 500 hosts has.
pub(crate) const PAGES: usize = 100;

/// Silence after publishing that is worth a question: has any worker taken the message?
pub(crate) const FIRST_SILENCE: Duration = Duration::from_secs(5);

/// Silence later on that is worth a question: a drain takes minutes, and a lost last event leaves no gap.
pub(crate) const SILENCE: Duration = Duration::from_secs(60);

/// Most events that are held while earlier ones are asked for. Further events are dropped, because `show`
/// brings them again.
pub(crate) const HELD_EVENTS: usize = 1_000;

/// Answers without the missing event after which it is passed over, because the end of a release must not
/// hang on it.
pub(crate) const FRUITLESS_ANSWERS: u32 = 3;

/// How long `--wait` and `watch` follow by default: the worker's own bound for a roll is one hour, plus a
/// wait in the queue.
pub(crate) const WAIT: Duration = Duration::from_secs(2 * 3600);

/// [`WAIT`], as a person writes it on the command line.
pub(crate) const WAIT_TEXT: &str = "2h";

/// Most dead letters that are taken at once. Each is a round trip, so this takes about a second within a data
/// centre. A person does not read a longer list. The letters behind these are counted, and come to the front
/// as these are replayed or dropped.
pub(crate) const DEAD_LETTERS: usize = 1_000;

/// Most bytes of dead letters that are taken at once. A good letter has 2 KiB; a sender's mistake can have
/// many megabytes, and must not exhaust the memory of a build machine.
pub(crate) const DEAD_LETTER_BYTES: usize = 64 * 1024 * 1024;

/// Longest duration that an option takes: 30 days.
pub(crate) const LONGEST_OPTION: Duration = Duration::from_secs(30 * 24 * 3600);

/// Host rows of a receipt that the screen shows; `show --format json` has all of them.
pub(crate) const RECEIPT_ROWS: usize = 30;

/// Alarms that one line names.
pub(crate) const ALARM_NAMES: usize = 3;

/// Longest virtual host or user name, in bytes, because both travel as short strings (AMQP 0-9-1).
pub(crate) const SHORT_STRING_BYTES: usize = 255;

/// Largest `drawgate.toml`, in bytes: it has a few lines and some hundred routes.
pub(crate) const FILE_BYTES: u64 = 64 * 1024;
