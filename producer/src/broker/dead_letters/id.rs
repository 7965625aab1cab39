//! The id of a dead letter.

use std::fmt;
use std::str::FromStr;

use drawgate_schemas::Rejection;

/// The id that a person types to name a dead letter.
///
/// The id is made of the letter's contents and not of its place in the queue, because other letters come and
/// go between `list` and `drop`. A message id does not serve: its sender chooses it, it may be missing, and
/// it is the same when a message was refused twice. So the moment of the refusal is part of the id. Twelve
/// digits (48 bits) tell a thousand letters apart. Two letters with the same id are the same message, refused
/// at the same moment, and what is done to one is done to both.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LetterId(String);

/// Hexadecimal digits of an id.
const ID_DIGITS: usize = 12;

impl LetterId {
    pub(super) fn of(body: &[u8], routing_key: &str, rejected_at: &str) -> Self {
        // Every part except the last has its length before it, so that no two letters make the same bytes.
        let start = format!(
            "{} {routing_key}{} {rejected_at}",
            routing_key.len(),
            rejected_at.len()
        );
        let hash = Rejection::body_sha256(&[start.as_bytes(), body].concat());
        Self(hash.chars().take(ID_DIGITS).collect())
    }
}

impl fmt::Display for LetterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for LetterId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let hex = |c: char| c.is_ascii_hexdigit();
        if text.len() != ID_DIGITS || !text.chars().all(hex) {
            return Err(
                "must be the 12 hexadecimal digits that `drawgate dead-letters list` shows".to_owned(),
            );
        }
        Ok(Self(text.to_ascii_lowercase()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::letters::refused;

    #[test]
    fn the_id_is_of_body_key_and_moment() {
        let id = |reason, at, body| refused(reason, at, body).id;
        let first = id("invalid", "2025-03-04T15:15:00Z", "{}");
        assert_eq!(first, id("expired", "2025-03-04T15:15:00Z", "{}"));
        assert_ne!(first, id("invalid", "2025-03-04T15:15:01Z", "{}"));
        assert_ne!(first, id("invalid", "2025-03-04T15:15:00Z", "{} "));
        assert_ne!(LetterId::of(b"", "ab", "c"), LetterId::of(b"", "a", "bc"));
        assert_ne!(LetterId::of(b"c", "a", "b"), LetterId::of(b"", "a", "bc"));
        assert_eq!(first.to_string().parse(), Ok(first.clone()));
        assert_eq!(first.to_string().to_uppercase().parse(), Ok(first));
    }

    #[test]
    fn what_is_no_id_is_refused() {
        for wrong in ["", "12", "0123456789ag", "0123456789abc", "ааааааaaaaaa"] {
            assert!(wrong.parse::<LetterId>().is_err(), "{wrong}");
        }
    }
}
