//! Writes data to stdout.

use std::io::{self, Write};

use serde::Serialize;

/// Writes text to stdout. Ignores a reader that has gone away (a pipe into `head`).
pub(super) fn text(text: &str) {
    let _ = io::stdout().lock().write_all(text.as_bytes());
}

/// Writes a report as JSON or as text.
pub(super) fn either<T: Serialize + ToString>(as_json: bool, report: &T) {
    if as_json {
        json(report);
    } else {
        text(&report.to_string());
    }
}

/// Writes one JSON object to stdout.
pub(super) fn json<T: Serialize>(value: &T) {
    if let Ok(mut line) = serde_json::to_string_pretty(value) {
        line.push('\n');
        text(&line);
    }
}
