//! Who silences an alarm: a set that the alarm itself carries, with a tag for each release.
//!
//! Several services may silence one alarm at the same time. Each release puts its own tag on it before it
//! disables the alarm's actions; the last release to leave enables them. Nobody waits, and nothing is locked.
//!
//! ```text
//!   comes:   tag --> disable --> look: off?
//!   leaves:  look --> mark the tag as leaving, and make the actions as they should be (alone: without a look at them)
//!                 --> look --> as they should be: remove the tag;  otherwise: make them so, and look again
//! ```
//! The actions should be on where no other release holds the alarm, and off where one does; a release that is
//! leaving too holds nothing. Of several that leave at the same moment, the one that was the last to mark its
//! tag sees no holder, so the actions come on. A tag goes only after a look that found everything right, so a
//! worker that dies between two calls leaves a tag that says what is still to be done.
//!
//! An alarm whose actions are off and that no release has tagged was switched off by a person, and stays off.

use std::collections::BTreeMap;

/// Key of the tag of a release, before its id; on its own, the key that drawgate 0.3.0 and earlier used, with
/// the release's id as the value.
pub const SILENCED_TAG: &str = "drawgate:silenced";

/// The last word in the value of a tag whose release is leaving.
const LEAVING: &str = "leaving";

/// Key of the tag that a release puts on an alarm.
pub fn silenced_tag(release: &str) -> String {
    format!("{SILENCED_TAG}:{release}")
}

/// Value of that tag: for whom it is there, for people to read, and whether the release is leaving.
pub fn silenced_value(environment: &str, service: &str, leaves: bool) -> String {
    let leaving = if leaves { " leaving" } else { "" };
    format!("{environment}.{service}{leaving}")
}

/// The releases that have tagged an alarm, each with whether it is leaving.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Holders(BTreeMap<String, bool>);

impl Holders {
    /// The releases that these tags, keys and values, name.
    pub fn of<'t>(tags: impl IntoIterator<Item = (&'t str, &'t str)>) -> Self {
        let mut holders = Self::default();
        for (key, value) in tags {
            let Some(rest) = key.strip_prefix(SILENCED_TAG) else {
                continue;
            };
            match rest.strip_prefix(':') {
                Some(release) => {
                    let leaves = value.rsplit(' ').next() == Some(LEAVING);
                    *holders.0.entry(release.to_owned()).or_default() |= leaves;
                }
                None if rest.is_empty() => drop(holders.0.entry(value.to_owned()).or_default()),
                None => {}
            }
        }
        holders
    }

    /// Adds a release, or changes whether it is leaving.
    pub fn put(&mut self, release: &str, leaves: bool) {
        self.0.insert(release.to_owned(), leaves);
    }

    /// Removes a release.
    pub fn remove(&mut self, release: &str) {
        self.0.remove(release);
    }

    /// The ids of all releases, those that are leaving too.
    pub fn releases(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Whether nobody has tagged the alarm.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a release has tagged the alarm.
    pub fn has(&self, release: &str) -> bool {
        self.0.contains_key(release)
    }

    /// Whether another release has tagged the alarm too, leaving or not.
    pub fn has_others(&self, release: &str) -> bool {
        self.releases().any(|other| other != release)
    }

    /// Whether another release holds the alarm, and is not leaving.
    pub fn held_by_others(&self, release: &str) -> bool {
        self.0.iter().any(|(other, leaves)| other != release && !leaves)
    }

    /// Whether a release that silences this alarm has to tag it. An alarm that is off is tagged only where
    /// another release has switched it off: otherwise a person has.
    pub fn needs_tag(&self, release: &str, actions_on: bool) -> bool {
        let tagged = self.0.get(release) == Some(&false);
        !tagged && (actions_on || !self.is_empty())
    }
}

/// What a release that leaves an alarm does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leave {
    /// Nothing: its tag is not on the alarm, or not any more.
    Nothing,
    /// Writes, and another look at the alarm.
    Change {
        /// Mark the release's own tag as leaving, before anything else.
        mark: bool,
        /// Enable or disable the actions.
        switch: Option<bool>,
    },
    /// Remove the release's own tag: everything is as it should be, or another release will make it so.
    Untag,
}

impl Leave {
    /// Whether the tags alone say what a release does that leaves an alarm: one that nobody else has tagged is marked
    /// and enabled whatever its actions are.
    pub fn is_sure(release: &str, holders: &Holders) -> bool {
        holders.0.get(release) == Some(&false) && !holders.has_others(release)
    }

    /// What a release does that leaves an alarm. The tags have to be read before the actions: a release that
    /// comes tags the alarm before it looks at them.
    pub fn next(release: &str, holders: &Holders, actions_on: bool) -> Self {
        let Some(marked) = holders.0.get(release).copied() else {
            return Self::Nothing;
        };
        let should_be_on = !holders.held_by_others(release);
        let is_to_be_made = |should: &bool| *should != actions_on || Self::is_sure(release, holders);
        let switch = Some(should_be_on).filter(is_to_be_made);
        match (marked, switch) {
            (true, None) => Self::Untag,
            _ => Self::Change {
                mark: !marked,
                switch,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_say_who_silences_and_who_leaves() {
        let tags = [
            ("team", "search"),
            ("drawgate:silenced", "old"),
            ("drawgate:silenced:one", "staging.search"),
            ("drawgate:silenced:two", "staging.ingest leaving"),
            ("drawgate:silenced-else", "x"),
        ];
        let holders = Holders::of(tags);
        assert_eq!(holders.releases().collect::<Vec<_>>(), ["old", "one", "two"]);
        assert!(holders.held_by_others("one") && holders.held_by_others("two"));
        assert!(!Holders::of([tags[3]]).held_by_others("one"));
        let both = Holders::of([tags[1], ("drawgate:silenced:old", "staging.search leaving")]);
        assert!(
            !both.held_by_others("one"),
            "an earlier worker's tag does not hold what its release leaves"
        );
        let value = silenced_value("staging", "search", true);
        assert!(!Holders::of([(silenced_tag("one").as_str(), value.as_str())]).held_by_others("x"));
    }

    #[test]
    fn what_a_person_switched_off_is_not_tagged() {
        let nobody = Holders::default();
        assert!(nobody.needs_tag("one", true) && !nobody.needs_tag("one", false));
        let other = Holders::of([("drawgate:silenced:two", "staging.ingest")]);
        assert!(other.needs_tag("one", false) && other.needs_tag("one", true));
        assert!(!other.needs_tag("two", false) && !other.needs_tag("two", true));
    }
}
