//! One request for any number of waiters, on any subject.
//!
//! ```text
//! waiter A: look(subject, not before 3) --+
//! waiter B: look(subject, not before 4) --+--> one request, begun at 4 --> the same observation for A and B
//! waiter C: look(subject, not before 1) -----> the last observation, if it was begun at 1 or later
//! ```
//!
//! An observation answers a waiter only when its *request began* at or after the waiter's moment: a request
//! that began before a target was deregistered says nothing about its drain.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// An observation, and when its request began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation<T> {
    /// When the request began.
    pub at: Instant,
    /// The answer.
    pub targets: T,
}

/// Shares the answers of `fetch` among all waiters on the same subject.
pub struct SharedPoll<F, T> {
    fetch: F,
    poll_interval: Duration,
    subjects: Mutex<HashMap<String, Arc<Subject<T>>>>,
}

impl<F, T> std::fmt::Debug for SharedPoll<F, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SharedPoll")
            .field("poll_interval", &self.poll_interval)
            .finish_non_exhaustive()
    }
}

struct Subject<T> {
    latest: Mutex<Option<Arc<Observation<T>>>>,
    /// The lock of the waiter that makes the request; in it, when the last request began.
    turn: tokio::sync::Mutex<Option<Instant>>,
}

impl<T> Subject<T> {
    fn latest_since(&self, not_before: Instant) -> Option<Arc<Observation<T>>> {
        let latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        latest.clone().filter(|observation| observation.at >= not_before)
    }
}

impl<F, T> SharedPoll<F, T> {
    /// Shares the answers of `fetch`, and asks at most once per interval and subject.
    pub fn new(fetch: F, poll_interval: Duration) -> Self {
        Self {
            fetch,
            poll_interval,
            subjects: Mutex::default(),
        }
    }

