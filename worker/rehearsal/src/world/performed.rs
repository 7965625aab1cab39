//! The performed steps, in order, with what is asked of all of them at each step.

use std::collections::BTreeSet;
use std::ops::Deref;

use drawgate_rollout::Step;

/// The performed steps, in order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Performed {
    steps: Vec<Step>,
    pulls: BTreeSet<String>,
    has_resumed: bool,
}

impl Performed {
    pub(crate) fn push(&mut self, step: Step) {
        match &step {
            Step::Stage { instance } => _ = self.pulls.insert(instance.clone()),
            Step::Resume { .. } => self.has_resumed = true,
            _ => {}
        }
        self.steps.push(step);
    }

    /// Forgets them all, as another worker does not know them.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Whether the image was pulled on this instance.
    pub(super) fn has_pulled(&self, instance: &str) -> bool {
        self.pulls.contains(instance)
    }

    /// Whether scaling was resumed.
    pub(crate) fn has_resumed(&self) -> bool {
        self.has_resumed
    }
}

impl Deref for Performed {
    type Target = [Step];

    fn deref(&self) -> &[Step] {
        &self.steps
    }
}
