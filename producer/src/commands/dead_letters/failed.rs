//! Why a command on dead letters failed, or was done in part.

use crate::broker::{AddressError, ConnectError, DeadError, LetterId, PublishError};
use crate::ending::Ending;
use crate::exit::Exit;
use crate::message_file::MessageFileError;
use crate::request::Unsendable;
use crate::system::SystemError;

/// Why a command on dead letters failed, or was done in part.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DeadLettersFailed {
    /// The broker's address is missing or wrong.
    #[error(transparent)]
    Address(#[from] AddressError),
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error(transparent)]
    Queue(#[from] DeadError),
    /// The repaired message cannot be read or sent.
    #[error(transparent)]
    MessageFile(#[from] MessageFileError),
    /// No letters have these ids.
    #[error("no dead letter {}; nothing was changed", listed(ids))]
    Unknown {
        ids: Vec<LetterId>,
        /// How many more letters lie behind those that were looked at.
        more: u32,
    },
    /// The letter's message would be refused again.
    #[error("{id} cannot be replayed as it is; nothing was sent: {unsendable}")]
    Unsendable { id: LetterId, unsendable: Unsendable },
    /// One repaired message cannot take the place of several letters.
    #[error("--with goes with exactly one ID, and here are {0}; nothing was sent")]
    OneRepaired(usize),
    /// The message was not sent, or it is unknown whether it was.
    #[error("{id} stays where it is: {source}")]
    NotSent {
        id: LetterId,
        /// Why it was not sent. The error's own causes follow; its text stands in the message above.
        source: Box<PublishError>,
        /// The command that tries again.
        again: String,
    },
    /// The person did not confirm the drop.
    #[error("nothing was dropped")]
    NotMeant,
    #[error(transparent)]
    System(#[from] SystemError),
}

impl Ending for DeadLettersFailed {
    fn exit(&self) -> Exit {
        match self {
            Self::Address(error) => error.exit(),
            Self::Connect(error) => error.exit(),
            Self::Queue(error) => error.exit(),
            Self::MessageFile(error) => error.exit(),
            Self::Unknown { .. } | Self::Unsendable { .. } | Self::OneRepaired(_) | Self::NotMeant => {
                Exit::Usage
            }
            Self::NotSent { .. } => Exit::Broker,
            Self::System(error) => error.exit(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Address(error) => error.hint(),
            Self::Connect(error) => error.hint(),
            Self::Queue(error) => error.hint(),
            Self::MessageFile(error) => error.hint(),
            Self::System(error) => error.hint(),
            Self::Unknown { more: 0, .. } => Some(
                "drawgate dead-letters list shows what is there; while another one looks at the queue, a part of it \
                 is not to be seen"
                    .to_owned(),
            ),
            Self::Unknown { more, .. } => Some(format!(
                "{more} more lie behind those that are looked at: they come to the front as these are replayed or dropped"
            )),
            Self::Unsendable { id, .. } => Some(repair(id)),
            Self::NotSent { id, source, .. } if source.is_of_this_message() => Some(repair(id)),
            Self::NotSent { source, again, .. } => source.hint(again),
            Self::OneRepaired(_) => Some("replay one after the other, each with its own message".to_owned()),
            Self::NotMeant => Some("drawgate dead-letters drop … --yes".to_owned()),
        }
    }
}

fn listed(ids: &[LetterId]) -> String {
    let ids: Vec<String> = ids.iter().map(LetterId::to_string).collect();
    ids.join(", ")
}

/// How to repair a message with a mistake and send it.
fn repair(id: &LetterId) -> String {
    format!(
        "repair it:\n  drawgate dead-letters show {id} --body > message.json\n  (edit message.json)\n  \
         drawgate dead-letters replay {id} --with message.json"
    )
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::request;

    fn id(n: u8) -> LetterId {
        format!("{n:012x}").parse().unwrap()
    }

    #[test]
    fn what_is_refused_is_told_how_to_be_repaired() {
        let unsendable = request::read(b"{".to_vec(), Timestamp::UNIX_EPOCH).unwrap_err();
        let error = DeadLettersFailed::Unsendable {
            id: id(7),
            unsendable,
        };
        let hint = error.hint().unwrap_or_default();
        for part in [
            "show 000000000007 --body > message.json",
            "replay 000000000007 --with message.json",
        ] {
            assert!(hint.contains(part), "{hint}");
        }
        assert!(
            error
                .to_string()
                .contains("nothing was sent: a worker would refuse it: not_json"),
            "{error}"
        );
    }
}
