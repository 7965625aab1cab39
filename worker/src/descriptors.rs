//! Open files (file descriptors): how many this process may have, and how many a fleet needs.
//!
//! Without free descriptors everything stops at once, in the middle of a roll: SSH, AWS, the ledger and the
//! broker. So the worker raises its limit at the start, and refuses a fleet that does not fit before it makes
//! a connection.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::host::limits::CONNECTIONS;

/// The limit that the worker asks for: enough for twenty of the largest fleets at once. infra/systemd has the
/// same number.
const RAISED_TO: u64 = 65_536;

/// Descriptors besides those for hosts: 20 for the ledger and its locks, 10 for the broker, 70 for
/// connections to AWS, which are kept for a while, 28 for the runtime, logs and programs on the bastion; and
/// 64 for the eight hosts that are looked at side by side, with eight containers each. A worker that rolled
/// nothing was seen with 28.
const BASE: u64 = 192;

/// Descriptors of a connection: two pipes and a handle of its ssh process. At most [`CONNECTIONS`] are kept that nobody
/// uses; a wave that is larger is connected to as a whole. A look at 60 hosts was seen with 195 descriptors, a roll of 200
/// hosts, 50 at once, with 351.
const PER_CONNECTION: u64 = 3;

/// Descriptors for the work on a host at one moment: a command, or requests to its engine. A roll of three at once was
/// seen with 45 descriptors.
const PER_WORK: u64 = 3;

/// The hosts that this process is about to be connected to.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    /// The hosts of the fleet.
    pub hosts: usize,
    /// How many of them are worked on at once.
    pub at_once: usize,
    /// Hosts of other releases, whose waves are not known.
    pub others: usize,
}

impl Wanted {
    fn descriptors(self) -> u64 {
        let worked_on = self.at_once.min(self.hosts) + self.others;
        let connected = (self.hosts + self.others).min(CONNECTIONS).max(worked_on);
        BASE + PER_CONNECTION * connected as u64 + PER_WORK * worked_on as u64
    }
}

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

/// Whether the limit suffices for these hosts.
///
/// # Errors
/// Says what limit they need.
pub fn suffice(wanted: Wanted) -> Result<(), TooFew> {
    fits(wanted, getrlimit(Resource::Nofile).current)
}

fn fits(wanted: Wanted, limit: Option<u64>) -> Result<(), TooFew> {
    let (hosts, needed) = (wanted.hosts + wanted.others, wanted.descriptors());
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
        let error = fits(one_at_a_time(60), Some(256)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "60 hosts need 375 open files, and this process may have 256"
        );
        assert!(error.hint().contains("prlimit --nofile=375"), "{}", error.hint());
        assert_eq!(fits(one_at_a_time(60), Some(375)), Ok(()));
        assert_eq!(fits(one_at_a_time(3), Some(256)), Ok(()));
        assert_eq!(fits(one_at_a_time(500), None), Ok(()));
    }

    /// What was seen of fleets fits what is reckoned, and a fleet beyond the pool needs no more than its waves do.
    #[test]
    fn connections_are_reckoned_as_the_pool_keeps_them() {
        let reckoned = |hosts, at_once| {
            Wanted {
                hosts,
                at_once,
                others: 0,
            }
            .descriptors()
        };
        assert!(reckoned(3, 3) >= 45 && reckoned(60, 1) >= 195 && reckoned(200, 50) >= 351);
        assert_eq!(reckoned(180, 1), reckoned(500, 1));
        assert_eq!(reckoned(500, 1), BASE + 180 * PER_CONNECTION + PER_WORK);
        // A wave that is larger than the pool is connected to as a whole.
        assert_eq!(reckoned(500, 250), BASE + 250 * (PER_CONNECTION + PER_WORK));
    }

    fn one_at_a_time(hosts: usize) -> Wanted {
        let (at_once, others) = (1, 0);
        Wanted {
            hosts,
            at_once,
            others,
        }
    }

    #[test]
    fn twenty_of_the_largest_fleets_fit_the_raised_limit() {
        let hosts = drawgate_schemas::limits::HOSTS;
        let wanted = Wanted {
            hosts,
            at_once: hosts,
            others: 19 * hosts,
        };
        assert_eq!(fits(wanted, Some(RAISED_TO)), Ok(()));
    }
}
