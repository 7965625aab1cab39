//! Makes a request whole: what the command line leaves open comes from the file, the CI and git.

use std::path::Path;

use drawgate_schemas::{Environment, ImageReference, InvalidName, Service, Text};

use super::ci::{self, BuildOrder, Facts};
use super::file::{self, File, FileError, ImageProblem};
use super::git;
use super::routes::Way;
use super::variables::Variables;
use crate::ending::Ending;
use crate::env_vars::EnvVars;
use crate::exit::Exit;
use crate::request::{Draft, Selection};

/// A part of the request that the command line left open, and where it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Source {
    pub(crate) part: &'static str,
    /// The part's value.
    pub(crate) value: String,
    /// The file, CI, variable or rule that gave the value.
    pub(crate) by: String,
}

/// Why a request could not be made whole.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FillError {
    /// `drawgate.toml` cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// A part that no source gives: the service, the image, the environment or the branch.
    #[error("{what} is missing")]
    Missing {
        what: &'static str,
        /// How to give the part.
        hint: String,
    },
    /// No route matches the branch.
    #[error("branch {branch:?} has no route")]
    NoRoute {
        branch: String,
        /// The routes that there are.
        routes: String,
    },
    /// Two routes match the branch alike, or a route gives no valid environment.
    #[error("{0}")]
    Route(String),
    /// The build is of a change request. The name that a fork gives its branch must not decide where it is
    /// released to.
    #[error("this builds change request {0}, and routes are for branches that are merged")]
    ChangeRequest(String),
    /// The values of the CI or of the file do not give an image that can be released.
    #[error("{0}")]
    Image(String),
    /// The variable that names the environment has an invalid value.
    #[error("{}", EnvVars::ENVIRONMENT)]
    Variable(#[source] InvalidName),
    /// A value of the CI is longer than the message allows, or has control characters.
    #[error("{part}, as {by} has it")]
    Part {
        part: &'static str,
        /// The CI or program that gave the value.
        by: String,
        #[source]
        source: InvalidName,
    },
}

impl Ending for FillError {
    fn exit(&self) -> Exit {
        Exit::Usage
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Missing { hint, .. } => Some(hint.clone()),
            Self::NoRoute { branch, routes } => Some(format!(
                "add {branch:?} = \"ENVIRONMENT\" to [routes] of {}{routes}, or say --environment",
                file::NAME
            )),
            Self::Route(_) => Some(format!("change [routes] of {}, or say --environment", file::NAME)),
            Self::ChangeRequest(_) => Some("say --environment if that is meant".to_owned()),
            Self::Image(_) => Some("say --image, or --tag for another tag".to_owned()),
            Self::Part { part, .. } => Some(format!("say --{}", part.replace(' ', "-"))),
            Self::Variable(_) => {
                Some("say --environment, or set it to nothing and [routes] decide".to_owned())
            }
            Self::File(_) => None,
        }
    }
}

/// The service to use: the named one, or else the one in the repository's file.
pub(crate) fn service(named: Option<&Service>, folder: &Path) -> Result<Service, FillError> {
    if let Some(named) = named {
        return Ok(named.clone());
    }
    match file::find(folder)? {
        Some((_, file)) => Ok(file.service),
        None => Err(missing("the service", "--service NAME")),
    }
}

/// Makes the request whole: fills in what `draft` leaves open, and returns where each part came from.
pub(crate) fn fill(
    draft: &mut Draft,
    folder: &Path,
    variables: Variables<'_>,
) -> Result<(Selection, Vec<Source>), FillError> {
    let mut told = Told::default();
    // The command line's own reader does not read this variable, because a CI may set it to the empty text
    // and mean none.
    if let (None, Some(name)) = (&draft.environment, variables(EnvVars::ENVIRONMENT)) {
        let environment = Environment::try_from(name).map_err(FillError::Variable)?;
        told.note("environment", Some(environment.to_string()), EnvVars::ENVIRONMENT);
        draft.environment = Some(environment);
    }
    let file = match (&draft.environment, &draft.service, &draft.image) {
        // A command line that gives all three needs no file, whatever a file may have.
        (Some(_), Some(_), Some(_)) => None,
        _ => file::find(folder)?,
    };
    let facts = ci::facts(variables);
    // Git is asked only in a repository with a `drawgate.toml`. The build's revision counts only for the
    // version that the build made.
    let in_repository = file.is_some();
    let built = draft.image.is_none() && draft.tag.is_none();
    let by = |found: &Option<String>| if found.is_some() { facts.system } else { "git" };
    let of_git = |look: fn(&Path) -> Option<String>| in_repository.then(|| look(folder)).flatten();
    if built {
        let revision = facts.revision.clone().or_else(|| of_git(git::revision));
        told.fill("revision", &mut draft.revision, revision, by(&facts.revision))?;
    }
    if draft.image.is_none() {
        let branch = facts.branch.clone().or_else(|| of_git(git::branch));
        told.fill("branch", &mut draft.branch, branch, by(&facts.branch))?;
    }
    told.fill(
        "build system",
        &mut draft.build_system,
        Some(facts.system)
            .filter(|name| !name.is_empty())
            .map(str::to_owned),
        facts.system,
    )?;
    told.fill(
        "build number",
        &mut draft.build_number,
        facts.number.clone(),
        facts.system,
    )?;
    told.fill("build url", &mut draft.build_url, facts.url.clone(), facts.system)?;
    told.fill(
        "requested by",
        &mut draft.requested_by,
        facts.person.clone(),
        facts.system,
    )?;
    let image = image(draft, file.as_ref().map(|(_, file)| file), &mut told)?;
    let service = match (&draft.service, &file) {
        (Some(service), _) => service.clone(),
        (None, Some((_, file))) => {
            told.note("service", Some(file.service.to_string()), file::NAME);
            file.service.clone()
        }
        (None, None) => return Err(missing("the service", "--service NAME")),
    };
    let file = file.as_ref().map(|(_, file)| file);
    let (environment, way) = environment(draft, file, &facts, &mut told)?;
    if built && draft.sequence.is_none() {
        let one_branch = way.is_some_and(|way| way.one_branch);
        let (number, by) = match &facts.order {
            BuildOrder::NumberOfBranch if !one_branch => (None, ""),
            BuildOrder::NumberOfBranch | BuildOrder::Number => {
                (facts.number.as_deref(), "the build's number")
            }
            BuildOrder::Other(number) => (number.as_deref(), facts.system),
        };
        draft.sequence = number.and_then(|number| number.parse().ok());
        told.note("sequence", draft.sequence.map(|number| number.to_string()), by);
    }
    let selection = Selection {
        environment,
        service,
        image,
    };
    Ok((selection, told.0))
}

