//! Status events as another program hears them.

use std::collections::{HashMap, HashSet};

use drawgate_schemas::StatusEvent;
use uuid::Uuid;

/// The events heard of each release: first occurrences in order without a gap, repeats allowed.
#[derive(Default)]
pub(crate) struct Heard {
    next: HashMap<String, u64>,
    pub(crate) ids: HashSet<Uuid>,
    pub(crate) repeats: u32,
}

impl Heard {
    pub(crate) fn hear(&mut self, event: &StatusEvent) {
        if !self.ids.insert(event.id) {
            self.repeats += 1;
            return;
        }
        let release = event.release.map(|id| id.to_string()).unwrap_or_default();
        let next = self.next.entry(release).or_insert(1);
        assert_eq!(event.sequence, *next, "a gap, or out of order");
        *next += 1;
    }
}
