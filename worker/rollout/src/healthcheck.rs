//! The image's own HEALTHCHECK: how long Docker may take before it calls a container healthy or unhealthy.
//!
//! ```text
//!   start                                  Docker's defaults: nothing is known before 30 s, and everything after 180 s
//!     |-- start period --|-- interval --|probe|-- interval --|probe|-- interval --|probe|
//!     |<----------------------- starting ---------------------------------------------->| unhealthy
//! ```

use serde::{Deserialize, Serialize};

use crate::definition::{Probe, ServiceDefinition};
use crate::record::Failure;

/// How a HEALTHCHECK is run, with Docker's defaults where the image says nothing (Dockerfile reference, "HEALTHCHECK").
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

/// Why this image cannot be verified by its HEALTHCHECK as the service's file wants it; `None` where it can, or where the file does
/// not want it.
pub fn unfit_healthcheck(definition: &ServiceDefinition, image: ImageHealthcheck) -> Option<Failure> {
    let verify = &definition.verify;
    if verify.probe != Probe::Healthcheck {
        return None;
    }
    let check = match image {
        ImageHealthcheck::Present(check) => check,
        ImageHealthcheck::Absent => {
            let hint = "add a HEALTHCHECK to the image, or verify by http or command in the service's file";
            return Some(
                Failure::new("the image has no HEALTHCHECK, and verify.healthcheck is true").with_hint(hint),
            );
        }
    };
    let longest_ms = check.longest_ms();
    (longest_ms > verify.start_timeout_ms).then(|| {
        let what = format!(
            "the image's HEALTHCHECK may take {} to come to a verdict (start period {} + {} x (interval {} + timeout {})), \
             and verify.start_timeout is {}",
            span(longest_ms),
            span(check.start_period_ms),
            check.retries,
            span(check.interval_ms),
            span(check.timeout_ms),
            span(verify.start_timeout_ms)
        );
        let hint = format!(
            "write start_timeout = \"{}\" or more in [verify] of the service's file, or give the image a shorter HEALTHCHECK",
            span(longest_ms)
        );
        Failure::new(what).with_hint(hint)
    })
}

/// A duration as a service's file has it.
fn span(ms: u64) -> String {
    match ms {
        0 => "0s".to_owned(),
        ms if ms.is_multiple_of(60_000) => format!("{}m", ms / 60_000),
        ms if ms.is_multiple_of(1_000) => format!("{}s", ms / 1_000),
        ms => format!("{ms}ms"),
    }
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

    #[test]
    fn durations_are_written_as_a_file_has_them() {
        for (ms, text) in [
            (0, "0s"),
            (250, "250ms"),
            (45_000, "45s"),
            (90_000, "90s"),
            (180_000, "3m"),
        ] {
            assert_eq!(span(ms), text);
        }
    }
}
