//! `drawgate watch`.

use drawgate_schemas::{Ask, Outcome, ReleaseRequest};

use crate::broker::{Address, Asker, Link, Target, subscribe};
use crate::cli::WatchArgs;
use crate::commands::{first_link, known, stop};
use crate::error::{CommandError, Stage};
use crate::exit::Exit;
use crate::follow::Follower;
use crate::limits;
use crate::narrator::Narrator;
use crate::watching::{Watching, tell};

/// Follows a release that was published before.
pub(crate) async fn watch(args: &WatchArgs) -> Result<Exit, CommandError> {
    let address = Address::from_args(&args.broker)?;
    let mut narrator = Narrator::new(args.format);
    let ended = tokio::select! {
        ended = follow(args, &address, &mut narrator) => ended,
        stop = stop(Some(args.timeout)) => Err(CommandError::Stopped {
            release: args.release,
            stop: stop?,
            stage: Stage::Published,
            again: None,
        }),
    };
    narrator.close();
    ended.map(Exit::from)
}

async fn follow(
    args: &WatchArgs,
    address: &Address,
    narrator: &mut Narrator,
) -> Result<Outcome, CommandError> {
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
    // Between the last answer and the subscription something may have happened.
    watching.follow(link, events, true).await
}

/// Tells what has happened until now.
async fn past(
    link: &Link,
    args: &WatchArgs,
    follower: &mut Follower,
    narrator: &mut Narrator,
) -> Result<(ReleaseRequest, Option<Outcome>), CommandError> {
    let asker = Asker::open(link).await?;
    let mut told = None;
    for _ in 0..limits::PAGES {
        let ask = Ask::Show {
            release: args.release,
            after: follower.last(),
            logs: false,
        };
        let view = known(asker.ask(ask).await?, args.release)?;
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
    told.map(|request| (request, None)).ok_or(CommandError::Silence)
}
