//! Errors between the worker and the broker.

use std::io;
use std::path::PathBuf;

/// Why a call to the broker failed.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// The URL does not name a broker. It is not repeated here, because it may contain a password.
    #[error(
        "the broker's URL cannot be read; write amqp://user@host:5672/vhost or amqps://… (a '/' in the name of the vhost as %2f)"
    )]
    Url,
    /// A route is not a valid binding key.
    #[error("the route {key:?} is not a binding key: 1 to 255 bytes, such as staging.* or *.search-api")]
    Route { key: String },
    /// The password file cannot be read.
    #[error("cannot read the broker's password from {path}", path = path.display())]
    PasswordFile {
        path: PathBuf,
        /// The file system's error.
        #[source]
        source: io::Error,
    },
    /// An exchange or a queue exists with other arguments; RabbitMQ does not change them.
    #[error("{kind} {name} exists on the broker with other arguments than this worker's")]
    OtherArguments {
        /// `exchange` or `queue`.
        kind: &'static str,
        name: String,
        /// The broker's words.
        #[source]
        source: lapin::Error,
    },
    /// The broker could not be reached.
    #[error("the broker is not reached")]
    Unreachable(#[source] lapin::Error),
    /// The broker refused an operation, or went away.
    #[error("the broker did not {operation}")]
    Refused {
        /// The operation.
        operation: &'static str,
        #[source]
        source: lapin::Error,
    },
    /// The broker did not confirm a message in time: one of the queues it went to did not.
    #[error("the broker did not confirm a message in time")]
    Unconfirmed,
    /// The broker did not answer in time.
    #[error("the broker did not {operation} in time")]
    Silent {
        /// The operation.
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
    /// The remedy, where there is a known one.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::OtherArguments { kind, name, .. } => Some(format!(
                "delete the {kind} {name} in the management interface: the worker declares it anew within seconds"
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

    /// Sorts a failed connection: unreachable, or refused.
    pub(super) fn unconnected(source: lapin::Error) -> Self {
        match source.kind() {
            lapin::ErrorKind::IOError(_) => Self::Unreachable(source),
            _ => Self::Refused {
                operation: "accept the connection",
                source,
            },
        }
    }

    /// For `map_err`, with the operation that was asked for.
    pub(super) fn refused(operation: &'static str) -> impl FnOnce(lapin::Error) -> Self {
        move |source| Self::Refused { operation, source }
    }
}
