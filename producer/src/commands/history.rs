//! `drawgate history`.

use drawgate_schemas::{Ask, Environment, PastView, Reply, Service};
use jiff::Timestamp;

use crate::broker::{Address, Asker};
use crate::cli::{Format, HistoryArgs};
use crate::commands::first_link;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::{printer, view};

/// Asks for a lane's releases and shows them, the newest first.
pub(crate) async fn history(args: &HistoryArgs) -> Result<Exit, CommandError> {
    let address = Address::from_args(&args.broker)?;
    let link = first_link(&address, "drawgate history", &args.broker).await?;
    let asker = Asker::open(&link).await?;
    let releases = of_lane(&asker, &args.lane.environment, &args.lane.service, args.limit).await?;
    drop(asker);
    link.close().await;
    match args.format {
        Format::Json => {
            for release in &releases {
                printer::data(&serde_json::to_string(release).map_err(std::io::Error::from)?)?;
            }
        }
        Format::Text => {
            for row in view::history(&releases, Timestamp::now()) {
                printer::data(&view::clean(&row))?;
            }
        }
    }
    Ok(Exit::Succeeded)
}

/// The releases of a lane: of the worker that has the latest one of them.
pub(super) async fn of_lane(
    asker: &Asker<'_>,
    environment: &Environment,
    service: &Service,
    limit: u32,
) -> Result<Vec<PastView>, CommandError> {
    let answers = asker
        .ask_everyone(Ask::History {
            environment: environment.clone(),
            service: service.clone(),
            limit,
        })
        .await?;
    let mut histories = Vec::new();
    let mut refused = None;
    for answer in answers {
        match answer.reply {
            Reply::History { releases } => histories.push(releases),
            Reply::Refused { reason } => refused = Some((answer.worker, reason)),
            _ => {}
        }
    }
    let newest = |releases: &Vec<PastView>| releases.first().map(|newest| newest.accepted_at);
    match (histories.into_iter().max_by_key(newest), refused) {
        (Some(releases), _) => Ok(releases),
        (None, Some((worker, reason))) => Err(CommandError::Refused { worker, reason }),
        (None, None) => Err(CommandError::Silence),
    }
}
