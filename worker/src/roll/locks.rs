//! Takes a release's locks: the one step that acts on the ledger and not on the world.

use drawgate_rollout::{Evidence, Failure, Release, Step, StepOutcome};
use tokio::time::{Instant, sleep};

use super::limits::{LEDGER_RETRY, LOCK_POLL};
use crate::ledger::{Lease, Ledger, Lock, LockNote, Locking};

/// Takes every lock that the release needs, or waits for them until the deadline. The first attempt returns
/// at once, and a later one when another release has got the lock, so that the journal says which release has
/// it. `note` has the locks at the last look at the fleet; without one, that look is not to be relied on.
pub(super) async fn lock(
    ledger: &Ledger,
    lease: &Lease,
    release: &Release,
    note: Option<&LockNote>,
    deadline: Instant,
) -> StepOutcome {
    let names = release.touches();
    let state = release.steps.get(&Step::Lock);
    let is_first = state.is_none_or(|state| state.attempts <= 1);
    let mut before: Option<Lock> = None;
    loop {
        let mut freed = ledger.freed_locks();
        match ledger.lock(lease, release.request.id, names).await {
            Ok(Locking::Ours { frees }) => {
                let holds = |note: &LockNote| names.is_subset(&note.ours) || note.frees == frees;
                let fresh = note.is_some_and(holds);
                return StepOutcome::Done {
                    evidence: Evidence::Locked { fresh },
                };
            }
            Ok(Locking::Held(lock)) => {
                let changed_hands = before.is_some_and(|before| before.release != lock.release);
                if is_first || changed_hands || Instant::now() + LOCK_POLL >= deadline {
                    return StepOutcome::Transient { failure: held(&lock) };
                }
                before = Some(*lock);
            }
            Err(error) => {
                sleep(LEDGER_RETRY).await;
                return StepOutcome::Transient {
                    failure: Failure::new(crate::error_chain(&error)),
                };
            }
        }
        tokio::select! {
            _ = freed.changed() => {}
            () = sleep(LOCK_POLL) => {}
        }
    }
}

fn held(lock: &Lock) -> Failure {
    let Lock {
        name,
        release,
        environment,
        service,
        since,
    } = lock;
    let since = since.strftime("%Y-%m-%d %H:%M:%SZ");
    let text = format!("{name} is locked by release {release} of {environment}.{service} since {since}");
    Failure::new(text).with_hint(format!("publish again when release {release} has ended"))
}
