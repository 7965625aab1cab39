//! Mistakes in the configuration, as the operator reads them: where, what, and what to write instead.

use std::fmt::{self, Write as _};
use std::ops::Range;

use drawgate_schemas::limits::cut;
use serde::Serialize;

use super::source::Source;

/// Longest message or hint: four lines of a terminal. It quotes the file's text, which may be of any length.
const MESSAGE_CHARS: usize = 400;

/// Findings kept of one file. A file with more usually has one cause, and nobody reads the hundred-and-first.
pub(super) const FINDINGS_PER_FILE: usize = 100;

/// One mistake, or one warning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConfigError {
    /// The file, as seen from the folder of `worker.toml`.
    pub file: String,
    /// Line, from 1; 0 for the file as a whole.
    pub line: usize,
    /// Column in characters, from 1; 0 for the file as a whole.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The line of the file, without secrets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_line: Option<String>,
    #[serde(skip)]
    width: usize,
}

impl ConfigError {
    /// A mistake in a file as a whole.
    pub(super) fn of_file(file: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            file: file.into(),
            line: 0,
            column: 0,
            message: cut(&message.into(), MESSAGE_CHARS),
            hint: None,
            source_line: None,
            width: 0,
        }
    }

    /// A mistake at a place in a file.
    pub(super) fn at(source: &Source, span: &Range<usize>, message: impl Into<String>) -> Self {
        let place = source.place(span);
        Self {
            line: place.line,
            column: place.column,
            source_line: place.source_line,
            width: place.width,
            ..Self::of_file(source.name(), message)
        }
    }

    /// Adds what to do.
    pub(super) fn hint(&mut self, hint: impl Into<String>) {
        self.hint = Some(cut(&hint.into(), MESSAGE_CHARS));
    }

    /// Adds what to do, as part of an expression.
    pub(super) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint(hint);
        self
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        write!(f, ": {}", self.message)?;
        if let Some(text) = &self.source_line {
            let number = self.line.to_string();
            let indent = " ".repeat(number.len());
            let before = " ".repeat(self.column.saturating_sub(1));
            let carets = "^".repeat(self.width.max(1));
            write!(f, "\n  {number} | {text}\n  {indent} | {before}{carets}")?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\n  hint: {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

/// All mistakes in a configuration. `Serialize` is the stable format of `check --format json`: `{"file": …,
/// "errors": [{"file", "line", "column", "message", "hint", "source_line"}], "warnings": […]}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConfigErrors {
    /// The `worker.toml` that was read.
    pub file: String,
    /// The mistakes to correct. Empty only in the report of a good configuration.
    pub errors: Vec<ConfigError>,
    /// Settings that are probably not meant, or may surprise.
    pub warnings: Vec<ConfigError>,
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(explain(self).trim_end())
    }
}

impl std::error::Error for ConfigErrors {}

/// The report as text for an operator: every finding with its line, then how many there are.
pub fn explain(report: &ConfigErrors) -> String {
    let mut text = String::new();
    let findings = |kind: &'static str, list: &[ConfigError]| {
        list.iter().fold(String::new(), |mut text, finding| {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{kind}: {finding}\n");
            text
        })
    };
    text.push_str(&findings("error", &report.errors));
    text.push_str(&findings("warning", &report.warnings));
    let verdict = match report.errors.len() {
        0 => "ok".to_owned(),
        count => counted(count, "error"),
    };
    let warnings = match report.warnings.len() {
        0 => String::new(),
        count => format!(", {}", counted(count, "warning")),
    };
    let _ = writeln!(text, "{}: {verdict}{warnings}", report.file);
    text
}

fn counted(count: usize, noun: &str) -> String {
    match count {
        1 => format!("1 {noun}"),
        _ => format!("{count} {noun}s"),
    }
}

/// The findings in one file so far.
#[derive(Debug)]
pub(super) struct Problems<'s> {
    source: &'s Source,
    pub(super) errors: Vec<ConfigError>,
    pub(super) warnings: Vec<ConfigError>,
    /// Receives the findings beyond the bound.
    overflow: ConfigError,
}

impl<'s> Problems<'s> {
    pub(super) fn new(source: &'s Source) -> Self {
        Self {
            source,
            errors: Vec::new(),
            warnings: Vec::new(),
            overflow: ConfigError::of_file("", ""),
        }
    }

    /// Notes a mistake; the caller can add a hint to the returned error.
    pub(super) fn error(&mut self, span: Range<usize>, message: impl Into<String>) -> &mut ConfigError {
        let Self {
            source,
            errors,
            overflow,
            ..
        } = self;
        note(errors, overflow, source, &span, message.into())
    }

    /// Notes a warning; the caller can add a hint to the returned one.
    pub(super) fn warning(&mut self, span: Range<usize>, message: impl Into<String>) -> &mut ConfigError {
        let Self {
            source,
            warnings,
            overflow,
            ..
        } = self;
        note(warnings, overflow, source, &span, message.into())
    }

    /// The findings in the order of the file, which is the order of correcting them.
    pub(super) fn sorted(mut self) -> (Vec<ConfigError>, Vec<ConfigError>) {
        self.errors.sort_by_key(|error| (error.line, error.column));
        self.warnings
            .sort_by_key(|warning| (warning.line, warning.column));
        (self.errors, self.warnings)
    }
}

fn note<'l>(
    list: &'l mut Vec<ConfigError>,
    overflow: &'l mut ConfigError,
    source: &Source,
    span: &Range<usize>,
    message: String,
) -> &'l mut ConfigError {
    if list.len() >= FINDINGS_PER_FILE {
        return overflow;
    }
    list.push(ConfigError::at(source, span, message));
    list.last_mut().unwrap_or(overflow)
}
