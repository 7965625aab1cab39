//! Names of environment variables.

use super::error::Problems;

/// Checks the name of an environment variable.
pub(super) fn check_variable(name: &str, span: &std::ops::Range<usize>, problems: &mut Problems<'_>) {
    if name.is_empty() || name.contains(['=', '\0']) || name.chars().any(char::is_whitespace) {
        let shown: String = name.chars().take(60).collect();
        problems
            .error(
                span.clone(),
                format!("{shown:?} is no environment variable's name"),
            )
            .hint("write NAME = \"value\", with letters, digits and `_` in the name");
    }
}
