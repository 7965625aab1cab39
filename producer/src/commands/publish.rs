//! `drawgate publish`.

use std::cell::Cell;

use drawgate_schemas::{Rejection, ReleaseId};
use serde::Serialize;

use crate::broker::{self, Address, Target, subscribe};
use crate::cli::{Format, PublishArgs};
use crate::commands::{first_link, stop};
use crate::error::{CommandError, Stage};
use crate::exit::Exit;
use crate::follow::Follower;
use crate::narrator::Narrator;
use crate::origin::{self, Order, Source};
use crate::printer;
use crate::request::{self, Message};
use crate::view;
use crate::watching::Watching;

/// What `publish --format json` says without `--wait`.
#[derive(Serialize)]
struct Published<'a> {
    release: ReleaseId,
    environment: &'a str,
    service: &'a str,
    image: String,
    body_sha256: String,
}

/// Publishes, and follows if that is wanted.
pub(crate) async fn publish(mut args: PublishArgs) -> Result<Exit, CommandError> {
    let (order, sources) = origin::fill(&mut args, &std::env::current_dir()?, &origin::variable)?;
    release(&args, &order, &sources).await
}

/// The same for what is known already, wherever it came from.
pub(crate) async fn release(
    args: &PublishArgs,
    order: &Order,
    sources: &[Source],
) -> Result<Exit, CommandError> {
    let id = match args.id {
        Some(id) => id,
        None => request::new_id()?,
    };
    let message = request::message(args, order, id)?;
    if args.dry_run {
        return show_only(&message, sources);
    }
    sent(args, &|| args.again(order, id), &message).await
}

/// The same for a message that is made already. `again` gives the command that publishes it once more.
pub(super) async fn sent(
    args: &PublishArgs,
    again: &dyn Fn() -> String,
    message: &Message,
) -> Result<Exit, CommandError> {
    let id = message.request.id;
    let address = Address::from_args(&args.broker)?;
    let stage = Cell::new(Stage::Before);
    let mut narrator = Narrator::new(args.format);
    let work = async {
        if args.wait {
            publish_and_follow(args, again, &address, message, &stage, &mut narrator).await
        } else {
            publish_only(args, again, &address, message, &stage).await
        }
    };
    let ended = tokio::select! {
        ended = work => ended,
        stop = stop(args.wait.then_some(args.timeout)) => Err(CommandError::Stopped {
            release: id,
            stop: stop?,
            stage: stage.get(),
            again: Some(again()),
        }),
    };
    narrator.close();
    ended
}

/// The message, and where its parts came from.
fn show_only(message: &Message, sources: &[Source]) -> Result<Exit, CommandError> {
    // Writing plain data cannot fail.
    printer::data(&serde_json::to_string_pretty(&message.request).unwrap_or_default())?;
    for Source { part, value, by } in sources {
        printer::narrate(&view::clean(&format!("{part:<14} {value}  ({by})")));
    }
    printer::narrate("nothing was sent");
    Ok(Exit::Succeeded)
}

async fn publish_only(
    args: &PublishArgs,
    again: &dyn Fn() -> String,
    address: &Address,
    message: &Message,
    stage: &Cell<Stage>,
) -> Result<Exit, CommandError> {
    let id = message.request.id;
    let link = first_link(address, &connection_name(id), &args.broker).await?;
    send(again, &link, message, stage).await?;
    link.close().await;
    match args.format {
        Format::Text => {
            printer::data(&id.to_string())?;
            printer::narrate(&format!("published; drawgate watch {id} follows it"));
        }
        Format::Json => printer::data(&published(message))?,
    }
    Ok(Exit::Succeeded)
}

/// Listens before it publishes, so that no event goes by unheard.
async fn publish_and_follow(
    args: &PublishArgs,
    again: &dyn Fn() -> String,
    address: &Address,
    message: &Message,
    stage: &Cell<Stage>,
    narrator: &mut Narrator,
) -> Result<Exit, CommandError> {
    let request = &message.request;
    let target = Target {
        environment: request.environment.clone(),
        service: request.service.clone(),
    };
    let name = connection_name(request.id);
    let link = first_link(address, &name, &args.broker).await?;
    let events = subscribe(&link, &target, true).await?;
    send(again, &link, message, stage).await?;
    narrator.header(request);
    let mut watching = Watching {
        address,
        name,
        target,
        follower: Follower::new(request.id, Some(Rejection::body_sha256(&message.body))),
        narrator,
        message: Some(message),
        release: request.id,
    };
    // A release under a given id may be old: its events have gone by.
    let outcome = watching.follow(link, events, args.id.is_some()).await?;
    Ok(outcome.into())
}

async fn send(
    again: &dyn Fn() -> String,
    link: &broker::Link,
    message: &Message,
    stage: &Cell<Stage>,
) -> Result<(), CommandError> {
    stage.set(Stage::Publishing);
    let sent = broker::publish(link, &message.request, &message.body).await;
    sent.map_err(|source| CommandError::Publish {
        source: Box::new(source),
        again: again(),
    })?;
    stage.set(Stage::Published);
    Ok(())
}

fn connection_name(id: ReleaseId) -> String {
    format!("drawgate publish {id}")
}

fn published(message: &Message) -> String {
    let request = &message.request;
    let published = Published {
        release: request.id,
        environment: request.environment.as_str(),
        service: request.service.as_str(),
        image: request.image.to_string(),
        body_sha256: Rejection::body_sha256(&message.body),
    };
    // Writing a plain struct with string keys cannot fail.
    serde_json::to_string(&published).unwrap_or_default()
}
