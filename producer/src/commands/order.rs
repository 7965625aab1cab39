//! `drawgate pause`, `resume` and `cancel`: what a person tells a release to do.

use std::io::{BufRead as _, IsTerminal as _};

use drawgate_schemas::{Ask, GiveOrder, Order, ReleaseId};
use serde::Serialize;

use crate::broker::{Address, Asker, Verdict};
use crate::cli::{Format, OrderArgs};
use crate::commands::first_link;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::printer;

/// What is written for programs.
#[derive(Serialize)]
struct Told<'a> {
    release: ReleaseId,
    order: Order,
    taken: bool,
    worker: &'a str,
    /// What follows, or why it was not taken.
    detail: &'a str,
}

/// Gives an order, and says what became of it.
pub(crate) async fn order(order: Order, args: &OrderArgs) -> Result<Exit, CommandError> {
    let release = args.release;
    if order == Order::Cancel && !args.yes {
        sure(release)?;
    }
    let address = Address::from_args(&args.broker)?;
    let link = first_link(&address, &format!("drawgate {order} {release}"), &args.broker).await?;
    let asker = Asker::open(&link).await?;
    let given = GiveOrder {
        release,
        order,
        reason: args.reason.clone(),
    };
    let verdict = asker.ask(Ask::Order(given)).await?;
    drop(asker);
    link.close().await;
    let (taken, worker, detail) = match verdict {
        Verdict::Taken { worker, what } => (true, worker, what),
        Verdict::NotTaken { worker, why } => (false, worker, why),
        Verdict::Silence => return Err(CommandError::NoWord { release, order }),
        other => {
            super::known(other, release)?;
            return Err(CommandError::NoWord { release, order });
        }
    };
    match args.format {
        Format::Json => {
            let told = Told {
                release,
                order,
                taken,
                worker: &worker,
                detail: &detail,
            };
            printer::data(&serde_json::to_string(&told).map_err(std::io::Error::from)?)?;
        }
        Format::Text if taken => printer::narrate(&format!("{order}: taken by {worker}; {detail}")),
        Format::Text => {}
    }
    if taken {
        return Ok(Exit::Succeeded);
    }
    match args.format {
        Format::Json => Ok(Exit::Rejected),
        Format::Text => Err(CommandError::NotTaken { order, why: detail }),
    }
}

/// Asks the person at the terminal; without one, `--yes` has to say it.
fn sure(release: ReleaseId) -> Result<(), CommandError> {
    if !std::io::stdin().is_terminal() {
        return Err(CommandError::Unsure { release });
    }
    printer::narrate(&format!(
        "cancel release {release}? What it touched goes back to what it ran before. [y/N]"
    ));
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    if matches!(answer.trim(), "y" | "Y" | "yes") {
        return Ok(());
    }
    Err(CommandError::Unsure { release })
}
