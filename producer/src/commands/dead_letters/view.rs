//! `drawgate dead-letters`, for people: a row of 80 columns for each letter, and everything about one letter.

use drawgate_schemas::{ReleaseRequest, limits};
use jiff::Timestamp;
use serde_json::Value;

use crate::broker::DeadLetter;
use crate::view::words::{ago, short_image};
use crate::view::{Layout, clean};

/// Widths of the columns: 80 with the blanks between them. An id has 12 digits, and a worker's reasons have
/// at most 19 letters.
const ID: usize = 12;
const AGE: usize = 6;
const REASON: usize = 19;
const TARGET: usize = 22;
const VERSION: usize = 9;
const BY: usize = 7;

/// The heading and a row for each letter.
pub(super) fn dead_letters(letters: &[DeadLetter], now: Timestamp) -> Vec<String> {
    let row = |cells: [&str; 6]| {
        let widths = [ID, AGE, REASON, TARGET, VERSION, BY];
        let cell = |(text, width): (&str, usize)| format!("{:<width$}", limits::cut(&one_line(text), width));
        let cells: Vec<String> = cells.into_iter().zip(widths).map(cell).collect();
        cells.join(" ").trim_end().to_owned()
    };
    let mut rows = vec![row(["ID", "AGE", "REASON", "TARGET", "VERSION", "BY"])];
    for letter in letters {
        rows.push(row([
            &letter.id.to_string(),
            &age(letter, now),
            &letter.reason,
            &letter.target(),
            &version(letter),
            letter.published_by.as_deref().unwrap_or("-"),
        ]));
    }
    rows
}

/// A text on one row, because a sender's words must not make a second row.
fn one_line(text: &str) -> String {
    clean(text).replace('\n', " ")
}

fn age(letter: &DeadLetter, now: Timestamp) -> String {
    letter
        .rejected_at
        .map_or_else(|| "-".to_owned(), |at| ago(at, now))
}

fn version(letter: &DeadLetter) -> String {
    letter
        .said
        .version
        .as_deref()
        .map_or_else(|| "-".to_owned(), short_image)
}

/// Everything about one letter: what is known of it, then its message.
pub(super) fn dead_letter(letter: &DeadLetter, now: Timestamp, layout: &Layout) -> Vec<String> {
    let none = "-";
    let at = letter.rejected_at.map(|at| {
        let time = at.strftime("%Y-%m-%d %H:%M:%SZ");
        format!("{time}, {} ago", ago(at, now))
    });
    let mut rows: Vec<String> = [
        ("id", letter.id.to_string()),
        ("reason", letter.reason.clone()),
        ("detail", letter.detail.clone()),
        ("refused", at.unwrap_or_else(|| none.to_owned())),
        (
            "by",
            letter.worker.clone().unwrap_or_else(|| "the broker".to_owned()),
        ),
        ("target", letter.target()),
        ("version", version(letter)),
        (
            "release",
            letter.said.release.clone().unwrap_or_else(|| none.to_owned()),
        ),
        (
            "publisher",
            letter.published_by.clone().unwrap_or_else(|| none.to_owned()),
        ),
        ("key", letter.routing_key.clone()),
        ("bytes", letter.body.len().to_string()),
    ]
    .iter()
    .map(|(name, value)| layout.plain(&format!("{name:<10} {}", one_line(value))))
    .collect();
    rows.push(String::new());
    rows.extend(message(&letter.body));
    rows
}

/// The message as a person reads it: its fields in their usual order if it is a request, else its JSON or its
/// text.
fn message(body: &[u8]) -> Vec<String> {
    let pretty = match ReleaseRequest::decode(body) {
        Ok(request) => serde_json::to_string_pretty(&request),
        Err(_) if body.len() > limits::MESSAGE_BYTES => {
            return vec!["too long to be shown; --body writes it".to_owned()];
        }
        Err(_) => {
            serde_json::from_slice::<Value>(body).and_then(|value| serde_json::to_string_pretty(&value))
        }
    };
    let (text, note) = match pretty {
        Ok(pretty) => (pretty, None),
        Err(_) => {
            let text = String::from_utf8_lossy(body).into_owned();
            (text, Some("(no JSON; --body writes it byte for byte)".to_owned()))
        }
    };
    text.lines().map(clean).chain(note).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;
    use crate::testing::letters::{given_up, refused};

    const LAYOUT: Layout = Layout {
        width: Some(80),
        times: false,
        colour: false,
    };

    fn letters() -> Vec<DeadLetter> {
        let whole = serde_json::to_string(&testing::request()).unwrap();
        let odd = r#"{"environment": "a-very-long-environment\nand \u001b[2Jmore", "service": "s", "revision": "x\ny"}"#;
        vec![
            given_up("no JSON"),
            refused("expired", "2025-03-04T12:15:00Z", &whole),
            refused("unknown_environment", "2025-03-04T15:14:18Z", odd),
            refused("not_json", "no time", "{"),
        ]
    }

    #[test]
    fn dead_letters_at_80_columns() {
        let rows = dead_letters(&letters(), testing::begin());
        for row in &rows {
            assert!(row.chars().count() <= 80 && row.lines().count() == 1, "{row}");
        }
        insta::assert_snapshot!(rows.join("\n"));
    }

    #[test]
    fn one_dead_letter() {
        let shown: Vec<String> = letters()
            .iter()
            .map(|letter| dead_letter(letter, testing::begin(), &LAYOUT).join("\n"))
            .collect();
        assert!(!shown.concat().contains('\x1b'));
        insta::assert_snapshot!(shown.join("\n\n----\n\n"));
    }

    #[test]
    fn the_longest_reason_has_its_room() {
        let longest = drawgate_schemas::RejectionCode::UnknownEnvironment.as_str();
        assert!(longest.len() <= REASON);
    }
}
