//! `drawgate`: publishes release messages, and follows releases to their end.
//!
//! stdout is data, stderr is narration, and the exit code says how the command ended.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod asking;
mod broker;
mod cli;
mod commands;
mod connecting;
mod consent;
mod ending;
mod env_vars;
mod exit;
mod follow;
mod limits;
mod message_file;
mod narrator;
mod options;
mod origin;
mod printer;
mod request;
mod sending;
mod system;
#[cfg(test)]
mod testing;
mod view;

use std::process::ExitCode;

use clap::Parser;
use drawgate_schemas::Control;

use crate::cli::{Cli, Command};
use crate::ending::Ending;
use crate::exit::Exit;
use crate::system::SystemError;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let exit = run(cli).unwrap_or_else(|error| {
        printer::narrate(&view::clean(&ending::report(&*error)));
        error.exit()
    });
    exit.into()
}

fn run(cli: Cli) -> Result<Exit, Box<dyn Ending>> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(SystemError::Refused)?;
    let exit = runtime.block_on(async {
        Ok(match cli.command {
            Command::Publish(args) => commands::publish(*args).await?,
            Command::Watch(args) => commands::watch(&args).await?,
            Command::History(args) => commands::history(&args).await?,
            Command::Retry(args) => commands::retry(&args).await?,
            Command::Replay(args) => commands::replay(&args).await?,
            Command::DeadLetters(command) => commands::dead_letters(&command).await?,
            Command::Rollback(args) => commands::rollback(&args).await?,
            Command::Why(args) => commands::why(&args).await?,
            Command::Status(args) => commands::status(&args).await?,
            Command::Show(args) => commands::show(&args).await?,
            Command::Completions { shell } => commands::completions(shell)?,
            Command::Pause(args) => commands::control(Control::Pause, &args).await?,
            Command::Resume(args) => commands::control(Control::Resume, &args).await?,
            Command::Cancel(args) => commands::control(Control::Cancel, &args).await?,
            Command::Promote(args) => commands::promote(&args).await?,
            Command::Freeze(args) => commands::freeze(&args).await?,
            Command::Thaw(args) => commands::thaw(&args).await?,
            Command::ForgetSequence(args) => commands::forget_sequence(&args).await?,
            Command::Ping(args) => commands::ping(&args).await?,
            Command::Approve(args) => commands::approve(&args).await?,
            Command::Reject(args) => commands::control(Control::Reject, &args).await?,
        })
    });
    // A hanging connection must not keep the process from ending.
    runtime.shutdown_background();
    exit
}
