//! `[routes]`: which branch goes to which environment.
//!
//! ```text
//!   "main"                  = "staging"              this branch
//!   "release/*"             = "production"           `*`: any rest
//!   "remote-run/{person}/*" = "personal-{person}"    `{person}`: one part of the path, used on the other side
//! ```
//! Of several patterns that match, the one with the most letters of its own wins. Their order in the file
//! means nothing.

use std::collections::BTreeMap;

use drawgate_schemas::Environment;
use regex::Regex;
use serde::Deserialize;

/// The routes of a `drawgate.toml`.
#[derive(Debug, Default, Deserialize)]
#[serde(try_from = "BTreeMap<String, String>")]
pub(super) struct Routes(Vec<Route>);

#[derive(Debug)]
struct Route {
    pattern: String,
    shape: Regex,
    /// Letters of the pattern outside of placeholders.
    own: usize,
    environment: String,
}

/// Where a branch is released to.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Way {
    /// The pattern of the route that matched.
    pub(super) pattern: String,
    pub(super) environment: Environment,
    /// Whether no other branch is released to this environment.
    pub(super) one_branch: bool,
}

impl TryFrom<BTreeMap<String, String>> for Routes {
    type Error = String;

    fn try_from(written: BTreeMap<String, String>) -> Result<Self, String> {
        written
            .into_iter()
            .map(|(pattern, environment)| Route::new(pattern, environment))
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

impl Route {
    fn new(pattern: String, environment: String) -> Result<Self, String> {
        let (mut shape, mut own) = (String::from("^"), 0);
        let mut names = Vec::new();
        for piece in pieces(&pattern).map_err(|why| format!("route {pattern:?}: {why}"))? {
            match piece {
                Piece::Text(text) => {
                    shape.push_str(&regex::escape(text));
                    own += text.chars().count();
                }
                Piece::Rest => shape.push_str(".+"),
                Piece::Name(name) => {
                    shape.push_str(&format!("(?P<{name}>[^/]+)"));
                    names.push(name);
                }
            }
        }
        shape.push('$');
        let wrong = |why: String| format!("route {pattern:?} = {environment:?}: {why}");
        for piece in pieces(&environment).map_err(wrong)? {
            match piece {
                Piece::Name(name) if !names.contains(&name) => {
                    return Err(wrong(format!("{{{name}}} is nowhere in the branch's pattern")));
                }
                Piece::Rest => {
                    return Err(wrong("`*` means something in a branch's pattern only".to_owned()));
                }
                Piece::Name(_) | Piece::Text(_) => {}
            }
        }
        let shape = Regex::new(&shape).map_err(|_| wrong("a name stands for two parts".to_owned()))?;
        Ok(Self {
            pattern,
            shape,
            own,
            environment,
        })
    }

    fn way(&self, branch: &str) -> Option<Result<Way, String>> {
        let found = self.shape.captures(branch)?;
        let mut name = String::new();
        for piece in pieces(&self.environment).unwrap_or_default() {
            match piece {
                Piece::Text(text) => name.push_str(text),
                Piece::Name(part) => name.push_str(&slug(found.name(part).map_or("", |text| text.as_str()))),
                Piece::Rest => {}
            }
        }
        Some(match Environment::try_from(name.clone()) {
            Ok(environment) => Ok(Way {
                pattern: self.pattern.clone(),
                environment,
                one_branch: false,
            }),
            Err(why) => Err(format!(
                "route {:?} sends branch {branch:?} to {name:?}: {why}",
                self.pattern
            )),
        })
    }
}

impl Routes {
    /// Finds where this branch is released to; `None` where no route matches.
    ///
    /// # Errors
    /// Two routes match alike, or the environment's name is not valid.
    pub(super) fn way(&self, branch: &str) -> Result<Option<Way>, String> {
        let mut ways: Vec<(&Route, Result<Way, String>)> = self
            .0
            .iter()
            .filter_map(|route| Some((route, route.way(branch)?)))
            .collect();
        ways.sort_by_key(|(route, _)| std::cmp::Reverse(route.own));
        if let [(one, _), (other, _), ..] = ways.as_slice()
            && one.own == other.own
        {
            return Err(format!(
                "routes {:?} and {:?} both match branch {branch:?}, and neither is the narrower one",
                one.pattern, other.pattern
            ));
        }
        let Some((route, way)) = ways.into_iter().next() else {
            return Ok(None);
        };
        let mut way = way?;
        let leads_there = |other: &&Route| other.environment == route.environment;
        way.one_branch = route.pattern == branch && self.0.iter().filter(leads_there).count() == 1;
        Ok(Some(way))
    }

    /// The patterns, to show to a person.
    pub(super) fn patterns(&self) -> Vec<&str> {
        self.0.iter().map(|route| route.pattern.as_str()).collect()
    }
}

/// A part of a branch pattern or of an environment template.
pub(super) enum Piece<'t> {
    Text(&'t str),
    Name(&'t str),
    Rest,
}

/// Splits a text with `{names}` and `*` into its parts.
pub(super) fn pieces(text: &str) -> Result<Vec<Piece<'_>>, String> {
    let mut all = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}', '*']) {
        let (before, after) = rest.split_at(at);
        if !before.is_empty() {
            all.push(Piece::Text(before));
        }
        rest = if let Some(after) = after.strip_prefix('*') {
            all.push(Piece::Rest);
            after
        } else {
            let name = after.strip_prefix('{').and_then(|after| after.split_once('}'));
            let (name, after) = name.ok_or("a brace without its other half")?;
            let is_word = |name: &str| name.chars().all(|c| c.is_ascii_lowercase() || c == '_');
            if name.is_empty() || !is_word(name) {
                return Err(format!("{{{name}}}: a name is of a-z and `_`"));
            }
            all.push(Piece::Name(name));
            after
        };
    }
    if !rest.is_empty() {
        all.push(Piece::Text(rest));
    }
    Ok(all)
}

/// A text as a part of an environment's name: in lower case, with a hyphen for every run of other characters.
fn slug(text: &str) -> String {
    let mut slug = String::new();
    for c in text.chars().flat_map(char::to_lowercase) {
        if c.is_ascii_alphanumeric() {
            slug.push(c);
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    slug.trim_end_matches('-').to_owned()
}
