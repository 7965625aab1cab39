//! The bounds of chat, each with its reason.

use std::time::Duration;

/// Longest wait for one post. Slack answers within a second.
pub const POST_TIMEOUT: Duration = Duration::from_secs(10);

/// Pause after the first failed try. It doubles with each further one.
pub const PAUSE_FIRST: Duration = Duration::from_secs(1);

/// Longest pause between two tries, whatever Retry-After asks for, so that chat resumes soon after it is
/// back.
pub const PAUSE_LAST: Duration = Duration::from_secs(5 * 60);

/// Most characters of one post. Slack cuts at 40,000 and asks for at most 4,000.
pub const POST_CHARS: usize = 3_000;

/// Most warnings and hints below the first line.
pub const NOTES: usize = 3;

/// How many posts are remembered, so that an event that the broker delivers anew is not posted again. One event is out at a
/// time, so a few would do.
pub const POSTS_REMEMBERED: usize = 100;

/// Age above which an event is not posted, because such a post helps nobody.
pub const POST_AGE: Duration = Duration::from_secs(24 * 60 * 60);

/// Most characters of the webhook's answer that are logged.
pub const ANSWER_CHARS: usize = 200;
