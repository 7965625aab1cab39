//! Logins that are kept in memory.

use std::collections::HashMap;
use std::time::Duration;

use drawgate_schemas::ReleaseId;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::host::RegistryCredentials;

/// Half of what AWS gives a token: a release that lasts longer gets a second one.
pub(super) const FRESH: Duration = Duration::from_secs(6 * 3600);

/// Logins by registry, of the release that asked last.
#[derive(Default)]
pub(super) struct Logins(pub(super) Mutex<HashMap<String, Kept>>);

/// A login, and what it is for.
pub(super) struct Kept {
    pub(super) release: ReleaseId,
    pub(super) since: Instant,
    pub(super) credentials: RegistryCredentials,
}
