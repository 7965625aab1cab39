//! Releases again what an earlier release asked for.

use drawgate_schemas::{Digest, ImageReference, ReleaseId, ReleaseRequest, ReleaseView};

use super::failed::SendFailed;
use super::send::{Sending, release as publish};
use crate::asking::{AskFailed, over_a_connection, whole_release};
use crate::ending::Ending;
use crate::exit::Exit;
use crate::options::BrokerArgs;
use crate::request::{Draft, Selection};

/// Nothing can be released again, for this reason.
#[derive(Debug, thiserror::Error)]
#[error("nothing was released: {why}")]
pub(crate) struct NothingBefore {
    pub(crate) why: String,
}

impl Ending for NothingBefore {
    fn exit(&self) -> Exit {
        Exit::Usage
    }

    fn hint(&self) -> Option<String> {
        Some("drawgate history lists what there was; drawgate publish --force releases any image".to_owned())
    }
}

/// Asks for the release to do again. `verb` names the command to the broker.
pub(crate) async fn before(
    release: ReleaseId,
    verb: &str,
    args: &BrokerArgs,
) -> Result<ReleaseView, AskFailed> {
    let name = format!("drawgate {verb} {release}");
    over_a_connection(&name, args, async |asker| {
        whole_release(asker, release, false).await
    })
    .await
}

/// Publishes the same version to the same target, by its digest where it is known, because a tag may have
/// moved since. `draft` has the other parts of the request.
pub(crate) async fn again(
    request: &ReleaseRequest,
    digest: Option<&Digest>,
    draft: Draft,
    sending: &Sending,
) -> Result<Exit, SendFailed> {
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
    let selection = Selection {
        environment: request.environment.clone(),
        service: request.service.clone(),
        image,
    };
    let draft = Draft {
        revision: request.revision.clone(),
        branch: request.branch.clone(),
        max_unavailable: request.options.max_unavailable,
        min_healthy_time_s: request.options.min_healthy_time_s,
        min_drain_s: request.options.min_drain_s,
        ..draft
    };
    publish(&draft, &selection, sending).await
}