    /// An observation of a subject, by a request that began at or after `not_before`.
    pub async fn look<G, E>(&self, subject: &str, not_before: Instant) -> Result<Arc<Observation<T>>, E>
    where
        F: Fn(String) -> G,
        G: Future<Output = Result<T, E>>,
    {
        let entry = self.subject(subject);
        // Each round answers, or sleeps until a moment fixed beforehand. After that sleep this waiter asks,
        // or finds a newer answer to another waiter's request; only while other waiters' requests fail does
        // the loop go on.
        loop {
            if let Some(observation) = entry.latest_since(not_before) {
                return Ok(observation);
            }
            sleep_until(not_before).await;
            let mut last_begun = entry.turn.lock().await;
            if let Some(observation) = entry.latest_since(not_before) {
                return Ok(observation);
            }
            let now = Instant::now();
            if let Some(due) = last_begun
                .map(|begun| begun + self.poll_interval)
                .filter(|due| *due > now)
            {
                // Sleeps without the lock, so that a waiter with an earlier `not_before` does not wait for
                // this one.
                drop(last_begun);
                sleep_until(due).await;
                continue;
            }
            // Noted before asking: a request that fails, or whose waiter goes away, counts for the spacing
            // too.
            *last_begun = Some(now);
            let targets = (self.fetch)(subject.to_owned()).await?;
            let observation = Arc::new(Observation { at: now, targets });
            *entry.latest.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&observation));
            return Ok(observation);
        }
    }

    fn subject(&self, name: &str) -> Arc<Subject<T>> {
        let mut subjects = self.subjects.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = || {
            Arc::new(Subject {
                latest: Mutex::default(),
                turn: tokio::sync::Mutex::default(),
            })
        };
        Arc::clone(subjects.entry(name.to_owned()).or_insert_with(fresh))
    }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::sync::atomic::{AtomicU32, Ordering};

    use tokio::time::{advance, sleep, timeout};

    use super::*;

    const INTERVAL: Duration = Duration::from_secs(2);
    const LATENCY: Duration = Duration::from_millis(100);

    /// Counts its calls, and answers each after a while with the moment of the call.
    struct Source {
        begun: Mutex<Vec<Instant>>,
        failing: AtomicU32,
    }

    fn source() -> Arc<Source> {
        Arc::new(Source {
            begun: Mutex::default(),
            failing: AtomicU32::new(0),
        })
    }

    impl Source {
        async fn fetch(self: Arc<Self>) -> Result<Instant, &'static str> {
            let begun = Instant::now();
            self.begun.lock().unwrap().push(begun);
            sleep(LATENCY).await;
            let failing = self.failing.load(Ordering::Relaxed);
            if failing > 0 {
                self.failing.store(failing - 1, Ordering::Relaxed);
                return Err("as command");
            }
            Ok(begun)
        }

        fn begun(&self) -> Vec<Instant> {
            self.begun.lock().unwrap().clone()
        }
    }

    type TestFetch = Box<
        dyn Fn(String) -> Pin<Box<dyn Future<Output = Result<Instant, &'static str>> + Send>> + Send + Sync,
    >;

    fn poll(source: &Arc<Source>) -> Arc<SharedPoll<TestFetch, Instant>> {
        let source = Arc::clone(source);
        let fetch: TestFetch = Box::new(move |_| Box::pin(Arc::clone(&source).fetch()));
        Arc::new(SharedPoll::new(fetch, INTERVAL))
    }

    #[tokio::test(start_paused = true)]
    async fn any_number_of_waiters_share_one_request() {
        let source = source();
        let poll = poll(&source);
        let now = Instant::now();
        let waiters: Vec<_> = (0..100)
            .map(|_| {
                let poll = Arc::clone(&poll);
                tokio::spawn(async move { poll.look("group", now).await.unwrap() })
            })
            .collect();
        for waiter in waiters {
            assert_eq!(waiter.await.unwrap().at, now);
        }
        assert_eq!(source.begun().len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn polls_are_spaced_however_eager_the_waiters_are() {
        let source = source();
        let poll = poll(&source);
        let waiters: Vec<_> = (0..20)
            .map(|_| {
                let poll = Arc::clone(&poll);
                tokio::spawn(async move {
                    for _ in 0..10 {
                        poll.look("group", Instant::now()).await.unwrap();
                    }
                })
            })
            .collect();
        for waiter in waiters {
            waiter.await.unwrap();
        }
        let begun = source.begun();
        assert!(
            begun.windows(2).all(|pair| pair[1] - pair[0] >= INTERVAL),
            "{begun:?}"
        );
        assert!(begun.len() <= 11, "{} requests for 200 looks", begun.len());
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_was_asked_for_earlier_does_not_count() {
        let source = source();
        let poll = poll(&source);
        let first = poll.look("group", Instant::now()).await.unwrap();
        // The first request was begun before this moment, although its answer came just now.
        let deregistered = Instant::now() - LATENCY / 2;
        let second = poll.look("group", deregistered).await.unwrap();
        assert!(second.at >= deregistered && second.at > first.at);
        assert_eq!(
            second.targets, second.at,
            "the moment of asking is the moment noted"
        );
        // A waiter with an older moment gets the newest answer without a request.
        let third = poll.look("group", first.at).await.unwrap();
        assert_eq!((third.at, source.begun().len()), (second.at, 2));
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_under_way_is_not_enough_for_one_who_came_later() {
        let source = source();
        let poll = poll(&source);
        let early = tokio::spawn({
            let poll = Arc::clone(&poll);
            async move { poll.look("group", Instant::now()).await.unwrap() }
        });
        sleep(LATENCY / 2).await;
        let came = Instant::now();
        let late = poll.look("group", came).await.unwrap();
        assert!(late.at >= came);
        assert!(early.await.unwrap().at < came);
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_into_the_future_waits_and_holds_up_nobody() {
        let source = source();
        let poll = poll(&source);
        let start = Instant::now();
        let patient = tokio::spawn({
            let poll = Arc::clone(&poll);
            async move { poll.look("group", start + INTERVAL * 10).await.unwrap() }
        });
        tokio::task::yield_now().await;
        let quick = timeout(INTERVAL, poll.look("group", start))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(quick.at, start);
        advance(INTERVAL * 10).await;
        assert!(patient.await.unwrap().at >= start + INTERVAL * 10);
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_is_told_once_and_counts_for_the_spacing() {
        let source = source();
        source.failing.store(1, Ordering::Relaxed);
        let poll = poll(&source);
        let start = Instant::now();
        let other = tokio::spawn({
            let poll = Arc::clone(&poll);
            async move { poll.look("group", start).await }
        });
        let own = poll.look("group", start).await;
        let other = other.await.unwrap();
        assert_eq!(
            [own.is_err(), other.is_err()]
                .iter()
                .filter(|failed| **failed)
                .count(),
            1
        );
        assert_eq!(source.begun(), [start, start + INTERVAL]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_waiter_that_gives_up_in_mid_request_holds_up_nobody() {
        let source = source();
        let poll = poll(&source);
        let start = Instant::now();
        assert!(timeout(LATENCY / 2, poll.look("group", start)).await.is_err());
        let seen = poll.look("group", start).await.unwrap();
        assert_eq!(seen.at, start + INTERVAL);
    }

    #[tokio::test(start_paused = true)]
    async fn groups_do_not_wait_for_each_other() {
        let source = source();
        let poll = poll(&source);
        let start = Instant::now();
        let (one, two) = tokio::join!(poll.look("one", start), poll.look("two", start));
        assert_eq!((one.unwrap().at, two.unwrap().at), (start, start));
    }
}
