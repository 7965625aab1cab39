//! `{environment}` and `{service}` in a text of a service file.
//!
//! A placeholder is a word in braces. Other braces stay as they are, so that JSON and Docker's `{{.Name}}`
//! need no escape; `{{word}}` is the text `{word}`.

use std::fmt;

use drawgate_rollout::placeholders::{Piece, pieces};
use drawgate_schemas::{Environment, Service};

/// A text whose placeholders have been checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Template {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Environment,
    Service,
}

/// Why a text is not a template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum PlaceholderError {
    /// A placeholder that has no value anywhere.
    #[error("unknown placeholder {{{0}}}")]
    Unknown(String),
    /// `${environment}`: the dollar sign would stay.
    #[error("`${{{0}}}` would become a dollar sign with the {0}'s name")]
    Dollar(String),
}

impl PlaceholderError {
    /// What to write instead.
    pub(super) fn fix(&self) -> String {
        match self {
            Self::Unknown(word) => {
                let similar = super::suggest::nearest(word, ["environment", "service"]);
                match similar {
                    Some(known) => format!("did you mean {{{known}}}?"),
                    None => format!(
                        "{{environment}} and {{service}} are filled in; write {{{{{word}}}}} for the text {{{word}}}"
                    ),
                }
            }
            Self::Dollar(word) => format!("write {{{word}}}"),
        }
    }
}

impl Template {
    /// Reads a text, and checks its placeholders.
    pub(super) fn parse(text: &str) -> Result<Self, PlaceholderError> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        for piece in pieces(text) {
            match piece {
                Piece::Text(text) => literal.push_str(text),
                Piece::Escaped(word) => {
                    literal.push('{');
                    literal.push_str(word);
                    literal.push('}');
                }
                Piece::Placeholder(word) => {
                    let part = placeholder(word, literal.ends_with('$'))?;
                    parts.push(Part::Text(std::mem::take(&mut literal)));
                    parts.push(part);
                }
            }
        }
        parts.push(Part::Text(literal));
        parts.retain(|part| !matches!(part, Part::Text(text) if text.is_empty()));
        Ok(Self { parts })
    }

    /// The text for one target.
    pub(super) fn fill(&self, environment: &Environment, service: &Service) -> String {
        self.parts
            .iter()
            .map(|part| match part {
                Part::Text(text) => text.as_str(),
                Part::Environment => environment.as_str(),
                Part::Service => service.as_str(),
            })
            .collect()
    }

    /// The text with its placeholders filled in by valid examples, so that it can be checked as a whole.
    pub(super) fn example(&self) -> String {
        let environment = Environment::try_from("environment".to_owned());
        let service = Service::try_from("service".to_owned());
        match (environment, service) {
            (Ok(environment), Ok(service)) => self.fill(&environment, &service),
            _ => self.to_string(),
        }
    }

    /// Whether the text contains `{environment}`.
    pub(super) fn names_environment(&self) -> bool {
        self.parts.contains(&Part::Environment)
    }

    /// Whether the text contains `{service}`.
    pub(super) fn names_service(&self) -> bool {
        self.parts.contains(&Part::Service)
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.parts.iter().try_for_each(|part| match part {
            Part::Text(text) => f.write_str(text),
            Part::Environment => f.write_str("{environment}"),
            Part::Service => f.write_str("{service}"),
        })
    }
}

/// A placeholder in a text where none is filled in, if there is one: it would look filled in and not be.
pub(super) fn misplaced(text: &str) -> Option<&'static str> {
    ["{environment}", "{service}"]
        .into_iter()
        .find(|placeholder| text.contains(placeholder))
}

fn placeholder(word: &str, after_dollar: bool) -> Result<Part, PlaceholderError> {
    match word {
        "environment" | "service" if after_dollar => Err(PlaceholderError::Dollar(word.to_owned())),
        "environment" => Ok(Part::Environment),
        "service" => Ok(Part::Service),
        _ => Err(PlaceholderError::Unknown(word.chars().take(40).collect())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(text: &str) -> Result<String, PlaceholderError> {
        let environment = Environment::try_from("staging".to_owned()).unwrap();
        let service = Service::try_from("api".to_owned()).unwrap();
        Template::parse(text).map(|template| template.fill(&environment, &service))
    }

    #[test]
    fn words_in_braces_are_filled_in() {
        for (text, filled) in [
            ("{service}-{environment}-asg", "api-staging-asg"),
            ("{environment}{environment}", "stagingstaging"),
            ("plain", "plain"),
            ("", ""),
            ("{\"a\":{\"b\":1}}", "{\"a\":{\"b\":1}}"),
            ("{{.Name}}/{{environment}}", "{{.Name}}/{environment}"),
            ("{{{environment}}}", "{{environment}}"),
            ("${{HOME}} { } {", "${HOME} { } {"),
        ] {
            assert_eq!(fill(text).as_deref(), Ok(filled), "{text}");
        }
    }

    #[test]
    fn unknown_words_are_refused() {
        assert_eq!(
            fill("{enviroment}"),
            Err(PlaceholderError::Unknown("enviroment".into()))
        );
        assert_eq!(
            fill("${environment}"),
            Err(PlaceholderError::Dollar("environment".into()))
        );
        let fix = |text| fill(text).unwrap_err().fix();
        assert_eq!(fix("{enviroment}"), "did you mean {environment}?");
        assert_eq!(
            fix("{HOME}"),
            "{environment} and {service} are filled in; write {{HOME}} for the text {HOME}"
        );
        assert_eq!(
            fill("${environment}").unwrap_err().to_string(),
            "`${environment}` would become a dollar sign with the environment's name"
        );
    }
}
