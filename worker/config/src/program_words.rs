//! Programs and their arguments, with the placeholders that are filled in when a release runs.

use std::collections::BTreeMap;
use std::path::Path;

use drawgate_rollout::definition::Surroundings;
use drawgate_rollout::placeholders::{PLACEHOLDERS, Piece, pieces};

use super::error::Problems;
use super::placeholders::Template;
use super::reader::{Field, Located, Table};

/// Placeholders without a value in a program that does not run on each host.
pub(super) const HOOK: [&str; 3] = ["instance", "address", "expected"];

/// The same for a check that runs on the bastion.
pub(super) const ON_BASTION: [&str; 2] = ["instance", "address"];

/// Programs that read an argument as commands.
const SHELLS: [&str; 6] = ["sh", "bash", "dash", "ash", "ksh", "zsh"];

/// Reads a program with its arguments: a list of words, with placeholders except those in `without`.
pub(super) fn program(
    field: &Field<'_, '_>,
    example: &str,
    without: &[&str],
    problems: &mut Problems<'_>,
) -> Option<Vec<String>> {
    let items = field.list_as(example, problems)?;
    if items.is_empty() {
        field.invalid_hint("has no words", format!("write {example}"), problems);
        return None;
    }
    let mut words: Vec<String> = Vec::new();
    for item in &items {
        let text = item.text(problems)?;
        for piece in pieces(text) {
            let Piece::Placeholder(word) = piece else { continue };
            known(word, without, item, problems)?;
            if words.is_empty() {
                let hint = "name the program itself; only its arguments come from the release";
                item.invalid_hint("a release must not choose the program", hint, problems);
                return None;
            }
            if is_read_by_a_shell(&words) {
                let hint = format!(
                    "pass it on as an argument of its own after the text, or write \"$DRAWGATE_{}\" in the text, with the quotes",
                    word.to_uppercase()
                );
                item.invalid_hint(
                    format!("{{{word}}} would be read as a command by the shell"),
                    hint,
                    problems,
                );
                return None;
            }
        }
        words.push(text.to_owned());
    }
    Some(words)
}

/// Checks that a placeholder is known and has a value there.
pub(super) fn known(
    word: &str,
    without: &[&str],
    item: &Field<'_, '_>,
    problems: &mut Problems<'_>,
) -> Option<()> {
    let names = || {
        let names = PLACEHOLDERS.into_iter().map(|(name, _)| name);
        names.filter(|name| !without.contains(name))
    };
    if names().any(|name| name == word) {
        return Some(());
    }
    let hint = match super::suggest::nearest(word, names()) {
        Some(known) => format!("did you mean {{{known}}}?"),
        None => format!(
            "known here: {}; write {{{{{word}}}}} for the text {{{word}}}",
            names().collect::<Vec<_>>().join(", ")
        ),
    };
    item.invalid_hint(format!("unknown placeholder {{{word}}}"), hint, problems);
    None
}

/// Whether a shell would read the next word as commands, as in `sh -c`.
fn is_read_by_a_shell(words: &[String]) -> bool {
    let Some((program, options)) = words.split_first() else {
        return false;
    };
    let name = Path::new(program).file_name().and_then(|name| name.to_str());
    let commands =
        |option: &String| option.starts_with('-') && !option.starts_with("--") && option.contains('c');
    name.is_some_and(|name| SHELLS.contains(&name)) && options.last().is_some_and(commands)
}

/// Environment variables of a program.
pub(super) fn env(field: &Field<'_, '_>, problems: &mut Problems<'_>) -> BTreeMap<String, Located<Template>> {
    let env = field.templates(problems);
    for (name, value) in &env {
        if let Err((problem, hint)) = variable(name) {
            problems.error(value.span.clone(), problem).hint(hint);
        }
    }
    env
}

fn variable(name: &str) -> Result<(), (String, &'static str)> {
    let shown: String = name.chars().take(60).collect();
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty() || !name.chars().all(plain) {
        let hint = "write NAME = \"value\", with letters, digits and `_` in the name";
        return Err((format!("{shown:?} is no environment variable's name"), hint));
    }
    if name.starts_with("DRAWGATE_") {
        let hint = "choose another name: DRAWGATE_TAG and the like are set by the release";
        return Err((format!("{shown} is Drawgate's own"), hint));
    }
    Ok(())
}

/// `directory` and `pass_env` of a program on the bastion.
pub(super) fn surroundings(table: &mut Table<'_, '_>, problems: &mut Problems<'_>) -> Surroundings {
    let directory = table
        .take("directory")
        .and_then(|field| directory(&field, problems));
    let list = table.take("pass_env").and_then(|field| field.list(problems));
    let mut pass_env = Vec::new();
    for item in list.unwrap_or_default() {
        let Some(name) = item.plain_text(problems) else {
            continue;
        };
        match variable(name) {
            Ok(()) => pass_env.push(name.to_owned()),
            Err((problem, _)) => {
                let hint = format!(
                    "name a variable of the worker's environment, as in {}",
                    item.example()
                );
                item.invalid_hint(problem, hint, problems);
            }
        }
    }
    Surroundings { directory, pass_env }
}

/// Reads an absolute path.
pub(super) fn directory(field: &Field<'_, '_>, problems: &mut Problems<'_>) -> Option<String> {
    let text = field.plain_text(problems)?;
    if !text.starts_with('/') {
        field.invalid_hint(
            format!("{text:?} is no full path"),
            "write it from `/` on",
            problems,
        );
        return None;
    }
    Some(text.to_owned())
}

/// Notes a relative path to a program, where there is no directory to start from.
pub(super) fn needs_directory(
    words: &[String],
    directory: Option<&str>,
    field: &Field<'_, '_>,
    problems: &mut Problems<'_>,
) {
    let relative = words
        .first()
        .is_some_and(|program| program.contains('/') && !program.starts_with('/'));
    if relative && directory.is_none() {
        field.invalid_hint(
            "the program's path is relative, and nothing says to what",
            "write its full path, or say directory = \"/opt/deploy\"",
            problems,
        );
    }
}
