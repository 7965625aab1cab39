//! The environment variables of the process, passed as an argument so that tests can supply their own.

/// Looks up one environment variable; an empty value counts as none.
pub(crate) type Variables<'v> = &'v dyn Fn(&str) -> Option<String>;

/// Looks up a variable in the process's own environment.
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
