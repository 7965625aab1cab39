//! Bounds of the machinery around `decide`, with their reasons.

use std::time::Duration;

/// A lease is renewed so many times in its length, and a renewal is one small transaction: a few may fail. At least every 5 s
/// of the shortest one, whose last 25 s begin nothing.
pub(super) const RENEWALS: u32 = 6;

/// No effect is begun when the lease has less left than one AWS call may take (20 s) and a little more: another
/// worker must not take the lane over while our call is on its way.
pub(super) const LEASE_LEFT: Duration = Duration::from_secs(25);

/// Pause before a lane that another worker holds is asked for again.
pub(super) const LEASE_RETRY: Duration = Duration::from_secs(5);

/// Pause before locks that another release has are asked for again. Within one process nobody waits for it; for another
/// process on the same ledger it is one small transaction.
pub(super) const LOCK_POLL: Duration = Duration::from_millis(250);

/// Pause before the ledger is tried again, when it is away.
pub(super) const LEDGER_RETRY: Duration = Duration::from_secs(1);

/// At a shutdown, steps that change something are given this long to come to their end: one AWS or engine call with
/// its look. What has not ended by then is looked at again by whoever takes the release over.
pub(super) const LAST_STEPS: Duration = Duration::from_secs(30);
