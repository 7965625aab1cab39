//! Control commands: cancel, pause and resume at each phase; who may give them; commands that come too late,
//! are too old, or come from a login that may not give them.
//!
//! ```text
//!   command    gives a control command, and finds it in a journal
//!   moments    the moments of a roll, all of them or a few
//!   course     one fleet that release after release rolls
//!   cancelled, paused, refused, at_once: the tests
//! ```
//! `make test` takes a few moments, by a seed that is printed (`DRAWGATE_CONTROL_SEED` repeats it);
//! `make orders` takes all.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "tests"
)]

mod at_once;
mod cancelled;
mod command;
mod course;
mod moments;
mod paused;
mod refused;
