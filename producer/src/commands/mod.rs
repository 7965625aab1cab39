//! The commands, from their arguments to their exit code: a room each.
//!
//! A small command is a file. A larger one is a folder:
//!
//! ```text
//!   args.rs   what a person may say, and what the help says of it
//!   mod.rs    what the command does
//!   view.rs   how it is printed for people
//! ```
//!
//! What several commands share is no room here, but stands beside this one: `asking`, `control`, `sending`,
//! `follow`, `origin`, `view`, ….

pub(crate) mod approve;
pub(crate) mod cancel;
pub(crate) mod completions;
pub(crate) mod dead_letters;
pub(crate) mod forget_sequence;
pub(crate) mod freeze;
pub(crate) mod history;
pub(crate) mod pause;
pub(crate) mod ping;
pub(crate) mod promote;
pub(crate) mod publish;
pub(crate) mod reject;
pub(crate) mod replay;
pub(crate) mod resume;
pub(crate) mod retry;
pub(crate) mod rollback;
pub(crate) mod show;
pub(crate) mod status;
pub(crate) mod thaw;
pub(crate) mod watch;
pub(crate) mod why;

use clap::CommandFactory as _;

use crate::cli::{Cli, Command};
use crate::ending::Ending;
use crate::exit::Exit;

/// Runs a command.
pub(crate) async fn run(command: Command) -> Result<Exit, Box<dyn Ending>> {
    Ok(match command {
        Command::Approve(args) => approve::run(&args).await?,
        Command::Cancel(args) => cancel::run(&args).await?,
        Command::Completions(args) => completions::run(&args, Cli::command())?,
        Command::DeadLetters(command) => dead_letters::run(&command).await?,
        Command::ForgetSequence(args) => forget_sequence::run(&args).await?,
        Command::Freeze(args) => freeze::run(&args).await?,
        Command::History(args) => history::run(&args).await?,
        Command::Pause(args) => pause::run(&args).await?,
        Command::Ping(args) => ping::run(&args).await?,
        Command::Promote(args) => promote::run(&args).await?,
        Command::Publish(args) => publish::run(*args).await?,
        Command::Reject(args) => reject::run(&args).await?,
        Command::Replay(args) => replay::run(&args).await?,
        Command::Resume(args) => resume::run(&args).await?,
        Command::Retry(args) => retry::run(&args).await?,
        Command::Rollback(args) => rollback::run(&args).await?,
        Command::Show(args) => show::run(&args).await?,
        Command::Status(args) => status::run(&args).await?,
        Command::Thaw(args) => thaw::run(&args).await?,
        Command::Watch(args) => watch::run(&args).await?,
        Command::Why(args) => why::run(&args).await?,
    })
}
