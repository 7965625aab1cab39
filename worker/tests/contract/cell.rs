//! The cells of the table: situations, and how each is made.

use drawgate_rehearsal::world::Fault;
use drawgate_rollout::Step;

use crate::bench::Setup;
use crate::change::Change;

/// What a step meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Situation {
    /// Nothing of it was done before.
    Once,
    /// It was done before.
    Repeated,
    /// Some of it is there.
    Half,
    /// What it is about is gone, is another's, or is not well.
    Gone,
    /// The answer of a call never arrives, and its deadline cuts it.
    Unknown,
    /// AWS answers with what was before.
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

    /// The head of its column.
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

/// What keeps an answer from arriving.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Silence {
    /// AWS does not do this call.
    Lost(&'static str),
    /// AWS does this call, and nobody hears of it.
    Unheard(&'static str),
    /// The first host's engine hangs.
    Engine,
    /// The registry hangs.
    Registry,
    /// The version of before takes all its time to stop.
    Stop,
}

/// What the model is to make of an old answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seen {
    /// The step looks twice: it comes out as with an answer of now.
    Through,
    /// It comes out as on the fleet of before.
    Before,
    /// What was done is not confirmed, and is seen to be done by the next performance.
    Unconfirmed,
    /// The same of what comes first in it: the rest is not begun.
    UnconfirmedHalf,
}

/// How a situation is made.
#[derive(Debug, Clone)]
pub(crate) enum Cell {
    /// The step is performed after these changes.
    After(Vec<Change>),
    /// It is cut while that keeps an answer from it, and then performed once more. The model is told how far it came.
    Cut(Vec<Change>, Silence, Fault),
    /// So many reads of an action are answered as before these changes; then the step is performed once more.
    Old(Vec<Change>, &'static str, u32, Seen),
    /// It cannot be made.
    Never(&'static str),
}

/// One step's line of the table.
#[derive(Debug, Clone, Default)]
pub(crate) struct Row {
    pub(crate) setup: Setup,
    /// The steps that bring the fleet there.
    pub(crate) brought: Vec<Step>,
    /// The steps after these, where the release is rolled back.
    pub(crate) rolled_back: Option<Vec<Step>>,
    /// Whether the next host waits for sick ones.
    pub(crate) waits_for_sick: bool,
    /// Why it can be performed on neither fleet, where that is so.
    pub(crate) never: Option<&'static str>,
    pub(crate) half: Vec<Cell>,
    pub(crate) gone: Vec<Cell>,
    pub(crate) unknown: Vec<Cell>,
    pub(crate) stale: Vec<Cell>,
}

impl Row {
    /// A step that nobody can perform on both fleets.
    pub(crate) fn never(why: &'static str) -> Self {
        Self {
            never: Some(why),
            ..Self::default()
        }
    }

    /// A step that these bring the fleet to.
    pub(crate) fn after(brought: Vec<Step>) -> Self {
        Self {
            brought,
            ..Self::default()
        }
    }

    /// The cells of a situation; none for the two that are performed on the way of a whole release.
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

    /// The same with alarms that are muted by rules.
    pub(crate) fn muted(mut self) -> Self {
        self.setup.mutes = true;
        self
    }

    /// The same with a version of before that ignores SIGTERM.
    pub(crate) fn stubborn(mut self) -> Self {
        self.setup.is_stubborn = true;
        self
    }

    /// The same, rolled back after these further steps.
    pub(crate) fn rolled_back(mut self, then: Vec<Step>) -> Self {
        self.rolled_back = Some(then);
        self
    }
}
