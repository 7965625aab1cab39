//! A bucket of tokens as AWS keeps them, reckoned at our end.
//!
//! The balance is a belief: AWS tells nobody how many tokens are left. It is corrected by the one thing that
//! AWS does tell, that an attempt was throttled: then the bucket is empty, and others take more than was left
//! for them.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::limits::{
    RECOVERY, SLOWED_EVERY, SLOWED_TO, SLOWEST, THROTTLED_BACKOFF_MAX, WAIT_TOLD, WAIT_TOLD_EVERY,
};

/// Fractions of a token do not add up to a whole one in binary.
const ONE: f64 = 1.0 - 1e-6;

/// A bucket that any number of calls wait for, first come, first served.
#[derive(Debug)]
pub(super) struct TokenBucket {
    /// The place at the head of those who wait. A tokio mutex is fair, and a waiter that goes away leaves it.
    turn: tokio::sync::Mutex<()>,
    level: Mutex<Level>,
}

impl TokenBucket {
    /// A full bucket. It holds one token at least, or else no request would ever pass.
    pub(super) fn full(size: f64, refill_per_s: f64) -> Self {
        let size = size.max(1.0);
        Self {
            turn: tokio::sync::Mutex::default(),
            level: Mutex::new(Level {
                size,
                refill_per_s,
                tokens: size,
                pace: 1.0,
                at: Instant::now(),
                slowed_at: None,
                owed: 0.0,
                last_repeat: Instant::now(),
                told_at: None,
            }),
        }
    }

    /// Waits for a token and takes it. Who goes away before that has taken none.
    pub(super) async fn take(&self) {
        let _turn = self.turn.lock().await;
        // Once around, as a rule. Attempts that do not wait may take tokens during the sleep, and a throttled
        // one slows the refill; each caller has a deadline of its own.
        loop {
            let now = Instant::now();
            let Some(wait) = self.level().take(now) else {
                return;
            };
            sleep_until(now + wait).await;
        }
    }

    /// Takes a token without waiting, below nothing if need be.
    pub(super) fn charge(&self) {
        self.level().add(-1.0, Instant::now());
    }

    /// Gives a token back.
    pub(super) fn give_back(&self) {
        self.level().add(1.0, Instant::now());
    }

    /// An attempt was throttled: nothing is left, and less comes. Gives how long its call is to wait before
    /// it repeats it. `first` says that it is the call's first such attempt: from then on the bucket owes it
    /// a token, until [`settle`](Self::settle).
    pub(super) fn slow_down(&self, first: bool) -> Duration {
        self.level().slow_down(first, Instant::now())
    }

    /// A call that had a throttled attempt has ended.
    pub(super) fn settle(&self) {
        let mut level = self.level();
        level.owed = (level.owed - 1.0).max(0.0);
    }

    /// Whether to tell of a wait: it was long, and no other was told lately.
    pub(super) fn tells(&self, waited: Duration) -> bool {
        let (mut level, now) = (self.level(), Instant::now());
        let lately = level.told_at.is_some_and(|at| now - at < WAIT_TOLD_EVERY);
        let tells = waited > WAIT_TOLD && !lately;
        if tells {
            level.told_at = Some(now);
        }
        tells
    }

    fn level(&self) -> MutexGuard<'_, Level> {
        self.level.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
struct Level {
    size: f64,
    /// Tokens each second, at full pace.
    refill_per_s: f64,
    /// The balance at the moment `at`. Attempts that do not wait may bring it below zero.
    tokens: f64,
    /// The part of the refill that comes in at the moment `at`. It grows evenly, by 1 in [`RECOVERY`].
    pace: f64,
    at: Instant,
    slowed_at: Option<Instant>,
    /// How many calls have a token of ours that AWS did not take: their next attempt needs one of AWS's.
    owed: f64,
    /// When the last of them was told to repeat.
    last_repeat: Instant,
    told_at: Option<Instant>,
}

impl Level {
    /// Takes a token, or says how long it is until there is one.
    fn take(&mut self, now: Instant) -> Option<Duration> {
        self.fill(now);
        if self.tokens < ONE {
            return Some(self.until(1.0));
        }
        self.tokens -= 1.0;
        None
    }

