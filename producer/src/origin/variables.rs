//! The environment of the process, as an argument: tests have their own.

/// One variable of the environment; the empty text is none.
pub(crate) type Variables<'v> = &'v dyn Fn(&str) -> Option<String>;

/// The process's own environment.
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
