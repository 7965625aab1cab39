//! `[alarms]`: which alarms are silenced during a roll, which start a rollback, and how long the roll bakes.

use drawgate_rollout::definition::{AlarmDefinition, SilenceBy};
use drawgate_schemas::{Environment, Service};

use super::aws_names::aws_name;
use super::error::Problems;
use super::limits as at;
use super::placeholders::Template;
use super::reader::{Field, Located, Table};

/// The section, before an environment is filled in.
#[derive(Debug, Clone)]
pub(super) struct Alarms {
    silence: Vec<Template>,
    by: SilenceBy,
    settle_ms: u64,
    watch: Vec<Template>,
    watch_interval_ms: u64,
    bake_ms: u64,
    /// What `[preflight] firing` said before there was that key.
    pub(super) allow_firing: Option<Located<bool>>,
}

impl Default for Alarms {
    fn default() -> Self {
        Self {
            silence: Vec::new(),
            by: SilenceBy::DisableActions,
            settle_ms: at::SETTLE_DEFAULT_MS,
            watch: Vec::new(),
            watch_interval_ms: at::WATCH_INTERVAL_DEFAULT_MS,
            bake_ms: 0,
            allow_firing: None,
        }
    }
}

impl Alarms {
    /// The definition for one target.
    pub(super) fn fill(&self, environment: &Environment, service: &Service) -> AlarmDefinition {
        let fill = |names: &[Template]| names.iter().map(|name| name.fill(environment, service)).collect();
        AlarmDefinition {
            silence: fill(&self.silence),
            by: self.by,
            settle_ms: self.settle_ms,
            watch: fill(&self.watch),
            watch_interval_ms: self.watch_interval_ms,
            bake_ms: self.bake_ms,
        }
    }
}

/// Reads the section.
pub(super) fn read(mut table: Table<'_, '_>, problems: &mut Problems<'_>) -> Alarms {
    let default = Alarms::default();
    let silence = table
        .take("silence")
        .map(|field| names(&field, "silence", problems));
    let watch = table
        .take("watch")
        .map(|field| names(&field, "roll back on", problems));
    let by = table.take("by").and_then(|field| way(&field, problems));
    let settle = table.take("settle");
    if let Some(field) = settle.as_ref().filter(|_| by != Some(SilenceBy::MuteRule)) {
        problems
            .warning(
                field.span.clone(),
                "nothing settles where actions are disabled: enabled again, they wait for the next change",
            )
            .hint("say by = \"mute_rule\", or remove `settle`");
    }
    let watch_interval = table.take("watch_interval");
    let bake = table.take("bake");
    let allow_firing = table
        .take_old("allow_firing")
        .and_then(|field| allow_firing(&field, problems));
    if let Some(field) = watch_interval.as_ref().filter(|_| watch.is_none()) {
        problems
            .warning(field.span.clone(), "nothing is watched")
            .hint("name the alarms that show that a version is bad: watch = [\"search-api-5xx\"]");
    }
    let mut duration = |field: Option<Field<'_, '_>>, default| {
        field
            .and_then(|field| field.duration(problems))
            .unwrap_or(default)
    };
    let read = Alarms {
        silence: silence.unwrap_or_default(),
        by: by.unwrap_or(default.by),
        settle_ms: duration(settle, default.settle_ms),
        watch: watch.unwrap_or_default(),
        watch_interval_ms: duration(watch_interval, default.watch_interval_ms),
        bake_ms: duration(bake, default.bake_ms),
        allow_firing,
    };
    table.finish(problems);
    read
}

/// Reads the key that `[preflight] firing` has taken the place of.
fn allow_firing(field: &Field<'_, '_>, problems: &mut Problems<'_>) -> Option<Located<bool>> {
    let value = field.flag(problems)?;
    let firing = if value { "none" } else { "any" };
    problems
        .warning(
            field.key.clone(),
            "`allow_firing` is an older name, and is still read",
        )
        .hint(format!(
            "write firing = {firing:?} in [preflight], which means the same"
        ));
    Some(Located {
        value,
        span: field.key.clone(),
    })
}

fn way(field: &Field<'_, '_>, problems: &mut Problems<'_>) -> Option<SilenceBy> {
    match field.plain_text(problems)? {
        "mute_rule" => Some(SilenceBy::MuteRule),
        "disable_actions" => Some(SilenceBy::DisableActions),
        other => {
            let hint = "write \"mute_rule\" or \"disable_actions\"";
            field.invalid_hint(format!("{other:?} is no way to silence an alarm"), hint, problems);
            None
        }
    }
}

/// Names of alarms; they may end in `*`. `would` says what a `*` alone would do to the alarms of others.
fn names(field: &Field<'_, '_>, would: &str, problems: &mut Problems<'_>) -> Vec<Template> {
    let mut names = Vec::new();
    for item in field.list(problems).unwrap_or_default() {
        let Some(text) = item.text(problems) else { continue };
        let star = text.find('*');
        if star == Some(0) {
            item.invalid_hint(
                format!("{text:?} would {would} alarms of others too"),
                "begin with the service's name, as in \"search-api-*\"",
                problems,
            );
        } else if star.is_some_and(|star| star + 1 < text.len()) {
            item.invalid_hint(
                "a `*` may stand at the end only",
                "list the alarms, or begin alike and end with `*`",
                problems,
            );
        } else {
            names.extend(aws_name(&item, problems));
        }
    }
    names
}
