//! The reference page of all keys, made from the tables of keys: `runbooks/configuration.md`.
//!
//! A test compares the page with these tables; `DRAWGATE_UPDATE_REFERENCE=1 cargo test -p drawgate-config`
//! writes it anew.

use std::fmt::Write as _;

use drawgate_rollout::placeholders::PLACEHOLDERS;

use super::key::{Fallback, Key, Kind, Section, Sections};
use super::limits as at;
use super::service_keys::SERVICE;
use super::units::{Bounds, Most};
use super::worker_keys::WORKER;

/// The longest line: the page is read as it stands, in a terminal, too.
const COLUMNS: usize = 100;

const HEAD: &str = "\
# The keys of worker.toml and of service files

Generated from `worker/config/src/worker_keys.rs` and `service_keys.rs`:
`DRAWGATE_UPDATE_REFERENCE=1 cargo test -p drawgate-config` writes it anew. Whole files are in
[infra/examples](../infra/examples). `drawgate-worker check` names every mistake in a file, with
line and fix.

A duration has a unit, as in `\"500ms\"`, `\"10s\"`, `\"2m\"`, `\"1h 30m\"`; a size has one too, as in
`\"512MiB\"`. `{environment}` and `{service}` are filled in in fleet tags, `auto_scaling_group`,
`wanted_parameter`, `fleet_lease`, env, secrets, labels, volumes, log options and alarms; programs
get [more](#placeholders-of-programs).
";

/// The whole page, as Markdown.
pub fn reference() -> String {
    let mut page = HEAD.to_owned();
    let files = format!(
        "A file may have {} KiB, and a worker {} service files.",
        at::FILE_BYTES / 1024,
        at::SERVICE_FILES
    );
    paragraph(&mut page, &files);
    file(&mut page, "worker.toml", WORKER);
    file(&mut page, "Service files", SERVICE);
    page.push_str("\n## Placeholders of programs\n\n");
    for (name, meaning) in PLACEHOLDERS {
        page.push_str(&wrapped("- ", &format!("`{{{name}}}`: {meaning}")));
    }
    page
}

fn file(page: &mut String, title: &str, sections: Sections) {
    // Writing to a String cannot fail, here and below.
    let _ = write!(page, "\n## {title}\n");
    for section in sections {
        let _ = write!(page, "\n### {}\n", heading(section));
        paragraph(page, section.meaning);
        page.push('\n');
        for key in section.keys {
            bullet(page, key);
        }
    }
}

fn heading(section: &Section) -> String {
    match section.name {
        "" => "At the top, before the first table".to_owned(),
        name => format!("`[{}]`", name.replace('*', "NAME")),
    }
}

fn bullet(page: &mut String, key: &Key) {
    let name = key.name.replace('*', "NAME");
    let required = match key.default {
        Fallback::Required => " (required)",
        _ => "",
    };
    page.push_str(&wrapped(
        "- ",
        &format!("**`{name}`**{required}: {}", key.meaning),
    ));
    for line in [kind(&key.kind), default(&key.default)].into_iter().flatten() {
        page.push_str(&wrapped("  - ", &line));
    }
    page.push_str(&wrapped("  - ", &format!("example: `{}`", key.line(&name))));
}

/// What a value may be, where the example does not say it all.
fn kind(kind: &Kind) -> Option<String> {
    let bounded = |what: &str, Bounds { min, max, reason }: &Bounds| {
        format!("{what} from {} to {}: {reason}", kind.show(*min), kind.show(*max))
    };
    let at_most = |what: &str, Most { most, reason }: &Most| format!("at most {most} {what}: {reason}");
    match kind {
        Kind::Text => None,
        Kind::OneOf(choices) => {
            let choices: Vec<String> = choices.iter().map(|choice| format!("`{choice:?}`")).collect();
            Some(choices.join(" or "))
        }
        Kind::Path => Some("a path; a relative one starts from the folder of worker.toml".to_owned()),
        Kind::Flag => Some("`true` or `false`".to_owned()),
        Kind::Number(bounds) | Kind::Cpus(bounds) | Kind::Fraction(bounds) => {
            Some(bounded("a number", bounds))
        }
        Kind::Share(bounds) => Some(bounded("a share as `\"25%\"`, or a number", bounds)),
        Kind::Duration(bounds) => Some(bounded("a duration", bounds)),
        Kind::Size(bounds) => Some(bounded("a size", bounds)),
        Kind::Template(most) => Some(at_most("characters", most)),
        Kind::List(most) => Some(at_most("items", most)),
        Kind::Program(most) => Some(at_most("words, with placeholders", most)),
        Kind::Map(most) => Some(at_most("entries", most)),
        Kind::Table => Some("a table, whose keys are below".to_owned()),
    }
}

fn default(default: &Fallback) -> Option<String> {
    match default {
        Fallback::Required => None,
        Fallback::Words(words) => Some(format!("default: {words}")),
        _ => default.toml().map(|value| format!("default: `{value}`")),
    }
}

fn paragraph(page: &mut String, text: &str) {
    page.push('\n');
    page.push_str(&wrapped("", text));
}

/// The text in lines, the first of them behind the bullet and the others below it.
fn wrapped(bullet: &str, text: &str) -> String {
    let mut wrapped = bullet.to_owned();
    let mut column = bullet.len();
    for word in text.split(' ') {
        let width = word.chars().count();
        if column > bullet.len() && column + 1 + width > COLUMNS {
            wrapped.push('\n');
            wrapped.push_str(&" ".repeat(bullet.len()));
            column = bullet.len();
        } else if column > bullet.len() {
            wrapped.push(' ');
            column += 1;
        }
        wrapped.push_str(word);
        column += width;
    }
    wrapped.push('\n');
    wrapped
}
