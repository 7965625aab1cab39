//! `drawgate watch`.

use std::time::Duration;

use clap::Args;
use drawgate_schemas::{Ask, Outcome, ReleaseId, ReleaseRequest};

use crate::asking::{AskFailed, ask_for};
use crate::broker::{Address, AddressError, Asker, ConnectError, Link, SubscribeError, Target, subscribe};
use crate::connecting::first_link;
use crate::ending::Ending;
use crate::exit::Exit;
use crate::follow::{FollowError, Follower, Stage, Stopped, Watching, stop, tell};
use crate::limits;
use crate::narrator::Narrator;
use crate::options::{BrokerArgs, Format, duration};
use crate::system::SystemError;

const EXAMPLES: &str = "\
Examples:
  drawgate watch 0193a5b1-7c2e-7d10-8a44-5c1f2e9b0d7c
  drawgate watch --format json ID | jq -r .type

Ctrl-C stops the watching, not the release.";

/// Follow a release to its end.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct WatchArgs {
    /// The release's id
    #[arg(value_name = "ID")]
    pub(crate) release: ReleaseId,
    /// Stop watching after this long; the release goes on
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = limits::WAIT_TEXT)]
    pub(crate) timeout: Duration,
    /// text: for people. json: one event a line
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
    /// The broker.
    #[command(flatten)]
    pub(crate) broker: BrokerArgs,
}

/// Why a release was not followed to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WatchFailed {
    /// The broker's address is missing or wrong.
    #[error(transparent)]
    Address(#[from] AddressError),
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// Asking for the earlier events failed.
    #[error(transparent)]
    Ask(#[from] AskFailed),
    #[error(transparent)]
    Subscribe(#[from] SubscribeError),
    #[error(transparent)]
    Follow(#[from] FollowError),
    /// The person, or the time limit, stopped the command.
    #[error(transparent)]
    Stopped(#[from] Stopped),
    #[error(transparent)]
    System(#[from] SystemError),
}

impl Ending for WatchFailed {
    fn exit(&self) -> Exit {
        match self {
            Self::Address(error) => error.exit(),
            Self::Connect(error) => error.exit(),
            Self::Ask(error) => error.exit(),
            Self::Subscribe(error) => error.exit(),
            Self::Follow(error) => error.exit(),
            Self::Stopped(error) => error.exit(),
            Self::System(error) => error.exit(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Address(error) => error.hint(),
            Self::Connect(error) => error.hint(),
            Self::Ask(error) => error.hint(),
            Self::Subscribe(error) => error.hint(),
            Self::Follow(error) => error.hint(),
            Self::Stopped(error) => error.hint(),
            Self::System(error) => error.hint(),
        }
    }
}

/// Follows a release that was published earlier.
pub(crate) async fn run(args: &WatchArgs) -> Result<Exit, WatchFailed> {
    let address = Address::from_args(&args.broker)?;
    let mut narrator = Narrator::new(args.format);
    let ended = tokio::select! {
        ended = follow(args, &address, &mut narrator) => ended,
        stop = stop(Some(args.timeout)) => Err(WatchFailed::Stopped(Stopped {
            release: args.release,
            stop: stop?,
            stage: Stage::Published,
            again: None,
        })),
    };
    narrator.close();
    ended.map(Exit::from)
}

async fn follow(
    args: &WatchArgs,
    address: &Address,
    narrator: &mut Narrator,
) -> Result<Outcome, WatchFailed> {
    let name = format!("drawgate watch {}", args.release);
    let link = first_link(address, &name, &args.broker).await?;
    let mut follower = Follower::new(args.release, None);
    let (request, ended) = past(&link, args, &mut follower, narrator).await?;
    if let Some(outcome) = ended {
        link.close().await;
        return Ok(outcome);
    }
    let target = Target {
        environment: request.environment,
        service: request.service,
    };
    let events = subscribe(&link, &target, false).await?;
    let mut watching = Watching {
        address,
        name,
        target,
        follower,
        narrator,
        message: None,
        release: args.release,
    };
    // Events may have been missed between the last answer and the subscription.
    Ok(watching.follow(link, events, true).await?)
}

/// Tells the events so far.
async fn past(
    link: &Link,
    args: &WatchArgs,
    follower: &mut Follower,
    narrator: &mut Narrator,
) -> Result<(ReleaseRequest, Option<Outcome>), AskFailed> {
    let asker = Asker::open(link).await?;
    let mut told = None;
    for _ in 0..limits::PAGES {
        let ask = Ask::Show {
            release: args.release,
            after: follower.last(),
            logs: false,
        };
        let view = ask_for(&asker, args.release, ask).await?;
        let request = told.get_or_insert_with(|| {
            narrator.header(&view.request);
            view.request.clone()
        });
        let request = request.clone();
        let step = follower.catch_up(view);
        tell(narrator, &step)?;
        if step.ended.is_some() || !step.ask {
            return Ok((request, step.ended));
        }
    }
    told.map(|request| (request, None)).ok_or(AskFailed::Silence)
}
