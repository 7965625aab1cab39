//! How a command ends that has no outcome to report: with one text, one hint and one exit code.

use std::error::Error;
use std::fmt;

use crate::exit::Exit;

/// Why a command, or a part of it, failed.
pub(crate) trait Ending: Error {
    /// The exit code of the process.
    fn exit(&self) -> Exit;

    /// What a person should do next; `None` where there is nothing to say.
    fn hint(&self) -> Option<String> {
        None
    }
}

impl<E: Ending + 'static> From<E> for Box<dyn Ending> {
    fn from(ending: E) -> Self {
        Box::new(ending)
    }
}

/// An error with its causes on one line, for notes while a command goes on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Causes<'e>(pub(crate) &'e dyn Error);

impl fmt::Display for Causes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        causes(self.0).iter().try_for_each(|cause| write!(f, ": {cause}"))
    }
}

/// The causes of an error, from the top. A cause that the error before it already quotes is left out, because
/// libraries quote.
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

/// The error with its causes, and the hint, for a person.
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
