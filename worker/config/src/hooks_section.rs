//! `[before]` and `[after]`: programs that run once per release.

use std::collections::BTreeMap;

use drawgate_rollout::definition::{AfterDefinition, BeforeDefinition, OnFailure, Place, Surroundings};
use drawgate_schemas::{Environment, ImageReference, Service};

use super::error::Problems;
use super::limits as at;
use super::program_words::{self, program};
use super::reader::{Field, Table, Templates};

/// `[before]`, with the texts that depend on the environment.
#[derive(Debug, Clone)]
pub(super) struct Before {
    fixed: BeforeDefinition,
    env: Templates,
}

/// `[after]`, with the texts that depend on the environment.
#[derive(Debug, Clone)]
pub(super) struct After {
    fixed: AfterDefinition,
    env: Templates,
}

impl Before {
    /// The definition for one target.
    pub(super) fn fill(&self, environment: &Environment, service: &Service) -> BeforeDefinition {
        BeforeDefinition {
            env: fill(&self.env, environment, service),
            ..self.fixed.clone()
        }
    }
}

impl After {
    /// Where it runs.
    pub(super) fn place(&self) -> &Place {
        &self.fixed.place
    }

    /// The definition for one target.
    pub(super) fn fill(&self, environment: &Environment, service: &Service) -> AfterDefinition {
        AfterDefinition {
            env: fill(&self.env, environment, service),
            ..self.fixed.clone()
        }
    }
}

/// Variables with their placeholders filled in.
pub(super) fn fill(
    templates: &Templates,
    environment: &Environment,
    service: &Service,
) -> BTreeMap<String, String> {
    templates
        .iter()
        .map(|(name, text)| (name.clone(), text.value.fill(environment, service)))
        .collect()
}

/// Reads `[before]`. `None` only with an error noted.
pub(super) fn read_before(mut table: Table<'_, '_>, problems: &mut Problems<'_>) -> Option<Before> {
    let run = table.require("run", problems);
    let run = run.and_then(|field| program(&field, &field.written(), &program_words::HOOK, problems));
    let env = table
        .take("env")
        .map(|field| program_words::env(&field, problems));
    let reversible = table.take("reversible").and_then(|field| field.flag(problems));
    let timeout_ms = table.take("timeout").and_then(|field| field.duration(problems));
    for key in ["attempts", "interval"] {
        let hint = "remove it; what must be tried again tries again by itself, in the program";
        table.refuse_as(
            key,
            "is not for [before]: it runs once per release and is never repeated",
            hint,
            problems,
        );
    }
    for key in ["run_on", "image"] {
        let hint = "remove it; what runs on the bastion can run in the CI job before `drawgate publish`";
        table.refuse_as(
            key,
            "is not for [before]: it runs in the release's own image, on a host",
            hint,
            problems,
        );
    }
    table.finish(problems);
    Some(Before {
        fixed: BeforeDefinition {
            run: run?,
            env: BTreeMap::new(),
            reversible: reversible.unwrap_or(false),
            timeout_ms: timeout_ms.unwrap_or(at::HOOK_TIMEOUT_DEFAULT_MS),
        },
        env: env.unwrap_or_default(),
    })
}

/// Reads `[after]`. `None` only with an error noted.
pub(super) fn read_after(mut table: Table<'_, '_>, problems: &mut Problems<'_>) -> Option<After> {
    let run_field = table.require("run", problems);
    let run = run_field
        .as_ref()
        .and_then(|field| program(field, &field.written(), &program_words::HOOK, problems));
    let place = read_place(&mut table, problems);
    let env = table
        .take("env")
        .map(|field| program_words::env(&field, problems));
    let attempts = table.take("attempts").and_then(|field| field.count(problems));
    let interval_ms = table.take("interval").and_then(|field| field.duration(problems));
    let timeout_ms = table.take("timeout").and_then(|field| field.duration(problems));
    let on_failure = table
        .take("on_failure")
        .and_then(|field| read_on_failure(&field, problems));
    table.finish(problems);
    if let (Some(Place::Worker(around)), Some(run), Some(field)) = (&place, &run, &run_field) {
        program_words::needs_directory(run, around.directory.as_deref(), field, problems);
    }
    Some(After {
        fixed: AfterDefinition {
            run: run?,
            place: place?,
            env: BTreeMap::new(),
            attempts: attempts.unwrap_or(1),
            interval_ms: interval_ms.unwrap_or(at::HOOK_INTERVAL_DEFAULT_MS),
            timeout_ms: timeout_ms.unwrap_or(at::HOOK_TIMEOUT_DEFAULT_MS),
            on_failure: on_failure.unwrap_or(OnFailure::RollBack),
        },
        env: env.unwrap_or_default(),
    })
}

fn read_place(table: &mut Table<'_, '_>, problems: &mut Problems<'_>) -> Option<Place> {
    let field = table.require("run_on", problems);
    let place = field
        .as_ref()
        .and_then(|field| Some((field, field.plain_text(problems)?)));
    let image = table.take("image");
    let around = program_words::surroundings(table, problems);
    let (field, text) = place?;
    match text {
        "worker" => {
            if let Some(image) = image {
                image.invalid_hint(
                    "run_on = \"worker\" needs no image",
                    "remove it, or write run_on = \"container\"",
                    problems,
                );
            }
            Some(Place::Worker(around))
        }
        "container" => {
            if around != Surroundings::default() {
                let hint = "remove `directory` and `pass_env`; `env` gives a container its variables";
                field.invalid_hint(
                    "a container has nothing of the worker's around it",
                    hint,
                    problems,
                );
            }
            let image = image.and_then(|field| read_image(&field, problems));
            Some(Place::Container { image })
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

fn read_image(field: &Field<'_, '_>, problems: &mut Problems<'_>) -> Option<String> {
    let text = field.plain_text(problems)?;
    if text.parse::<ImageReference>().is_err() {
        field.invalid_hint(
            format!("{text:?} is no image with its tag or digest"),
            "write it as \"registry.example.com/team/browser-tests:3\"",
            problems,
        );
        return None;
    }
    Some(text.to_owned())
}

fn read_on_failure(field: &Field<'_, '_>, problems: &mut Problems<'_>) -> Option<OnFailure> {
    match field.plain_text(problems)? {
        "roll_back" => Some(OnFailure::RollBack),
        "report" => Some(OnFailure::Report),
        other => {
            let hint =
                "write \"roll_back\" (the release has failed) or \"report\" (it succeeds, and this is said)";
            field.invalid_hint(format!("{other:?} says nothing"), hint, problems);
            None
        }
    }
}
