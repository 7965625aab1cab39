//! Names of environments, and patterns with one `*` for short-lived environments (`personal-*`).

use std::fmt;

use drawgate_schemas::Environment;
use serde::{Serialize, Serializer};

/// A name of an environment, or a pattern.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum EnvironmentPattern {
    Name(Environment),
    /// Every environment whose name begins and ends like this.
    Pattern {
        /// The text before the `*`.
        prefix: String,
        /// The text after the `*`.
        suffix: String,
    },
}

impl EnvironmentPattern {
    /// Reads a name or a pattern; the error says what would be accepted.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let Some((prefix, suffix)) = text.split_once('*') else {
            let name = Environment::try_from(text.to_owned()).map_err(|error| error.to_string())?;
            return Ok(Self::Name(name));
        };
        if suffix.contains('*') {
            return Err(format!("pattern {text:?} has more than one `*`"));
        }
        let pattern = Self::Pattern {
            prefix: prefix.to_owned(),
            suffix: suffix.to_owned(),
        };
        match pattern.example() {
            Some(_) => Ok(pattern),
            None => Err(format!(
                "pattern {text:?} matches no name: names are made of a-z, 0-9 and inner hyphens"
            )),
        }
    }

    /// Whether this name or pattern matches the environment.
    pub fn matches(&self, environment: &Environment) -> bool {
        match self {
            Self::Name(name) => name == environment,
            Self::Pattern { prefix, suffix } => environment
                .as_str()
                .strip_prefix(prefix.as_str())
                .is_some_and(|rest| rest.ends_with(suffix.as_str())),
        }
    }

    /// The word of an AMQP topic that covers this name or pattern. A topic has no wildcard within a word, so
    /// a pattern is bound as `*`, and the worker refuses environments that do not match.
    pub fn topic_word(&self) -> &str {
        match self {
            Self::Name(name) => name.as_str(),
            Self::Pattern { .. } => "*",
        }
    }

    /// An environment that both match, if there is one.
    pub(super) fn common(&self, other: &Self) -> Option<Environment> {
        let (prefix, suffix) = match (self, other) {
            (Self::Name(name), pattern) | (pattern, Self::Name(name)) => {
                return pattern.matches(name).then(|| name.clone());
            }
            (Self::Pattern { prefix: a, suffix: b }, Self::Pattern { prefix: c, suffix: d }) => (
                longer(a, c, |long, short| long.starts_with(short))?,
                longer(b, d, |long, short| long.ends_with(short))?,
            ),
        };
        Self::Pattern {
            prefix: prefix.to_owned(),
            suffix: suffix.to_owned(),
        }
        .example()
    }

    /// An environment that this name or pattern matches.
    fn example(&self) -> Option<Environment> {
        match self {
            Self::Name(name) => Some(name.clone()),
            Self::Pattern { prefix, suffix } => Environment::try_from(format!("{prefix}x{suffix}")).ok(),
        }
    }
}

fn longer<'t>(a: &'t str, b: &'t str, extends: impl Fn(&str, &str) -> bool) -> Option<&'t str> {
    let (long, short) = if a.len() >= b.len() { (a, b) } else { (b, a) };
    extends(long, short).then_some(long)
}

impl fmt::Display for EnvironmentPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => name.fmt(f),
            Self::Pattern { prefix, suffix } => write!(f, "{prefix}*{suffix}"),
        }
    }
}

impl Serialize for EnvironmentPattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> EnvironmentPattern {
        EnvironmentPattern::parse(text).unwrap()
    }

    fn environment(text: &str) -> Environment {
        Environment::try_from(text.to_owned()).unwrap()
    }

    #[test]
    fn what_a_pattern_means() {
        assert!(pattern("personal-*").matches(&environment("personal-ben")));
        assert!(!pattern("personal-*").matches(&environment("staging")));
        assert!(pattern("a*a").matches(&environment("aa")));
        assert!(!pattern("a*a").matches(&environment("a")));
        assert!(pattern("*").matches(&environment("staging")));
        for text in ["", "Staging", "a.b", "**", "a*b*", "-*", "*-", "a b"] {
            assert!(EnvironmentPattern::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_two_patterns_share() {
        let common = |a: &str, b: &str| pattern(a).common(&pattern(b)).map(|name| name.to_string());
        assert_eq!(
            common("personal-*", "personal-ben").as_deref(),
            Some("personal-ben")
        );
        assert_eq!(common("personal-*", "*-eu").as_deref(), Some("personal-x-eu"));
        assert_eq!(common("a*", "b*"), None);
        assert_eq!(common("staging", "production"), None);
    }
}
