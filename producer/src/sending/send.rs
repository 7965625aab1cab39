//! Sends a message, and follows its release where that was asked for.

use std::cell::Cell;
use std::time::Duration;

use drawgate_schemas::{Rejection, ReleaseId};
use serde::Serialize;

use super::failed::SendFailed;
use crate::broker::{self, Address, Target, subscribe};
use crate::connecting::first_link;
use crate::exit::Exit;
use crate::follow::{Follower, Stage, Stopped, Watching, stop};
use crate::limits;
use crate::narrator::Narrator;
use crate::options::{BrokerArgs, Format};
use crate::printer;
use crate::request::{self, Draft, Message, Selection};

/// How a message is sent, and what is told about it.
#[derive(Debug)]
pub(crate) struct Sending {
    /// For how long to follow the release; absent where it is not followed.
    pub(crate) wait: Option<Duration>,
    /// Whether the release may be old, because its id was given: its events have gone by then.
    pub(crate) may_be_old: bool,
    pub(crate) format: Format,
    pub(crate) broker: BrokerArgs,
}

impl Sending {
    /// The settings for a message that is made now.
    pub(crate) fn of(wait: bool, format: Format, broker: &BrokerArgs) -> Self {
        Self {
            wait: wait.then_some(limits::WAIT),
            may_be_old: false,
            format,
            broker: broker.clone(),
        }
    }

    /// The same settings for a message whose id may have been released before.
    pub(crate) fn under_a_used_id(self) -> Self {
        Self {
            may_be_old: true,
            ..self
        }
    }

    /// Sends a message. `again` gives the command that publishes it again.
    pub(crate) async fn send(
        &self,
        again: &dyn Fn() -> String,
        message: &Message,
    ) -> Result<Exit, SendFailed> {
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
            stop = stop(self.wait) => Err(SendFailed::Stopped(Stopped {
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

/// Publishes a release whose parts are all known, and follows it in the same way.
pub(crate) async fn release(
    draft: &Draft,
    selection: &Selection,
    sending: &Sending,
) -> Result<Exit, SendFailed> {
    let message = made(draft, selection)?;
    let again = || draft.again(selection, message.request.id, sending.wait.is_some());
    sending.send(&again, &message).await
}

/// The message that a draft asks for, under its id or a new one.
pub(crate) fn made(draft: &Draft, selection: &Selection) -> Result<Message, SendFailed> {
    let id = match draft.id {
        Some(id) => id,
        None => request::new_id()?,
    };
    Ok(request::message(draft, selection, id)?)
}

async fn publish_only(
    sending: &Sending,
    again: &dyn Fn() -> String,
    address: &Address,
    message: &Message,
    stage: &Cell<Stage>,
) -> Result<Exit, SendFailed> {
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
) -> Result<Exit, SendFailed> {
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
) -> Result<(), SendFailed> {
    stage.set(Stage::Publishing);
    let sent = broker::publish(link, &message.request, &message.body).await;
    sent.map_err(|source| SendFailed::Publish {
        source: Box::new(source),
        again: again(),
    })?;
    stage.set(Stage::Published);
    Ok(())
}

fn connection_name(id: ReleaseId) -> String {
    format!("drawgate publish {id}")
}

/// The output for programs of what is not followed.
#[derive(Serialize)]
struct Published<'a> {
    release: ReleaseId,
    environment: &'a str,
    service: &'a str,
    image: String,
    body_sha256: String,
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
