//! A whole release, page by page.

use drawgate_schemas::{Ask, ReleaseId, ReleaseView};

use super::ask::{AskFailed, ask_for};
use crate::broker::Asker;
use crate::limits;

/// Asks for all pages of a release, and joins them.
pub(crate) async fn whole_release(
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
