//! The values of a release's placeholders, in all and on a host.

use std::collections::BTreeMap;

use drawgate_schemas::{Digest, ReleaseRequest};

use super::plan::HostPlan;
use crate::definition::ServiceDefinition;
use crate::definition::placeholders::Values;

impl Values {
    /// The values of a release, without those of a host.
    pub fn of(request: &ReleaseRequest, digest: Option<&Digest>, definition: &ServiceDefinition) -> Self {
        let mut values = BTreeMap::from([
            ("environment", definition.environment.to_string()),
            ("service", definition.service.to_string()),
            ("release", request.id.to_string()),
            ("version", request.version_name()),
            ("image", request.image.to_string()),
            ("repository", request.image.repository().to_owned()),
        ]);
        let mut optional = |name: &'static str, value: Option<String>| {
            values.extend(value.map(|value| (name, value)));
        };
        optional("tag", request.image.tag().map(str::to_owned));
        optional("digest", digest.map(ToString::to_string));
        optional("revision", request.revision.as_ref().map(ToString::to_string));
        optional("branch", request.branch.as_ref().map(ToString::to_string));
        Self::new(values)
    }

    /// Adds the values of a host.
    #[must_use]
    pub fn on(self, host: &HostPlan) -> Self {
        // On the bastion there is no address.
        let address = Some(host.address.as_str()).filter(|address| !address.is_empty());
        self.with("instance", Some(&host.instance))
            .with("address", address)
    }
}
