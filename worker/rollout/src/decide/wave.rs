//! The hosts of a roll or a rollback in the order of their turns, as far as there is room for more of them.

use std::collections::VecDeque;
use std::iter::Peekable;

use crate::release::turns::{Turn, Way};
use crate::release::{Member, Release};

/// The hosts that something is to be decided of, and those that wait for their turn, each in their order. Those that
/// wait are not looked at while there is no room: they may be hundreds.
pub(super) struct Wave<'r, K> {
    due: VecDeque<(K, Member<'r>)>,
    waiting: Peekable<Box<dyn Iterator<Item = (K, Member<'r>)> + 'r>>,
    /// Whether others have a step under way.
    pub(super) is_under_way: bool,
}

impl<'r, K: Ord + 'r> Wave<'r, K> {
    pub(super) fn new(
        due: Vec<(K, Member<'r>)>,
        waiting: Box<dyn Iterator<Item = (K, Member<'r>)> + 'r>,
        is_under_way: bool,
    ) -> Self {
        Self {
            due: due.into(),
            waiting: waiting.peekable(),
            is_under_way,
        }
    }

    /// The hosts that something is to be decided of, in their order.
    pub(super) fn due(&self) -> impl Iterator<Item = &Member<'r>> {
        self.due.iter().map(|(_, member)| member)
    }

    /// The next host; one that waits only where there is room.
    pub(super) fn next(&mut self, has_room: bool) -> Option<Member<'r>> {
        let waiting = if has_room { self.waiting.peek() } else { None };
        let next = match (self.due.front(), waiting) {
            (Some((due, _)), Some((waiting, _))) if waiting < due => self.waiting.next(),
            (None, Some(_)) => self.waiting.next(),
            _ => self.due.pop_front(),
        };
        next.map(|(_, member)| member)
    }
}

impl<'r> Wave<'r, Turn> {
    /// The hosts on their way forward whose turn is among those that `belongs` says; once it says no of one that
    /// waits, it says no of all behind it.
    pub(super) fn forward(release: &'r Release, way: &'r Way, belongs: impl Fn(&Turn) -> bool + 'r) -> Self {
        let member = move |turn: Turn| Some((turn, release.member_at(turn.1)?));
        let due = way.due.iter().filter(|turn| belongs(turn));
        let due = due.filter_map(|turn| member(*turn)).collect();
        let waiting = way.waiting.iter().take_while(move |turn| belongs(turn));
        let waiting = Box::new(waiting.filter_map(move |turn| member(*turn)));
        Self::new(due, waiting, way.under_way > 0)
    }
}