    fn add(&mut self, tokens: f64, now: Instant) {
        self.fill(now);
        self.tokens = (self.tokens + tokens).min(self.size);
    }

    fn slow_down(&mut self, first: bool, now: Instant) -> Duration {
        self.fill(now);
        self.owed += f64::from(u8::from(first));
        self.tokens = self.tokens.min(-self.owed);
        if self.slowed_at.is_none_or(|at| now - at >= SLOWED_EVERY) {
            self.pace = (self.pace * SLOWED_TO).max(SLOWEST);
            self.slowed_at = Some(now);
        }
        let apart = Duration::from_secs_f64(1.0 / (self.refill_per_s * self.pace));
        let due = self.last_repeat.max(now) + apart;
        self.last_repeat = due.min(now + THROTTLED_BACKOFF_MAX);
        self.last_repeat - now
    }

    fn fill(&mut self, now: Instant) {
        let elapsed = (now - self.at).as_secs_f64();
        let growing = elapsed.min(self.to_full_pace());
        let at_full_pace = elapsed - growing;
        let came = self.refill_per_s * (self.grown(growing) + at_full_pace);
        self.tokens = (self.tokens + came).min(self.size);
        self.pace = (self.pace + growing / RECOVERY.as_secs_f64()).min(1.0);
        self.at = now;
    }

    /// How long it is, from the moment `at`, until the balance is this.
    fn until(&self, tokens: f64) -> Duration {
        let (recovery, growing) = (RECOVERY.as_secs_f64(), self.to_full_pace());
        // Seconds of a full refill.
        let missing = (tokens - self.tokens) / self.refill_per_s;
        let slow = self.grown(growing);
        let seconds = if missing <= slow {
            // `grown` the other way round.
            recovery * ((self.pace * self.pace + 2.0 * missing / recovery).sqrt() - self.pace)
        } else {
            growing + missing - slow
        };
        Duration::from_secs_f64(seconds.max(0.0))
    }

    /// Seconds until the full pace.
    fn to_full_pace(&self) -> f64 {
        (1.0 - self.pace) * RECOVERY.as_secs_f64()
    }

