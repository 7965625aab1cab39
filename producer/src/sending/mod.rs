//! Sends requests: for `publish`, and for the commands that release again what was released before.

mod failed;
mod rerelease;
mod send;

pub(crate) use failed::SendFailed;
pub(crate) use rerelease::{NothingBefore, again, before};
pub(crate) use send::{Sending, made, release};
