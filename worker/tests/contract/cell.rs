//! The cells of the table: situations, and how to make each.

use drawgate_rehearsal::world::Fault;
use drawgate_rollout::Step;

use crate::bench::Setup;
use crate::change::Change;

/// The situation that a step meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Situation {
    /// No part of the step was done before.
    Once,
    /// The step was done before.
    Repeated,
    /// A part of the step was done.
    Half,
    /// The object of the step is gone, is another release's, or is sick.
    Gone,
    /// The answer of a call never comes, and the deadline cuts the step.
    Unknown,
    /// AWS answers with an earlier state.
    Stale,
}

impl Situation {
    pub(crate) const ALL: [Self; 6] = [
        Self::Once,
        Self::Repeated,
        Self::Half,
        Self::Gone,
        Self::Unknown,
        Self::Stale,
    ];

    /// The head of the situation's column.
    pub(crate) fn head(self) -> &'static str {
        match self {
            Self::Once => "once",
            Self::Repeated => "again",
            Self::Half => "half",
            Self::Gone => "gone",
            Self::Unknown => "unknown",
            Self::Stale => "stale",
        }
    }
}

/// The cause of a missing answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Silence {
    /// AWS does not perform this call.
    Lost(&'static str),
    /// AWS performs this call, and its answer is lost.
    Unheard(&'static str),
    /// The first host's engine hangs.
    Engine,
    /// The registry hangs.
    Registry,
    /// The earlier version takes the longest time to stop.
    Stop,
}

/// How the model treats an old answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seen {
    /// The step looks twice: its outcome is as with a current answer.
    Through,
    /// The outcome is as on the earlier fleet.
    Before,
    /// The step's effect is not confirmed; the next performance sees it.
    Unconfirmed,
    /// The first part of the step is not confirmed, so the rest is not begun.
    UnconfirmedHalf,
}

/// How to make a situation.
#[derive(Debug, Clone)]
pub(crate) enum Cell {
    /// Perform the step after these changes.
    After(Vec<Change>),
    /// Cut the step while its answer is missing, and perform it once more. The fault tells the model how far
    /// the step came.
    Cut(Vec<Change>, Silence, Fault),
    /// Answer so many reads of an action as before these changes; then perform the step once more.
    Old(Vec<Change>, &'static str, u32, Seen),
    /// The situation cannot be made, for this reason.
    Never(&'static str),
}

/// One step's row of the table.
#[derive(Debug, Clone, Default)]
pub(crate) struct Row {
    pub(crate) setup: Setup,
    /// The steps that bring the fleet to this step.
    pub(crate) brought: Vec<Step>,
    /// The further steps after the rollback has begun, for a step of the rollback.
    pub(crate) rolled_back: Option<Vec<Step>>,
    /// Whether the next host waits for sick hosts.
    pub(crate) waits_for_sick: bool,
    /// Why the step can be performed on neither fleet, where that is so.
    pub(crate) never: Option<&'static str>,
    pub(crate) half: Vec<Cell>,
    pub(crate) gone: Vec<Cell>,
    pub(crate) unknown: Vec<Cell>,
    pub(crate) stale: Vec<Cell>,
}

impl Row {
    /// The row of a step that cannot be performed on both fleets.
    pub(crate) fn never(why: &'static str) -> Self {
        Self {
            never: Some(why),
            ..Self::default()
        }
    }

    /// The row of a step after these steps.
    pub(crate) fn after(brought: Vec<Step>) -> Self {
        Self {
            brought,
            ..Self::default()
        }
    }

    /// The cells of a situation; none for `Once` and `Repeated`, which the walks through whole releases
    /// perform.
    pub(crate) fn cells(&self, situation: Situation) -> Vec<Cell> {
        if let Some(why) = self.never {
            return vec![Cell::Never(why)];
        }
        match situation {
            Situation::Once | Situation::Repeated => Vec::new(),
            Situation::Half => self.half.clone(),
            Situation::Gone => self.gone.clone(),
            Situation::Unknown => self.unknown.clone(),
            Situation::Stale => self.stale.clone(),
        }
    }

    pub(crate) fn half(mut self, cells: impl Into<Vec<Cell>>) -> Self {
        self.half = cells.into();
        self
    }

    pub(crate) fn gone(mut self, cells: impl Into<Vec<Cell>>) -> Self {
        self.gone = cells.into();
        self
    }

    pub(crate) fn unknown(mut self, cells: impl Into<Vec<Cell>>) -> Self {
        self.unknown = cells.into();
        self
    }

    pub(crate) fn stale(mut self, cells: impl Into<Vec<Cell>>) -> Self {
        self.stale = cells.into();
        self
    }

    /// The same row with alarms that are muted by rules.
    pub(crate) fn muted(mut self) -> Self {
        self.setup.mutes = true;
        self
    }

    /// The same row with an earlier version that ignores SIGTERM.
    pub(crate) fn stubborn(mut self) -> Self {
        self.setup.is_stubborn = true;
        self
    }

    /// The same row during a rollback, after these further steps.
    pub(crate) fn rolled_back(mut self, then: Vec<Step>) -> Self {
        self.rolled_back = Some(then);
        self
    }
}
