//! `[verify]`: how a swapped container is checked before it is registered again.

use std::ops::Range;

use drawgate_rollout::definition::{Probe, START_TIMEOUT_DEFAULT_MS, VerifyDefinition};

use super::error::Problems;
use super::limits as at;
use super::program_words::program;
use super::reader::{Field, Located, Table};

/// A checked definition, and its probe's place in the file.
pub(super) type Verify = Located<VerifyDefinition>;

/// The verification where the file has no section: the container must run.
pub(super) fn absent() -> Verify {
    Located {
        value: definition(Probe::Running),
        span: 0..0,
    }
}

fn definition(probe: Probe) -> VerifyDefinition {
    VerifyDefinition {
        probe,
        attempts: at::ATTEMPTS_DEFAULT,
        interval_ms: at::INTERVAL_DEFAULT_MS,
        timeout_ms: at::TIMEOUT_DEFAULT_MS,
        start_timeout_ms: START_TIMEOUT_DEFAULT_MS,
    }
}

/// Reads the section.
///
/// With a `[command]`, its `command` is one of the service's own programs, with placeholders except those in
/// `without`.
pub(super) fn read(
    mut table: Table<'_, '_>,
    without: Option<&[&str]>,
    problems: &mut Problems<'_>,
) -> Verify {
    let probes = [
        table
            .take("http")
            .map(|field| (field.key.clone(), http(&field, problems))),
        table
            .take("command")
            .map(|field| (field.key.clone(), command(&field, without, problems))),
        table
            .take("healthcheck")
            .map(|field| (field.key.clone(), healthcheck(&field, problems))),
    ];
    let (span, probe) = one(probes.into_iter().flatten().collect(), table.span(), problems);
    let mut verify = definition(probe);
    if let Some(attempts) = table.take("attempts").and_then(|field| field.count(problems)) {
        verify.attempts = attempts;
    }
    if let Some(ms) = table.take("interval").and_then(|field| field.duration(problems)) {
        verify.interval_ms = ms;
    }
    if let Some(ms) = table.take("timeout").and_then(|field| field.duration(problems)) {
        verify.timeout_ms = ms;
    }
    if let Some(ms) = table
        .take("start_timeout")
        .and_then(|field| start_timeout(&field, &verify.probe, problems))
    {
        verify.start_timeout_ms = ms;
    }
    table.finish(problems);
    Located { value: verify, span }
}

type Found = (Range<usize>, Option<Probe>);

/// The one probe. An unreadable probe counts as found, so that one mistake is told once.
fn one(mut found: Vec<Found>, section: Range<usize>, problems: &mut Problems<'_>) -> (Range<usize>, Probe) {
    const HINT: &str = "write one of http = { path = \"/health\", port = 8080 }, command = [\"bin/smoke\"], healthcheck = true";
    if found.len() > 1 {
        let span = found.get(1).map_or(section, |(span, _)| span.clone());
        problems
            .error(span, "[verify] has more than one kind of check")
            .hint(HINT);
        return (0..0, Probe::Running);
    }
    match found.pop() {
        Some((span, probe)) => (span, probe.unwrap_or(Probe::Running)),
        None => {
            let hint = format!("{HINT}; or remove [verify]: then the container only has to keep running");
            problems
                .error(section, "[verify] says nothing to check")
                .hint(hint);
            (0..0, Probe::Running)
        }
    }
}

fn http(field: &Field<'_, '_>, problems: &mut Problems<'_>) -> Option<Probe> {
    let mut table = field.table(problems)?;
    let path = table
        .require("path", problems)
        .and_then(|field| path(&field, problems));
    let port = table
        .require("port", problems)
        .and_then(|field| field.port(problems));
    let status = match table.take("status") {
        Some(field) => field
            .number(problems)
            .and_then(|status| u16::try_from(status).ok()),
        None => Some(200),
    };
    table.finish(problems);
    Some(Probe::Http {
        path: path?,
        port: port?,
        status: status?,
    })
}

fn path(field: &Field<'_, '_>, problems: &mut Problems<'_>) -> Option<String> {
    let path = field.plain_text(problems)?;
    if !path.starts_with('/') || path.contains('#') || !path.chars().all(|c| c.is_ascii_graphic()) {
        field.invalid_hint(
            format!("{path:?} is no path of a request"),
            "write it as \"/health\" or \"/health?full=1\"; the host is always the rolled one",
            problems,
        );
        return None;
    }
    Some(path.to_owned())
}

fn command(field: &Field<'_, '_>, without: Option<&[&str]>, problems: &mut Problems<'_>) -> Option<Probe> {
    let words = match without {
        Some(without) => program(
            field,
            "command = [\"./check.sh\", \"{expected}\"]",
            without,
            problems,
        ),
        None => words(field, problems),
    };
    words.map(Probe::Command)
}

/// Reads a command as a list of at least one word.
pub(super) fn words(field: &Field<'_, '_>, problems: &mut Problems<'_>) -> Option<Vec<String>> {
    let items = field.list(problems)?;
    if items.is_empty() {
        field.invalid_hint("has no words", format!("write {}", field.example()), problems);
        return None;
    }
    let words: Vec<String> = items
        .iter()
        .filter_map(|item| item.plain_text(problems))
        .map(str::to_owned)
        .collect();
    (words.len() == items.len()).then_some(words)
}

/// Reads `start_timeout`. Only a HEALTHCHECK says that a container is still starting; the other checks have
/// attempts.
fn start_timeout(field: &Field<'_, '_>, probe: &Probe, problems: &mut Problems<'_>) -> Option<u64> {
    if *probe != Probe::Healthcheck {
        field.invalid_hint(
            "bounds how long a healthcheck may say that the container is starting, and there is none",
            "write healthcheck = true, or raise attempts or interval instead",
            problems,
        );
        return None;
    }
    field.duration(problems)
}

fn healthcheck(field: &Field<'_, '_>, problems: &mut Problems<'_>) -> Option<Probe> {
    if !field.flag(problems)? {
        field.invalid_hint("false says nothing", "write true, or remove the line", problems);
        return None;
    }
    Some(Probe::Healthcheck)
}
