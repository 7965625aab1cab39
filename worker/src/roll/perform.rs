//! Performs one step for as long as the lane's lease lasts.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::task::Poll;

use drawgate_rollout::{Failure, Release, Step, StepOutcome};
use futures_util::FutureExt;
use tokio::time::Instant;

use super::context::Context;
use super::locks;
use crate::clock::RollClock;
use crate::effects::LeaseOwner;
use crate::ledger::{Lease, Ledger, LockNote};

/// The parts that a performance needs.
pub(super) struct Performance {
    pub(super) context: Arc<Context>,
    pub(super) release: Arc<Release>,
    pub(super) lease: Arc<Lease>,
    pub(super) note: Option<LockNote>,
    pub(super) deadline: Instant,
    pub(super) clock: RollClock,
}

/// Performs a step. Locks and lease act on the ledger, all other steps on the world.
pub(super) async fn perform(performance: Performance, step: &Step) -> StepOutcome {
    let Performance {
        context,
        release,
        lease,
        note,
        deadline,
        clock,
    } = performance;
    let effect = async {
        match step {
            Step::Lock => locks::lock(&context.ledger, &lease, &release, note.as_ref(), deadline).await,
            Step::TakeLease | Step::GiveLeaseBack => {
                let lease_owner = lease_owner(&context.ledger, &lease);
                context
                    .effects
                    .lease(&release, step, &lease_owner, deadline)
                    .await
            }
            _ => context.effects.perform(&release, step, deadline, clock).await,
        }
    };
    guarded(&lease, effect).await
}

fn lease_owner(ledger: &Ledger, lease: &Lease) -> LeaseOwner {
    LeaseOwner {
        ledger: ledger.identity().to_owned(),
        worker: ledger.worker().to_owned(),
        epoch: lease.epoch(),
    }
}

/// Polls an effect for as long as the lease lasts: after the lease has expired nothing follows the call that
/// is on its way. A panic is a mistake in this program; what the effect did is then unknown, and the core
/// looks again.
async fn guarded(lease: &Lease, effect: impl Future<Output = StepOutcome>) -> StepOutcome {
    let unknown = |what: &str| StepOutcome::Unknown {
        failure: Failure::new(what),
    };
    let lapses = lease.lapses();
    let mut effect = Box::pin(AssertUnwindSafe(effect).catch_unwind());
    std::future::poll_fn(|context| {
        if lease.remaining().is_zero() || lease.lapses() != lapses {
            return Poll::Ready(unknown("the lane's lease ran out while this was under way"));
        }
        let ended = effect.as_mut().poll(context);
        ended.map(|outcome| outcome.unwrap_or_else(|_| unknown("a mistake in drawgate-worker: see its log")))
    })
    .await
}
