//! `drawgate dead-letters`: shows the messages that were refused for good, replays them, drops them.

mod args;
mod drop;
mod failed;
mod json;
mod list;
mod queue;
mod replay;
mod show;
mod told;
mod view;

pub(crate) use args::DeadLetterCommand;
use failed::DeadLettersFailed;

use crate::exit::Exit;

/// Runs a command on dead letters.
pub(crate) async fn run(command: &DeadLetterCommand) -> Result<Exit, DeadLettersFailed> {
    match command {
        DeadLetterCommand::List(args) => list::run(args).await,
        DeadLetterCommand::Show(args) => show::run(args).await,
        DeadLetterCommand::Replay(args) => replay::run(args).await,
        DeadLetterCommand::Drop(args) => drop::run(args).await,
    }
}
