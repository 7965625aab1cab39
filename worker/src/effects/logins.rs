//! Logins at Amazon ECR: one call for each release and registry. A login is kept in memory for that release,
//! and goes to a host in the header of a pull and nowhere else.

use drawgate_schemas::{ImageReference, ReleaseId};
use tokio::time::Instant;

use super::connections::Effects;
use super::login_cache::{FRESH, Kept};
use super::outcome::{Effect, Sorted, chain, refused};
use super::sources::Login;
use crate::host::RegistryCredentials;

impl Effects {
    /// The life-cycle policy of an image's repository, where its registry has such policies; or why it could
    /// not be read.
    pub(super) async fn lifecycle(&self, image: &ImageReference) -> (Option<String>, Option<String>) {
        let Ok(Login::Ecr { region, account }) = self.credentials.of(image.repository()) else {
            return (None, None);
        };
        let name = image.repository().split_once('/').map_or("", |(_, name)| name);
        let policy = self
            .aws
            .lifecycle_policy(region.as_deref(), account.as_deref(), name);
        match Box::pin(policy).await {
            Ok(policy) => (policy, None),
            Err(error) => (None, Some(chain(&error))),
        }
    }

    /// Credentials for the registry of a repository; `None` where it needs none.
    pub(super) async fn credentials_of(
        &self,
        release: ReleaseId,
        repository: &str,
    ) -> Effect<Option<RegistryCredentials>> {
        let region = match self.credentials.of(repository).or_else(refused)? {
            Login::None => return Ok(None),
            Login::With(credentials) => return Ok(Some(credentials)),
            Login::Ecr { region, .. } => region,
        };
        let registry = repository.split('/').next().unwrap_or(repository);
        // The lock is kept while AWS is asked, so that hosts that pull side by side share one call.
        let mut logins = self.logins.0.lock().await;
        if let Some(kept) = logins.get(registry)
            && kept.release == release
            && kept.since.elapsed() < FRESH
        {
            return Ok(Some(kept.credentials.clone()));
        }
        let credentials = Box::pin(self.aws.registry_login(region.as_deref()))
            .await
            .sorted()?;
        let kept = Kept {
            release,
            since: Instant::now(),
            credentials: credentials.clone(),
        };
        // The map stays small: one entry for each registry in the services' files.
        logins.insert(registry.to_owned(), kept);
        Ok(Some(credentials))
    }
}
