//! Registry logins kept in memory.

use std::collections::HashMap;
use std::time::Duration;

use drawgate_schemas::ReleaseId;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::host::RegistryCredentials;

/// Half of the time that an AWS token lasts: a release that lasts longer gets a second token.
pub(super) const FRESH: Duration = Duration::from_secs(6 * 3600);

/// Logins by registry, each for the release that asked last.
#[derive(Default)]
pub(super) struct Logins(pub(super) Mutex<HashMap<String, Kept>>);

/// A login, and the release it is for.
pub(super) struct Kept {
    pub(super) release: ReleaseId,
    pub(super) since: Instant,
    pub(super) credentials: RegistryCredentials,
}
