//! Data on stdout.

use std::io::{self, Write};

use serde::Serialize;

/// Writes text to stdout. A reader that has gone away (a pipe into `head`) is no error of ours.
pub(super) fn text(text: &str) {
    let _ = io::stdout().lock().write_all(text.as_bytes());
}

/// Writes one JSON object to stdout.
pub(super) fn json<T: Serialize>(value: &T) {
    if let Ok(mut line) = serde_json::to_string_pretty(value) {
        line.push('\n');
        text(&line);
    }
}
