//! One limit for all of the worker's requests: its share of the buckets that AWS keeps for the account.
//!
//! ```text
//! call -> a token of its action's bucket -> one of its service's, if there is one -> SDK -> AWS
//!           first come, first served                                                  |
//!         attempt throttled: the bucket slows down, and says when to repeat it  <-----+
//!           with the same tokens, as AWS took none; no new call gets one before
//! ```
//!
//! Without it a storm of calls would be throttled, and would throttle everybody else in the account. All
//! lanes of the process share one limiter. A call to another Region, which only ECR's login is, is charged
//! here too: its bucket is far larger than anybody's need.

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::rates;
use super::token_bucket::TokenBucket;

/// The part of AWS's request rates that the worker may use.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RateShare(f64);

impl RateShare {
    /// All that AWS admits: for whoever shares the account with nobody.
    pub const ALL: Self = Self(1.0);

    /// So many thousandths; one at least, and all at most.
    pub fn thousandths(share: u16) -> Self {
        Self(f64::from(share.clamp(1, 1_000)) / 1e3)
    }
}

/// What was sent of one action.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Calls of which at least one attempt was sent.
    pub calls: u64,
    /// Attempts: requests on the wire.
    pub attempts: u64,
    /// Attempts that AWS throttled.
    pub throttled: u64,
    /// How long its calls waited for tokens, in sum.
    pub waited: Duration,
}

/// Admits calls at the rate of the worker's share, and counts what was sent.
#[derive(Debug)]
pub(crate) struct Limiter {
    share: RateShare,
    /// By service and name, made when first drawn on: a few for each service.
    buckets: Mutex<HashMap<(&'static str, &'static str), Arc<TokenBucket>>>,
    traffic: Mutex<BTreeMap<&'static str, Traffic>>,
}

impl Limiter {
    pub(crate) fn new(share: RateShare) -> Arc<Self> {
        Arc::new(Self {
            share,
            buckets: Mutex::default(),
            traffic: Mutex::default(),
        })
    }

    /// Waits until a call of this action may be made.
    pub(crate) async fn admit(self: &Arc<Self>, action: &'static str) -> Admission {
        let (own, account) = rates::of(action);
        let mut admission = Admission {
            limiter: Arc::clone(self),
            action,
            taken: Vec::with_capacity(2),
            attempts: Cell::new(0),
            throttled: Cell::default(),
        };
        // The account's last: who waits for the action's own token keeps no other action from the account's.
        for drawn in [Some(own), account].into_iter().flatten() {
            let bucket = self.bucket(drawn);
            let waiting = Waiting {
                limiter: self,
                action,
                bucket: &bucket,
                begun: Instant::now(),
            };
            bucket.take().await;
            drop(waiting);
            admission.taken.push(bucket);
        }
        admission
    }

    /// How long one call of this action takes at the worker's share, where many are made one after another.
    pub(crate) fn pace(&self, action: &'static str) -> Duration {
        let RateShare(share) = self.share;
        let (own, account) = rates::of(action);
        let refills = [Some(own), account].into_iter().flatten();
        let slowest = refills.map(|bucket| bucket.refill_per_s).min().unwrap_or(1);
        Duration::from_secs_f64(1.0 / (f64::from(slowest.max(1)) * share))
    }

    /// What was sent so far, by action.
    pub(super) fn traffic(&self) -> BTreeMap<&'static str, Traffic> {
        self.traffic
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn bucket(&self, drawn: rates::Bucket<'static>) -> Arc<TokenBucket> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let RateShare(share) = self.share;
        let full = || {
            Arc::new(TokenBucket::full(
                f64::from(drawn.size) * share,
                f64::from(drawn.refill_per_s) * share,
            ))
        };
        Arc::clone(buckets.entry((drawn.service, drawn.name)).or_insert_with(full))
    }

    fn note(&self, action: &'static str, change: impl FnOnce(&mut Traffic)) {
        let mut traffic = self.traffic.lock().unwrap_or_else(PoisonError::into_inner);
        change(traffic.entry(action).or_default());
    }
}

/// A call's wait for a token, noted at its end, also where the caller's deadline ends it.
struct Waiting<'a> {
    limiter: &'a Limiter,
    action: &'static str,
    bucket: &'a TokenBucket,
    begun: Instant,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let waited = self.begun.elapsed();
        self.limiter.note(self.action, |traffic| traffic.waited += waited);
        if self.bucket.tells(waited) {
            let (action, seconds) = (self.action, waited.as_secs());
            tracing::info!(
                action,
                seconds,
                "a call waited for the worker's share of AWS's request rates"
            );
        }
    }
}

/// The tokens of one call. They are its own until AWS has taken them: an attempt that is throttled is
/// repeated with the same ones, and a call of which AWS took nothing gives them back.
#[derive(Debug)]
pub(crate) struct Admission {
    limiter: Arc<Limiter>,
    action: &'static str,
    /// The buckets with a token taken, the action's own first.
    taken: Vec<Arc<TokenBucket>>,
    attempts: Cell<u32>,
    /// Which attempt was the last that is known as throttled, counted from 1, and when to repeat it.
    throttled: Cell<(u32, Duration)>,
}

