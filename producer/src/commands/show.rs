//! `drawgate show`.

use drawgate_schemas::{Ask, ReleaseId, ReleaseView};

use super::asking::{AskFailed, ask_for, over_a_connection};
use crate::broker::Asker;
use crate::cli::{Format, ShowArgs};
use crate::exit::Exit;
use crate::view::{self, Layout};
use crate::{limits, printer};

/// Asks for a release, and shows it.
pub(crate) async fn show(args: &ShowArgs) -> Result<Exit, AskFailed> {
    let name = format!("drawgate show {}", args.release);
    let view = over_a_connection(&name, &args.broker, async |asker| {
        whole(asker, args.release, args.logs).await
    });
    let view = view.await?;
    match args.format {
        Format::Json => printer::json(&view)?,
        Format::Text => {
            let layout = Layout {
                width: printer::stdout_columns(),
                times: true,
                colour: false,
            };
            for row in view::show(&view, &layout) {
                printer::data(&row)?;
            }
        }
    }
    Ok(Exit::Succeeded)
}

/// Asks for all pages of a release, and joins them.
pub(super) async fn whole(
    asker: &Asker<'_>,
    release: ReleaseId,
    logs: bool,
) -> Result<ReleaseView, AskFailed> {
    let ask = |after, logs| Ask::Show { release, after, logs };
    let mut whole = ask_for(asker, release, ask(0, logs)).await?;
    for _ in 0..limits::PAGES {
        let last = whole.events.last().map_or(0, |event| event.sequence);
        if !whole.more {
            break;
        }
        let page = ask_for(asker, release, ask(last, false)).await?;
        let new = page.events.into_iter().filter(|event| event.sequence > last);
        let before = whole.events.len();
        whole.events.extend(new);
        whole.state = page.state;
        whole.more = page.more && whole.events.len() > before;
    }
    Ok(whole)
}
