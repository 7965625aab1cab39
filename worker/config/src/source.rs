//! A configuration file as an error shows it: its name, and the line of the mistake.

use std::ops::Range;

/// Longest part of a line that is shown. Lines of service files are shorter; a generated line must not fill a
/// screen.
const LINE_CHARS: usize = 160;

/// Keys of `worker.toml` whose values may be printed. All other values there may be or contain a secret, even
/// under a mistyped `password = "…"`, so `check` does not print them.
const PRINTABLE: [&str; 20] = [
    "worker",
    "site",
    "ledger",
    "services",
    "user",
    "port",
    "key_file",
    "config_file",
    "known_hosts",
    "docker_socket",
    "connect_timeout",
    "connect_by_instance_id",
    "runtime_dir",
    "region",
    "endpoint",
    "share",
    "username",
    "password_file",
    "webhook_file",
    "max_waiting_per_lane",
];

/// One file's name and text.
#[derive(Debug)]
pub(super) struct Source {
    name: String,
    text: String,
    holds_secrets: bool,
}

/// A place in a file, with its line for the reader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) source_line: Option<String>,
    pub(super) width: usize,
}

impl Source {
    /// A service file.
    pub(super) fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            text: text.into(),
            holds_secrets: false,
        }
    }

    /// `worker.toml`, whose secrets are not shown.
    pub(super) fn with_secrets(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            holds_secrets: true,
            ..Self::new(name, text)
        }
    }

    /// The name that errors show.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The whole text.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Line and column (both from 1, the column in characters) of a span, with the text of its line.
    pub(super) fn place(&self, span: &Range<usize>) -> Place {
        let bytes = self.text.as_bytes();
        let start = span.start.min(bytes.len());
        let before = bytes.get(..start).unwrap_or_default();
        let line_start = before
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |newline| newline + 1);
        let rest = bytes.get(line_start..).unwrap_or_default();
        let line_end = rest
            .iter()
            .position(|byte| *byte == b'\n')
            .map_or(bytes.len(), |at| line_start + at);
        let chars = |from: usize, to: usize| {
            bytes
                .get(from..to)
                .map_or(0, |part| String::from_utf8_lossy(part).chars().count())
        };
        let line_text = String::from_utf8_lossy(bytes.get(line_start..line_end).unwrap_or_default());
        let column = chars(line_start, start) + 1;
        let source_line = self.shown(line_text.trim_end());
        let room = source_line.as_ref().map_or(0, |line| line.chars().count() + 1);
        Place {
            line: before.iter().filter(|byte| **byte == b'\n').count() + 1,
            column,
            // No caret under a line that is not printed, and none for a missing key: it would mislead.
            source_line: source_line.filter(|_| column <= room && *span != (0..0)),
            width: chars(start, span.end.clamp(start, line_end)).clamp(1, room.saturating_sub(column).max(1)),
        }
    }

    fn shown(&self, line: &str) -> Option<String> {
        if !self.holds_secrets {
            return Some(printable(line));
        }
        let trimmed = line.trim_start();
        if trimmed.starts_with('[') {
            return Some(printable(line.split('=').next().unwrap_or(line)));
        }
        let (key, _) = line.split_once('=')?;
        let harmless = PRINTABLE.contains(&key.trim()) && !line.contains("://") && !line.contains('@');
        Some(if harmless {
            printable(line)
        } else {
            printable(&format!("{key}= …"))
        })
    }
}

/// The line without characters that could rewrite a terminal; tabs become one space each, so that the caret
/// is in the right place.
fn printable(line: &str) -> String {
    line.chars()
        .take(LINE_CHARS)
        .map(|c| match c {
            '\t' => ' ',
            c if c.is_control() => '\u{fffd}',
            c => c,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters() {
        let source = Source::new("a.toml", "x = 1\nä = \"öö\" # hm\n");
        let place = source.place(&(11..17));
        assert_eq!((place.line, place.column, place.width), (2, 5, 4));
        assert_eq!(place.source_line.as_deref(), Some("ä = \"öö\" # hm"));
    }

    #[test]
    fn beyond_the_end_is_the_last_line() {
        let place = Source::new("a.toml", "x = ").place(&(900..901));
        assert_eq!((place.line, place.column, place.width), (1, 5, 1));
    }

    #[test]
    fn secrets_are_not_shown() {
        let shown = |line: &str| {
            Source::with_secrets("worker.toml", line)
                .place(&(0..1))
                .source_line
        };
        assert_eq!(shown("password = \"hush\"").as_deref(), Some("password = …"));
        assert_eq!(
            shown("amqp = { url = \"amqp://a:hush@b\" }").as_deref(),
            Some("amqp = …")
        );
        assert_eq!(
            shown("site = \"x\" url = \"amqp://a:hush@b\"").as_deref(),
            Some("site = …")
        );
        assert_eq!(shown("hush").as_deref(), None);
        assert_eq!(shown("site = \"West\"").as_deref(), Some("site = \"West\""));
        assert_eq!(shown("[amqp] url = \"hush\"").as_deref(), Some("[amqp] url "));
    }
}
