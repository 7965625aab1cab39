//! A question to the workers, over a connection of its own.

use drawgate_schemas::{Answer, Ask, ReleaseId, ReleaseView};

use crate::broker::{Address, AddressError, AskError, Asker, ConnectError, Verdict};
use crate::connecting::first_link;
use crate::ending::Ending;
use crate::exit::Exit;
use crate::limits;
use crate::options::BrokerArgs;
use crate::system::SystemError;

/// Why there is no answer to show.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AskFailed {
    /// The broker's address is missing or wrong.
    #[error(transparent)]
    Address(#[from] AddressError),
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error(transparent)]
    Ask(#[from] AskError),
    /// Every worker that answered said that it does not know the release.
    #[error("no worker knows release {release} (asked: {})", workers.join(", "))]
    Unknown {
        release: ReleaseId,
        /// The workers that said so.
        workers: Vec<String>,
    },
    /// No worker answered.
    #[error("no worker answered within {} s", limits::ANSWER.as_secs())]
    Silence,
    /// A worker refused the question, or could not answer it.
    #[error("worker {worker} refused the question: {reason}")]
    Refused { worker: String, reason: String },
    #[error(transparent)]
    System(#[from] SystemError),
}

impl Ending for AskFailed {
    fn exit(&self) -> Exit {
        match self {
            Self::Address(error) => error.exit(),
            Self::Connect(error) => error.exit(),
            Self::Ask(error) => error.exit(),
            Self::Unknown { .. } => Exit::Usage,
            Self::Silence | Self::Refused { .. } => Exit::Broker,
            Self::System(error) => error.exit(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Address(error) => error.hint(),
            Self::Connect(error) => error.hint(),
            Self::Ask(error) => error.hint(),
            Self::Unknown { .. } => Some(
                "check the id; a message that still waits in its queue is not known yet, and a refused one never is"
                    .to_owned(),
            ),
            Self::Silence => Some(
                "the broker is there and the workers are not: systemctl status drawgate-worker on the bastion"
                    .to_owned(),
            ),
            Self::Refused { .. } => Some(
                "drawgate ping says of each worker whether it is ready, and its version".to_owned(),
            ),
            Self::System(error) => error.hint(),
        }
    }
}

/// Asks over one connection, and closes it. `name` is the connection's name, which the broker's operator
/// sees.
pub(crate) async fn over_a_connection<T, E: From<AskFailed>>(
    name: &str,
    args: &BrokerArgs,
    work: impl AsyncFnOnce(&Asker<'_>) -> Result<T, E>,
) -> Result<T, E> {
    let address = Address::from_args(args).map_err(AskFailed::from)?;
    let link = first_link(&address, name, args).await.map_err(AskFailed::from)?;
    let asker = Asker::open(&link).await.map_err(AskFailed::from)?;
    let done = work(&asker).await?;
    drop(asker);
    link.close().await;
    Ok(done)
}

/// The answer of every worker to a question; at least one.
pub(crate) async fn ask_everyone(ask: Ask, name: &str, args: &BrokerArgs) -> Result<Vec<Answer>, AskFailed> {
    let name = format!("drawgate {name}");
    let answers = over_a_connection(&name, args, async |asker| {
        asker.ask_everyone(ask).await.map_err(AskFailed::from)
    });
    let answers = answers.await?;
    match answers.is_empty() {
        true => Err(AskFailed::Silence),
        false => Ok(answers),
    }
}

/// A release, as the worker that has it answers.
pub(crate) async fn ask_for(
    asker: &Asker<'_>,
    release: ReleaseId,
    ask: Ask,
) -> Result<ReleaseView, AskFailed> {
    known(asker.ask(ask).await?, release)
}

/// The release in a verdict, or the error that says why there is none to show.
pub(crate) fn known(verdict: Verdict, release: ReleaseId) -> Result<ReleaseView, AskFailed> {
    match verdict {
        Verdict::Known(view) => Ok(*view),
        Verdict::Unknown { workers } => Err(AskFailed::Unknown { release, workers }),
        Verdict::Refused { worker, reason } => Err(AskFailed::Refused { worker, reason }),
        Verdict::Silence => Err(AskFailed::Silence),
        Verdict::Taken { worker, .. } | Verdict::NotTaken { worker, .. } => Err(AskFailed::Refused {
            worker,
            reason: "it answered another question".to_owned(),
        }),
    }
}
