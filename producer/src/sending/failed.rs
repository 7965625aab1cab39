//! Why a request was not sent, or its release not followed.

use drawgate_schemas::InvalidName;

use crate::broker::{AddressError, ConnectError, PublishError, SubscribeError};
use crate::ending::Ending;
use crate::exit::Exit;
use crate::follow::{FollowError, Stopped};
use crate::request::RequestError;
use crate::system::SystemError;

/// Why a request was not published, or not followed to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SendFailed {
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

impl Ending for SendFailed {
    fn exit(&self) -> Exit {
        match self {
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
