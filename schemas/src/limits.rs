//! Every bound of the wire contract, with its reason.

/// Largest message body that is looked at. A request is below 2 KiB; 64 KiB leaves room and cannot fill a ledger.
pub const MESSAGE_BYTES: usize = 64 * 1024;

/// Lanes in one answer: a page of some hundred kilobytes.
pub const LANES_PER_ANSWER: usize = 1_000;

/// Releases in one answer about a lane's history: each is read from its whole journal.
pub const RELEASES_PER_ANSWER: u32 = 100;

/// Waiting releases of a lane that are named in a status; the others are counted.
pub const WAITING_NAMED: usize = 10;

/// Longest freeze, in days: a holiday season. Beyond it somebody has forgotten it.
pub const FREEZE_DAYS: i64 = 31;

/// Highest place in the order of builds. No CI counts that far, and every program reads it exactly: a JSON number beyond 2^53 is rounded by
/// most of them (RFC 8259, section 6).
pub const SEQUENCE: u64 = 1 << 53;

/// How far a number may lie above the highest of its lane. A counter goes up by one; what leaps further was mistyped, is a date, or is meant to
/// keep everybody else's builds out.
pub const SEQUENCE_JUMP: u64 = 1_000_000;

/// An AMQP routing key has at most 255 bytes (AMQP 0-9-1, shortstr); `<environment>.<service>.<event>` must fit.
pub const NAME_CHARS: usize = 63;

/// A repository name has at most 255 characters in the distribution specification; host, tag and digest come on top.
pub const IMAGE_CHARS: usize = 512;

/// Revisions, branches, people, build numbers: longer than any that is used, short enough for one line of chat.
pub const TEXT_CHARS: usize = 255;

/// A build's address and a release's reason.
pub const LONG_TEXT_CHARS: usize = 1_000;

/// Text that the worker writes into an event: an error with its cause and hint.
pub const DETAIL_CHARS: usize = 2_000;

/// Events in one answer to `show`. A roll of 30 hosts has about 250.
pub const EVENTS_PER_ANSWER: usize = 500;

/// Lines of a container's log that are kept of a failed host.
pub const LOG_LINES: usize = 50;

/// Characters of one such line.
pub const LOG_LINE_CHARS: usize = 500;

/// Hosts in one release. One SSH connection and one journal line per step each; beyond this, split the service.
pub const HOSTS: usize = 500;

/// Cuts `text` to at most `chars` characters, and shows that it did.
pub fn cut(text: &str, chars: usize) -> String {
    if text.chars().count() <= chars {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(chars.saturating_sub(1)).collect();
    short.push('…');
    short
}
