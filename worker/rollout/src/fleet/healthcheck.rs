//! The image's own HEALTHCHECK: how long Docker may take before it calls a container healthy or unhealthy.
//!
//! ```text
//!   start                                  Docker's defaults: nothing is known before 30 s, and everything after 180 s
//!     |-- start period --|-- interval --|probe|-- interval --|probe|-- interval --|probe|
//!     |<----------------------- starting ---------------------------------------------->| unhealthy
//! ```

use serde::{Deserialize, Serialize};

/// How a HEALTHCHECK is run, with Docker's defaults where the image says nothing (Dockerfile reference,
/// "HEALTHCHECK").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Healthcheck {
    /// Milliseconds after the start in which a failed probe does not count.
    pub start_period_ms: u64,
    /// Milliseconds before each probe, the first included.
    pub interval_ms: u64,
    /// Milliseconds that one probe may take.
    pub timeout_ms: u64,
    /// Failed probes in a row that make a container unhealthy.
    pub retries: u64,
}

impl Default for Healthcheck {
    fn default() -> Self {
        Self {
            start_period_ms: 0,
            interval_ms: 30_000,
            timeout_ms: 30_000,
            retries: 3,
        }
    }
}

impl Healthcheck {
    /// Milliseconds after the start at which a container is no longer `starting`.
    pub fn longest_ms(&self) -> u64 {
        let probe_ms = self.interval_ms.saturating_add(self.timeout_ms);
        self.start_period_ms
            .saturating_add(probe_ms.saturating_mul(self.retries))
    }
}

/// What an image says of its HEALTHCHECK.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImageHealthcheck {
    /// It has none, or `HEALTHCHECK NONE`.
    Absent,
    /// It has this one.
    Present(Healthcheck),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dockers_defaults_take_three_minutes() {
        assert_eq!(Healthcheck::default().longest_ms(), 180_000);
        let slow = Healthcheck {
            start_period_ms: 60_000,
            interval_ms: 5_000,
            timeout_ms: 1_000,
            retries: 2,
        };
        assert_eq!(slow.longest_ms(), 72_000);
    }
}
