//! When the health of a host's targets is looked at while the host becomes healthy: as often as it can change,
//! and no oftener.
//!
//! A target's state changes at the load balancer's checks alone. Until it is healthy, a look comes late by a
//! quarter of the time waited so far, and by a quarter of the check interval, at most. Once it is healthy, one
//! look a check shows every change, and the look at the end decides.

use std::time::Duration;

use drawgate_rollout::{HostPlan, TargetPlan};
use tokio::time::Instant;

use super::super::task::Task;

/// The load balancer notices the end of an interval by a clock of its own, and waits for the check's answer: a
/// look at that very moment would come a little too early.
const CHECK_NOTICED: Duration = Duration::from_millis(50);

/// A wait is prolonged by this part of it at most, and by this part of a check interval.
const PART: u32 = 4;

/// The pace of the looks at one host's targets.
pub(super) struct Pace {
    /// The service file's bound: no two looks are closer.
    poll: Duration,
    /// The shortest check interval among the host's target groups.
    check: Duration,
    /// How long the host must stay healthy before it counts.
    settles: Duration,
    /// When the wait began.
    begun: Instant,
}

impl Pace {
    /// The pace for a host whose waiting begins now.
    pub(super) fn of(task: Task<'_>, host: &HostPlan, awaited: &[&TargetPlan]) -> Self {
        let group = |target: &&TargetPlan| task.plan.target_groups.get(&target.target_group);
        let intervals = awaited.iter().filter_map(group);
        let check_s = intervals.map(|group| group.check_interval_s).min();
        Self {
            poll: task.poll(),
            check: Duration::from_secs(check_s.unwrap_or(0)),
            settles: Duration::from_millis(task.plan.min_healthy_ms(host)),
            begun: Instant::now(),
        }
    }

    /// The first look: no target is healthy the moment it is registered. The load balancer checks at whole
    /// intervals from then on, so looks at the same moments would each come a little too early.
    pub(super) fn first(&self) -> Instant {
        self.begun + self.poll + CHECK_NOTICED
    }

    /// Whether a host that was found healthy first at `since` counts as healthy at a look.
    pub(super) fn is_settled(&self, since: Instant, look_at: Instant) -> bool {
        look_at.duration_since(since) >= self.settles
    }

    /// The look after one at `look_at`, by which the host has been healthy since then, or is not healthy.
    pub(super) fn next(&self, look_at: Instant, healthy_since: Option<Instant>) -> Instant {
        match healthy_since {
            Some(since) => (since + self.settles).min(look_at + self.check.max(self.poll)),
            None => {
                let late = (look_at.duration_since(self.begun) / PART).min(self.check / PART);
                look_at + late.max(self.poll)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn pace(check: Duration, settles: Duration) -> Pace {
        Pace {
            poll: 2 * SECOND,
            check,
            settles,
            begun: Instant::now(),
        }
    }

    /// The milliseconds after the beginning at which looks come until `end`, for a target that is healthy after
    /// `healthy`.
    fn looks(pace: &Pace, healthy: Duration, end: Duration) -> Vec<u128> {
        let (mut looks, mut healthy_since) = (Vec::new(), None);
        let mut look_at = pace.first();
        while look_at - pace.begun <= end {
            looks.push((look_at - pace.begun).as_millis());
            if look_at - pace.begun >= healthy {
                let since = *healthy_since.get_or_insert(look_at);
                if pace.is_settled(since, look_at) {
                    break;
                }
            }
            look_at = pace.next(look_at, healthy_since);
        }
        looks
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_is_late_by_a_quarter_of_the_wait_at_most() {
        let pace = pace(30 * SECOND, 30 * SECOND);
        let looks = looks(&pace, Duration::MAX, 300 * SECOND);
        assert_eq!(
            looks[..4],
            [2050, 4050, 6050, 8050],
            "at first by the poll interval"
        );
        for pair in looks.windows(2).skip(4) {
            let late = pair[1] - pair[0];
            assert!(late <= pair[0] / 4 + 1 && late <= 7500, "{looks:?}");
        }
        assert!(
            looks.len() < 50,
            "150 by the poll interval alone: {}",
            looks.len()
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_healthy_host_is_looked_at_once_a_check_and_at_the_end() {
        let minute = pace(30 * SECOND, 30 * SECOND);
        assert_eq!(looks(&minute, SECOND, 300 * SECOND), [2050, 32_050]);
        let checks_often = pace(5 * SECOND, 12 * SECOND);
        assert_eq!(
            looks(&checks_often, SECOND, 60 * SECOND),
            [2050, 7050, 12_050, 14_050]
        );
        let without_checks = pace(Duration::ZERO, Duration::ZERO);
        assert_eq!(looks(&without_checks, SECOND, 60 * SECOND), [2050]);
    }
}
