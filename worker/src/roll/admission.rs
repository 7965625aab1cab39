//! Fetches the facts that admission needs about a queued release. `decide` judges them.

use drawgate_rollout::{Policies, QueueView, Release, Rival};
use drawgate_schemas::ReleaseId;
use jiff::Timestamp;

use super::context::Context;
use super::queue::Place;
use crate::ledger::LedgerError;

/// The release's queue. `None` when the ledger could not be read.
pub(super) async fn look_at_queue(
    context: &Context,
    release: &Release,
    place: &mut Place,
) -> Option<QueueView> {
    let next = place.look();
    let goes_first = next.is_some_and(|next| next.id == release.request.id && !next.begun);
    match view(context, release).await {
        Ok(view) => Some(QueueView {
            next,
            // Room matters only to the release that would begin.
            has_room: goes_first && has_room(context, release).await,
            ..view
        }),
        Err(error) => {
            let causes = crate::error_chain(&error);
            tracing::error!(release = %release.request.id, error = causes, "the queue before it could not be read");
            None
        }
    }
}

async fn view(context: &Context, release: &Release) -> Result<QueueView, LedgerError> {
    let request = &release.request;
    let policies = context.policies.policies(&request.environment, &request.service);
    let now = Timestamp::now();
    Ok(QueueView {
        at: now,
        others: context.ledger.others_of(request.id).await?,
        freezes: context.ledger.freezes(now).await?,
        proven: is_proven(context, release, &policies).await?,
        policies,
        ..QueueView::default()
    })
}

/// The facts about another release of the target. An error means that the ledger is unavailable: ask again.
pub(super) async fn look_at(
    context: &Context,
    release: &Release,
    other: ReleaseId,
) -> Result<Rival, LedgerError> {
    let request = &release.request;
    let rival = match context.ledger.journal(other).await {
        Ok(journal) => Release::fold(&journal).ok(),
        Err(error) if error.is_unavailable() => return Err(error),
        // The other release's own driver logs that its journal cannot be read.
        Err(_) => None,
    };
    let policies = context.policies.policies(&request.environment, &request.service);
    let proven = match &rival {
        Some(rival) => is_proven(context, rival, &policies).await?,
        None => false,
    };
    Ok(Rival {
        release: rival,
        proven,
    })
}

/// Whether the release's digest has succeeded in the required environment, or in its own: a digest that ran
/// there may always return.
async fn is_proven(context: &Context, release: &Release, policies: &Policies) -> Result<bool, LedgerError> {
    let (Some(required), Some(digest)) = (&policies.gates.requires, &release.digest) else {
        return Ok(false);
    };
    let request = &release.request;
    for environment in [required, &request.environment] {
        let succeeded = context
            .ledger
            .has_succeeded(&request.service, digest, environment);
        if succeeded.await? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether the ledger has room for a whole roll.
async fn has_room(context: &Context, release: &Release) -> bool {
    let Err(error) = context.ledger.ready().await else {
        return true;
    };
    let causes = crate::error_chain(&error);
    tracing::error!(release = %release.request.id, error = causes, "not begun until the ledger is ready");
    false
}
