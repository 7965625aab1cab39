//! `drawgate freeze` and `drawgate thaw`: told to every worker.

use drawgate_schemas::{Ask, Reply};
use jiff::Timestamp;
use serde::Serialize;

use super::{ask_everyone, is_meant};
use crate::cli::{BrokerArgs, Format, FreezeArgs, ThawArgs};
use crate::error::CommandError;
use crate::exit::Exit;
use crate::{printer, view};

/// What is written for programs, of each worker.
#[derive(Serialize)]
struct Told<'a> {
    worker: &'a str,
    changed: bool,
    /// What follows, or why nothing was changed.
    detail: &'a str,
}

/// No release begins until then.
pub(crate) async fn freeze(args: &FreezeArgs) -> Result<Exit, CommandError> {
    let until = match (args.until, args.lasting) {
        (Some(until), _) => until,
        (None, Some(lasting)) => Timestamp::now().saturating_add(lasting).unwrap_or(Timestamp::MAX),
        (None, None) => Timestamp::now(),
    };
    let question = format!("freeze every environment until {until:.0}?");
    if args.environment.is_none() && !is_meant(&question, args.yes)? {
        return Err(CommandError::NotFrozen);
    }
    let ask = Ask::Freeze {
        environment: args.environment.clone(),
        until,
        reason: args.reason.clone(),
    };
    tell(ask, "freeze", args.format, &args.broker).await
}

/// Ends a freeze before its time.
pub(crate) async fn thaw(args: &ThawArgs) -> Result<Exit, CommandError> {
    let ask = Ask::Thaw {
        environment: args.environment.clone(),
    };
    tell(ask, "thaw", args.format, &args.broker).await
}

/// Done is what at least one worker has done: another one may roll nothing to that environment.
pub(super) async fn tell(
    ask: Ask,
    what: &'static str,
    format: Format,
    broker: &BrokerArgs,
) -> Result<Exit, CommandError> {
    let answers = ask_everyone(ask, what, broker).await?;
    let (mut changed, mut whys) = (false, Vec::new());
    for answer in &answers {
        let (is_changed, detail) = match &answer.reply {
            Reply::Changed { what } => (true, what),
            Reply::NotChanged { why } => (false, why),
            Reply::Refused { reason } => (false, reason),
            _ => continue,
        };
        changed |= is_changed;
        let worker = answer.worker.as_str();
        match format {
            Format::Json => {
                let told = Told {
                    worker,
                    changed: is_changed,
                    detail,
                };
                printer::data(&serde_json::to_string(&told).map_err(std::io::Error::from)?)?;
            }
            Format::Text if is_changed => printer::narrate(&view::clean(&format!("{worker}: {detail}"))),
            Format::Text => whys.push(format!("{worker}: {detail}")),
        }
    }
    match (changed, format) {
        (true, _) => {
            whys.iter().for_each(|why| printer::narrate(&view::clean(why)));
            Ok(Exit::Succeeded)
        }
        (false, Format::Json) => Ok(Exit::Rejected),
        (false, Format::Text) => Err(CommandError::NotChanged {
            what,
            why: whys.join("; "),
        }),
    }
}
