//! The events that were posted last. A webhook has no idempotency key that would make a second post harmless, and the broker
//! delivers an event anew when its acknowledgement was lost. Only a process that is killed between the post and the
//! acknowledgement can cause one repeat.

use std::collections::VecDeque;

use uuid::Uuid;

use super::limits;

/// The ids of events that were posted, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Recent(VecDeque<Uuid>);

impl Recent {
    pub(super) fn has(&self, event: Uuid) -> bool {
        self.0.contains(&event)
    }

    pub(super) fn add(&mut self, event: Uuid) {
        if self.0.len() >= limits::POSTS_REMEMBERED {
            self.0.pop_front();
        }
        self.0.push_back(event);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_posts_are_remembered() {
        let ids: Vec<Uuid> = (0..limits::POSTS_REMEMBERED + 10)
            .map(|_| Uuid::now_v7())
            .collect();
        let mut recent = Recent::default();
        for id in &ids {
            recent.add(*id);
        }
        assert!(!recent.has(ids[9]) && recent.has(ids[10]));
    }
}
