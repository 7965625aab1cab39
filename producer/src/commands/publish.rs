//! `drawgate publish`.

use std::cell::Cell;
use std::time::Duration;

use drawgate_schemas::{InvalidName, Rejection, ReleaseId};
use serde::Serialize;

use super::connecting::first_link;
use super::stop::{Stage, Stopped, stop};
use crate::broker::{
    self, Address, AddressError, ConnectError, PublishError, SubscribeError, Target, subscribe,
};
use crate::cli::{BrokerArgs, Format, PublishArgs};
use crate::ending::Ending;
use crate::exit::Exit;
use crate::follow::Follower;
use crate::follow::{FollowError, Watching};
use crate::limits;
use crate::narrator::Narrator;
use crate::origin::{self, FillError, Source};
use crate::printer;
use crate::request::{self, Draft, Message, RequestError, Selection};
use crate::system::{self, SystemError};
use crate::view;

/// Why a request was not published, or not followed to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PublishFailed {
    /// A part of the request is missing or wrong.
    #[error(transparent)]
    Fill(#[from] FillError),
    #[error(transparent)]
    Request(#[from] RequestError),
    /// A new id could not be made.
    #[error("no id could be made")]
    Id(#[from] InvalidName),
    /// The broker's address is missing or wrong.
    #[error(transparent)]
    Address(#[from] AddressError),
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error(transparent)]
    Subscribe(#[from] SubscribeError),
    #[error("{source}")]
    Publish {
        /// Why it was not published. The error's own causes follow; its text stands in the message above.
        source: Box<PublishError>,
        /// The command that publishes the same request again.
        again: String,
    },
    #[error(transparent)]
    Follow(#[from] FollowError),
    /// The person, or the time limit, stopped the command.
    #[error(transparent)]
    Stopped(#[from] Stopped),
    #[error(transparent)]
    System(#[from] SystemError),
}

impl Ending for PublishFailed {
    fn exit(&self) -> Exit {
        match self {
            Self::Fill(error) => error.exit(),
            Self::Request(error) => error.exit(),
            Self::Id(_) => Exit::Usage,
            Self::Address(error) => error.exit(),
            Self::Connect(error) => error.exit(),
            Self::Subscribe(error) => error.exit(),
            Self::Publish { .. } => Exit::Broker,
            Self::Follow(error) => error.exit(),
            Self::Stopped(error) => error.exit(),
            Self::System(error) => error.exit(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Fill(error) => error.hint(),
            Self::Request(error) => error.hint(),
            Self::Id(_) => None,
            Self::Address(error) => error.hint(),
            Self::Connect(error) => error.hint(),
            Self::Subscribe(error) => error.hint(),
            Self::Publish { source, again } => source.hint(again),
            Self::Follow(error) => error.hint(),
            Self::Stopped(error) => error.hint(),
            Self::System(error) => error.hint(),
        }
    }
}

/// The output of `publish --format json` without `--wait`.
#[derive(Serialize)]
struct Published<'a> {
    release: ReleaseId,
    environment: &'a str,
    service: &'a str,
    image: String,
    body_sha256: String,
}

/// How a message is sent, and what is told about it.
#[derive(Debug)]
pub(super) struct Sending {
    /// For how long to follow the release; absent where it is not followed.
    wait: Option<Duration>,
    /// Whether the release may be old, because its id was given: its events have gone by then.
    may_be_old: bool,
    format: Format,
    broker: BrokerArgs,
}

impl Sending {
    /// The settings for a message that is made now.
    pub(super) fn of(wait: bool, format: Format, broker: &BrokerArgs) -> Self {
        Self {
            wait: wait.then_some(limits::WAIT),
            may_be_old: false,
            format,
            broker: broker.clone(),
        }
    }

    /// The same settings for a message whose id may have been released before.
    pub(super) fn under_a_used_id(self) -> Self {
        Self {
            may_be_old: true,
            ..self
        }
    }

    /// Sends a message. `again` gives the command that publishes it again.
    pub(super) async fn send(
        &self,
        again: &dyn Fn() -> String,
        message: &Message,
    ) -> Result<Exit, PublishFailed> {
        let address = Address::from_args(&self.broker)?;
        let stage = Cell::new(Stage::Before);
        let mut narrator = Narrator::new(self.format);
        let work = async {
            if self.wait.is_some() {
                publish_and_follow(self, again, &address, message, &stage, &mut narrator).await
            } else {
                publish_only(self, again, &address, message, &stage).await
            }
        };
        let ended = tokio::select! {
            ended = work => ended,
            stop = stop(self.wait) => Err(PublishFailed::Stopped(Stopped {
                release: message.request.id,
                stop: stop?,
                stage: stage.get(),
                again: Some(again()),
            })),
        };
        narrator.close();
        ended
    }
}

/// Publishes a release, and follows it if that was asked for.
pub(crate) async fn publish(args: PublishArgs) -> Result<Exit, PublishFailed> {
    let dry_run = args.dry_run;
    let sending = Sending {
        wait: args.wait.then_some(args.timeout),
        may_be_old: args.id.is_some(),
        format: args.format,
        broker: args.broker.clone(),
    };
    let mut draft = Draft::from(args);
    let (selection, sources) = origin::fill(&mut draft, &system::folder()?, &origin::variable)?;
    if dry_run {
        return show_only(&made(&draft, &selection)?, &sources);
    }
    release(&draft, &selection, &sending).await
}

/// Publishes a release whose parts are all known, and follows it in the same way.
pub(super) async fn release(
    draft: &Draft,
    selection: &Selection,
    sending: &Sending,
) -> Result<Exit, PublishFailed> {
    let message = made(draft, selection)?;
    let again = || draft.again(selection, message.request.id, sending.wait.is_some());
    sending.send(&again, &message).await
}

fn made(draft: &Draft, selection: &Selection) -> Result<Message, PublishFailed> {
    let id = match draft.id {
        Some(id) => id,
        None => request::new_id()?,
    };
    Ok(request::message(draft, selection, id)?)
}

/// Shows the message, and where its parts came from, without sending it.
fn show_only(message: &Message, sources: &[Source]) -> Result<Exit, PublishFailed> {
    // Writing plain data cannot fail.
    printer::data(&serde_json::to_string_pretty(&message.request).unwrap_or_default())?;
    for Source { part, value, by } in sources {
        printer::narrate(&view::clean(&format!("{part:<14} {value}  ({by})")));
    }
    printer::narrate("nothing was sent");
    Ok(Exit::Succeeded)
}

async fn publish_only(
    sending: &Sending,
    again: &dyn Fn() -> String,
    address: &Address,
    message: &Message,
    stage: &Cell<Stage>,
) -> Result<Exit, PublishFailed> {
    let id = message.request.id;
    let link = first_link(address, &connection_name(id), &sending.broker).await?;
    send(again, &link, message, stage).await?;
    link.close().await;
    match sending.format {
        Format::Text => {
            printer::data(&id.to_string())?;
            printer::narrate(&format!("published; drawgate watch {id} follows it"));
        }
        Format::Json => printer::data(&published(message))?,
    }
    Ok(Exit::Succeeded)
}

/// Publishes and follows a release. It listens before it publishes, so that no event goes by unheard.
async fn publish_and_follow(
    sending: &Sending,
    again: &dyn Fn() -> String,
    address: &Address,
    message: &Message,
    stage: &Cell<Stage>,
    narrator: &mut Narrator,
) -> Result<Exit, PublishFailed> {
    let request = &message.request;
    let target = Target {
        environment: request.environment.clone(),
        service: request.service.clone(),
    };
    let name = connection_name(request.id);
    let link = first_link(address, &name, &sending.broker).await?;
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
    let outcome = watching.follow(link, events, sending.may_be_old).await?;
    Ok(outcome.into())
}

async fn send(
    again: &dyn Fn() -> String,
    link: &broker::Link,
    message: &Message,
    stage: &Cell<Stage>,
) -> Result<(), PublishFailed> {
    stage.set(Stage::Publishing);
    let sent = broker::publish(link, &message.request, &message.body).await;
    sent.map_err(|source| PublishFailed::Publish {
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
