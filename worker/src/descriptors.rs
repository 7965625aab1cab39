//! Open files (file descriptors): how many this process may have, and how many a fleet needs.
//!
//! Without free descriptors everything stops at once, in the middle of a roll: SSH, AWS, the ledger and the
//! broker. So the worker raises its limit at the start, and refuses a fleet that does not fit before it makes
//! a connection.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The limit that the worker asks for: enough for twenty of the largest fleets at once. infra/systemd has the
/// same number.
const RAISED_TO: u64 = 65_536;

/// Descriptors besides those for hosts: 20 for the ledger and its locks, 10 for the broker, 70 for
/// connections to AWS, which are kept for a while, 28 for the runtime, logs and programs on the bastion; and
/// 64 for the eight hosts that are looked at side by side, with eight containers each. A worker that rolled
/// nothing was seen with 28.
const BASE: u64 = 192;

/// Descriptors for each host: two pipes and a handle of its ssh process, and as many for the work on it at one
/// moment, a command or requests to its engine. A look at 60 hosts was seen with 195, a roll of three at once
/// with 45. Beyond the connections that are kept, hosts need as many only while all of them are worked on at once,
/// as those of a wave are.
const PER_HOST: u64 = 6;

/// The error for a fleet that does not fit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{hosts} hosts need {needed} open files, and this process may have {limit}")]
pub struct TooFew {
    hosts: usize,
    needed: u64,
    limit: u64,
}

impl TooFew {
    /// What to do.
    pub fn hint(&self) -> String {
        let needed = self.needed;
        format!(
            "raise the limit: LimitNOFILE={RAISED_TO} in the worker's unit, or `prlimit --nofile={needed} drawgate-worker ...`"
        )
    }
}

/// Raises the limit as far as this process may, and to [`RAISED_TO`] at most. A shell's usual limit is 1,024.
pub fn raise() {
    let now = getrlimit(Resource::Nofile);
    let Some(raised) = raised(now.current, now.maximum) else {
        return;
    };
    let limit = Rlimit {
        current: Some(raised),
        maximum: now.maximum,
    };
    // If raising fails, fleets are measured against the limit that there is.
    let _ = setrlimit(Resource::Nofile, limit);
}

/// The new limit; `None` where it stays. For `current` and `maximum`, `None` means that there is no limit.
fn raised(current: Option<u64>, maximum: Option<u64>) -> Option<u64> {
    let most = maximum.map_or(RAISED_TO, |maximum| maximum.min(RAISED_TO));
    current.filter(|current| *current < most).map(|_| most)
}

/// Whether the limit suffices for connections to this many hosts at once.
///
/// # Errors
/// Says what limit that many hosts need.
pub fn suffice(hosts: usize) -> Result<(), TooFew> {
    fits(hosts, getrlimit(Resource::Nofile).current)
}

fn fits(hosts: usize, limit: Option<u64>) -> Result<(), TooFew> {
    let needed = BASE + PER_HOST * hosts as u64;
    match limit.filter(|limit| *limit < needed) {
        Some(limit) => Err(TooFew { hosts, needed, limit }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_raised_to_what_is_needed_and_allowed() {
        for (current, maximum, to) in [
            (Some(1_024), Some(1_048_576), Some(RAISED_TO)),
            (Some(1_024), Some(4_096), Some(4_096)),
            (Some(1_024), None, Some(RAISED_TO)),
            (Some(256), Some(256), None),
            (Some(200_000), Some(200_000), None),
            (None, None, None),
        ] {
            assert_eq!(raised(current, maximum), to, "{current:?} {maximum:?}");
        }
    }

    #[test]
    fn a_fleet_that_does_not_fit_is_told_with_what_it_needs() {
        let error = fits(60, Some(256)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "60 hosts need 552 open files, and this process may have 256"
        );
        assert!(error.hint().contains("prlimit --nofile=552"), "{}", error.hint());
        assert_eq!(fits(60, Some(552)), Ok(()));
        assert_eq!(fits(3, Some(256)), Ok(()));
        assert_eq!(fits(500, None), Ok(()));
    }

    #[test]
    fn twenty_of_the_largest_fleets_fit_the_raised_limit() {
        assert_eq!(
            fits(20 * drawgate_schemas::limits::HOSTS, Some(RAISED_TO)),
            Ok(())
        );
    }
}
