//! The bounds of chat, each with its reason.

use std::time::Duration;

/// Longest wait for one post. Slack answers within a second.
pub const POST_TIMEOUT: Duration = Duration::from_secs(10);

/// Pause after the first failed try; it doubles.
pub const PAUSE_FIRST: Duration = Duration::from_secs(1);

/// Longest pause between two tries, whatever the other side asks for: chat that is back is not left silent for long.
pub const PAUSE_LAST: Duration = Duration::from_secs(5 * 60);

/// Characters of one post. Slack cuts at 40,000 and asks for at most 4,000.
pub const POST_CHARS: usize = 3_000;

/// Warnings and hints below the line.
pub const NOTES: usize = 3;

/// Releases whose names are remembered; others are looked up in the ledger. A release is spoken of for hours.
pub const RELEASES_REMEMBERED: usize = 500;

/// First events of a release that are looked at for its names: `accepted` is the first, `started` comes within five.
pub const FIRST_EVENTS: u32 = 20;

/// A post about something older than this helps nobody.
pub const POST_AGE: Duration = Duration::from_secs(24 * 60 * 60);

/// Characters of the other side's words that are logged.
pub const ANSWER_CHARS: usize = 200;
