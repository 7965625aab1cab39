//! Fills in the parts of a request that the command line leaves open.
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
mod variables;

pub(crate) use fill::{FillError, Source, fill, service};
pub(crate) use variables::variable;
