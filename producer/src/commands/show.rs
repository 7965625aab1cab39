//! `drawgate show`.

use drawgate_schemas::{Ask, ReleaseId, ReleaseView};

use crate::broker::{Address, Asker};
use crate::cli::{Format, ShowArgs};
use crate::commands::{first_link, known};
use crate::error::CommandError;
use crate::exit::Exit;
use crate::view::{self, Layout};
use crate::{limits, printer};

/// Asks for a release and shows it.
pub(crate) async fn show(args: &ShowArgs) -> Result<Exit, CommandError> {
    let address = Address::from_args(&args.broker)?;
    let name = format!("drawgate show {}", args.release);
    let link = first_link(&address, &name, &args.broker).await?;
    let asker = Asker::open(&link).await?;
    let view = whole(&asker, args.release, args.logs).await?;
    drop(asker);
    link.close().await;
    match args.format {
        Format::Json => printer::data(&serde_json::to_string(&view).map_err(std::io::Error::from)?)?,
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

/// All pages of it, as one.
pub(super) async fn whole(
    asker: &Asker<'_>,
    release: ReleaseId,
    logs: bool,
) -> Result<ReleaseView, CommandError> {
    let ask = |after, logs| Ask::Show { release, after, logs };
    let mut whole = known(asker.ask(ask(0, logs)).await?, release)?;
    for _ in 0..limits::PAGES {
        let last = whole.events.last().map_or(0, |event| event.sequence);
        if !whole.more {
            break;
        }
        let page = known(asker.ask(ask(last, false)).await?, release)?;
        let new = page.events.into_iter().filter(|event| event.sequence > last);
        let before = whole.events.len();
        whole.events.extend(new);
        whole.state = page.state;
        whole.more = page.more && whole.events.len() > before;
    }
    Ok(whole)
}
