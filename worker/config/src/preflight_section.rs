//! `[preflight]`: what a release waits for, and what it lets pass.

use drawgate_rollout::Share;
use drawgate_rollout::definition::{Firing, PreflightPolicy};

use super::error::Problems;
use super::reader::{Field, Located, Table};

/// Reads the section. `old` is `alarms.allow_firing`, which said before this section what `firing` says.
pub(super) fn read(
    table: Option<Table<'_, '_>>,
    old: Option<&Located<bool>>,
    problems: &mut Problems<'_>,
) -> PreflightPolicy {
    let default = PreflightPolicy::default();
    let old_firing = old.map(|old| match old.value {
        true => Firing::None,
        false => Firing::Any,
    });
    let Some(mut table) = table else {
        return PreflightPolicy {
            firing: old_firing.unwrap_or(default.firing),
            ..default
        };
    };
    let wait = table.take("wait").and_then(|field| field.duration(problems));
    let unreachable = table
        .take("unreachable")
        .and_then(|field| unreachable(&field, problems));
    let field = table.take("firing");
    if let (Some(_), Some(old)) = (&field, old) {
        problems
            .error(
                old.span.clone(),
                "`alarms.allow_firing` and `preflight.firing` both say which alarms refuse a release",
            )
            .hint("keep `firing` in [preflight], and remove this line");
    }
    let firing = field.and_then(|field| firing(&field, problems));
    table.finish(problems);
    PreflightPolicy {
        wait_ms: wait.unwrap_or(default.wait_ms),
        unreachable: unreachable.unwrap_or(default.unreachable),
        firing: firing.or(old_firing).unwrap_or(default.firing),
    }
}

/// Reads a number of hosts, or a share of the fleet.
fn unreachable(field: &Field<'_, '_>, problems: &mut Problems<'_>) -> Option<Share> {
    match field.as_text() {
        Some(text) if text.contains('%') => match text.parse() {
            Ok(share) => Some(share),
            Err(problem) => {
                let hint = "write unreachable = \"5%\" or a number of hosts";
                field.invalid_hint(problem, hint, problems);
                None
            }
        },
        _ => field.count(problems).map(Share::Count),
    }
}

fn firing(field: &Field<'_, '_>, problems: &mut Problems<'_>) -> Option<Firing> {
    match field.plain_text(problems)? {
        "any" => Some(Firing::Any),
        "watched" => Some(Firing::Watched),
        "none" => Some(Firing::None),
        other => {
            let hint = "write \"any\", \"watched\" or \"none\"";
            field.invalid_hint(format!("{other:?} is no choice of alarms"), hint, problems);
            None
        }
    }
}
