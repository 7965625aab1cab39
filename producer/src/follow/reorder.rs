//! Puts the events of a release in order. Pure: it knows nothing of brokers and clocks.
//!
//! The events of a release are numbered 1, 2, 3, … without a gap. An event may be heard twice (an interrupted
//! relay sends it again) or not at all (no queue keeps events while this program is away). So an event that
//! was shown is dropped, an event that comes too early is held, and a missing event is asked for.
//!
//! ```text
//! heard     1 2 2 3 . . 6 7      (4 and 5 went by while the connection was down)
//! shown     1 2   3              held: 6 7       -> ask "show after 3"
//! answered          4 5          shown: 4 5 6 7
//! ```

use std::collections::BTreeMap;

use drawgate_schemas::{Event, Outcome, ReleaseId, ReleaseState, ReleaseView, StatusEvent};

use crate::limits;

/// What to do after an event or an answer was heard.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Step {
    /// Events to show, in order.
    pub(crate) show: Vec<StatusEvent>,
    /// Events are missing: ask for those after [`Follower::last`].
    pub(crate) ask: bool,
    /// Number of events that were passed over, because no worker can tell them any more.
    pub(crate) passed_over: u64,
    /// The release has ended. Nothing follows.
    pub(crate) ended: Option<Outcome>,
}

/// Follows one release.
#[derive(Debug)]
pub(crate) struct Follower {
    release: ReleaseId,
    body_sha256: Option<String>,
    last: u64,
    held: BTreeMap<u64, StatusEvent>,
    fruitless: u32,
    ended: Option<Outcome>,
}

impl Follower {
    /// Makes a follower that has seen no event. With the hash of a published message, the rejection of that
    /// message counts too.
    pub(crate) fn new(release: ReleaseId, body_sha256: Option<String>) -> Self {
        Self {
            release,
            body_sha256,
            last: 0,
            held: BTreeMap::new(),
            fruitless: 0,
            ended: None,
        }
    }

    /// The number of the last event that was shown.
    pub(crate) fn last(&self) -> u64 {
        self.last
    }

    /// Takes in an event from the broker, of this release or of another.
    pub(crate) fn hear(&mut self, event: StatusEvent) -> Step {
        if self.ended.is_some() {
            return Step::default();
        }
        if let Event::Rejected { body_sha256, .. } = &event.event {
            return self.hear_rejection(body_sha256.clone(), event);
        }
        if event.release != Some(self.release) || event.sequence <= self.last {
            return Step::default();
        }
        if self.held.len() < limits::HELD_EVENTS || event.sequence == self.last + 1 {
            self.held.insert(event.sequence, event);
        }
        let mut step = self.take_next();
        step.ask = step.ended.is_none() && !self.held.is_empty();
        step
    }

    /// Takes in an answer to `show` with events after [`Self::last`].
    pub(crate) fn catch_up(&mut self, view: ReleaseView) -> Step {
        if self.ended.is_some() {
            return Step::default();
        }
        let (before, more) = (self.last, view.more);
        let new = view.events.into_iter().filter(|event| event.sequence > before);
        self.held.extend(new.map(|event| (event.sequence, event)));
        let mut step = self.take_next();
        if step.ended.is_some() {
            return step;
        }
        let progressed = self.last > before;
        self.fruitless = if progressed { 0 } else { self.fruitless + 1 };
        if self.fruitless >= limits::FRUITLESS_ANSWERS {
            self.pass_over(&mut step);
        }
        let ended = match view.state {
            ReleaseState::Ended { outcome } => Some(outcome),
            ReleaseState::Waiting { .. } | ReleaseState::Running => None,
        };
        let missing = !self.held.is_empty() || (more && progressed);
        if step.ended.is_none() && !missing {
            // The ledger says that the release has ended, and has no event that says so.
            self.ended = ended;
            step.ended = ended;
        }
        step.ask = step.ended.is_none() && missing;
        step
    }

    /// Notes that no worker answered the question for missing events.
    pub(crate) fn no_answer(&mut self) -> Step {
        let mut step = Step::default();
        if self.ended.is_some() || self.held.is_empty() {
            return step;
        }
        self.fruitless += 1;
        if self.fruitless >= limits::FRUITLESS_ANSWERS {
            self.pass_over(&mut step);
        }
        step.ask = step.ended.is_none() && !self.held.is_empty();
        step
    }

    /// Takes in a rejection, which belongs to a message. Another person's message under the same id does not
    /// count. Once the own message was accepted, a refused copy of it says nothing about the release.
    fn hear_rejection(&mut self, body_sha256: String, event: StatusEvent) -> Step {
        if self.last > 0 || self.body_sha256 != Some(body_sha256) {
            return Step::default();
        }
        self.ended = Some(Outcome::Rejected);
        Step {
            show: vec![event],
            ended: self.ended,
            ..Step::default()
        }
    }

    /// Takes the held events that follow the last shown one.
    fn take_next(&mut self) -> Step {
        let mut step = Step::default();
        while let Some(event) = self.held.remove(&(self.last + 1)) {
            self.last += 1;
            if let Event::Ended(ended) = &event.event {
                self.ended = Some(ended.outcome);
            }
            step.show.push(event);
        }
        step.ended = self.ended;
        step
    }

    /// Passes over the events before the first held one.
    fn pass_over(&mut self, step: &mut Step) {
        self.fruitless = 0;
        let Some(first) = self.held.keys().next().copied() else {
            return;
        };
        step.passed_over = first - self.last - 1;
        self.last = first - 1;
        let next = self.take_next();
        step.show.extend(next.show);
        step.ended = next.ended;
    }
}

