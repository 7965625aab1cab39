//! Counts of executions by outcome.

use std::ops::{AddAssign, Sub};

use drawgate_schemas::Outcome;

/// The outcomes that a release can have.
const OUTCOMES: [Outcome; 7] = [
    Outcome::Succeeded,
    Outcome::RolledBack,
    Outcome::Cancelled,
    Outcome::Rejected,
    Outcome::Superseded,
    Outcome::Failed,
    Outcome::NeedsOperator,
];

/// Numbers of executions, by outcome.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Outcomes([u64; OUTCOMES.len()]);

impl Outcomes {
    /// One execution with this outcome.
    pub(crate) fn one(outcome: Outcome) -> Self {
        Self(OUTCOMES.map(|other| u64::from(other == outcome)))
    }

    /// The number of all executions.
    pub fn total(self) -> u64 {
        self.0.iter().sum()
    }

    /// Each outcome that occurred, with its number.
    pub fn by_outcome(self) -> impl Iterator<Item = (Outcome, u64)> {
        OUTCOMES.into_iter().zip(self.0).filter(|(_, number)| *number > 0)
    }

    /// Counts one more execution.
    pub fn count(&mut self, outcome: Outcome) {
        *self += Self::one(outcome);
    }
}

impl AddAssign for Outcomes {
    fn add_assign(&mut self, more: Self) {
        for (number, more) in self.0.iter_mut().zip(more.0) {
            *number += more;
        }
    }
}

impl Sub for Outcomes {
    type Output = Self;

    fn sub(mut self, less: Self) -> Self {
        for (number, less) in self.0.iter_mut().zip(less.0) {
            *number -= less;
        }
        self
    }
}
