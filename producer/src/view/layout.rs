//! Lays out a line as text: mark, time, width, colour.

use drawgate_schemas::limits::DETAIL_CHARS;
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// The kind of news that a line tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    /// A step is done.
    Ok,
    /// Something is under way.
    Going,
    /// A person should look; the release goes on.
    Warn,
    Bad,
    Back,
    /// News about the following itself, not about the release.
    Note,
}

impl Mark {
    fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Going => "..",
            Self::Warn => "warn",
            Self::Bad => "!!",
            Self::Back => "back",
            Self::Note => "note",
        }
    }

    /// The ANSI colour: green, yellow or red. A colour is never the only sign of the meaning.
    fn colour(self) -> Option<u8> {
        match self {
            Self::Ok => Some(32),
            Self::Warn | Self::Back => Some(33),
            Self::Bad => Some(31),
            Self::Going | Self::Note => None,
        }
    }
}

/// One piece of news, with its mark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) mark: Mark,
    pub(crate) text: String,
    /// Whether the line must not be broken, because somebody will copy a command in it.
    pub(crate) whole: bool,
}

impl Line {
    pub(crate) fn new(mark: Mark, text: impl Into<String>) -> Self {
        Self {
            mark,
            text: text.into(),
            whole: false,
        }
    }

    /// Makes a line that must not be broken.
    pub(crate) fn whole(mark: Mark, text: impl Into<String>) -> Self {
        Self {
            whole: true,
            ..Self::new(mark, text)
        }
    }
}

/// How lines are laid out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Layout {
    /// The column at which to break lines. `None` leaves it to the reader's program, so that `grep` finds
    /// whole lines.
    pub(crate) width: Option<usize>,
    /// Whether each line begins with its time, in UTC.
    pub(crate) times: bool,
    /// Whether marks are coloured.
    pub(crate) colour: bool,
}

impl Layout {
    /// A line as `  ok    text`, broken at words below its text.
    pub(crate) fn line(&self, line: &Line, at: Timestamp) -> String {
        let word = format!("{:<4}", line.mark.word());
        let word = match line.mark.colour().filter(|_| self.colour) {
            Some(code) => format!("\x1b[{code}m{word}\x1b[0m"),
            None => word,
        };
        let time = if self.times {
            at.to_zoned(TimeZone::UTC).strftime("%H:%M:%SZ").to_string()
        } else {
            String::new()
        };
        let indent = time.chars().count() + 8;
        let width = self.width.filter(|_| !line.whole);
        let text = Self { width, ..*self }.broken(&line.text, indent);
        format!("{time}  {word}  {text}")
    }

    /// A text that begins in column 0 and goes on in column 2.
    pub(crate) fn plain(&self, text: &str) -> String {
        self.broken(text, 2)
    }

    fn broken(&self, text: &str, indent: usize) -> String {
        let room = self.width.map(|width| width.saturating_sub(indent).max(24));
        let rows: Vec<String> = clean(text)
            .lines()
            .flat_map(|row| match room {
                Some(room) => wrap(row, room),
                None => vec![row.to_owned()],
            })
            .collect();
        rows.join(&format!("\n{}", " ".repeat(indent)))
    }
}

/// A text that cannot steer or flood a terminal, because a worker's text may quote a container's.
pub(crate) fn clean(text: &str) -> String {
    text.trim_end()
        .chars()
        .take(2 * DETAIL_CHARS)
        .filter_map(|c| match c {
            '\n' => Some('\n'),
            '\r' => None,
            '\t' => Some(' '),
            // Marks that change the direction of writing can make a line read as another one.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => Some('\u{fffd}'),
            c if c.is_control() => Some('\u{fffd}'),
            c => Some(c),
        })
        .collect()
}

/// Breaks a text at blanks. A word longer than a row (a digest, an address) stays whole, so that it can be
/// copied.
fn wrap(text: &str, room: usize) -> Vec<String> {
    let mut rows = Vec::new();
    let mut row = String::new();
    for word in text.split_inclusive(' ') {
        let used = row.chars().count() + word.trim_end().chars().count();
        if !row.is_empty() && used > room {
            rows.push(row.trim_end().to_owned());
            row.clear();
        }
        row.push_str(word);
    }
    rows.push(row.trim_end().to_owned());
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_a_terminal_is_taken_out() {
        assert_eq!(clean("a\x1b[2Jb\r\nc\u{202e}d\t"), "a\u{fffd}[2Jb\nc\u{fffd}d");
    }

    #[test]
    fn long_words_stay_whole() {
        let word = "x".repeat(50);
        assert_eq!(wrap(&format!("aa {word} bb"), 24), ["aa", word.as_str(), "bb"]);
    }

    #[test]
    fn colour_is_the_marks_alone() {
        let layout = Layout {
            width: None,
            times: false,
            colour: true,
        };
        let line = layout.line(&Line::new(Mark::Bad, "failed"), Timestamp::UNIX_EPOCH);
        assert_eq!(line, "  \x1b[31m!!  \x1b[0m  failed");
    }
}
