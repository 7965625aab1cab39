//! Waits for a condition, within a bound.

use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

/// Longest wait for anything that a test expects. A roll of three hosts takes about ten seconds.
pub const LONG: Duration = Duration::from_secs(90);

/// Pause between two looks at something that cannot notify.
const LOOK_AGAIN: Duration = Duration::from_millis(25);

/// Calls `look` until it gives something, at most for [`LONG`].
pub async fn until<T, F>(what: &str, look: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    until_for(LONG, what, look).await
}

/// Calls `look` until it gives something, at most for `limit`.
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

/// Awaits the future, at most for [`LONG`].
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    let waited = timeout(LONG, future).await;
    waited.unwrap_or_else(|_| panic!("not within {LONG:?}: {what}"))
}
