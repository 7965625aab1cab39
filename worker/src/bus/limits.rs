//! The bounds of the bus, each with its reason.

use std::time::Duration;

/// Pause before the second try after a loss. A broker that restarts takes seconds; a flapping connection is
/// back at once.
pub const BACKOFF_FIRST: Duration = Duration::from_millis(200);

/// Longest pause between two tries: what an operator who has just brought the broker back is willing to wait.
pub const BACKOFF_LAST: Duration = Duration::from_secs(10);

/// Longest wait for one connection with its handshake.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// Heartbeat where the URL names none. A dead peer is noticed after twice this time; the broker's default is
/// 60 s.
pub const HEARTBEAT_S: u16 = 15;

/// Largest frame where the URL names none. The library keeps room for 64 of them at each of three connections,
/// and touches all of it: with the broker's default of 128 KiB that is half of the worker's memory. Bodies are
/// split into frames; a message whose headers do not fit loses its headers, and no honest sender's come near.
pub const FRAME_BYTES: u32 = 16 * 1024;

/// Longest wait for an answer to a declaration, a consumer or a close.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(15);

/// Longest wait until an acknowledgement is on the wire. That takes microseconds; the bound is for a
/// connection that vanished silently.
pub const ACK_TIMEOUT: Duration = Duration::from_secs(5);

/// How often an idle consumer checks that its channel still exists.
pub const CHANNEL_LOOK: Duration = Duration::from_secs(5);

/// Longest wait for a confirm. A quorum queue whose leader dies answers within a second or two; a broker under
/// a disk alarm does not answer at all.
pub const CONFIRM_TIMEOUT: Duration = Duration::from_secs(30);

/// Prefetch of questions: each takes milliseconds to answer.
pub const QUESTIONS_OUT: u16 = 16;

/// Prefetch of releases. Each message that is out when a channel closes counts one delivery towards the
/// queue's limit. With a prefetch of one, a message pays for no other message. The next release arrives
/// within the acknowledgement's round trip, and its acceptance is a transaction that takes longer.
pub const RELEASES_OUT: u16 = 1;

/// How long a consumer keeps a release while the ledger is unavailable, before it gives the release back for
/// another worker of the site. Below the shortest `consumer_timeout` that a broker may have (a minute), and
/// long enough that an hour of outage costs a message fewer deliveries than the shipped policy allows.
pub const LEDGER_HOLD: Duration = Duration::from_secs(45);

/// How often the consumer asks the ledger meanwhile.
pub const LEDGER_LOOK: Duration = Duration::from_secs(1);

/// Deliveries after which the shipped policy (`infra/rabbitmq`) puts a release among the dead letters.
pub const DELIVERY_LIMIT: u32 = 200;

/// The lowest delivery limit that raises no warning: a release that came through a hundred restarts of its
/// worker is still a good one.
pub const DELIVERY_LIMIT_LEAST: u32 = 120;

/// A trial that sees this many deliveries concludes that the queue has no limit.
pub const DELIVERY_LIMIT_TRIED: u32 = 500;

/// Longest time for a trial. A quorum queue takes a millisecond or a few for each delivery, and a control
/// command that comes meanwhile waits until the `ping` before it is answered.
pub const DELIVERY_LIMIT_TIMEOUT: Duration = Duration::from_secs(4);

/// How long a good limit is trusted: a policy is changed by hand, and `ping` comes more often than that.
pub const DELIVERY_LIMIT_GOOD_FOR: Duration = Duration::from_secs(10 * 60);

/// How long a bad limit is trusted: an operator who has just set the policy asks again. The bound keeps a
/// stream of pings from causing a stream of thousands of deliveries.
pub const DELIVERY_LIMIT_BAD_FOR: Duration = Duration::from_secs(5);

/// A trial queue expires after this time when its worker ends meanwhile.
pub const TRIAL_QUEUE_EXPIRES_MS: i32 = 60_000;

/// Most events that are published but not confirmed. Enough to hide the round trip (a quorum queue confirms
/// 64 in the time of two or three); few enough that little is sent twice after a loss.
pub const EVENTS_IN_FLIGHT: u32 = 64;

/// How often the relay looks for events without being woken: only another process on the same ledger appends
/// events without waking it.
pub const OUTBOX_POLL: Duration = Duration::from_secs(1);

/// How long the relay keeps publishing after it was told to stop. The rest goes out at the next start.
pub const LAST_WORDS: Duration = Duration::from_secs(5);

/// How often a worker asks for the relay's lease while another worker on the same ledger has it.
pub const RELAY_LEASE_POLL: Duration = Duration::from_secs(5);

/// How long a question lives in the queue. Each question names its own shorter expiry; this one is for
/// questions to a site without a worker.
pub const QUESTION_TTL_MS: u32 = 60_000;

/// How long a copy of a dead letter lives at a site without a worker: by then nobody waits for the release
/// any more. The dead letters themselves stay until an operator drops them.
pub const DEAD_COPIES_TTL_MS: u32 = 24 * 60 * 60 * 1000;

/// Longest time for the answer to one question.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);

/// How long a chat post lives: an older one is not worth a person's attention, and `drawgate status` has the
/// outcome.
pub const CHAT_TTL_MS: u32 = 24 * 60 * 60 * 1000;

/// How long the worker keeps a chat message unacknowledged. RabbitMQ closes a channel after 30 minutes (its
/// `consumer_timeout`); before that the worker gives the message back to the queue's head and fetches it
/// again.
pub const CHAT_HOLD: Duration = Duration::from_secs(15 * 60);

/// An AMQP short string, such as a binding key, has at most 255 bytes.
pub const KEY_BYTES: usize = 255;

/// Most bytes of a rejected message's headers that its dead letter carries. Headers travel in one frame (128
/// KiB by default): full headers plus the reason would make a dead letter that the broker refuses again and
/// again.
pub const DEAD_HEADER_BYTES: usize = 32 * 1024;
