//! The facts about a release that a post needs besides the event itself.

use std::collections::{HashMap, VecDeque};

use drawgate_schemas::{Event, ReleaseId, StatusEvent};

use super::limits;

/// Names of a release's versions, requester and build.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// The name of the version that the release rolls out.
    pub to: Option<String>,
    /// The name of the version that ran until then.
    pub from: Option<String>,
    pub requested_by: Option<String>,
    /// The build's number.
    pub build: Option<String>,
    /// The link to the build.
    pub build_url: Option<String>,
}

impl Facts {
    /// Adds an event's facts.
    pub fn learn(&mut self, event: &Event) {
        match event {
            Event::Accepted {
                version_name,
                requested_by,
                build,
                build_url,
                ..
            } => {
                self.to = Some(version_name.clone());
                self.requested_by.clone_from(requested_by);
                self.build.clone_from(build);
                self.build_url.clone_from(build_url);
            }
            Event::Started(started) => {
                self.to = Some(started.to.clone());
                self.from.clone_from(&started.from);
            }
            _ => {}
        }
    }

    /// The facts from a release's events.
    pub fn of<'a>(events: impl IntoIterator<Item = &'a StatusEvent>) -> Self {
        let mut facts = Self::default();
        for event in events {
            facts.learn(&event.event);
        }
        facts
    }
}

/// The facts of the releases that chat posted about last.
#[derive(Debug, Default)]
pub(super) struct Memory {
    facts: HashMap<ReleaseId, Facts>,
    // Oldest first.
    order: VecDeque<ReleaseId>,
}

impl Memory {
    pub(super) fn get(&self, release: ReleaseId) -> Option<&Facts> {
        self.facts.get(&release)
    }

    pub(super) fn put(&mut self, release: ReleaseId, facts: Facts) {
        if self.facts.insert(release, facts).is_none() {
            self.order.push_back(release);
        }
        while self.order.len() > limits::RELEASES_REMEMBERED {
            if let Some(oldest) = self.order.pop_front() {
                self.facts.remove(&oldest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn the_memory_is_bounded() {
        let ids: Vec<ReleaseId> = (0..limits::RELEASES_REMEMBERED + 10)
            .map(|_| ReleaseId::try_from(Uuid::now_v7()).unwrap())
            .collect();
        let mut memory = Memory::default();
        for id in &ids {
            memory.put(*id, Facts::default());
            memory.put(*id, Facts::default());
        }
        assert_eq!(memory.facts.len(), limits::RELEASES_REMEMBERED);
        assert!(memory.get(ids[9]).is_none() && memory.get(ids[10]).is_some());
    }
}
