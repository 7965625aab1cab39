//! `[command]`: a swap done by the service's own programs, on each host or on the bastion.

use std::collections::BTreeMap;

use drawgate_rollout::definition::{CommandDefinition, CommandPlace, VersionDefinition};
use drawgate_rollout::placeholders::{Piece, pieces, uses};
use drawgate_schemas::{Environment, Service};

use super::error::Problems;
use super::hooks_section::fill;
use super::limits as at;
use super::placeholders::Template;
use super::program_words::{self, program};
use super::reader::{Field, Table, Templates};
use super::secret_references::{self, SecretTemplate};

/// A command with the texts that depend on the environment.
#[derive(Debug, Clone)]
pub(super) struct Command {
    fixed: CommandDefinition,
    env: Templates,
    secrets: BTreeMap<String, SecretTemplate>,
    version: Option<Version>,
    /// Where the file says that the programs run on the bastion, or on the hosts.
    pub(super) place_span: std::ops::Range<usize>,
}

#[derive(Debug, Clone)]
struct Version {
    run: Vec<Template>,
    is: Option<String>,
}

impl Command {
    /// The definition for one target.
    pub(super) fn fill(&self, environment: &Environment, service: &Service) -> CommandDefinition {
        CommandDefinition {
            env: fill(&self.env, environment, service),
            secrets: secret_references::fill(&self.secrets, environment, service),
            version: self.version.as_ref().map(|version| VersionDefinition {
                run: version
                    .run
                    .iter()
                    .map(|word| word.fill(environment, service))
                    .collect(),
                is: version.is.clone(),
            }),
            ..self.fixed.clone()
        }
    }

    /// Whether its programs run on the bastion.
    pub(super) fn runs_on_bastion(&self) -> bool {
        matches!(self.fixed.place, CommandPlace::Worker(_))
    }

    /// Placeholders without a value where the programs run.
    pub(super) fn without(&self) -> Vec<&'static str> {
        without(self.runs_on_bastion())
    }
}

fn without(on_bastion: bool) -> Vec<&'static str> {
    if on_bastion {
        program_words::ON_BASTION.to_vec()
    } else {
        Vec::new()
    }
}

/// Reads the section. `None` only with an error noted.
pub(super) fn read(mut table: Table<'_, '_>, problems: &mut Problems<'_>) -> Option<Command> {
    let place_field = table.require("run_on", problems);
    let around = program_words::surroundings(&mut table, problems);
    let place = place_field
        .as_ref()
        .and_then(|field| place(field, around, problems));
    let on_bastion = matches!(place, Some(CommandPlace::Worker(_)));
    let only_in_checks = ["expected"];
    let deploy_without = [&without(on_bastion)[..], &only_in_checks, &["previous"]].concat();
    let rollback_without = [&without(on_bastion)[..], &only_in_checks].concat();
    let deploy_field = table.require("deploy", problems);
    let deploy = deploy_field
        .as_ref()
        .and_then(|field| words(field, &deploy_without, place.as_ref(), problems));
    let rollback_field = table.require("rollback", problems);
    let rollback = rollback_field
        .as_ref()
        .and_then(|field| words(field, &rollback_without, place.as_ref(), problems));
    let version_field = table.take("version");
    let version = version_field
        .as_ref()
        .and_then(|field| read_version(field, &deploy_without, problems));
    if let (Some(rollback), None, Some(field)) = (&rollback, &version_field, &rollback_field)
        && uses(rollback, "previous")
    {
        let hint = "say version = { run = [\"cat\", \"VERSION\"], is = \"{tag}\" }: what it prints before the roll is {previous}";
        field.invalid_hint("nothing tells what {previous} is", hint, problems);
    }
    let env = table
        .take("env")
        .map(|field| program_words::env(&field, problems))
        .unwrap_or_default();
    let secrets = table
        .take("secrets")
        .map(|field| secrets(&field, &env, on_bastion, problems))
        .unwrap_or_default();
    let timeout_ms = table.take("timeout").and_then(|field| field.duration(problems));
    table.refuse_as(
        "verify",
        "has a section of its own",
        "write [verify] command = [\"./check.sh\", \"{expected}\"], with attempts and interval",
        problems,
    );
    table.finish(problems);
    Some(Command {
        fixed: CommandDefinition {
            place: place?,
            // If one is missing, an error is noted and the file refused; the other sections are checked all
            // the same.
            deploy: deploy.unwrap_or_default(),
            rollback: rollback.unwrap_or_default(),
            version: None,
            env: BTreeMap::new(),
            secrets: BTreeMap::new(),
            timeout_ms: timeout_ms.unwrap_or(at::HOOK_TIMEOUT_DEFAULT_MS),
        },
        env,
        secrets,
        version,
        place_span: place_field.map_or(0..0, |field| field.span.clone()),
    })
}

fn place(
    field: &Field<'_, '_>,
    around: drawgate_rollout::definition::Surroundings,
    problems: &mut Problems<'_>,
) -> Option<CommandPlace> {
    match field.plain_text(problems)? {
        "worker" => Some(CommandPlace::Worker(around)),
        "host" => {
            if !around.pass_env.is_empty() {
                let hint = "remove `pass_env`; `env` gives a program on a host its variables";
                field.invalid_hint("a host has nothing of the worker's environment", hint, problems);
            }
            Some(CommandPlace::Host {
                directory: around.directory,
            })
        }
        other => {
            field.invalid_hint(
                format!("{other:?} is no place to run"),
                format!("write {}", field.written()),
                problems,
            );
            None
        }
    }
}

fn words(
    field: &Field<'_, '_>,
    without: &[&str],
    place: Option<&CommandPlace>,
    problems: &mut Problems<'_>,
) -> Option<Vec<String>> {
    let words = program(field, &field.written(), without, problems)?;
    if words.first().is_some_and(|name| name.contains('=')) {
        let hint = "name the program first; variables go into `env`";
        field.invalid_hint("the program's name has an equals sign", hint, problems);
        return None;
    }
    // Only on the bastion: on a host a path is relative to the login's home.
    if let Some(CommandPlace::Worker(around)) = place {
        program_words::needs_directory(&words, around.directory.as_deref(), field, problems);
    }
    Some(words)
}

fn read_version(field: &Field<'_, '_>, without: &[&str], problems: &mut Problems<'_>) -> Option<Version> {
    let mut table = field.table(problems)?;
    let run = table.require("run", problems)?;
    let items = run.list(problems)?;
    if items.is_empty() {
        run.invalid_hint("has no words", format!("write {}", run.example()), problems);
        return None;
    }
    let words: Vec<Template> = items.iter().filter_map(|item| item.template(problems)).collect();
    let is = table.take("is").and_then(|field| {
        let text = field.text(problems)?;
        for piece in pieces(text) {
            if let Piece::Placeholder(word) = piece {
                program_words::known(word, without, &field, problems)?;
            }
        }
        Some(text.to_owned())
    });
    table.finish(problems);
    (words.len() == items.len()).then_some(Version { run: words, is })
}

fn secrets(
    field: &Field<'_, '_>,
    env: &Templates,
    on_bastion: bool,
    problems: &mut Problems<'_>,
) -> BTreeMap<String, SecretTemplate> {
    if !on_bastion {
        let hint = "let the program read them on the host, by the host's own role";
        field.invalid_hint(
            "secrets are for run_on = \"worker\": on a host they would stand in the list of processes",
            hint,
            problems,
        );
        return BTreeMap::new();
    }
    secret_references::read(field, env, problems)
}
