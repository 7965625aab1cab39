//! The queue of a lane: its open releases in the order of acceptance, and a release's place among them. The
//! core decides which release goes first (`drawgate_rollout::next`).

use drawgate_rollout::{Queued, next};
use drawgate_schemas::ReleaseId;
use tokio::sync::watch;

/// The lane's open releases, in the order of acceptance.
pub(super) type Queue = Vec<Queued>;

/// A release's place in the queue.
pub(super) struct Place {
    id: ReleaseId,
    seen: watch::Receiver<Queue>,
    queue: watch::Sender<Queue>,
}

impl Place {
    pub(super) fn new(id: ReleaseId, queue: &watch::Sender<Queue>) -> Self {
        Self {
            id,
            seen: queue.subscribe(),
            queue: queue.clone(),
        }
    }

    /// The release that goes first. Changes of the queue count from this look on, so that what the ledger is
    /// asked next is asked for the present queue.
    pub(super) fn look(&mut self) -> Option<Queued> {
        next(self.seen.borrow_and_update().iter()).copied()
    }

    /// Returns when the queue, or what is known of its releases, has changed since the last look.
    pub(super) async fn changed(&mut self) {
        // The queue lives as long as the lane does.
        let _ = self.seen.changed().await;
    }

    /// Wakes the other releases of the queue, so that they look again at what is known of this one.
    pub(super) fn tell_others(&self) {
        self.queue.send_modify(|_| {});
    }

    /// Marks the release as begun, unless the queue has changed since the last look: one release of a lane
    /// rolls at a time.
    pub(super) fn claim(&self) -> bool {
        let mut claimed = false;
        self.queue.send_if_modified(|queue| {
            let unchanged = !self.seen.has_changed().unwrap_or(true);
            claimed = unchanged && claim(queue, self.id);
            claimed
        });
        claimed
    }
}

/// Marks a release as begun if it goes first and no release has begun, and returns whether it did.
fn claim(queue: &mut Queue, id: ReleaseId) -> bool {
    let free = next(queue.iter()).is_some_and(|next| next.id == id && !next.begun);
    let own = queue.iter_mut().find(|queued| queued.id == id && free);
    own.map(|own| own.begun = true).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(begun: &[bool]) -> Queue {
        let queued = |(n, begun): (usize, &bool)| Queued {
            id: id(n),
            emergency: false,
            begun: *begun,
        };
        begun.iter().enumerate().map(queued).collect()
    }

    fn id(n: usize) -> ReleaseId {
        format!("01936a5e-7c2e-7d10-8a44-5c1f2e9b0d{n:02}")
            .parse()
            .unwrap()
    }

    #[test]
    fn one_release_begins_and_none_beside_it() {
        for (begun, first) in [(vec![false, false], Some(0)), (vec![false, true], None)] {
            let (sender, _) = watch::channel(queue(&begun));
            let mut places: Vec<Place> = (0..begun.len()).map(|n| Place::new(id(n), &sender)).collect();
            let claims = |places: &mut Vec<Place>| {
                let mut claim = |place: &mut Place| {
                    place.look();
                    place.claim()
                };
                places.iter_mut().position(&mut claim)
            };
            assert_eq!(claims(&mut places), first, "{begun:?}");
            assert_eq!(claims(&mut places), None, "{begun:?}: one has begun");
        }
    }

    #[test]
    fn a_queue_that_changed_is_looked_at_again() {
        let (sender, _) = watch::channel(queue(&[false]));
        let mut place = Place::new(id(0), &sender);
        place.look();
        sender.send_modify(|queue| {
            queue.push(Queued {
                emergency: true,
                ..queue[0]
            })
        });
        assert!(!place.claim());
    }
}
