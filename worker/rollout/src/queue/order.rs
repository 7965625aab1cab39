//! The order of a queue.

use drawgate_schemas::ReleaseId;

/// An open release in the queue of its target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Queued {
    pub id: ReleaseId,
    /// Whether it was published for an emergency.
    pub emergency: bool,
    /// Whether it has begun.
    pub begun: bool,
}

/// The release that goes first in a queue, which is given in the order of acceptance: a release that has
/// begun, then emergencies, then the first accepted. The ledger's SQL has the same rule, and is tested
/// against this one.
pub fn next<'q>(queue: impl IntoIterator<Item = &'q Queued>) -> Option<&'q Queued> {
    // `min_by_key` takes the first of equals.
    queue
        .into_iter()
        .min_by_key(|queued| (!queued.begun, !queued.emergency))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `e` is an emergency; a capital letter has begun.
    fn queue(names: &str) -> Vec<Queued> {
        let queued = |(n, name): (usize, char)| Queued {
            id: format!("01936a5e-7c2e-7d10-8a44-5c1f2e9b0d{n:02}")
                .parse()
                .unwrap(),
            emergency: matches!(name, 'e' | 'E'),
            begun: name.is_ascii_uppercase(),
        };
        names.chars().enumerate().map(queued).collect()
    }

    #[test]
    fn begun_goes_first_then_emergencies_then_first_accepted() {
        for (names, first) in [
            ("a", 0),
            ("ab", 0),
            ("abe", 2),
            ("aebe", 1),
            ("abE", 2),
            ("aBe", 1),
        ] {
            let queue = queue(names);
            assert_eq!(next(&queue), Some(&queue[first]), "{names}");
        }
        assert_eq!(next(&queue("")), None);
    }
}