    /// What comes in within these seconds of a growing pace, in seconds of a full refill.
    fn grown(&self, seconds: f64) -> f64 {
        seconds * (self.pace + seconds / (2.0 * RECOVERY.as_secs_f64()))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::time::{advance, sleep, timeout};

    use super::*;

    fn bucket(size: f64, refill_per_s: f64) -> Arc<TokenBucket> {
        Arc::new(TokenBucket::full(size, refill_per_s))
    }

    /// How long it takes to get so many tokens.
    async fn time_of(bucket: &TokenBucket, tokens: u32) -> f64 {
        let begun = Instant::now();
        for _ in 0..tokens {
            bucket.take().await;
        }
        begun.elapsed().as_secs_f64()
    }

    /// The runtime's clock has milliseconds, and each wait is rounded up to one.
    fn about(found: f64, expected: f64) {
        assert!(
            (found - expected).abs() < 0.01 * expected + 0.01,
            "{found}, not {expected}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_bucket_gives_at_once_and_then_by_its_refill() {
        let bucket = bucket(20.0, 5.0);
        assert!(time_of(&bucket, 20).await.abs() < f64::EPSILON);
        about(time_of(&bucket, 10).await, 2.0);
        advance(Duration::from_secs(3600)).await;
        assert!(
            time_of(&bucket, 20).await.abs() < f64::EPSILON,
            "no more than full"
        );
        about(time_of(&bucket, 1).await, 0.2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_bucket_of_less_than_a_token_holds_one() {
        let bucket = bucket(0.15, 0.15);
        let two = async { (time_of(&bucket, 1).await, time_of(&bucket, 1).await) };
        let (first, second) = timeout(Duration::from_secs(60), two).await.unwrap();
        assert!(first.abs() < f64::EPSILON);
        about(second, 1.0 / 0.15);
    }

    #[tokio::test(start_paused = true)]
    async fn who_comes_first_is_served_first() {
        let bucket = bucket(1.0, 1.0);
        bucket.take().await;
        let order = Arc::new(Mutex::new(Vec::new()));
        let waiter = |n: u32| {
            let (bucket, order) = (Arc::clone(&bucket), Arc::clone(&order));
            tokio::spawn(async move {
                bucket.take().await;
                order.lock().unwrap().push(n);
            })
        };
        let mut waiters: Vec<_> = (0..9).map(waiter).collect();
        sleep(Duration::from_millis(500)).await;
        // A token is there, and those who came before wait for it still.
        bucket.give_back();
        waiters.push(waiter(9));
        for waiter in waiters {
            waiter.await.unwrap();
        }
        assert_eq!(*order.lock().unwrap(), (0..10).collect::<Vec<_>>());
    }

    #[tokio::test(start_paused = true)]
    async fn a_waiter_that_goes_away_takes_no_token_and_no_time() {
        let bucket = bucket(1.0, 1.0);
        bucket.take().await;
        let begun = Instant::now();
        let (first, second, last) = (
            timeout(Duration::from_millis(300), bucket.take()),
            timeout(Duration::from_millis(600), bucket.take()),
            bucket.take(),
        );
        let (first, second, ()) = tokio::join!(first, second, last);
        assert!(first.is_err() && second.is_err());
        about(begun.elapsed().as_secs_f64(), 1.0);
    }

    #[tokio::test(start_paused = true)]
    async fn attempts_that_do_not_wait_are_waited_for_by_the_next_call() {
        let bucket = bucket(10.0, 5.0);
        for _ in 0..15 {
            bucket.charge();
        }
        about(time_of(&bucket, 1).await, 6.0 / 5.0);
        bucket.give_back();
        assert!(time_of(&bucket, 1).await.abs() < f64::EPSILON);
    }

    #[tokio::test(start_paused = true)]
    async fn a_throttled_attempt_empties_and_slows_and_time_heals() {
        let bucket = bucket(40.0, 10.0);
        bucket.slow_down(false);
        // The pace is 0.7 and grows by a thirtieth each second.
        let second = 10.0 * (0.7 + 0.5 / 30.0);
        about(time_of(&bucket, 7).await, 7.0 / second);
        advance(Duration::from_secs(9)).await;
        bucket.give_back();
        bucket.level().tokens = 0.0;
        about(time_of(&bucket, 20).await, 2.0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_is_reckoned_across_the_recovery() {
        for debt in [0.5, 10.0, 100.0, 1000.0] {
            let bucket = bucket(40.0, 10.0);
            bucket.slow_down(false);
            let wait = {
                let mut level = bucket.level();
                level.tokens = -debt;
                level.until(0.0)
            };
            advance(wait).await;
            bucket.charge();
            let left = bucket.level().tokens + 1.0;
            assert!(left.abs() < 0.02, "{left} after a debt of {debt}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_storm_of_throttling_slows_once_a_second_and_to_a_tenth() {
        let bucket = bucket(40.0, 10.0);
        for _ in 0..50 {
            bucket.slow_down(false);
        }
        about(bucket.level().pace, 0.7);
        for _ in 0..20 {
            advance(Duration::from_secs(1)).await;
            bucket.slow_down(false);
        }
        about(bucket.level().pace, 0.1);
        advance(RECOVERY).await;
        bucket.charge();
        about(bucket.level().pace, 1.0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_wait_is_told_once_a_minute() {
        let (bucket, long) = (bucket(1.0, 1.0), Duration::from_secs(6));
        assert!(!bucket.tells(Duration::from_secs(5)));
        assert!(bucket.tells(long));
        assert!(!bucket.tells(long));
        advance(Duration::from_secs(60)).await;
        assert!(bucket.tells(long));
    }
}
