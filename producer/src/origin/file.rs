//! `drawgate.toml` in a repository: the service that is released from it, and the environment of each branch.

use std::path::{Path, PathBuf};

use drawgate_schemas::{ImageReference, Service};
use serde::Deserialize;

use super::git;
use super::routes::{Piece, Routes, pieces};
use crate::limits;

pub(crate) const NAME: &str = "drawgate.toml";

/// The contents of a `drawgate.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    /// The service that is released.
    pub(super) service: Service,
    pub(super) image: ImagePattern,
    /// The routes from branches to environments.
    #[serde(default)]
    pub(super) routes: Routes,
}

/// Why a `drawgate.toml` cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FileError {
    /// The file cannot be read.
    #[error("{path} cannot be read", path = path.display())]
    Unreadable {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// The file is larger than any `drawgate.toml` needs to be.
    #[error("{path} has more than {} bytes", limits::FILE_BYTES, path = path.display())]
    TooLarge { path: PathBuf },
    /// The file's contents are wrong.
    #[error("{path}: {problem}", path = path.display())]
    Wrong {
        path: PathBuf,
        /// What is wrong, with its line.
        problem: String,
    },
}

/// Finds the file of the repository that a folder is in: in the folder, or above it up to the repository's
/// top.
pub(super) fn find(folder: &Path) -> Result<Option<(PathBuf, File)>, FileError> {
    let top = git::top(folder);
    for above in folder.ancestors() {
        let path = above.join(NAME);
        if path.is_file() {
            let file = read(&path)?;
            return Ok(Some((path, file)));
        }
        // Outside of a repository only the folder itself is searched, because a folder above it may be
        // another person's.
        if top.as_deref().is_none_or(|top| above == top) {
            break;
        }
    }
    Ok(None)
}

fn read(path: &Path) -> Result<File, FileError> {
    let unreadable = |source| FileError::Unreadable {
        path: path.to_owned(),
        source,
    };
    if std::fs::metadata(path).map_err(unreadable)?.len() > limits::FILE_BYTES {
        return Err(FileError::TooLarge {
            path: path.to_owned(),
        });
    }
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    parse(&text).map_err(|problem| FileError::Wrong {
        path: path.to_owned(),
        problem,
    })
}

pub(super) fn parse(text: &str) -> Result<File, String> {
    toml::from_str(text).map_err(|error| error.to_string().trim_end().to_owned())
}

/// An image with placeholders in its tag: `registry.example.com/search-api:{revision}`.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct ImagePattern(String);

/// The placeholders that an image pattern may use.
pub(super) const PLACEHOLDERS: [&str; 4] = ["revision", "short_revision", "branch", "build_number"];

impl TryFrom<String> for ImagePattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let pattern = Self(text);
        let filled = pattern.fill(None, &|_| Some("1".to_owned()));
        filled.map(|_| pattern).map_err(|problem| match problem {
            ImageProblem::Missing(name) => format!("{{{name}}} is unknown here: {}", PLACEHOLDERS.join(", ")),
            ImageProblem::Wrong(why) => why,
        })
    }
}

/// Why an image pattern gives no image.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ImageProblem {
    /// No value is known for this placeholder.
    Missing(String),
    /// The filled pattern is not an image reference.
    Wrong(String),
}

impl ImagePattern {
    /// The image, with this tag or with the values of the placeholders.
    pub(super) fn fill(
        &self,
        tag: Option<&str>,
        value: &dyn Fn(&str) -> Option<String>,
    ) -> Result<ImageReference, ImageProblem> {
        let colon = self
            .0
            .rfind(':')
            .filter(|at| self.0.rfind('/').is_none_or(|slash| *at > slash));
        let text = match (tag, colon) {
            (Some(tag), Some(colon)) => format!("{}:{tag}", self.0.get(..colon).unwrap_or_default()),
            (Some(tag), None) => format!("{}:{tag}", self.0),
            (None, Some(_)) => self.filled(value)?,
            // A pattern without a tag gets the revision as its tag.
            (None, None) => {
                let revision =
                    value("revision").ok_or_else(|| ImageProblem::Missing("revision".to_owned()))?;
                format!("{}:{}", self.0, as_tag(&revision))
            }
        };
        text.parse()
            .map_err(|why| ImageProblem::Wrong(format!("{text:?} is no image: {why}")))
    }

    fn filled(&self, value: &dyn Fn(&str) -> Option<String>) -> Result<String, ImageProblem> {
        let mut text = String::new();
        for piece in pieces(&self.0).map_err(ImageProblem::Wrong)? {
            match piece {
                Piece::Text(piece) => text.push_str(piece),
                Piece::Rest => text.push('*'),
                Piece::Name(name) if PLACEHOLDERS.contains(&name) => {
                    let value = value(name).ok_or_else(|| ImageProblem::Missing(name.to_owned()))?;
                    text.push_str(&as_tag(&value));
                }
                Piece::Name(name) => return Err(ImageProblem::Missing(name.to_owned())),
            }
        }
        Ok(text)
    }
}

/// A text as a part of a tag, with a hyphen for every character that a tag cannot have (Docker, "docker image
/// tag").
fn as_tag(text: &str) -> String {
    let allowed = |c: char| {
        if c.is_ascii_alphanumeric() || "_.-".contains(c) {
            c
        } else {
            '-'
        }
    };
    text.chars().map(allowed).collect()
}
