//! Steps on the parameter with the desired version.

use drawgate_rehearsal::world::Fault::{UnknownDone, UnknownNotDone};
use drawgate_rollout::Step;

use crate::bench::{Bench, PARAMETER};
use crate::cell::Cell::{After, Cut, Never, Old};
use crate::cell::Row;
use crate::cell::Seen::{Through, Unconfirmed};
use crate::cell::Silence::{Lost, Unheard};
use crate::change::Change as Any;
use crate::table::{self, ONE_CALL};

const READ: &str = "ssm:GetParameter";
const WRITE: &str = "ssm:PutParameter";
/// More reads than one performance makes, so that all get the old answer.
const ALL: u32 = 9;

/// A change from outside, to the parameter.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    /// Another program publishes another version.
    TakenByAnother,
    /// The parameter is deleted.
    Deleted,
}

impl From<Change> for Any {
    fn from(change: Change) -> Self {
        Self::Desired(change)
    }
}

impl Change {
    fn value(&self) -> Option<&'static str> {
        match self {
            Self::TakenByAnother => Some("a version of somebody else's"),
            Self::Deleted => None,
        }
    }

    pub(crate) async fn in_lab(&self, bench: &Bench) {
        bench.outside.set_parameter(PARAMETER, self.value()).await;
    }

    pub(crate) fn in_model(&self, bench: &mut Bench) {
        bench.world.parameter = self.value().map(str::to_owned);
    }
}

fn gone() -> [crate::cell::Cell; 2] {
    [
        After(vec![Change::Deleted.into()]),
        After(vec![Change::TakenByAnother.into()]),
    ]
}

fn unknown() -> [crate::cell::Cell; 2] {
    [
        Cut(vec![], Lost(WRITE), UnknownNotDone),
        Cut(vec![], Unheard(WRITE), UnknownDone),
    ]
}

pub(crate) fn reserve() -> Row {
    Row::after(table::planned())
        .half([Never(ONE_CALL)])
        .gone(gone())
        .unknown(unknown())
        .stale([Old(vec![], READ, ALL, Through)])
}

pub(crate) fn publish() -> Row {
    Row::after(table::with(&[Step::ReserveDesired]))
        .half([Never(ONE_CALL)])
        .gone(gone())
        .unknown(unknown())
        .stale([Old(vec![], READ, ALL, Unconfirmed)])
}

pub(crate) fn unpublish() -> Row {
    Row::after(table::with(&[Step::ReserveDesired, Step::PublishDesired]))
        .rolled_back(Vec::new())
        .half([Never(ONE_CALL)])
        .gone(gone())
        .unknown(unknown())
        .stale([Old(vec![], READ, ALL, Unconfirmed)])
}
