//! Names of the containers that a release leaves beside the one with the service's name.

use drawgate_schemas::ReleaseId;

/// Name of a release's container while the old one has the service's name.
pub fn new_container(name: &str, release: ReleaseId) -> String {
    format!("{}{}", new_prefix(name), release.short())
}

/// How every such name begins.
pub fn new_prefix(name: &str) -> String {
    format!("{name}.drawgate-")
}

/// Name of the container that a release replaced.
pub fn old_container(name: &str, release: ReleaseId) -> String {
    format!("{}{}", old_prefix(name), release.short())
}

/// How every such name begins.
pub fn old_prefix(name: &str) -> String {
    format!("{name}.before-")
}
