//! Steps of the fleet's lease, performed past the driver through `Effects::lease`. Locks are not in the
//! table: the driver itself takes them in the ledger (`roll/locks.rs`), and `worker/tests/ledger/locks.rs`
//! tests them.

use drawgate_rehearsal::world::Fault::{UnknownDone, UnknownNotDone};
use drawgate_rehearsal::world::LeaseOwner;
use drawgate_rollout::Step;
use serde_json::json;

use crate::bench::{Bench, LEASE};
use crate::cell::Cell::{After, Cut, Never, Old};
use crate::cell::Row;
use crate::cell::Seen::{Before, Unconfirmed};
use crate::cell::Silence::{Lost, Unheard};
use crate::change::Change as Any;
use crate::table::{self, ONE_CALL};

const READ: &str = "ssm:GetParameter";
const WRITE: &str = "ssm:PutParameter";
const DELETE: &str = "ssm:DeleteParameter";
/// More reads than one performance makes, so that all get the old answer.
const ALL: u32 = 9;

/// A change from outside, to the lease.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    /// A worker with another ledger takes the lease.
    TakenByAnother,
    /// The lease is deleted.
    Deleted,
}

impl From<Change> for Any {
    fn from(change: Change) -> Self {
        Self::Lease(change)
    }
}

impl Change {
    pub(crate) async fn in_lab(&self, bench: &Bench) {
        let note = json!({"version": 1, "ledger": "another ledger", "worker": "bastion-b", "epoch": 1,
                          "release": "0190f6f0-0000-7000-8000-0000000000ff", "since": "2026-01-01T00:00:00Z"});
        let note = note.to_string();
        let value = match self {
            Self::TakenByAnother => Some(note.as_str()),
            Self::Deleted => None,
        };
        bench.outside.set_parameter(LEASE, value).await;
    }

    pub(crate) fn in_model(&self, bench: &mut Bench) {
        bench.world.lease_owner = match self {
            Self::TakenByAnother => Some(LeaseOwner::Another),
            Self::Deleted => None,
        };
    }
}

pub(crate) fn take() -> Row {
    // The lease was taken and given back before: the lab has an old answer only for a parameter that was read
    // before.
    Row::after(table::with(&[Step::TakeLease, Step::GiveLeaseBack]))
        .half([Never(ONE_CALL)])
        .gone([After(vec![Change::TakenByAnother.into()])])
        .unknown([
            Cut(vec![], Lost(WRITE), UnknownNotDone),
            Cut(vec![], Unheard(WRITE), UnknownDone),
        ])
        .stale([Old(vec![Change::TakenByAnother.into()], READ, ALL, Unconfirmed)])
}

pub(crate) fn give_back() -> Row {
    // The lease was taken twice, and read the second time: the lab has an old answer only for a parameter
    // that was read before.
    Row::after(table::with(&[Step::TakeLease, Step::TakeLease]))
        .half([Never(ONE_CALL)])
        .gone([
            After(vec![Change::Deleted.into()]),
            After(vec![Change::TakenByAnother.into()]),
        ])
        .unknown([
            Cut(vec![], Lost(DELETE), UnknownNotDone),
            Cut(vec![], Unheard(DELETE), UnknownDone),
        ])
        .stale([Old(vec![Change::Deleted.into()], READ, ALL, Before)])
}
