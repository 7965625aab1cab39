//! The desired image's HEALTHCHECK, for preflight: read from a host that has the image, or else from the
//! registry.

use drawgate_rollout::definition::{Probe, ServiceDefinition};
use drawgate_rollout::{HostView, ImageHealthcheck, ImageSnapshot};
use drawgate_schemas::{Digest, ReleaseRequest};

use super::connections::Effects;
use super::outcome::chain;
use crate::host::Host;
use crate::registry::AtRegistry;

/// How many hosts are asked whether they have the image: hosts are alike, and one may be down.
const ASKED: usize = 3;

impl Effects {
    /// Notes the image's HEALTHCHECK, or why it is not known. Reads only.
    pub(super) async fn see_healthcheck(
        &self,
        request: &ReleaseRequest,
        digest: &Digest,
        definition: &ServiceDefinition,
        hosts: &[(Host, HostView)],
        image: &mut ImageSnapshot,
    ) {
        if definition.verify.probe != Probe::Healthcheck {
            return;
        }
        let repository = request.image.repository();
        for (host, _) in hosts.iter().take(ASKED) {
            if let Ok(Some(check)) = host.image_healthcheck(repository, digest.as_str()).await {
                image.healthcheck = Some(check);
                return;
            }
        }
        match self.healthcheck_at_registry(request, digest, hosts).await {
            Ok(check) => image.healthcheck = Some(check),
            Err(why) => image.healthcheck_unread = Some(why),
        }
    }

    async fn healthcheck_at_registry(
        &self,
        request: &ReleaseRequest,
        digest: &Digest,
        hosts: &[(Host, HostView)],
    ) -> Result<ImageHealthcheck, String> {
        let repository = request.image.repository();
        let Some((host, view)) = hosts.first() else {
            return Err("no host could be asked".to_owned());
        };
        let credentials = self.credentials_of(request.id, repository).await;
        let credentials = credentials.map_err(|outcome| {
            let failure = outcome.failure().map(|failure| failure.what.clone());
            failure.unwrap_or_else(|| "there is no login".to_owned())
        })?;
        let platform = match view {
            HostView::Reached { outside, .. } => outside.platform.as_deref(),
            _ => None,
        };
        let plain = host.speaks_plainly_with(repository).await;
        let at_registry = AtRegistry {
            repository,
            digest: digest.as_str(),
            platform,
            credentials: credentials.as_ref(),
            plain: plain.map_err(|error| chain(&error))?,
        };
        at_registry.healthcheck().await.map_err(|error| chain(&error))
    }
}
