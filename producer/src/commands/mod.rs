//! What each command does, from its arguments to its exit code.

mod again;
mod completions;
mod dead_letters;
mod forget_sequence;
mod freeze;
mod history;
mod order;
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
pub(crate) use dead_letters::{DeadLettersError, dead_letters};
pub(crate) use forget_sequence::{FORGET_SEQUENCE, forget_sequence};
pub(crate) use freeze::{freeze, thaw};
pub(crate) use history::history;
pub(crate) use order::{approve, order};
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

use std::io::{BufRead as _, IsTerminal as _};
use std::time::Duration;

use drawgate_schemas::{Answer, Ask, ReleaseId, ReleaseView};
use tokio::signal::unix::{SignalKind, signal};

use crate::broker::{Address, Asker, ConnectError, Link, Verdict, connect_patiently};
use crate::cli::BrokerArgs;
use crate::error::{CommandError, Stop};
use crate::printer;

/// The first connection, tried for as long as `--connect-timeout` says.
async fn first_link(address: &Address, name: &str, args: &BrokerArgs) -> Result<Link, ConnectError> {
    let mut told = false;
    let tell = |error: &ConnectError| {
        if !std::mem::replace(&mut told, true) {
            let limit = args.connect_timeout.as_secs();
            printer::narrate(&format!("{error}; trying again for up to {limit} s"));
        }
    };
    connect_patiently(address, name, args.connect_timeout, false, tell).await
}

/// Ends when somebody wants this process to end, or when its time is over.
async fn stop(timeout: Option<Duration>) -> Result<Stop, std::io::Error> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let time_over = async {
        match timeout {
            Some(timeout) => tokio::time::sleep(timeout).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        interrupt = tokio::signal::ctrl_c() => interrupt.map(|()| Stop::Interrupted),
        _ = terminate.recv() => Ok(Stop::Interrupted),
        _ = hangup.recv() => Ok(Stop::Interrupted),
        () = time_over => Ok(Stop::TimedOut),
    }
}

/// Every worker's answer to a question; at least one.
async fn ask_everyone(ask: Ask, name: &str, args: &BrokerArgs) -> Result<Vec<Answer>, CommandError> {
    let address = Address::from_args(args)?;
    let link = first_link(&address, &format!("drawgate {name}"), args).await?;
    let asker = Asker::open(&link).await?;
    let answers = asker.ask_everyone(ask).await?;
    drop(asker);
    link.close().await;
    match answers.is_empty() {
        true => Err(CommandError::Silence),
        false => Ok(answers),
    }
}

/// Asks the person at the terminal, unless `--yes` has said it. Without a terminal nobody has.
fn is_meant(question: &str, yes: bool) -> Result<bool, std::io::Error> {
    if yes || !std::io::stdin().is_terminal() {
        return Ok(yes);
    }
    printer::narrate(&format!("{question} [y/N]"));
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// The release, or why there is none to show.
fn known(verdict: Verdict, release: ReleaseId) -> Result<ReleaseView, CommandError> {
    match verdict {
        Verdict::Known(view) => Ok(*view),
        Verdict::Unknown { workers } => Err(CommandError::Unknown { release, workers }),
        Verdict::Refused { worker, reason } => Err(CommandError::Refused { worker, reason }),
        Verdict::Silence => Err(CommandError::Silence),
        Verdict::Taken { worker, .. } | Verdict::NotTaken { worker, .. } => Err(CommandError::Refused {
            worker,
            reason: "it answered another question".to_owned(),
        }),
    }
}