#[cfg(test)]
mod tests {
    use drawgate_schemas::{Rejection, RejectionCode};

    use super::*;
    use crate::testing::{self, ended, event, rejected, view_with, warning};

    fn numbers(step: &Step) -> Vec<u64> {
        step.show.iter().map(|event| event.sequence).collect()
    }

    fn follower() -> Follower {
        Follower::new(testing::release(), Some(Rejection::body_sha256(b"ours")))
    }

    #[test]
    fn in_order_all_are_shown_and_the_end_ends_it() {
        let mut follower = follower();
        assert_eq!(numbers(&follower.hear(event(1, warning("a")))), [1]);
        let step = follower.hear(event(2, ended(Outcome::RolledBack)));
        assert_eq!((numbers(&step), step.ended), (vec![2], Some(Outcome::RolledBack)));
        assert_eq!(follower.hear(event(3, warning("late"))), Step::default());
    }

    #[test]
    fn what_was_seen_is_dropped() {
        let mut follower = follower();
        follower.hear(event(1, warning("a")));
        assert_eq!(follower.hear(event(1, warning("a"))), Step::default());
    }

    #[test]
    fn another_release_is_not_ours() {
        let mut other = event(1, warning("a"));
        other.release = Some("01936a5e-7c2e-7d10-8a44-000000000000".parse().unwrap());
        assert_eq!(follower().hear(other), Step::default());
    }

    #[test]
    fn a_gap_is_asked_for_and_filled_in_order() {
        let mut follower = follower();
        follower.hear(event(1, warning("a")));
        let step = follower.hear(event(4, warning("d")));
        assert_eq!((numbers(&step), step.ask), (vec![], true));
        assert_eq!(follower.last(), 1);
        let missed = [2, 3, 4].map(|n| event(n, warning("x"))).to_vec();
        let step = follower.catch_up(view_with(missed, ReleaseState::Running, false));
        assert_eq!((numbers(&step), step.ask), (vec![2, 3, 4], false));
    }

    #[test]
    fn pages_are_asked_for_one_after_the_other() {
        let mut follower = follower();
        let page = |numbers: [u64; 2], more| {
            let events = numbers.map(|n| event(n, warning("x"))).to_vec();
            view_with(events, ReleaseState::Running, more)
        };
        assert!(follower.catch_up(page([1, 2], true)).ask);
        assert!(!follower.catch_up(page([3, 4], false)).ask);
        assert_eq!(follower.last(), 4);
    }

    #[test]
    fn a_worker_that_promises_more_in_vain_is_not_asked_for_ever() {
        let mut follower = follower();
        assert!(
            !follower
                .catch_up(view_with(vec![], ReleaseState::Running, true))
                .ask
        );
    }

    #[test]
    fn a_gap_that_nobody_can_fill_is_passed_over() {
        let mut follower = follower();
        follower.hear(event(1, warning("a")));
        follower.hear(event(4, ended(Outcome::Succeeded)));
        let nothing = || view_with(vec![], ReleaseState::Running, false);
        for _ in 1..limits::FRUITLESS_ANSWERS {
            assert!(follower.catch_up(nothing()).ask);
        }
        let step = follower.catch_up(nothing());
        assert_eq!(numbers(&step), [4]);
        assert_eq!((step.passed_over, step.ended), (2, Some(Outcome::Succeeded)));
    }

    #[test]
    fn the_end_does_not_hang_on_workers_that_do_not_answer() {
        let mut follower = follower();
        follower.hear(event(2, ended(Outcome::Succeeded)));
        let ends: Vec<_> = (0..limits::FRUITLESS_ANSWERS)
            .map(|_| follower.no_answer().ended)
            .collect();
        assert_eq!(ends, [None, None, Some(Outcome::Succeeded)]);
    }

    #[test]
    fn the_ledgers_word_that_it_ended_is_enough() {
        let outcome = Outcome::Cancelled;
        let step = follower().catch_up(view_with(vec![], ReleaseState::Ended { outcome }, false));
        assert_eq!(step.ended, Some(outcome));
    }

    #[test]
    fn an_end_that_was_missed_is_shown_before_it_ends() {
        let outcome = Outcome::Succeeded;
        let events = vec![event(1, warning("a")), event(2, ended(outcome))];
        let step = follower().catch_up(view_with(events, ReleaseState::Ended { outcome }, false));
        assert_eq!((numbers(&step), step.ended), (vec![1, 2], Some(outcome)));
    }

    #[test]
    fn only_the_rejection_of_our_own_bytes_counts() {
        let mut follower = follower();
        assert_eq!(
            follower.hear(rejected(RejectionCode::IdReused, b"theirs")),
            Step::default()
        );
        let step = follower.hear(rejected(RejectionCode::UnknownService, b"ours"));
        assert_eq!((step.show.len(), step.ended), (1, Some(Outcome::Rejected)));
    }

    #[test]
    fn after_it_was_accepted_a_copys_rejection_is_nothing() {
        let mut follower = follower();
        follower.hear(event(1, warning("a")));
        assert_eq!(
            follower.hear(rejected(RejectionCode::Expired, b"ours")),
            Step::default()
        );
    }

    #[test]
    fn the_held_events_are_bounded() {
        let mut follower = follower();
        for number in 2..(limits::HELD_EVENTS as u64 + 500) {
            follower.hear(event(number, warning("x")));
        }
        assert_eq!(follower.held.len(), limits::HELD_EVENTS);
    }
}
