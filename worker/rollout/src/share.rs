//! A number of hosts, as a count or as a share of the fleet.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How many of a number of hosts: `2`, or `"25%"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub enum Share {
    /// A fixed number of hosts, however many there are.
    Count(u32),
    /// A percentage, 1 to 100, of all hosts; rounded down, and at least one host.
    Percent(u32),
}

impl Share {
    /// How many hosts that is of `all`.
    pub fn of(self, all: u32) -> u32 {
        match self {
            Self::Count(count) => count,
            Self::Percent(percent) => {
                let exact = u64::from(all) * u64::from(percent) / 100;
                u32::try_from(exact).unwrap_or(u32::MAX).max(1)
            }
        }
    }
}

impl From<u32> for Share {
    fn from(count: u32) -> Self {
        Self::Count(count)
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => write!(f, "{count}"),
            Self::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

impl FromStr for Share {
    type Err = String;

    /// Reads `25%`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = text.trim().strip_suffix('%').map(str::trim);
        match number.and_then(|number| number.parse().ok()) {
            Some(percent @ 1..=100) => Ok(Self::Percent(percent)),
            Some(_) => Err(format!("{text:?} is not between 1% and 100%")),
            None => Err(format!("{text:?} is no share: write it as \"25%\"")),
        }
    }
}

/// As it stands in a file: a number or a text.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Count(u32),
    Percent(String),
}

impl TryFrom<Written> for Share {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, Self::Error> {
        match written {
            Written::Count(count) => Ok(Self::Count(count)),
            Written::Percent(text) => text.parse(),
        }
    }
}

impl From<Share> for Written {
    fn from(share: Share) -> Self {
        match share {
            Share::Count(count) => Self::Count(count),
            Share::Percent(_) => Self::Percent(share.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trap_13_a_share_rounds_down_and_is_at_least_one() {
        let quarter = Share::Percent(25);
        let of: Vec<u32> = (1..=9).map(|all| quarter.of(all)).collect();
        assert_eq!(of, [1, 1, 1, 1, 1, 1, 1, 2, 2]);
        assert_eq!(Share::Percent(100).of(7), 7);
        assert_eq!(Share::Count(2).of(1), 2);
    }

    #[test]
    fn a_share_is_written_as_it_is_read() {
        for text in ["3", "\"25%\"", "\"100%\""] {
            let share: Share = serde_json::from_str(text).unwrap();
            assert_eq!(serde_json::to_string(&share).unwrap(), text);
        }
        for text in ["\"0%\"", "\"101%\"", "\"25\"", "\"%\"", "-1"] {
            assert!(serde_json::from_str::<Share>(text).is_err(), "{text}");
        }
    }
}
