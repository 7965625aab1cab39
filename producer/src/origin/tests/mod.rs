//! Filling in requests: with the variables of each CI, and in a repository.

mod ci;
mod parts;
mod repository;
mod routes;
mod systems;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use clap::Parser;

use super::{FillError, Source, fill};
use crate::cli::{Cli, Command};
use crate::ending::Ending as _;
use crate::request::{Draft, message};

const TWO_LINES: &str = "service = \"search-api\"\nimage = \"registry.example.com/search-api:{revision}\"\n";
const ROUTES: &str = "[routes]\n\"develop\" = \"integration\"\n\"main\" = \"staging\"\n\
                      \"remote-run/{person}/*\" = \"personal-{person}\"\n";
const REVISION: &str = "4f2c91e07ab2d5c6b8f1e0d9a3c7b6f5e4d2c1b0";

fn draft(more: &[&str]) -> Draft {
    let words = [
        "drawgate",
        "publish",
        "--id",
        "01936a5e-7c2e-7d10-8a44-5c1f2e9b0d7c",
    ];
    match Cli::try_parse_from(words.iter().chain(more).copied())
        .unwrap()
        .command
    {
        Command::Publish(args) => Draft::from(*args),
        other => unreachable!("{other:?}"),
    }
}

fn folder(file: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("drawgate.toml"), file).unwrap();
    folder
}

/// The filled request, and where its parts came from.
fn filled(file: &str, variables: &[(&str, &str)], more: &[&str]) -> Result<String, FillError> {
    let folder = folder(file);
    filled_in(folder.path(), variables, more)
}

fn filled_in(folder: &Path, variables: &[(&str, &str)], more: &[&str]) -> Result<String, FillError> {
    let variables: BTreeMap<&str, &str> = variables.iter().copied().collect();
    let mut draft = draft(more);
    let look = |name: &str| {
        let value = variables.get(name).filter(|value| !value.is_empty());
        value.map(|value| (*value).to_owned())
    };
    let (selection, sources) = fill(&mut draft, folder, &look)?;
    let request = message(&draft, &selection, draft.id.unwrap()).unwrap().request;
    let mut text = serde_json::to_string_pretty(&request).unwrap();
    for Source { part, value, by } in sources {
        let _ = write!(text, "\n{part}: {value} ({by})");
    }
    Ok(text)
}

fn refused(file: &str, variables: &[(&str, &str)], more: &[&str]) -> String {
    let error = filled(file, variables, more).unwrap_err();
    format!("{error}\nhint: {}", error.hint().unwrap_or_default())
}
