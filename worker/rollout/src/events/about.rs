//! What every event says of its release.

use std::collections::BTreeSet;

use drawgate_schemas::About;

use crate::fleet::{HostPlan, Plan};
use crate::release::Release;

/// What a person wants to know of the release, in each of its events.
pub fn about(release: &Release) -> About {
    let request = &release.request;
    let build = request.build.as_ref();
    About {
        to: request.version_name(),
        from: release.plan.as_deref().and_then(version_before),
        requested_by: request.requested_by.as_ref().map(ToString::to_string),
        build: build
            .and_then(|build| build.number.as_ref())
            .map(ToString::to_string),
        build_url: build
            .and_then(|build| build.url.as_ref())
            .map(ToString::to_string),
    }
}

/// The versions that the hosts ran before, by name; usually one.
pub(super) fn version_before(plan: &Plan) -> Option<String> {
    let versions: BTreeSet<&str> = plan.hosts.iter().filter_map(HostPlan::version_before).collect();
    let versions: Vec<&str> = versions.into_iter().collect();
    (!versions.is_empty()).then(|| versions.join(", "))
}
