//! `drawgate pause`, `resume`, `cancel`, `approve` and `reject`: what a person tells a release to do.

use drawgate_schemas::{Ask, Digest, GiveOrder, Order, ReleaseId};
use serde::Serialize;

use crate::broker::{Address, Asker, Verdict};
use crate::cli::{ApproveArgs, Format, OrderArgs};
use crate::commands::{first_link, is_meant};
use crate::error::CommandError;
use crate::exit::Exit;
use crate::{printer, view};

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

/// Approves what is shown, once it is said to be meant.
pub(crate) async fn approve(args: &ApproveArgs) -> Result<Exit, CommandError> {
    give(Order::Approve, &args.order, args.digest.clone()).await
}

/// Gives an order, and says what became of it.
pub(crate) async fn order(order: Order, args: &OrderArgs) -> Result<Exit, CommandError> {
    if order == Order::Cancel {
        let release = args.release;
        let question = format!("cancel release {release}? What it touched goes back to what it ran before.");
        sure(order, args, &question)?;
    }
    give(order, args, None).await
}

async fn give(order: Order, args: &OrderArgs, digest: Option<Digest>) -> Result<Exit, CommandError> {
    let release = args.release;
    let address = Address::from_args(&args.broker)?;
    let link = first_link(&address, &format!("drawgate {order} {release}"), &args.broker).await?;
    let asker = Asker::open(&link).await?;
    let digest = match order {
        Order::Approve => to_approve(&asker, args, digest).await?,
        _ => None,
    };
    let given = GiveOrder {
        release,
        order,
        reason: args.reason.clone(),
        digest,
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

/// The digest that the release has now, shown to whoever is to approve it, unless it was named already.
async fn to_approve(
    asker: &Asker<'_>,
    args: &OrderArgs,
    named: Option<Digest>,
) -> Result<Option<Digest>, CommandError> {
    let ask = Ask::Show {
        release: args.release,
        after: 0,
        logs: false,
    };
    let view = super::known(asker.ask(ask).await?, args.release)?;
    printer::narrate(&view::header(&view.request, Some(printer::columns())));
    let digest = named.or(view.digest);
    let what = digest
        .as_ref()
        .map_or_else(|| view.request.image.to_string(), Digest::to_string);
    sure(Order::Approve, args, &format!("approve {what}?"))?;
    Ok(digest)
}

/// It has to be meant.
fn sure(order: Order, args: &OrderArgs, question: &str) -> Result<(), CommandError> {
    let release = args.release;
    if is_meant(question, args.yes)? {
        return Ok(());
    }
    Err(CommandError::Unsure { release, order })
}
