//! Arguments of programs that the worker's files name: `{tag}` and the like become what the release says.
//!
//! A placeholder is a word in braces. Other braces stay as they are, so that JSON and Docker's `{{.Name}}`
//! need no escape; `{{word}}` is the text `{word}`. What is filled in stays within its argument, whatever it
//! holds: no shell ever reads it.

use std::collections::BTreeMap;

/// Every placeholder of an argument, and what it stands for.
pub const PLACEHOLDERS: [(&str, &str); 14] = [
    ("environment", "the release's environment"),
    ("service", "the release's service"),
    ("release", "the release's id"),
    (
        "version",
        "what a person calls the version: the revision's first digits, or else the tag",
    ),
    ("image", "the image as it was asked for"),
    ("repository", "the image without tag and digest"),
    ("tag", "the image's tag"),
    ("digest", "the image's digest"),
    ("revision", "the source revision"),
    ("branch", "the branch"),
    ("previous", "the version that ran before"),
    (
        "expected",
        "in a check: the version that is to run, during rollback the one of before",
    ),
    ("instance", "the EC2 instance's id, on a host"),
    ("address", "the host's address, on a host"),
];

/// A part of an argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece<'t> {
    /// It stays as it is.
    Text(&'t str),
    /// `{{word}}`: the text `{word}`.
    Escaped(&'t str),
    /// `{word}`.
    Placeholder(&'t str),
}

/// The parts of a text, in their order. Unknown placeholders count as placeholders too.
pub fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('{') {
        let (before, from_brace) = rest.split_at(at);
        if !before.is_empty() {
            pieces.push(Piece::Text(before));
        }
        let (piece, after) = brace(from_brace);
        pieces.push(piece);
        rest = after;
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest));
    }
    pieces
}

/// The piece at the beginning of a text that begins with a brace, and the text after that piece.
fn brace(text: &str) -> (Piece<'_>, &str) {
    let after = text.strip_prefix('{').unwrap_or(text);
    if let Some((word, rest)) = after.strip_prefix('{').and_then(word)
        && let Some(rest) = rest.strip_prefix("}}")
    {
        return (Piece::Escaped(word), rest);
    }
    match word(after).and_then(|(word, rest)| Some((word, rest.strip_prefix('}')?))) {
        Some((word, rest)) => (Piece::Placeholder(word), rest),
        None => (Piece::Text("{"), after),
    }
}

/// The word that a text begins with.
fn word(text: &str) -> Option<(&str, &str)> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let end = text.find(|c| !is_word(c)).unwrap_or(text.len());
    let starts_well = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    starts_well.then(|| text.split_at(end))
}

/// A placeholder that stands for nothing in this release.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{{{0}}} stands for nothing here: this release has no {0}")]
pub struct Missing(pub String);

/// What the placeholders of one release stand for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Values(BTreeMap<&'static str, String>);

impl Values {
    pub(crate) fn new(values: BTreeMap<&'static str, String>) -> Self {
        Self(values)
    }

    /// Adds one more value, where there is one.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: Option<&str>) -> Self {
        self.0.extend(value.map(|value| (name, value.to_owned())));
        self
    }

    /// An argument with its placeholders filled in.
    ///
    /// # Errors
    /// Names the first placeholder that stands for nothing.
    pub fn fill(&self, text: &str) -> Result<String, Missing> {
        let mut filled = String::new();
        for piece in pieces(text) {
            match piece {
                Piece::Text(text) => filled.push_str(text),
                Piece::Escaped(word) => {
                    filled.push('{');
                    filled.push_str(word);
                    filled.push('}');
                }
                Piece::Placeholder(word) => {
                    let value = self.0.get(word).ok_or_else(|| Missing(word.to_owned()))?;
                    filled.push_str(value);
                }
            }
        }
        Ok(filled)
    }

    /// All arguments of a program.
    ///
    /// # Errors
    /// As [`Values::fill`].
    pub fn fill_all(&self, words: &[String]) -> Result<Vec<String>, Missing> {
        words.iter().map(|word| self.fill(word)).collect()
    }

    /// The same values as environment variables, `DRAWGATE_TAG` and so on.
    pub fn environment(&self) -> BTreeMap<String, String> {
        self.0
            .iter()
            .map(|(name, value)| (format!("DRAWGATE_{}", name.to_uppercase()), value.clone()))
            .collect()
    }
}

/// Whether one of these arguments has that placeholder.
pub fn uses(words: &[String], placeholder: &str) -> bool {
    words
        .iter()
        .flat_map(|word| pieces(word))
        .any(|piece| piece == Piece::Placeholder(placeholder))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn values() -> Values {
        Values(BTreeMap::from([
            ("tag", "main-42; rm -rf /".to_owned()),
            ("service", "api".to_owned()),
        ]))
    }

    #[test]
    fn what_is_filled_in_stays_within_its_argument() {
        let words = [
            "--tag={tag}",
            "{service}-{service}",
            "{{tag}} {\"a\":{}} {{.Name}} {",
        ]
        .map(str::to_owned);
        let filled = values().fill_all(&words).unwrap();
        assert_eq!(
            filled,
            [
                "--tag=main-42; rm -rf /",
                "api-api",
                "{tag} {\"a\":{}} {{.Name}} {"
            ]
        );
    }

    #[test]
    fn a_placeholder_without_a_value_is_named() {
        let missing = values().fill("x{revision}").unwrap_err();
        assert_eq!(missing, Missing("revision".to_owned()));
        assert_eq!(
            missing.to_string(),
            "{revision} stands for nothing here: this release has no revision"
        );
    }

    #[test]
    fn a_program_finds_them_in_its_environment() {
        let environment = values().environment();
        assert_eq!(
            environment.get("DRAWGATE_SERVICE").map(String::as_str),
            Some("api")
        );
    }

    #[test]
    fn a_use_is_found_and_an_escape_is_none() {
        assert!(uses(&["a".to_owned(), "x={previous}".to_owned()], "previous"));
        assert!(!uses(&["{{previous}}".to_owned()], "previous"));
    }
}