impl Admission {
    /// An attempt is handed to the HTTP client. The tokens are for one that AWS takes; others are charged.
    pub(crate) fn attempt(&self) {
        let before = self.attempts.get();
        self.attempts.set(before.saturating_add(1));
        if before > self.throttled.get().0 {
            self.taken.iter().for_each(|bucket| bucket.charge());
        }
        self.limiter.note(self.action, |traffic| {
            traffic.attempts += 1;
            traffic.calls += u64::from(before == 0);
        });
    }

    /// The attempt was throttled; gives how long to wait before the next. To hear it twice changes nothing.
    /// AWS does not say for want of which token. The action's own bucket slows down, because every call
    /// passes one: where the account's is the empty one, each action slows as it finds out.
    pub(super) fn throttled(&self) -> Duration {
        let (known, wait) = self.throttled.get();
        let Some(own) = self.taken.first().filter(|_| known < self.attempts.get()) else {
            return wait;
        };
        let wait = own.slow_down(known == 0);
        self.throttled.set((self.attempts.get(), wait));
        self.limiter.note(self.action, |traffic| traffic.throttled += 1);
        wait
    }

    /// Whether an attempt was handed to the HTTP client.
    pub(super) fn is_sent(&self) -> bool {
        self.attempts.get() > 0
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        let (throttled, _) = self.throttled.get();
        if let Some(own) = self.taken.first().filter(|_| throttled > 0) {
            own.settle();
        }
        // Nothing was sent, or the last attempt was throttled.
        if throttled == self.attempts.get() {
            self.taken.iter().for_each(|bucket| bucket.give_back());
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{advance, sleep, timeout};

    use super::*;

    const HEALTH: &str = "elasticloadbalancing:DescribeTargetHealth";
    const REGISTER: &str = "elasticloadbalancing:RegisterTargets";
    const DEREGISTER: &str = "elasticloadbalancing:DeregisterTargets";
    const HALF: u16 = 500;

    /// Makes calls of which each is sent once; gives the seconds that they took.
    async fn call(limiter: &Arc<Limiter>, action: &'static str, calls: u32) -> f64 {
        let begun = Instant::now();
        for _ in 0..calls {
            limiter.admit(action).await.attempt();
        }
        begun.elapsed().as_secs_f64()
    }

    fn about(found: f64, expected: f64) {
        assert!(
            (found - expected).abs() < 0.01 * expected + 0.01,
            "{found}, not {expected}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn the_share_is_a_part_of_size_and_refill() {
        about(call(&Limiter::new(RateShare::ALL), HEALTH, 60).await, 2.0);
        about(
            call(&Limiter::new(RateShare::thousandths(HALF)), HEALTH, 60).await,
            8.0,
        );
        about(
            call(&Limiter::new(RateShare::thousandths(50)), HEALTH, 4).await,
            4.0,
        );
        assert_eq!(RateShare::thousandths(2_000), RateShare::ALL);
        assert_eq!(RateShare::thousandths(0), RateShare::thousandths(1));
    }

    #[tokio::test(start_paused = true)]
    async fn actions_share_the_accounts_bucket() {
        let limiter = Limiter::new(RateShare::ALL);
        assert!(call(&limiter, HEALTH, 30).await.abs() < f64::EPSILON);
        assert!(call(&limiter, REGISTER, 6).await.abs() < f64::EPSILON);
        assert!(call(&limiter, DEREGISTER, 4).await.abs() < f64::EPSILON);
        // Their own bucket has ten more, the account's none.
        about(call(&limiter, REGISTER, 5).await, 0.5);
        assert!(
            call(&limiter, "ec2:CreateTags", 100).await.abs() < f64::EPSILON,
            "another service has its own"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_for_its_own_token_keeps_no_other_action_waiting() {
        let limiter = Limiter::new(RateShare::ALL);
        call(&limiter, REGISTER, 20).await;
        let register = tokio::spawn({
            let limiter = Arc::clone(&limiter);
            async move { call(&limiter, REGISTER, 40).await }
        });
        sleep(Duration::from_millis(1)).await;
        assert!(call(&limiter, HEALTH, 10).await.abs() < f64::EPSILON);
        about(register.await.unwrap(), 10.0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_is_given_up_costs_nothing() {
        let limiter = Limiter::new(RateShare::ALL);
        // The account's bucket is empty, and the action's own is full.
        call(&limiter, HEALTH, 40).await;
        for _ in 0..19 {
            let given_up = timeout(Duration::from_millis(5), limiter.admit(REGISTER)).await;
            assert!(given_up.is_err());
        }
        let waited = limiter.traffic()[REGISTER].waited.as_secs_f64();
        about(waited, 0.095);
        advance(Duration::from_secs(1)).await;
        assert!(call(&limiter, REGISTER, 10).await.abs() < f64::EPSILON);
        assert_eq!(limiter.traffic()[REGISTER].attempts, 10);
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_not_sent_leaves_its_tokens() {
        let limiter = Limiter::new(RateShare::ALL);
        for _ in 0..200 {
            drop(limiter.admit(HEALTH).await);
        }
        assert!(call(&limiter, HEALTH, 40).await.abs() < f64::EPSILON);
    }

    #[tokio::test(start_paused = true)]
    async fn every_further_attempt_is_charged() {
        let limiter = Limiter::new(RateShare::ALL);
        let calls = futures_util::future::join_all((0..10).map(|_| limiter.admit(HEALTH))).await;
        for admission in &calls {
            (0..5).for_each(|_| admission.attempt());
        }
        // Ten calls of five attempts, of which forty were there.
        about(call(&limiter, HEALTH, 1).await, 1.1);
        let traffic = limiter.traffic()[HEALTH];
        assert_eq!((traffic.calls, traffic.attempts, traffic.throttled), (11, 51, 0));
        about(traffic.waited.as_secs_f64(), 1.1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_throttled_attempt_costs_its_pace_and_no_token() {
        let limiter = Limiter::new(RateShare::ALL);
        let storm = futures_util::future::join_all((0..20).map(|_| limiter.admit(HEALTH))).await;
        for admission in &storm {
            (0..5).for_each(|_| {
                admission.attempt();
                assert_eq!(admission.throttled(), admission.throttled());
            });
        }
        drop(storm);
        // Empty, without a debt, at a pace of 0.7 that grows.
        about(call(&limiter, HEALTH, 1).await, 0.143);
        // The account's bucket goes on as it was, less one token.
        assert!(call(&limiter, REGISTER, 20).await.abs() < f64::EPSILON);
        assert_eq!(limiter.traffic()[HEALTH].throttled, 100);
    }

    #[tokio::test(start_paused = true)]
    async fn throttled_calls_are_repeated_one_by_one_before_new_ones() {
        let limiter = Limiter::new(RateShare::ALL);
        let storm = futures_util::future::join_all((0..20).map(|_| limiter.admit(HEALTH))).await;
        let waits: Vec<_> = storm
            .iter()
            .map(|admission| {
                admission.attempt();
                admission.throttled().as_secs_f64()
            })
            .collect();
        // At a pace of 0.7, and within the bound of a pause.
        about(waits[0], 1.0 / 7.0);
        about(waits[1], 2.0 / 7.0);
        about(waits[19], 2.0);
        for admission in &storm {
            admission.attempt();
        }
        // The tokens of those twenty come first: 21 of a pace that grows.
        about(call(&limiter, HEALTH, 1).await, 2.81);
    }

    /// AWS with half of its tokens for others, and a call that is repeated as the SDK does.
    #[tokio::test(start_paused = true)]
    async fn with_too_large_a_share_throttling_finds_the_pace() {
        let (limiter, aws) = (Limiter::new(RateShare::ALL), TokenBucket::full(20.0, 5.0));
        let mut refused = 0;
        for _ in 0..300 {
            let admission = limiter.admit(HEALTH).await;
            admission.attempt();
            while timeout(Duration::ZERO, aws.take()).await.is_err() {
                refused += 1;
                admission.throttled();
                sleep(Duration::from_millis(200)).await;
                admission.attempt();
            }
        }
        let traffic = limiter.traffic()[HEALTH];
        assert_eq!(traffic.throttled, refused);
        assert!(refused < 60, "{refused} of {} attempts", traffic.attempts);
    }

    /// The calls of a roll of three hosts, spread over its seconds as they come.
    #[tokio::test(start_paused = true)]
    async fn a_small_roll_does_not_wait() {
        const ROLL: [(&str, u32); 9] = [
            ("autoscaling:DescribeAutoScalingGroups", 18),
            (HEALTH, 30),
            (REGISTER, 3),
            (DEREGISTER, 3),
            ("ec2:DescribeInstances", 6),
            ("ssm:GetParameter", 8),
            ("ssm:PutParameter", 4),
            ("cloudwatch:DescribeAlarms", 6),
            ("cloudwatch:DisableAlarmActions", 2),
        ];
        for (share, most) in [(RateShare::ALL, 0.0), (RateShare::thousandths(HALF), 0.5)] {
            let limiter = Limiter::new(share);
            let calls = ROLL.iter().map(|&(action, calls)| {
                let limiter = &limiter;
                async move {
                    for _ in 0..calls {
                        limiter.admit(action).await.attempt();
                        sleep(Duration::from_secs(15) / calls).await;
                    }
                }
            });
            futures_util::future::join_all(calls).await;
            let waited: Duration = limiter.traffic().values().map(|traffic| traffic.waited).sum();
            assert!(waited.as_secs_f64() <= most, "{share:?}: {waited:?}");
        }
    }
}
