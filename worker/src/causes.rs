//! Errors with their causes, for logs and for people. An error's own text never contains its cause.

use std::error::Error;
use std::fmt;

/// Shows an error with its causes, on one line. Errors are logged as `error = %Causes(&error)`, because
/// `%error` would show only the top of the chain. `tests/tests/error_logs.rs` finds a log statement without
/// it.
#[derive(Debug, Clone, Copy)]
pub struct Causes<'e>(pub &'e dyn Error);

impl fmt::Display for Causes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut said = self.0.to_string();
        f.write_str(&said)?;
        let mut source = self.0.source();
        while let Some(cause) = source {
            let words = cause.to_string();
            // Some libraries quote the cause in their own text.
            if !said.contains(&words) {
                write!(f, ": {words}")?;
                said.push_str(&words);
            }
            source = cause.source();
        }
        Ok(())
    }
}

/// An error with its causes, on one line.
pub fn error_chain(error: &dyn Error) -> String {
    Causes(error).to_string()
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("the ledger could not be read")]
    struct Ledger(#[source] Disk);

    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Disk(#[source] io::Error);

    #[test]
    fn each_cause_is_shown_once() {
        let error = Ledger(Disk(io::Error::other("disk I/O error")));
        assert_eq!(
            Causes(&error).to_string(),
            "the ledger could not be read: disk I/O error"
        );
    }
}
