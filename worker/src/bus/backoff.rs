//! Pauses that double, with jitter, so that workers do not come back in step.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};
use std::time::Duration;

use super::limits;

#[derive(Debug, Default)]
pub(super) struct Backoff {
    tries: u32,
}

impl Backoff {
    /// The next pause: between half of and the whole of 0.2, 0.4, 0.8 … 10 s.
    pub(super) fn next(&mut self) -> Duration {
        let whole = limits::BACKOFF_FIRST
            .saturating_mul(1 << self.tries.min(16))
            .min(limits::BACKOFF_LAST);
        self.tries = self.tries.saturating_add(1);
        whole / 2 + whole.mul_f64(random_fraction() / 2.0)
    }

    pub(super) fn reset(&mut self) {
        self.tries = 0;
    }
}

/// The standard library keys its hashers at random; that is random enough for a pause.
fn random_fraction() -> f64 {
    let bits = RandomState::new().build_hasher().finish();
    f64::from(u32::try_from(bits >> 32).unwrap_or(0)) / f64::from(u32::MAX)
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
