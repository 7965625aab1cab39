//! Lays out a report for people: 80 columns, no colour.

use std::fmt::{self, Write as _};

/// Terminals are at least this wide.
pub(super) const WIDTH: usize = 80;

/// Writes one line, folded between words at [`WIDTH`]. A longer word stays whole, so that it can be copied.
pub(super) fn wrapped(f: &mut impl fmt::Write, mark: &str, text: &str, indent: usize) -> fmt::Result {
    let indent = " ".repeat(indent);
    let options = textwrap::Options::new(WIDTH)
        .initial_indent(mark)
        .subsequent_indent(&indent)
        .break_words(false)
        .word_splitter(textwrap::WordSplitter::NoHyphenation);
    writeln!(f, "{}", textwrap::fill(text, options))
}

/// `0:52`, `1:02:03`: minutes and seconds, with hours where there are any.
pub(super) fn clock(ms: u64) -> String {
    let s = ms.div_ceil(1000);
    let mut text = String::new();
    if s >= 3600 {
        let _ = write!(text, "{}:{:02}", s / 3600, s / 60 % 60);
    } else {
        let _ = write!(text, "{}", s / 60);
    }
    let _ = write!(text, ":{:02}", s % 60);
    text
}
