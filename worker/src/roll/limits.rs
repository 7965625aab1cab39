//! Bounds of the shell around `decide`, each with its reason.

use std::time::Duration;

/// Renewals per length of a lease. A renewal is one small transaction, and a few may fail. The shortest lease
/// (30 s) is renewed every 5 s, and its last 25 s begin no effect.
pub(super) const RENEWALS: u32 = 6;

/// No effect begins when the lease has less time left than one AWS call may take (20 s) and a margin: another
/// worker must not take the lane over while a call is on its way.
pub(super) const LEASE_LEFT: Duration = Duration::from_secs(25);

/// Pause between two requests for a lane that another worker has.
pub(super) const LEASE_RETRY: Duration = Duration::from_secs(5);

/// Pause between two requests for locks that another release has. Within one process a freed lock wakes the
/// waiter at once; for another process on the same ledger the request is one small transaction.
pub(super) const LOCK_POLL: Duration = Duration::from_millis(250);

/// Pause between two tries while the ledger is unavailable.
pub(super) const LEDGER_RETRY: Duration = Duration::from_secs(1);

/// Longest wait at a shutdown for steps under way: one AWS or engine call with its look. The worker that
/// takes the release over looks again at a step that has not ended by then.
pub(super) const LAST_STEPS: Duration = Duration::from_secs(30);
