//! The commands, from their arguments to their exit code: one file each.

mod completions;
mod control;
mod dead_letters;
mod forget_sequence;
mod freeze;
mod history;
mod ping;
mod promote;
mod publish;
mod replay;
mod retry;
mod rollback;
mod show;
mod status;
mod watch;
mod why;

pub(crate) use completions::completions;
pub(crate) use control::{approve, control};
pub(crate) use dead_letters::dead_letters;
pub(crate) use forget_sequence::forget_sequence;
pub(crate) use freeze::{freeze, thaw};
pub(crate) use history::history;
pub(crate) use ping::ping;
pub(crate) use promote::promote;
pub(crate) use publish::publish;
pub(crate) use replay::replay;
pub(crate) use retry::retry;
pub(crate) use rollback::rollback;
pub(crate) use show::show;
pub(crate) use status::status;
pub(crate) use watch::watch;
pub(crate) use why::why;
