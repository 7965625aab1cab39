//! `drawgate show`.

mod args;
mod view;

pub(crate) use args::ShowArgs;

use crate::asking::{AskFailed, over_a_connection, whole_release};
use crate::exit::Exit;
use crate::options::Format;
use crate::printer;
use crate::view::Layout;

/// Asks for a release, and shows it.
pub(crate) async fn run(args: &ShowArgs) -> Result<Exit, AskFailed> {
    let name = format!("drawgate show {}", args.release);
    let view = over_a_connection(&name, &args.broker, async |asker| {
        whole_release(asker, args.release, args.logs).await
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
