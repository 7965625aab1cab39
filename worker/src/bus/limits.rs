//! The bounds of the bus, each with its reason.

use std::time::Duration;

/// Pause before the second try after a loss. A broker that restarts takes seconds; a flapping connection comes back at
/// once.
pub const BACKOFF_FIRST: Duration = Duration::from_millis(200);

/// Longest pause between two tries: what an operator who has just brought the broker back is willing to wait.
pub const BACKOFF_LAST: Duration = Duration::from_secs(10);

/// Longest wait for one connection with its handshake.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// Heartbeat where the URL names none. A dead peer is noticed after twice this; the broker's own default is 60 s.
pub const HEARTBEAT_S: u16 = 15;

/// Longest wait for an answer to a declaration, a consumer or a close.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(15);

/// Longest wait until an acknowledgement is on the wire. It takes microseconds; the wait is for a connection that is
/// gone without a word.
pub const ACK_TIMEOUT: Duration = Duration::from_secs(5);

/// How often a consumer that hears nothing looks whether its channel is still there.
pub const CHANNEL_LOOK: Duration = Duration::from_secs(5);

/// Longest wait for a confirm. A quorum queue whose leader dies answers within a second or two; a broker under a disk
/// alarm does not answer at all.
pub const CONFIRM_TIMEOUT: Duration = Duration::from_secs(30);

/// Most questions that may be on their way to one consumer: each takes milliseconds to answer.
pub const QUESTIONS_OUT: u16 = 16;

/// Releases on their way at once. A channel that closes counts as a delivery for each message that was out, and the queue's
/// limit is on deliveries: with one, a message pays for nobody but itself. The next one comes within the round trip
/// that the acknowledgement takes, and is accepted in a transaction that takes longer.
pub const RELEASES_OUT: u16 = 1;

/// How long a release is kept while the ledger does not take it, before it is given back for another worker of the site.
/// Within the shortest `consumer_timeout` that a broker may have (a minute), and long enough that an hour of it costs a
/// message fewer deliveries than the shipped policy allows.
pub const LEDGER_HOLD: Duration = Duration::from_secs(45);

/// How often the ledger is asked meanwhile.
pub const LEDGER_LOOK: Duration = Duration::from_secs(1);

/// Deliveries after which the shipped policy (`infra/rabbitmq`) puts a release among the dead letters.
pub const DELIVERY_LIMIT: u32 = 200;

/// The lowest limit on deliveries that nobody is warned of: a release that a hundred restarts of its worker met is
/// still a good one.
pub const DELIVERY_LIMIT_LEAST: u32 = 120;

/// Deliveries after which a queue that is tried counts as one without a limit.
pub const DELIVERY_LIMIT_TRIED: u32 = 500;

/// Longest time for trying it: a quorum queue takes a millisecond or a few for each delivery, and a control command that comes
/// meanwhile waits for the answer to `ping`.
pub const DELIVERY_LIMIT_TIMEOUT: Duration = Duration::from_secs(4);

/// How long a limit that was found good is believed: a policy is changed by hand, and `ping` is asked more often.
pub const DELIVERY_LIMIT_GOOD_FOR: Duration = Duration::from_secs(10 * 60);

/// The same where it was not: whoever has just set the policy asks again. It keeps a stream of pings from being one of
/// thousands of deliveries.
pub const DELIVERY_LIMIT_BAD_FOR: Duration = Duration::from_secs(5);

/// A queue that is tried goes by itself when its worker ends meanwhile.
pub const TRIAL_QUEUE_EXPIRES_MS: i32 = 60_000;

/// Most events that are published and not confirmed. Enough to hide the round trip (a quorum queue confirms 64 in the
/// time of two or three), few enough that little is sent twice after a loss.
pub const EVENTS_IN_FLIGHT: u32 = 64;

/// How often the relay looks for events without being woken: only another process on the same ledger appends without
/// waking it.
pub const OUTBOX_POLL: Duration = Duration::from_secs(1);

/// How long the relay goes on publishing after the order to stop: what is left goes out at the next start.
pub const LAST_WORDS: Duration = Duration::from_secs(5);

/// How often a worker that may not relay (another one on the same ledger does) asks for the relay lease.
pub const RELAY_LEASE_POLL: Duration = Duration::from_secs(5);

/// Questions live this long in the queue. Each names its own, shorter, time; this is for those whose site has no
/// worker.
pub const QUESTION_TTL_MS: u32 = 60_000;

/// Copies of dead letters live this long where a site has no worker; whoever waited for such a release has gone by then. The
/// letters themselves stay until somebody drops them.
pub const DEAD_COPIES_TTL_MS: u32 = 24 * 60 * 60 * 1000;

/// Longest time for one answer.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);

/// Chat posts that are older are not worth a person's look any more; the outcome is in `drawgate status`.
pub const CHAT_TTL_MS: u32 = 24 * 60 * 60 * 1000;

/// How long a chat message is held without acknowledgement. RabbitMQ closes a channel after 30 minutes (its
/// `consumer_timeout`); before that it is given back to the queue's head and fetched again.
pub const CHAT_HOLD: Duration = Duration::from_secs(15 * 60);

/// An AMQP short string, such as a binding key, has at most 255 bytes.
pub const KEY_BYTES: usize = 255;

/// Headers of a rejected message that are carried over to its dead letter, in bytes. Headers travel in one frame
/// (128 KiB by default): a sender who fills it would make a dead letter that no broker takes, again and again.
pub const DEAD_HEADER_BYTES: usize = 32 * 1024;
