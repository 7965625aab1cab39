//! Where the parts of a request come from that nobody wrote on the command line.
//!
//! ```text
//!   command line            first, whatever it says
//!   drawgate.toml           service, image, and by the branch the environment
//!   the CI's own variables  revision, branch, build, person
//!   git                     revision and branch, where no CI says them
//! ```

mod ci;
mod file;
mod fill;
mod git;
mod routes;
#[cfg(test)]
mod tests;

pub(crate) use fill::{FillError, Order, Source, fill, service};

/// One variable of the environment; the empty text is none.
pub(crate) type Variables<'v> = &'v dyn Fn(&str) -> Option<String>;

/// The process's own environment.
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
