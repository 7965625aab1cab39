//! Every bound of the wire contract, with its reason.

/// Largest message body that is read, in bytes. A request is below 2 KiB; 64 KiB leaves room and cannot fill
/// a ledger.
pub const MESSAGE_BYTES: usize = 64 * 1024;

/// Most lanes in one answer to `status`: a page of some hundred kilobytes.
pub const LANES_PER_ANSWER: usize = 1_000;

/// Most releases in one answer about a lane's history, because each is read from its whole journal.
pub const RELEASES_PER_ANSWER: u32 = 100;

/// Most waiting releases of a lane that a status names; the others are only counted.
pub const WAITING_NAMED: usize = 10;

/// Longest freeze, in days: a holiday season. A longer one has been forgotten by somebody.
pub const FREEZE_DAYS: i64 = 31;

/// Highest build number (`sequence`). No CI counts that far, and every program reads it exactly: most
/// programs round a JSON number beyond 2^53 (RFC 8259, section 6).
pub const SEQUENCE: u64 = 1 << 53;

/// Furthest that a build number may lie above the highest of its lane. A counter goes up by one. A number
/// that leaps further was mistyped, is a date, or is meant to keep everybody else's builds out.
pub const SEQUENCE_JUMP: u64 = 1_000_000;

/// Longest name of an environment, service or site, in characters. An AMQP routing key has at most 255 bytes
/// (AMQP 0-9-1, shortstr), and `<environment>.<service>.<event>` must fit.
pub const NAME_CHARS: usize = 63;

/// Longest image reference, in bytes. A repository name has at most 255 characters in the distribution
/// specification; host, tag and digest come on top.
pub const IMAGE_CHARS: usize = 512;

/// Longest revision, branch, person or build number, in characters: longer than any in use, short enough for
/// one line of chat.
pub const TEXT_CHARS: usize = 255;

/// Longest build address or reason, in characters.
pub const LONG_TEXT_CHARS: usize = 1_000;

/// Longest text that the worker writes into an event, in characters: an error with its cause and hint.
pub const DETAIL_CHARS: usize = 2_000;

/// Most events in one answer to `show`. A roll of 30 hosts has about 250.
pub const EVENTS_PER_ANSWER: usize = 500;

/// Most lines of a failed container's log that are kept.
pub const LOG_LINES: usize = 50;

/// Longest line of a kept container log, in characters.
pub const LOG_LINE_CHARS: usize = 500;

/// Most hosts in one release. Each host needs an SSH connection and each of its steps a journal line; a
/// larger service has to be split.
pub const HOSTS: usize = 500;

/// Cuts a text to at most `chars` characters; a cut text ends in `…`.
pub fn cut(text: &str, chars: usize) -> String {
    if text.chars().count() <= chars {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(chars.saturating_sub(1)).collect();
    short.push('…');
    short
}
