//! The texts that several commands show a person; what one command alone shows is in its room. Pure: state and
//! events in, lines out; the clock is an argument.
//!
//! ```text
//! StatusEvent ──> lines(&ViewState, &event) ──> Line ──> layout ──> text
//!            └──> ViewState::apply          ──> bar(&ViewState, now)
//! ```

mod bar;
mod end;
mod header;
mod host;
mod layout;
mod lines;
mod receipt;
mod state;
pub(crate) mod words;

pub(crate) use bar::bar;
pub(crate) use end::{final_line, rejection_hint};
pub(crate) use header::header;
pub(crate) use layout::{Layout, Line, Mark, clean};
pub(crate) use lines::{Detail, lines};
pub(crate) use receipt::receipt;
pub(crate) use state::ViewState;

#[cfg(test)]
mod tests;
