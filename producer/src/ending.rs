//! How a command ends that has no outcome to tell: one text, one hint, one exit code each.

use std::error::Error;

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

/// The error with its causes, and the hint.
pub(crate) fn report(ending: &dyn Ending) -> String {
    let mut text = format!("error: {ending}");
    let mut said = ending.to_string();
    let mut cause = ending.source();
    while let Some(error) = cause {
        let words = error.to_string();
        // Libraries quote their cause in their own text.
        if !said.contains(&words) {
            text.push_str(&format!("\n  caused by: {words}"));
            said = words;
        }
        cause = error.source();
    }
    if let Some(hint) = ending.hint() {
        text.push_str(&format!("\nhint: {hint}"));
    }
    text
}
