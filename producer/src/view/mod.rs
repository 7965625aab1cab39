//! The texts that a person sees. Pure: state and events in, lines out; the clock is an argument.
//!
//! ```text
//! StatusEvent ──> lines(&ViewState, &event) ──> Line ──> layout ──> text
//!            └──> ViewState::apply          ──> bar(&ViewState, now)
//! ```

mod bar;
mod dead_letters;
mod end;
mod header;
mod history;
mod host;
mod layout;
mod lines;
mod ping;
mod receipt;
mod show;
mod state;
mod status;
mod why;
mod words;

pub(crate) use bar::bar;
pub(crate) use dead_letters::{dead_letter, dead_letters};
pub(crate) use end::{final_line, rejection_hint};
pub(crate) use header::header;
pub(crate) use history::history;
pub(crate) use layout::{Layout, Line, Mark, clean};
pub(crate) use lines::{Detail, lines};
pub(crate) use ping::pong;
pub(crate) use receipt::receipt;
pub(crate) use show::show;
pub(crate) use state::ViewState;
pub(crate) use status::status;
pub(crate) use why::why;

#[cfg(test)]
mod tests;