fn image(draft: &Draft, file: Option<&File>, told: &mut Told) -> Result<ImageReference, FillError> {
    let tag = draft.tag.as_deref();
    if let Some(image) = &draft.image {
        return match tag {
            None => Ok(image.clone()),
            Some(tag) => {
                let text = format!("{}:{tag}", image.repository());
                text.parse()
                    .map_err(|why| FillError::Image(format!("{text:?} is no image: {why}")))
            }
        };
    }
    let Some(file) = file else {
        return Err(missing("the image", "--image REPOSITORY:TAG"));
    };
    let revision = draft.revision.as_ref().map(|revision| revision.to_string());
    let value = |name: &str| match name {
        "revision" => revision.clone(),
        "short_revision" => revision
            .as_ref()
            .map(|revision| revision.chars().take(7).collect()),
        "branch" => draft.branch.as_ref().map(ToString::to_string),
        "build_number" => draft.build_number.as_ref().map(ToString::to_string),
        _ => None,
    };
    let image = file.image.fill(tag, &value).map_err(|problem| match problem {
        ImageProblem::Missing(name) => {
            FillError::Image(format!("nobody says what {{{name}}} of the image is"))
        }
        ImageProblem::Wrong(why) => FillError::Image(why),
    })?;
    told.note("image", Some(image.to_string()), file::NAME);
    Ok(image)
}

fn environment(
    draft: &Draft,
    file: Option<&File>,
    facts: &Facts,
    told: &mut Told,
) -> Result<(Environment, Option<Way>), FillError> {
    if let Some(environment) = &draft.environment {
        return Ok((environment.clone(), None));
    }
    let routes = file
        .map(|file| &file.routes)
        .filter(|routes| !routes.patterns().is_empty());
    let Some(routes) = routes else {
        return Err(missing(
            "the environment",
            "--environment NAME, or set DRAWGATE_ENVIRONMENT",
        ));
    };
    if let Some(request) = &facts.change_request {
        return Err(FillError::ChangeRequest(request.clone()));
    }
    let Some(branch) = draft.branch.as_ref().map(ToString::to_string) else {
        return Err(FillError::Missing {
            what: "the branch, which decides where to,",
            hint: "say --branch, or --environment".to_owned(),
        });
    };
    match routes.way(&branch).map_err(FillError::Route)? {
        Some(way) => {
            let by = format!("route {:?}", way.pattern);
            told.note("environment", Some(way.environment.to_string()), &by);
            Ok((way.environment.clone(), Some(way)))
        }
        None => Err(FillError::NoRoute {
            branch,
            routes: format!(" (it has {})", routes.patterns().join(", ")),
        }),
    }
}

fn missing(what: &'static str, option: &str) -> FillError {
    FillError::Missing {
        what,
        hint: format!(
            "say {option}; or write {} at the repository's top, with service, image and [routes]",
            file::NAME
        ),
    }
}

/// The parts that were filled in so far.
#[derive(Default)]
struct Told(Vec<Source>);

impl Told {
    fn note(&mut self, part: &'static str, value: Option<String>, by: &str) {
        self.0.extend(value.map(|value| Source {
            part,
            value,
            by: by.to_owned(),
        }));
    }

    fn fill<const CHARS: usize>(
        &mut self,
        part: &'static str,
        place: &mut Option<Text<CHARS>>,
        value: Option<String>,
        by: &str,
    ) -> Result<(), FillError> {
        let (None, Some(value)) = (&place, value) else {
            return Ok(());
        };
        let text = Text::try_from(value.clone()).map_err(|source| FillError::Part {
            part,
            by: by.to_owned(),
            source,
        })?;
        *place = Some(text);
        self.note(part, Some(value), by);
        Ok(())
    }
}
