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
mod control;
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

use crate::cli::Cli;
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
    let exit = runtime.block_on(commands::run(cli.command));
    // A hanging connection must not keep the process from ending.
    runtime.shutdown_background();
    exit
}
