//! Why a command ended without a release's outcome: one text, one hint, one exit code each.

use std::error::Error;

use drawgate_schemas::{InvalidName, Order, ReleaseId};

use crate::broker::{AddressError, AskError, ConnectError, PublishError, SubscribeError};
use crate::commands::{DeadLettersError, FORGET_SEQUENCE};
use crate::exit::Exit;
use crate::limits;
use crate::message_file::MessageFileError;
use crate::origin::FillError;
use crate::printer::StdoutClosed;
use crate::request::RequestError;

/// How far a command was when it was stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Nothing was sent.
    Before,
    /// Sent, and not confirmed.
    Publishing,
    /// The broker has it.
    Published,
}

/// What stopped it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Ctrl-C, or a signal to end.
    Interrupted,
    /// `--timeout`.
    TimedOut,
}

impl std::fmt::Display for Stop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Interrupted => "interrupted",
            Self::TimedOut => "--timeout has passed",
        })
    }
}

/// Why a command ended without a release's outcome.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandError {
    /// The broker's address.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The request.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// What the request was to be made of.
    #[error(transparent)]
    Fill(#[from] FillError),
    /// A new id.
    #[error("no id could be made")]
    Id(#[from] InvalidName),
    /// The connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The connection was lost and did not come back while a release was followed.
    #[error("the connection to the broker was lost, and did not come back; the release goes on")]
    Away {
        /// Which.
        release: ReleaseId,
        /// The last attempt.
        #[source]
        source: Box<CommandError>,
    },
    /// Publishing.
    #[error("{source}")]
    Publish {
        /// Why. Its own causes follow; the text stands above.
        source: Box<PublishError>,
        /// The command that publishes the same request.
        again: String,
    },
    /// Listening.
    #[error(transparent)]
    Subscribe(#[from] SubscribeError),
    /// Asking.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// Every worker that answered says so.
    #[error("no worker knows release {release} (asked: {})", workers.join(", "))]
    Unknown {
        /// Which.
        release: ReleaseId,
        /// Who said so.
        workers: Vec<String>,
    },
    /// An order was not taken.
    #[error("{order} was not taken: {why}")]
    NotTaken {
        /// Which.
        order: Order,
        /// Why not.
        why: String,
    },
    /// Nobody said what became of an order.
    #[error("no worker said within {} s what became of it: the order to {order} may have been taken or not", limits::ANSWER.as_secs())]
    NoWord {
        /// To which release.
        release: ReleaseId,
        /// Which.
        order: Order,
    },
    /// Nobody said that it is meant.
    #[error("nothing was {}", order.past())]
    Unsure {
        /// Which release.
        release: ReleaseId,
        /// Which order.
        order: Order,
    },
    /// There is nothing to go back to.
    #[error("nothing was released: {why}")]
    NothingBefore {
        /// Why not.
        why: String,
    },
    /// A name that no lane has.
    #[error("no lane is of that name: nothing was released there yet")]
    NoLane,
    /// Nobody said that a freeze of everything is meant.
    #[error("nothing was frozen")]
    NotFrozen,
    /// No worker changed anything.
    #[error("{what}: nothing was changed: {why}")]
    NotChanged {
        /// What was asked for.
        what: &'static str,
        /// Each worker's reason.
        why: String,
    },
    /// Nobody said that a rollback is meant.
    #[error("nothing was released")]
    NotMeant,
    /// Dead letters.
    #[error(transparent)]
    DeadLetters(#[from] DeadLettersError),
    /// A message in a file.
    #[error(transparent)]
    MessageFile(#[from] MessageFileError),
    /// No worker answered.
    #[error("no worker answered within {} s", limits::ANSWER.as_secs())]
    Silence,
    /// A worker could not answer.
    #[error("worker {worker} refused the question: {reason}")]
    Refused {
        /// Who.
        worker: String,
        /// Its words.
        reason: String,
    },
    /// Somebody did not want to wait any longer.
    #[error("{}", stopped(*stop, *stage))]
    Stopped {
        /// Which release.
        release: ReleaseId,
        /// What stopped it.
        stop: Stop,
        /// How far it was.
        stage: Stage,
        /// The command that publishes the same request.
        again: Option<String>,
    },
    /// Nobody reads any more.
    #[error(transparent)]
    Stdout(#[from] StdoutClosed),
    /// The system would not tell us about signals, or would not start the runtime.
    #[error("the system does not let drawgate run")]
    System(#[from] std::io::Error),
}

fn stopped(stop: Stop, stage: Stage) -> String {
    match stage {
        Stage::Before => format!("{stop}; nothing was published"),
        Stage::Publishing => {
            format!("{stop} before the broker confirmed: it is unknown whether the message arrived")
        }
        Stage::Published => format!("{stop}: stopped waiting; the release goes on"),
    }
}

impl CommandError {
    /// How the process ends.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Address(_)
            | Self::Request(_)
            | Self::Fill(_)
            | Self::Id(_)
            | Self::Unsure { .. }
            | Self::NothingBefore { .. }
            | Self::NotMeant
            | Self::NotFrozen
            | Self::NoLane
            | Self::Unknown { .. } => Exit::Usage,
            Self::NotTaken { .. } | Self::NotChanged { .. } => Exit::Rejected,
            Self::MessageFile(_) => Exit::Usage,
            Self::DeadLetters(error) => error.exit(),
            Self::Stopped { .. } | Self::Stdout(_) => Exit::GaveUp,
            Self::Connect(_)
            | Self::Away { .. }
            | Self::Publish { .. }
            | Self::Subscribe(_)
            | Self::Ask(_)
            | Self::Silence
            | Self::NoWord { .. }
            | Self::Refused { .. }
            | Self::System(_) => Exit::Broker,
        }
    }

    /// What to do.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::Address(error) => error.hint(),
            Self::Fill(error) => error.hint(),
            Self::Connect(error) => error.hint(),
            Self::Publish { source, again } => source.hint(again),
            Self::Subscribe(error) => error.hint(),
            Self::Ask(error) => error.hint(),
            Self::Away { release, .. } => Some(format!("drawgate watch {release} follows it again")),
            Self::Stopped { release, stage: Stage::Published, .. } => {
                Some(format!("drawgate watch {release} follows it again"))
            }
            Self::Stopped { stage: Stage::Publishing, again, .. } => again.as_ref().map(|again| {
                format!("publishing the same request again is harmless, its id is accepted once:\n  {again}")
            }),
            Self::Unknown { .. } => Some(
                "check the id; a message that still waits in its queue is not known yet, and a refused one never is"
                    .to_owned(),
            ),
            Self::NotTaken { .. } => Some("drawgate show ID says where it stands".to_owned()),
            Self::NoWord { release, .. } => Some(format!("drawgate show {release} says whether it was")),
            Self::Unsure { release, order } => Some(format!("drawgate {order} {release} --yes")),
            Self::NothingBefore { .. } => {
                Some("drawgate history lists what there was; drawgate publish --force releases any image".to_owned())
            }
            Self::NotChanged { what, .. } if *what == FORGET_SEQUENCE => {
                Some("drawgate history says what was released there, and what was forgotten".to_owned())
            }
            Self::NotChanged { .. } => Some("drawgate status says what is frozen".to_owned()),
            Self::NoLane => Some("drawgate status without a name lists every lane".to_owned()),
            Self::NotFrozen => Some("drawgate freeze … --yes, or --environment NAME".to_owned()),
            Self::DeadLetters(error) => error.hint(),
            Self::MessageFile(error) => error.hint(),
            Self::NotMeant => Some("drawgate rollback … --yes".to_owned()),
            Self::Silence => Some(
                "the broker is there and the workers are not: systemctl status drawgate-worker on the bastion"
                    .to_owned(),
            ),
            Self::Refused { .. } => Some("drawgate ping says of each worker whether it is ready, and its version".to_owned()),
            Self::Stopped { stage: Stage::Before, .. }
            | Self::Request(_)
            | Self::Id(_)
            | Self::Stdout(_)
            | Self::System(_) => None,
        }
    }

    /// The error with its causes, and the hint.
    pub(crate) fn report(&self) -> String {
        let mut text = format!("error: {self}");
        let mut said = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            let words = error.to_string();
            // Libraries quote their cause in their own text.
            if !said.contains(&words) {
                text.push_str(&format!("\n  caused by: {words}"));
                said = words;
            }
            cause = error.source();
        }
        if let Some(hint) = self.hint() {
            text.push_str(&format!("\nhint: {hint}"));
        }
        text
    }
}
