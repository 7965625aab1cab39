//! Pauses that double, with jitter, so that workers do not reconnect in step.

use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};

use super::limits;

#[derive(Debug)]
pub(super) struct Backoff(ExponentialBackoff);

impl Default for Backoff {
    fn default() -> Self {
        // The library's jitter can double a pause, so it is given half of each bound.
        let pauses = ExponentialBuilder::new()
            .with_min_delay(limits::BACKOFF_FIRST / 2)
            .with_max_delay(limits::BACKOFF_LAST / 2)
            .without_max_times()
            .with_jitter();
        Self(pauses.build())
    }
}

impl Backoff {
    /// The next pause: a random time between half and the whole of 0.2, 0.4, 0.8 … 10 s.
    pub(super) fn next(&mut self) -> Duration {
        self.0.next().unwrap_or(limits::BACKOFF_LAST)
    }

    pub(super) fn reset(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_and_stay_bounded() {
        let mut backoff = Backoff::default();
        for whole_ms in [200, 400, 800, 1600, 3200, 6400, 10_000, 10_000] {
            let pause = backoff.next();
            let whole = Duration::from_millis(whole_ms);
            assert!(pause >= whole / 2 && pause <= whole, "{pause:?} of {whole:?}");
        }
        backoff.reset();
        assert!(backoff.next() <= limits::BACKOFF_FIRST);
    }
}
