//! Names of the containers that a release leaves beside the one with the service's name.

use drawgate_schemas::ReleaseId;

/// Name of a release's container while the old one has the service's name.
pub fn beside(name: &str, release: ReleaseId) -> String {
    format!("{}{}", beside_prefix(name), release.short())
}

/// How every such name begins.
pub fn beside_prefix(name: &str) -> String {
    format!("{name}.drawgate-")
}

/// Name of the container that a release replaced.
pub fn aside(name: &str, release: ReleaseId) -> String {
    format!("{}{}", aside_prefix(name), release.short())
}

/// How every such name begins.
pub fn aside_prefix(name: &str) -> String {
    format!("{name}.before-")
}
