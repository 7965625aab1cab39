//! How a report for a person is laid out: at 80 columns, without colour.

use std::fmt::{self, Write as _};

/// Narrower than this no terminal is.
pub(super) const WIDTH: usize = 80;

/// One line, folded between words at [`WIDTH`]; a word that is longer stays whole, so that it can be copied.
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
