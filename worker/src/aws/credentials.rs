//! The credentials of calls: where they come from, and how long they are believed.
//!
//! ```text
//! call -> Identities -----------------> Renewing --------------> the SDK's chain
//!         keeps them until they end     asks the same chain      environment, profile, web identity,
//!         or AWS does not accept them   again, or makes it anew  container, instance
//! ```
//!
//! The SDK by itself keeps credentials that have no end for a quarter of an hour, and the profile's file for
//! as long as the process lives. With a session that ends in mid-roll that would be the whole time in which
//! the release can still be saved.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_config::{BehaviorVersion, ConfigLoader, Region};
use aws_credential_types::Credentials;
use aws_credential_types::provider::{self, ProvideCredentials, SharedCredentialsProvider, future};
use aws_sdk_ssm::config::{
    ConfigBag, IdentityCache, ResolveCachedIdentity, RuntimeComponents, SharedIdentityCache,
};
use aws_smithy_runtime_api::client::identity::{IdentityFuture, SharedIdentityResolver};

use super::limits;

/// The environment's endpoint and credentials (`AWS_*`), and this region, or else the environment's.
pub fn environment(region: Option<&str>) -> ConfigLoader {
    let region = region.map(|region| Region::new(region.to_owned()));
    let of_region = region.clone();
    let chain = Renewing::new(move || {
        let builder = match of_region.clone() {
            Some(region) => DefaultCredentialsChain::builder().region(region),
            None => DefaultCredentialsChain::builder(),
        };
        Box::pin(async move { SharedCredentialsProvider::new(builder.build().await) })
    });
    let environment = aws_config::defaults(BehaviorVersion::latest()).credentials_provider(chain);
    match region {
        Some(region) => environment.region(region),
        None => environment,
    }
}

/// What the SDK keeps of credentials. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct Identities(Arc<Mutex<Kept>>);

#[derive(Debug)]
struct Kept {
    cache: SharedIdentityCache,
    renewals: u64,
}

impl Identities {
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new(Kept::new(0))))
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How often credentials were dropped so far.
    pub(super) fn renewals(&self) -> u64 {
        self.kept().renewals
    }

    /// Drops the credentials that a call had which was begun after that many renewals. Of many calls under
    /// way the first one does it: the credentials of the others are gone already.
    pub(super) fn renew(&self, had: u64) {
        let mut kept = self.kept();
        if kept.renewals == had {
            *kept = Kept::new(had.wrapping_add(1));
        }
    }
}

impl Kept {
    fn new(renewals: u64) -> Self {
        let cache = IdentityCache::lazy().build();
        Self { cache, renewals }
    }
}

impl ResolveCachedIdentity for Identities {
    fn resolve_cached_identity<'a>(
        &'a self,
        resolver: SharedIdentityResolver,
        components: &'a RuntimeComponents,
        config: &'a ConfigBag,
    ) -> IdentityFuture<'a> {
        let cache = self.kept().cache.clone();
        IdentityFuture::new(async move { cache.resolve_cached_identity(resolver, components, config).await })
    }
}

type Making = Pin<Box<dyn Future<Output = SharedCredentialsProvider> + Send>>;

/// A provider that is made anew when it is asked although its last credentials have not ended, which means
/// that AWS did not accept them, or that they have no end. Otherwise it is kept: the instance's provider then
/// goes on with its last credentials while the instance's metadata cannot be read.
struct Renewing {
    make: Box<dyn Fn() -> Making + Send + Sync>,
    last: Mutex<Option<Last>>,
}

/// The provider that was asked last, and the end of the credentials that it gave.
#[derive(Clone)]
struct Last {
    provider: SharedCredentialsProvider,
    end: Option<SystemTime>,
}

impl Renewing {
    fn new(make: impl Fn() -> Making + Send + Sync + 'static) -> Self {
        Self {
            make: Box::new(make),
            last: Mutex::default(),
        }
    }

    fn last(&self) -> MutexGuard<'_, Option<Last>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn ask(&self) -> provider::Result {
        let soon = SystemTime::now() + limits::CREDENTIALS_END;
        let last = self.last().clone();
        let provider = match last.filter(|last| last.end.is_some_and(|end| end <= soon)) {
            Some(last) => last.provider,
            None => (self.make)().await,
        };
        let answer = provider.provide_credentials().await;
        *self.last() = answer.as_ref().ok().map(|credentials| Last {
            provider,
            end: credentials.expiry(),
        });
        answer
    }
}

impl ProvideCredentials for Renewing {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.ask())
    }

    fn fallback_on_interrupt(&self) -> Option<Credentials> {
        self.last().as_ref()?.provider.fallback_on_interrupt()
    }
}

impl fmt::Debug for Renewing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Renewing").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    use super::*;

    /// Asks three times a provider whose credentials end so long after now; gives how often it was made.
    async fn made_in_three(end: Option<i64>) -> u32 {
        let made = Arc::new(AtomicU32::new(0));
        let counter = Arc::clone(&made);
        let chain = Renewing::new(move || {
            counter.fetch_add(1, Ordering::Relaxed);
            let length = |s: i64| Duration::from_secs(s.unsigned_abs());
            let end = end.map(|s| match s {
                ..0 => SystemTime::now() - length(s),
                _ => SystemTime::now() + length(s),
            });
            let given = Credentials::new("key", "secret", None, end, "test");
            Box::pin(async { SharedCredentialsProvider::new(given) })
        });
        for _ in 0..3 {
            chain.provide_credentials().await.unwrap();
        }
        made.load(Ordering::Relaxed)
    }

    #[tokio::test]
    async fn a_chain_is_made_anew_unless_its_credentials_ended() {
        assert_eq!(made_in_three(Some(-60)).await, 1, "they have ended");
        assert_eq!(made_in_three(Some(5)).await, 1, "they are about to end");
        assert_eq!(made_in_three(Some(3600)).await, 3, "AWS did not accept them");
        assert_eq!(made_in_three(None).await, 3, "they have no end");
    }

    #[tokio::test]
    async fn a_chain_that_failed_is_made_anew() {
        let made = Arc::new(AtomicU32::new(0));
        let counter = Arc::clone(&made);
        let chain = Renewing::new(move || {
            let first = counter.fetch_add(1, Ordering::Relaxed) == 0;
            Box::pin(async move {
                match first {
                    true => SharedCredentialsProvider::new(Fails),
                    false => {
                        SharedCredentialsProvider::new(Credentials::new("key", "secret", None, None, "test"))
                    }
                }
            })
        });
        assert!(chain.provide_credentials().await.is_err());
        assert!(chain.fallback_on_interrupt().is_none());
        assert!(chain.provide_credentials().await.is_ok());
    }

    #[derive(Debug)]
    struct Fails;

    impl ProvideCredentials for Fails {
        fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            let missing = provider::error::CredentialsError::not_loaded("none");
            future::ProvideCredentials::ready(Err(missing))
        }
    }

    #[test]
    fn of_many_calls_the_first_one_renews() {
        let identities = Identities::new();
        let had = identities.renewals();
        for _ in 0..3 {
            identities.renew(had);
        }
        assert_eq!(identities.renewals(), 1);
    }
}
