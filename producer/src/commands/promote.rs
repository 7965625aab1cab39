//! `drawgate promote`: releases to one environment what has succeeded in another.

use clap::Args;
use drawgate_schemas::limits::LONG_TEXT_CHARS;
use drawgate_schemas::{Environment, Outcome, ReleaseState, Service, Text};

use crate::asking::{AskFailed, lane_history};
use crate::ending::Ending;
use crate::exit::Exit;
use crate::options::{BrokerArgs, Format};
use crate::origin::{self, FillError};
use crate::request::Draft;
use crate::sending::{NothingBefore, SendFailed, Sending, again};
use crate::system::{self, SystemError};

const EXAMPLES: &str = "\
Examples:
  In a repository with a drawgate.toml:
    drawgate promote --from staging --to production

  From anywhere:
    drawgate promote --from staging --to production --service search-api --wait

It is a release like any other, of that very digest. An environment whose file says requires = \"staging\"
takes nothing else.";

/// Release in another environment what has succeeded in one.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct PromoteArgs {
    /// What, e.g. search-api; else drawgate.toml says it
    #[arg(long, value_name = "NAME")]
    pub(crate) service: Option<Service>,
    /// Where it has succeeded, e.g. staging
    #[arg(long, value_name = "NAME")]
    pub(crate) from: Environment,
    /// Where it is to go, e.g. production
    #[arg(long, value_name = "NAME")]
    pub(crate) to: Environment,
    /// Release it although a later build waits or was released there, and although every host runs it already
    #[arg(long)]
    pub(crate) force: bool,
    /// Why, for the people who watch
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<Text<LONG_TEXT_CHARS>>,
    /// Past every freeze, window and approval, and why; for those whom [emergency] of worker.toml names
    #[arg(long, value_name = "WHY")]
    pub(crate) emergency: Option<Text<LONG_TEXT_CHARS>>,
    /// Follow the release to its end; the exit code says how it ended
    #[arg(long)]
    pub(crate) wait: bool,
    /// text: for people. json: one object, or with --wait one event a line
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
    /// The broker.
    #[command(flatten)]
    pub(crate) broker: BrokerArgs,
}

/// Why nothing was promoted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PromoteFailed {
    /// The service is not named, and `drawgate.toml` does not give it.
    #[error(transparent)]
    Service(#[from] FillError),
    /// Asking for the earlier releases failed.
    #[error(transparent)]
    Ask(#[from] AskFailed),
    /// There is nothing that could be released again.
    #[error(transparent)]
    NothingBefore(#[from] NothingBefore),
    #[error(transparent)]
    Send(#[from] SendFailed),
    #[error(transparent)]
    System(#[from] SystemError),
}

impl Ending for PromoteFailed {
    fn exit(&self) -> Exit {
        match self {
            Self::Service(error) => error.exit(),
            Self::Ask(error) => error.exit(),
            Self::NothingBefore(error) => error.exit(),
            Self::Send(error) => error.exit(),
            Self::System(error) => error.exit(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Service(error) => error.hint(),
            Self::Ask(error) => error.hint(),
            Self::NothingBefore(error) => error.hint(),
            Self::Send(error) => error.hint(),
            Self::System(error) => error.hint(),
        }
    }
}

/// How many releases are asked for, because a worker reads each from its whole journal.
const LOOKED_AT: u32 = 100;

/// Publishes to one environment the digest that has succeeded last in the other.
pub(crate) async fn run(args: &PromoteArgs) -> Result<Exit, PromoteFailed> {
    let service = origin::service(args.service.as_ref(), &system::folder()?)?;
    let lane = lane_history("promote", &args.from, &service, LOOKED_AT, &args.broker).await?;
    let releases = lane.releases;
    let succeeded = ReleaseState::Ended {
        outcome: Outcome::Succeeded,
    };
    let Some(past) = releases.iter().find(|past| past.state == succeeded) else {
        let why = format!("no release of {} has succeeded in {} yet", service, args.from);
        return Err(NothingBefore { why }.into());
    };
    let mut request = past.request.clone();
    request.environment = args.to.clone();
    let reason = match &args.reason {
        Some(reason) => Some(reason.clone()),
        None => format!("succeeded in {}, as release {}", args.from, request.id)
            .parse()
            .ok(),
    };
    let draft = Draft {
        reason,
        sequence: request.sequence,
        force: args.force,
        emergency: args.emergency.clone(),
        ..Draft::default()
    };
    let sending = Sending::of(args.wait, args.format, &args.broker);
    Ok(again(&request, past.digest.as_ref(), draft, &sending).await?)
}
