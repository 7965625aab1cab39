//! A handler of releases that takes them into a ledger.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering};

use drawgate_schemas::{Rejection, RejectionCode, ReleaseRequest};
use drawgate_worker::bus::{Delivered, ReleaseHandler, Verdict};
use drawgate_worker::ledger::{Accept, Ledger};

use crate::books::accept;

/// A handler that accepts into the ledger every release that it can read.
pub(crate) struct Intake {
    ledger: Ledger,
    /// While set, the handler says that the ledger is away.
    pub(crate) away: AtomicBool,
    pub(crate) calls: AtomicU32,
    accepted: AtomicU32,
    pub(crate) most_deliveries: AtomicI64,
}

impl Intake {
    pub(crate) fn new(ledger: &Ledger) -> Arc<Self> {
        Arc::new(Self {
            ledger: ledger.clone(),
            away: AtomicBool::new(false),
            calls: AtomicU32::new(0),
            accepted: AtomicU32::new(0),
            most_deliveries: AtomicI64::new(0),
        })
    }

    pub(crate) fn accepted(&self) -> u32 {
        self.accepted.load(Ordering::SeqCst)
    }
}

impl ReleaseHandler for Intake {
    async fn handle(&self, message: Delivered) -> Verdict {
        self.calls.fetch_add(1, Ordering::SeqCst);
        self.most_deliveries
            .fetch_max(message.delivery_count(), Ordering::SeqCst);
        if self.away.load(Ordering::SeqCst) {
            return Verdict::Unavailable;
        }
        if let Some(why) = message.unreadable {
            let rejection = Rejection::new(RejectionCode::DeadLettered, why.to_string());
            return Verdict::Unreadable(rejection);
        }
        match ReleaseRequest::decode(&message.body) {
            Ok(request) => {
                if matches!(accept(&self.ledger, &request).await, Accept::New { .. }) {
                    self.accepted.fetch_add(1, Ordering::SeqCst);
                }
                Verdict::Accepted
            }
            Err(rejection) => Verdict::Reject(rejection),
        }
    }

    async fn given_up(&self, _: Delivered, _: &str) -> bool {
        true
    }

    async fn ready(&self) -> bool {
        !self.away.load(Ordering::SeqCst)
    }
}
