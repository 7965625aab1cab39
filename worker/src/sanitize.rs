//! Makes the output of programs fit to be shown: few lines, short, without control characters.

pub(crate) use drawgate_schemas::limits::{LOG_LINE_CHARS, LOG_LINES};

/// The last lines of a text.
pub(crate) fn sanitized_lines(text: &str, tail: usize) -> Vec<String> {
    let lines: Vec<&str> = text.lines().collect();
    let first = lines.len().saturating_sub(tail);
    lines[first..]
        .iter()
        .map(|line| sanitized(line).chars().take(LOG_LINE_CHARS).collect())
        .collect()
}

/// Text without control characters and terminal sequences; line ends and tabs stay.
pub(crate) fn sanitized(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\u{1b}' if characters.next_if_eq(&'[').is_some() => {
                // A terminal sequence ends with its first letter.
                while characters
                    .next_if(|character| ('\u{20}'..='\u{3f}').contains(character))
                    .is_some()
                {}
                characters.next_if(|character| ('\u{40}'..='\u{7e}').contains(character));
            }
            '\n' | '\t' => shown.push(character),
            _ if character.is_control() => {}
            _ => shown.push(character),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_has_no_terminal_sequences() {
        assert_eq!(
            sanitized("\u{1b}[1;31mred\u{1b}[0m\r\u{7}\u{1b}\u{9b}end\tä\n"),
            "red".to_owned() + "end\tä\n"
        );
    }

    #[test]
    fn lines_are_few_and_short() {
        let text = format!("{}\n{}", "old\n".repeat(60), "x".repeat(1000));
        let lines = sanitized_lines(&text, 3);
        assert_eq!(lines.len(), 3);
        assert_eq!(lines[2].len(), LOG_LINE_CHARS);
        assert!(sanitized_lines("", 3).is_empty());
    }
}
