//! The hosts by what is next of them, so that `decide` looks at those that something is to be decided of, and not at the
//! hundreds that wait for their turn or are through.

use std::collections::{BTreeMap, BTreeSet};

use drawgate_schemas::Direction;

use super::standing::{Ahead, HostStatus, Rank};

/// A host's place among all turns.
pub(crate) type Turn = (Rank, usize);

/// The members of the fleet by what is next of them.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Turns {
    pub(crate) forward: Way,
    pub(crate) back: Way,
    pub(crate) pull: Way,
    pub(crate) clean_up: Way,
    /// How many are out of service by our doing, and which.
    pub(crate) out: Out,
    pub(super) out_places: BTreeSet<usize>,
    /// The same, for the rollback: without those that the floor keeps.
    pub(crate) out_back: Out,
    /// Those of them that may not go back: a step of their rollback has failed.
    pub(crate) stuck_back: BTreeSet<usize>,
    pub(crate) members: usize,
    pub(crate) touched: usize,
    /// How many are through, forward and back.
    pub(super) through: [usize; 2],
    /// How many run the new version with their turn over.
    pub(crate) on_new: usize,
}

/// The hosts that something lies ahead of on one way.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Way {
    /// Those of which something is to be decided.
    pub(crate) due: BTreeSet<Turn>,
    /// Those that wait until there is room for them.
    pub(crate) waiting: BTreeSet<Turn>,
    /// How many have a step under way, and a place already.
    pub(crate) under_way: usize,
}

/// How many hosts are out, by zone.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Out {
    zones: BTreeMap<String, usize>,
    count: usize,
}

impl Out {
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Whether any of them is in another zone.
    pub(crate) fn is_elsewhere(&self, zone: &str) -> bool {
        self.zones.keys().any(|other| other != zone)
    }

    pub(crate) fn add(&mut self, zone: &str) {
        self.count += 1;
        match self.zones.get_mut(zone) {
            Some(hosts) => *hosts += 1,
            None => _ = self.zones.insert(zone.to_owned(), 1),
        }
    }

    pub(crate) fn remove(&mut self, zone: &str) {
        let Some(hosts) = self.zones.get_mut(zone) else {
            return;
        };
        self.count -= 1;
        *hosts -= 1;
        if *hosts == 0 {
            self.zones.remove(zone);
        }
    }
}

/// What a host has to do with one way.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    None,
    Due,
    Waits,
    UnderWay,
}

impl Way {
    pub(crate) fn is_over(&self) -> bool {
        self.due.is_empty() && self.waiting.is_empty() && self.under_way == 0
    }

    fn change(&mut self, turn: Turn, part: Part, joins: bool) {
        match (part, joins) {
            (Part::None, _) => {}
            (Part::Due, true) => _ = self.due.insert(turn),
            (Part::Due, false) => _ = self.due.remove(&turn),
            (Part::Waits, true) => _ = self.waiting.insert(turn),
            (Part::Waits, false) => _ = self.waiting.remove(&turn),
            (Part::UnderWay, true) => self.under_way += 1,
            (Part::UnderWay, false) => self.under_way -= 1,
        }
    }
}

impl Turns {
    /// How many are through in this direction.
    pub(crate) fn through(&self, direction: Direction) -> usize {
        let [forward, back] = self.through;
        match direction {
            Direction::Forward => forward,
            Direction::Back => back,
        }
    }

    /// Takes a host's status in, or out again.
    pub(super) fn change(&mut self, place: usize, zone: &str, status: HostStatus, joins: bool) {
        if !status.is_member {
            return;
        }
        let turn = (status.rank, place);
        let by_place = (Rank::InOrder, place);
        self.forward.change(turn, forward(status), joins);
        self.back.change(by_place, back(status), joins);
        self.pull.change(by_place, beside(status.pull), joins);
        self.clean_up.change(by_place, beside(status.clean_up), joins);
        let [through, through_back] = &mut self.through;
        let counts = [
            (true, &mut self.members),
            (status.is_touched, &mut self.touched),
            (status.is_through(Direction::Forward), through),
            (status.is_through(Direction::Back), through_back),
            (status.is_on_new(), &mut self.on_new),
        ];
        for (_, count) in counts.into_iter().filter(|(counts, _)| *counts) {
            match joins {
                true => *count += 1,
                false => *count -= 1,
            }
        }
        let outs = [
            (status.is_out, &mut self.out),
            (status.goes_back_first(), &mut self.out_back),
        ];
        for (_, out) in outs.into_iter().filter(|(is_out, _)| *is_out) {
            match joins {
                true => out.add(zone),
                false => out.remove(zone),
            }
        }
        let places = [
            (status.is_out, &mut self.out_places),
            (
                status.goes_back_first() && status.is_stuck_back,
                &mut self.stuck_back,
            ),
        ];
        for (_, places) in places.into_iter().filter(|(is_one, _)| *is_one) {
            match joins {
                true => places.insert(place),
                false => places.remove(&place),
            };
        }
    }
}

fn forward(status: HostStatus) -> Part {
    match (status.forward, status.is_out) {
        _ if status.is_retried_later => Part::Due,
        (Ahead::Nothing, _) => Part::None,
        (Ahead::UnderWay, true) => Part::UnderWay,
        (Ahead::Fresh, false) => Part::Waits,
        _ => Part::Due,
    }
}

fn back(status: HostStatus) -> Part {
    match (status.back, status.goes_back_first()) {
        (Ahead::Nothing, _) => Part::None,
        (Ahead::UnderWay, true) => Part::UnderWay,
        (Ahead::Fresh, false) => Part::Waits,
        _ => Part::Due,
    }
}

/// A step beside the hosts' turns: those that were begun are due until they are done.
fn beside(ahead: Ahead) -> Part {
    match ahead {
        Ahead::Nothing => Part::None,
        Ahead::Fresh => Part::Waits,
        Ahead::UnderWay | Ahead::Again => Part::Due,
    }
}
