//! Waiting for something to become true, within a bound.

use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

/// Longest wait for anything that a test expects to happen. A roll of three hosts takes about ten seconds.
pub const LONG: Duration = Duration::from_secs(90);

/// Pause between two looks at what has no way to tell us.
const LOOK_AGAIN: Duration = Duration::from_millis(25);

/// Looks until there is something, at most for [`LONG`].
pub async fn until<T, F>(what: &str, look: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    until_for(LONG, what, look).await
}

/// Looks until there is something, at most for `limit`.
pub async fn until_for<T, F>(limit: Duration, what: &str, mut look: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    let end = Instant::now() + limit;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < end, "not within {limit:?}: {what}");
        sleep(LOOK_AGAIN).await;
    }
}

/// The future's value, at most after [`LONG`].
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    let waited = timeout(LONG, future).await;
    waited.unwrap_or_else(|_| panic!("not within {LONG:?}: {what}"))
}
