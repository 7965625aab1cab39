//! `drawgate status`.

use std::collections::BTreeMap;

use drawgate_schemas::{Ask, Freeze, LaneView, Reply};
use jiff::Timestamp;

use crate::broker::{Address, Asker};
use crate::cli::{Format, StatusArgs};
use crate::commands::first_link;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::{limits, printer, view};

/// Asks every worker for its lanes and shows them as one list.
pub(crate) async fn status(args: &StatusArgs) -> Result<Exit, CommandError> {
    let address = Address::from_args(&args.broker)?;
    let link = first_link(&address, "drawgate status", &args.broker).await?;
    let asker = Asker::open(&link).await?;
    let Seen {
        lanes,
        freezes,
        refused,
    } = seen(&asker, args).await?;
    drop(asker);
    link.close().await;
    // The list is not whole, and must not look as if it were.
    for (worker, reason) in &refused {
        printer::narrate(&format!(
            "{worker} could not answer, its lanes are not among these: {reason}"
        ));
    }
    if lanes.is_empty() && (args.environment.is_some() || args.service.is_some()) {
        return Err(CommandError::NoLane);
    }
    match args.format {
        Format::Json => {
            for lane in &lanes {
                printer::data(&serde_json::to_string(lane).map_err(std::io::Error::from)?)?;
            }
        }
        Format::Text => {
            for row in view::status(&lanes, &freezes, Timestamp::now()) {
                printer::data(&view::clean(&row))?;
            }
        }
    }
    Ok(Exit::Succeeded)
}

/// What the workers said.
struct Seen {
    lanes: Vec<LaneView>,
    freezes: Vec<Freeze>,
    /// Who could not answer, and why.
    refused: BTreeMap<String, String>,
}

/// All pages of every worker. Workers that share a ledger answer the same: each lane is kept once.
async fn seen(asker: &Asker<'_>, args: &StatusArgs) -> Result<Seen, CommandError> {
    let name = |lane: &LaneView| format!("{}/{}", lane.environment, lane.service);
    let mut lanes: BTreeMap<String, LaneView> = BTreeMap::new();
    let mut freezes: Vec<Freeze> = Vec::new();
    let mut refused = BTreeMap::new();
    let mut answered = false;
    let mut after: Option<String> = None;
    for _ in 0..limits::PAGES {
        let answers = asker
            .ask_everyone(Ask::Status {
                environment: args.environment.clone(),
                service: args.service.clone(),
                after: after.take(),
            })
            .await?;
        if answers.is_empty() {
            return Err(CommandError::Silence);
        }
        // The next page begins where the first of those that have more has ended.
        let mut next: Option<String> = None;
        for answer in answers {
            match answer.reply {
                Reply::Status(status) => {
                    answered = true;
                    let new = status
                        .freezes
                        .into_iter()
                        .filter(|freeze| !freezes.contains(freeze));
                    freezes.extend(new.collect::<Vec<_>>());
                    let end = status.lanes.last().filter(|_| status.more).map(name);
                    next = [next, end].into_iter().flatten().min();
                    lanes.extend(status.lanes.into_iter().map(|lane| (name(&lane), lane)));
                }
                Reply::Refused { reason } => {
                    refused.insert(answer.worker, reason);
                }
                _ => {}
            }
        }
        after = next;
        if after.is_none() {
            break;
        }
    }
    if let (false, Some((worker, reason))) = (answered, refused.pop_first()) {
        return Err(CommandError::Refused { worker, reason });
    }
    Ok(Seen {
        lanes: lanes.into_values().collect(),
        freezes,
        refused,
    })
}
