//! The time of a roll. Setting the machine's clock during a roll neither hurries nor delays it: from the
//! roll's beginning on only the time that has really passed counts, and the time is never earlier than the
//! journal's.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rustix::time::{ClockId, clock_gettime};

/// Time since boot by CLOCK_BOOTTIME, which goes on while the machine sleeps and cannot be set.
pub(crate) fn boot_time() -> Duration {
    let now = clock_gettime(ClockId::Boottime);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(now.tv_nsec).unwrap_or(0))
}

/// A clock that is set once, and then runs by the time since boot.
#[derive(Debug, Clone, Copy)]
pub struct RollClock {
    set_at: Timestamp,
    booted_for: Duration,
}

impl RollClock {
    /// Sets the clock by the machine's, but not before the journal's last entry.
    pub fn set(last: Timestamp) -> Self {
        Self {
            set_at: Timestamp::now().max(last),
            booted_for: boot_time(),
        }
    }

    /// The time now.
    pub fn now(self) -> Timestamp {
        let passed = boot_time().saturating_sub(self.booted_for);
        let passed = SignedDuration::try_from(passed).unwrap_or(SignedDuration::MAX);
        self.set_at.saturating_add(passed).unwrap_or(Timestamp::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_never_before_what_the_journal_has_seen() {
        let later = Timestamp::now() + SignedDuration::from_hours(1);
        let now = RollClock::set(later).now();
        assert!(
            now >= later && now < later + SignedDuration::from_mins(1),
            "{now}"
        );
    }

    #[test]
    fn it_starts_with_the_machines_clock() {
        let before = Timestamp::now();
        let now = RollClock::set(before - SignedDuration::from_hours(1)).now();
        assert!(now >= before, "{now} is before {before}");
    }
}
