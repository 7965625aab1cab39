//! Releasing once more what a release before asked for.

use drawgate_schemas::{Digest, ImageReference, ReleaseId, ReleaseRequest, ReleaseView};

use super::{first_link, publish, show};
use crate::broker::{Address, Asker};
use crate::cli::{BrokerArgs, PublishArgs};
use crate::error::CommandError;
use crate::exit::Exit;
use crate::origin::Order;

/// The release that is to be done once more, as its worker knows it. `verb` names the command to the broker.
pub(super) async fn before(
    release: ReleaseId,
    verb: &str,
    args: &BrokerArgs,
) -> Result<ReleaseView, CommandError> {
    let address = Address::from_args(args)?;
    let link = first_link(&address, &format!("drawgate {verb} {release}"), args).await?;
    let asker = Asker::open(&link).await?;
    let view = show::whole(&asker, release, false).await?;
    drop(asker);
    link.close().await;
    Ok(view)
}

/// Publishes the same version to the same target, by its digest where that is known: a tag may have moved since. What else is said
/// stands in `args`.
pub(super) async fn again(
    request: &ReleaseRequest,
    digest: Option<&Digest>,
    args: PublishArgs,
) -> Result<Exit, CommandError> {
    let image: ImageReference = match digest {
        Some(digest) => {
            let tag = request
                .image
                .tag()
                .map_or_else(String::new, |tag| format!(":{tag}"));
            format!("{}{tag}@{digest}", request.image.repository()).parse()?
        }
        None => request.image.clone(),
    };
    let order = Order {
        environment: request.environment.clone(),
        service: request.service.clone(),
        image,
    };
    let args = PublishArgs {
        revision: request.revision.clone(),
        branch: request.branch.clone(),
        max_unavailable: request.options.max_unavailable,
        min_healthy_time: request.options.min_healthy_time_s,
        min_drain: request.options.min_drain_s,
        ..args
    };
    publish::release(&args, &order, &[]).await
}
