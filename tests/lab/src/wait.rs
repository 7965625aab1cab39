//! Waits for a condition, within a bound.

use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

/// Longest wait for anything that a test expects. A roll of three hosts takes about ten seconds.
pub const LONG: Duration = Duration::from_secs(90);

/// Longest wait for what needs no roll: a message of the broker, a row of the ledger.
pub const WITHOUT_ROLL: Duration = Duration::from_secs(30);

/// Longest wait for what is to happen at once.
const SOON: Duration = Duration::from_secs(10);

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

/// Checks the condition until it holds, at most for [`WITHOUT_ROLL`].
pub async fn until_true<F: Future<Output = bool>>(what: &str, mut is_so: impl FnMut() -> F) {
    let end = Instant::now() + WITHOUT_ROLL;
    while !is_so().await {
        assert!(Instant::now() < end, "not within {WITHOUT_ROLL:?}: {what}");
        sleep(LOOK_AGAIN).await;
    }
}

/// Awaits the future, at most for [`LONG`].
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    let waited = timeout(LONG, future).await;
    waited.unwrap_or_else(|_| panic!("not within {LONG:?}: {what}"))
}

/// Awaits a future that must not take long.
pub async fn soon<T>(future: impl Future<Output = T>) -> T {
    let waited = timeout(SOON, future).await;
    waited.unwrap_or_else(|_| panic!("not within {SOON:?}"))
}
