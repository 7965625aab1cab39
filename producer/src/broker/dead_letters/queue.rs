//! The queue of dead letters, over plain AMQP: letters are taken without an acknowledgement, and given back
//! by closing the channel.
//!
//! ```text
//! drawgate.dead ──basic.get──> held ──basic.ack──> gone: replayed or dropped
//!       ^                        │
//!       └───── channel.close ────┘   in the order in which they lay
//! ```
//!
//! Nobody else sees a letter while it is held: two people who look at the same time may each see a part. So
//! no letter is held while a person is being asked.

use std::cell::Cell;

use lapin::Channel;
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicGetOptions};

use drawgate_schemas::topology::DEAD_QUEUE;

use super::letter::DeadLetter;
use crate::broker::call::{CallError, Refusal, call};
use crate::broker::connect::Link;
use crate::ending::Ending;
use crate::exit::Exit;
use crate::limits;

/// Why dead letters cannot be read, or could not be removed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DeadError {
    /// No worker ever ran on this broker's virtual host.
    #[error(
        "the broker at {broker} has no queue {DEAD_QUEUE} in virtual host {vhost:?}: no worker ever ran there"
    )]
    NoQueue { broker: String, vhost: String },
    /// The user may not read the queue.
    #[error("the broker does not let user {user:?} read {DEAD_QUEUE}")]
    NotPermitted {
        user: String,
        /// The broker's words.
        #[source]
        source: CallError,
    },
    /// The connection broke, or the broker did not answer, before anything was changed.
    #[error(
        "the connection to the broker broke while the dead letters were read; all of them are still there"
    )]
    Lost(#[source] CallError),
    /// The connection broke after acknowledgements had gone out.
    #[error("the connection to the broker broke: what was replayed or dropped may still be in {DEAD_QUEUE}")]
    Unsettled(#[source] CallError),
}

impl Ending for DeadError {
    fn exit(&self) -> Exit {
        Exit::Broker
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::NoQueue { .. } => Some(
                "is it the right broker and virtual host? The worker makes the queue when it starts: \
                 systemctl status drawgate-worker on the bastion"
                    .to_owned(),
            ),
            Self::NotPermitted { .. } => Some(format!(
                "it needs the permission to read {} (rabbitmqctl set_permissions)",
                DEAD_QUEUE.replace('.', "\\.")
            )),
            Self::Lost(_) => None,
            Self::Unsettled(_) => Some(
                "drawgate dead-letters list shows what is there; replaying one again is harmless, its id is accepted \
                 once"
                    .to_owned(),
            ),
        }
    }
}

/// A dead letter, and the delivery that acknowledges it.
pub(crate) struct HeldLetter {
    /// What it says.
    pub(crate) letter: DeadLetter,
    delivery: Delivery,
}

/// Dead letters that this channel holds until they are given back.
pub(crate) struct HeldLetters {
    channel: Channel,
    /// The letters in the order of the queue, the oldest first.
    pub(crate) letters: Vec<HeldLetter>,
    /// How many more letters lie behind these.
    pub(crate) more: u32,
    /// Whether an acknowledgement was sent.
    touched: Cell<bool>,
}

impl HeldLetters {
    /// Takes letters from the queue, up to the bounds of count and bytes.
    pub(crate) async fn take(link: &Link) -> Result<Self, DeadError> {
        take(link).await.map_err(|source| match source.refusal() {
            Refusal::NotFound => DeadError::NoQueue {
                broker: link.address.to_string(),
                vhost: link.address.vhost().to_owned(),
            },
            Refusal::NotPermitted => DeadError::NotPermitted {
                user: link.address.user().to_owned(),
                source,
            },
            Refusal::NotAllowed | Refusal::Other => DeadError::Lost(source),
        })
    }

    /// Acknowledges one letter, so that the broker removes it.
    pub(crate) async fn put_away(&self, held: &HeldLetter) -> Result<(), DeadError> {
        self.touched.set(true);
        let acknowledged = call(held.delivery.ack(BasicAckOptions::default())).await;
        acknowledged.map(drop).map_err(DeadError::Unsettled)
    }

    /// Gives back the letters that were not acknowledged. The broker handles what a channel sends in order:
    /// once it has closed the channel, it has received every acknowledgement too.
    pub(crate) async fn give_back(self) -> Result<Vec<DeadLetter>, DeadError> {
        let closed = call(self.channel.close(200, "done".into())).await;
        closed.map_err(match self.touched.get() {
            true => DeadError::Unsettled,
            false => DeadError::Lost,
        })?;
        Ok(self.letters.into_iter().map(|held| held.letter).collect())
    }
}

async fn take(link: &Link) -> Result<HeldLetters, CallError> {
    let channel = call(link.connection.create_channel()).await?;
    let (mut letters, mut bytes, mut more) = (Vec::new(), 0, 0);
    while letters.len() < limits::DEAD_LETTERS && bytes < limits::DEAD_LETTER_BYTES {
        let options = BasicGetOptions { no_ack: false };
        let Some(message) = call(channel.basic_get(DEAD_QUEUE.into(), options)).await? else {
            more = 0;
            break;
        };
        more = message.message_count;
        let delivery = message.delivery;
        bytes += delivery.data.len();
        let key = delivery.routing_key.as_str();
        let letter = DeadLetter::read(&delivery.properties, key, delivery.data.clone());
        letters.push(HeldLetter { letter, delivery });
    }
    Ok(HeldLetters {
        channel,
        letters,
        more,
        touched: Cell::new(false),
    })
}
