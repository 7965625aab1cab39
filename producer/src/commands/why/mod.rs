//! `drawgate why`.

mod args;
mod view;

use drawgate_schemas::{Ask, LaneView, ReleaseState, ReleaseView, Reply};
use serde::Serialize;

pub(crate) use args::WhyArgs;

use crate::asking::{AskFailed, over_a_connection, whole_release};
use crate::broker::Asker;
use crate::exit::Exit;
use crate::options::Format;
use crate::printer;
use crate::view::clean;

/// The output for programs.
#[derive(Serialize)]
struct Why<'a> {
    state: &'a ReleaseState,
    /// The same reasons in words.
    why: Vec<String>,
}

/// Tells what a release waits for.
pub(crate) async fn run(args: &WhyArgs) -> Result<Exit, AskFailed> {
    let name = format!("drawgate why {}", args.release);
    let seen = over_a_connection(&name, &args.broker, async |asker| {
        let release = whole_release(asker, args.release, false).await?;
        let lane = lane_of(asker, &release).await?;
        Ok::<_, AskFailed>((release, lane))
    });
    let (release, lane) = seen.await?;
    let why = view::why(&release, lane.as_ref());
    match args.format {
        Format::Json => {
            printer::json(&Why {
                state: &release.state,
                why,
            })?;
        }
        Format::Text => {
            for row in why {
                printer::data(&clean(&row))?;
            }
        }
    }
    Ok(Exit::Succeeded)
}

/// The release's lane, where other releases are before it.
async fn lane_of(asker: &Asker<'_>, release: &ReleaseView) -> Result<Option<LaneView>, AskFailed> {
    let ReleaseState::Waiting { ahead: 1.., .. } = release.state else {
        return Ok(None);
    };
    let answers = asker
        .ask_everyone(Ask::Status {
            environment: Some(release.request.environment.clone()),
            service: Some(release.request.service.clone()),
            after: None,
        })
        .await?;
    Ok(answers.into_iter().find_map(|answer| match answer.reply {
        Reply::Status(status) => status.lanes.into_iter().next(),
        _ => None,
    }))
}
