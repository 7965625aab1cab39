//! Releases that silence one alarm at the same time: every order of their calls, with a crash after any call.
//!
//! Each release is a small machine that makes one call after another, as the worker's effects do; the search
//! visits every state that any order of these calls leads to.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::collections::HashSet;

use drawgate_rollout::{Holders, Leave};

const NAMES: [&str; 3] = ["one", "two", "three"];

type Rule = fn(&str, &Holders, bool) -> Leave;

/// The next call of a release.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum At {
    Begin,
    /// Reads the tags of an alarm that was off.
    ReadTags,
    /// Tags the alarm, which was on or off.
    Tag(bool),
    Disable,
    /// Looks whether the alarm is off.
    Confirm,
    Rolls,
    /// Leaves: reads the tags.
    Leave,
    /// Reads whether the actions are on; the tags were these.
    ReadActions(Holders),
    Mark(Option<bool>),
    Switch(bool),
    Untag,
    Gone,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct State {
    on: bool,
    tags: Holders,
    at: Vec<At>,
    crashes: u32,
}

impl State {
    /// The state after the next call of a release.
    fn after(&self, who: usize, rule: Rule) -> Option<Self> {
        let mut next = self.clone();
        let name = NAMES[who];
        let leaves = matches!(self.at[who], At::Leave | At::ReadActions(_) | At::Mark(_));
        next.at[who] = match &self.at[who] {
            At::Begin if self.on => At::Tag(true),
            At::Begin => At::ReadTags,
            At::ReadTags if self.tags.needs_tag(name, false) => At::Tag(false),
            At::ReadTags => At::Confirm,
            At::Tag(on) => {
                next.tags.put(name, false);
                if *on { At::Disable } else { At::Confirm }
            }
            At::Disable => {
                next.on = false;
                At::Confirm
            }
            At::Confirm if self.on => At::Begin,
            At::Confirm => At::Rolls,
            At::Rolls => At::Leave,
            At::Leave => At::ReadActions(self.tags.clone()),
            At::ReadActions(tags) => match rule(name, tags, self.on) {
                Leave::Nothing => At::Gone,
                Leave::Change { mark: true, switch } => At::Mark(switch),
                Leave::Change { switch, .. } => switch.map_or(At::Leave, At::Switch),
                Leave::Untag => At::Untag,
            },
            At::Mark(switch) => {
                next.tags.put(name, leaves);
                switch.map_or(At::Leave, At::Switch)
            }
            At::Switch(on) => {
                next.on = *on;
                At::Leave
            }
            At::Untag => {
                next.tags.remove(name);
                At::Gone
            }
            At::Gone => return None,
        };
        Some(next)
    }

    /// The states after a crash of a release: its step begins anew, or the release rolls back.
    fn crashed(&self, who: usize) -> Vec<Self> {
        if self.crashes == 0 {
            return Vec::new();
        }
        let to = |at: At| {
            let mut next = self.clone();
            next.crashes -= 1;
            next.at[who] = at;
            next
        };
        match self.at[who] {
            At::ReadTags | At::Tag(_) | At::Disable | At::Confirm => vec![to(At::Begin), to(At::Leave)],
            At::ReadActions(_) | At::Mark(_) | At::Switch(_) | At::Untag => vec![to(At::Leave)],
            _ => Vec::new(),
        }
    }

    /// The rule that this state breaks.
    fn broken(&self) -> Option<&'static str> {
        let rests = |at: &At| matches!(at, At::Begin | At::Rolls | At::Gone);
        let gone = self.at.iter().all(|at| *at == At::Gone);
        let holds = |(who, at): (usize, &At)| *at == At::Rolls && self.tags.has(NAMES[who]);
        let held = self.at.iter().enumerate().any(holds);
        match () {
            () if gone && !self.on => Some("left off"),
            () if gone && !self.tags.is_empty() => Some("a tag is left"),
            () if self.at.iter().all(rests) && held && self.on => Some("on while a release holds it"),
            () if !self.on && self.tags.is_empty() => Some("off, and nothing says why"),
            () => None,
        }
    }
}

/// Visits every state; gives their number, or the rule that one of them breaks.
fn search(releases: usize, crashes: u32, rule: Rule) -> Result<usize, (&'static str, State)> {
    let begin = State {
        on: true,
        tags: Holders::default(),
        at: vec![At::Begin; releases],
        crashes,
    };
    let mut known = HashSet::from([begin.clone()]);
    let mut open = vec![begin];
    while let Some(state) = open.pop() {
        if let Some(rule) = state.broken() {
            return Err((rule, state));
        }
        let calls = (0..releases).filter_map(|who| state.after(who, rule));
        let crashes = (0..releases).flat_map(|who| state.crashed(who));
        for next in calls.chain(crashes).collect::<Vec<_>>() {
            if known.insert(next.clone()) {
                open.push(next);
            }
        }
    }
    Ok(known.len())
}

#[test]
fn trap_38_whoever_comes_and_leaves_the_last_enables() {
    let two = search(2, 3, Leave::next).unwrap();
    let three = search(3, 1, Leave::next).unwrap();
    assert!(two > 1_000 && three > 20_000, "{two} and {three} states");
}

/// Whoever leaves an alarm that another one holds just goes; both may do so at the same moment.
#[test]
fn without_a_mark_two_that_leave_at_once_are_found() {
    fn unmarked(release: &str, holders: &Holders, on: bool) -> Leave {
        let mut marked = holders.clone();
        if holders.has(release) {
            marked.put(release, true);
        }
        Leave::next(release, &marked, on)
    }
    let (rule, _) = search(2, 0, unmarked).unwrap_err();
    assert!(matches!(rule, "left off" | "off, and nothing says why"), "{rule}");
}

/// Whoever leaves enables, as if nobody else were there.
#[test]
fn enabling_what_another_release_holds_is_found() {
    fn alone(release: &str, holders: &Holders, on: bool) -> Leave {
        let mut ours = Holders::default();
        if holders.has(release) {
            ours.put(release, true);
        }
        Leave::next(release, &ours, on)
    }
    let (rule, _) = search(2, 0, alone).unwrap_err();
    assert_eq!(rule, "on while a release holds it");
}
