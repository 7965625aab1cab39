//! How a command ends that has no outcome to tell: one text, one hint, one exit code each.

use std::error::Error;
use std::fmt;

use crate::exit::Exit;

/// Why a command, or a part of it, came to no good end.
pub(crate) trait Ending: Error {
    /// How the process ends.
    fn exit(&self) -> Exit;

    /// What to do.
    fn hint(&self) -> Option<String> {
        None
    }
}

impl<E: Ending + 'static> From<E> for Box<dyn Ending> {
    fn from(ending: E) -> Self {
        Box::new(ending)
    }
}

/// Shows an error with its causes, on one line: for what is told while a command goes on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Causes<'e>(pub(crate) &'e dyn Error);

impl fmt::Display for Causes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        causes(self.0).iter().try_for_each(|cause| write!(f, ": {cause}"))
    }
}

/// The causes of an error, from the top, without those that the one before them quotes: libraries do.
fn causes(error: &dyn Error) -> Vec<String> {
    let mut causes = Vec::new();
    let mut said = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let words = cause.to_string();
        if !said.contains(&words) {
            causes.push(words.clone());
            said = words;
        }
        source = cause.source();
    }
    causes
}

/// The error with its causes, and the hint.
pub(crate) fn report(ending: &dyn Ending) -> String {
    let mut text = format!("error: {ending}");
    for cause in causes(ending) {
        text.push_str(&format!("\n  caused by: {cause}"));
    }
    if let Some(hint) = ending.hint() {
        text.push_str(&format!("\nhint: {hint}"));
    }
    text
}
