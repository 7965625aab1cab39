//! What can go wrong between the worker and the broker.

use std::io;
use std::path::PathBuf;

/// Why something could not be had from the broker.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// The URL is not one of a broker. It is not repeated here, because it may hold a password.
    #[error(
        "the broker's URL cannot be read; write amqp://user@host:5672/vhost or amqps://… (a '/' in the name of the vhost as %2f)"
    )]
    Url,
    /// A binding key cannot be one.
    #[error("the route {key:?} is not a binding key: 1 to 255 bytes, such as staging.* or *.search-api")]
    Route {
        /// The key.
        key: String,
    },
    /// The password file cannot be read.
    #[error("cannot read the broker's password from {path}", path = path.display())]
    PasswordFile {
        /// The file.
        path: PathBuf,
        /// What was in the way.
        #[source]
        source: io::Error,
    },
    /// An exchange or a queue exists with other arguments; RabbitMQ does not change them.
    #[error("{kind} {name} exists on the broker with other arguments than this worker's")]
    OtherArguments {
        /// `exchange` or `queue`.
        kind: &'static str,
        /// Its name.
        name: String,
        /// The broker's words.
        #[source]
        source: lapin::Error,
    },
    /// The broker was not reached.
    #[error("the broker is not reached")]
    Unreachable(#[source] io::Error),
    /// What answered is not a broker.
    #[error("what answered is not an AMQP 0-9-1 broker")]
    NotABroker,
    /// The broker said no, or went away.
    #[error("the broker did not {operation}")]
    Refused {
        /// What was asked.
        operation: &'static str,
        /// Its words.
        #[source]
        source: lapin::Error,
    },
    /// A queue did not confirm a message in time.
    #[error("the broker did not confirm a message in time")]
    Unconfirmed,
    /// The broker did not answer in time.
    #[error("the broker did not {operation} in time")]
    Silent {
        /// What was asked.
        operation: &'static str,
    },
    /// No queue is bound to where the message was sent.
    #[error("the message reached no queue")]
    Unroutable,
    /// A queue refused the message.
    #[error("a queue did not store the message")]
    NotStored,
}

impl BusError {
    /// The way out, where there is a known one.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::OtherArguments {
                kind: "queue", name, ..
            } => Some(format!(
                "stop the site's workers, wait until {name} is empty (or shovel its messages elsewhere), delete it \
                 with `rabbitmqctl delete_queue {name}`, and start again: the worker declares it anew"
            )),
            Self::OtherArguments { name, .. } => Some(format!(
                "delete the exchange {name} in the management interface and start again: the worker declares it anew"
            )),
            Self::Unconfirmed => Some(
                "a confirm waits for every queue the message goes to: look for one that is down or has no leader \
                 (`rabbitmqctl list_queues name state leader`), or for a memory or disk alarm \
                 (`rabbitmq-diagnostics alarms`)"
                    .to_owned(),
            ),
            _ => None,
        }
    }

    /// Whether trying again would bring the same.
    pub(super) fn is_definite(&self) -> bool {
        matches!(
            self,
            Self::Url | Self::Route { .. } | Self::PasswordFile { .. } | Self::OtherArguments { .. }
        )
    }

    /// For `map_err`: what was asked.
    pub(super) fn refused(operation: &'static str) -> impl FnOnce(lapin::Error) -> Self {
        move |source| Self::Refused { operation, source }
    }
}
