//! The tables of keys and the readers say the same: each row is read, and its example, default and bounds are
//! the reader's.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use drawgate_schemas::{Environment, Service};

use super::machine;
use crate::error::explain;
use crate::key::{Fallback, Key, Kind, Section, Sections};
use crate::load::load;
use crate::service_keys::SERVICE;
use crate::worker_keys::WORKER;
use crate::{Config, ConfigErrors};

/// The values of a file, by section and key.
type Lines = BTreeMap<(&'static str, &'static str), String>;

/// A row of one of the tables.
struct Row {
    is_of_worker: bool,
    file: Sections,
    section: &'static Section,
    key: &'static Key,
}

fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for (is_of_worker, file) in [(true, WORKER), (false, SERVICE)] {
        for section in file {
            rows.extend(section.keys.iter().map(|key| Row {
                is_of_worker,
                file,
                section,
                key,
            }));
        }
    }
    rows
}

const WORKER_LINES: [(&str, &str, &str); 4] = [
    ("", "site", "\"us-west\""),
    ("amqp", "url", "\"amqp://localhost\""),
    ("groups", "*", "[\"ben\"]"),
    ("orders", "from", "[\"ops\"]"),
];

const SERVICE_LINES: [(&str, &str, &str); 4] = [
    ("", "service", "\"api\""),
    ("", "environments", "[\"staging\", \"production\"]"),
    ("", "auto_scaling_group", "\"api-{environment}\""),
    ("policy", "images", "[\"registry.example.com/team/api\"]"),
];

impl Row {
    fn place(&self) -> (&'static str, &'static str) {
        (self.section.name, self.key.name)
    }

    /// The lines that the key needs beside it: the least of a file, what must be in its section, and what the
    /// reader asks for because of this key.
    fn beside(&self) -> Lines {
        let least = if self.is_of_worker {
            WORKER_LINES
        } else {
            SERVICE_LINES
        };
        let least = least.map(|(section, key, value)| ((section, key), value.to_owned()));
        let mut lines = Lines::from(least);
        for section in self.file.iter().filter(|section| self.stands_in(section)) {
            let required = section
                .keys
                .iter()
                .filter(|key| matches!(key.default, Fallback::Required));
            lines.extend(required.map(|key| ((section.name, key.name), key.example.to_owned())));
        }
        for &(section, key, value) in self.needed() {
            lines.insert((section, key), value.to_owned());
        }
        if self.place() == ("fleet", "tags") || self.is_on_the_bastion() {
            lines.remove(&("", "auto_scaling_group"));
        }
        lines
    }

    /// Whether the key is in this section, or in a table of it.
    fn stands_in(&self, section: &Section) -> bool {
        let rest = self.section.name.strip_prefix(section.name);
        !section.name.is_empty() && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    }

    fn is_on_the_bastion(&self) -> bool {
        matches!(self.place(), ("command", "pass_env" | "secrets"))
    }

    fn needed(&self) -> &'static [(&'static str, &'static str, &'static str)] {
        match self.place() {
            ("registry.*", "username") => &[("registry.*", "password_file", "\"secrets/registry\"")],
            ("registry.*", "password_file") => &[("registry.*", "username", "\"drawgate\"")],
            ("command", "pass_env" | "secrets") => &[
                ("command", "run_on", "\"worker\""),
                ("command", "directory", "\"/opt/api\""),
                ("command", "version", "{ run = [\"cat\", \"VERSION\"] }"),
            ],
            ("command", _) => &[("command", "version", "{ run = [\"cat\", \"VERSION\"] }")],
            ("verify", "http") | ("verify.http", _) => &[("container", "ports", "[\"8080:8080\"]")],
            ("verify", "command" | "healthcheck") => &[],
            ("verify", _) => &[("verify", "healthcheck", "true")],
            ("alarms", "settle") => &[("alarms", "by", "\"mute_rule\"")],
            ("alarms", "bake" | "watch_interval") => &[("alarms", "watch", "[\"api-5xx\"]")],
            ("after", "image") => &[("after", "run_on", "\"container\"")],
            _ => &[],
        }
    }

    /// The file with this value of the key.
    fn with(&self, value: &str) -> Lines {
        let mut lines = self.beside();
        lines.insert(self.place(), value.to_owned());
        lines
    }

    /// The file without the key, and without its section where that has no other.
    fn without(&self) -> Lines {
        let mut lines = self.beside();
        lines.remove(&self.place());
        lines
    }

    /// The file without the key, but with its section.
    fn without_but_section(&self) -> Lines {
        let mut lines = self.without();
        lines.insert((self.section.name, ""), String::new());
        lines
    }

    /// Reads the file, beside the least of the other.
    fn load(&self, folder: &Path, lines: Lines) -> Result<Config, ConfigErrors> {
        let other = if self.is_of_worker {
            SERVICE_LINES
        } else {
            WORKER_LINES
        };
        let other = Lines::from(other.map(|(section, key, value)| ((section, key), value.to_owned())));
        let (worker, service) = if self.is_of_worker {
            (lines, other)
        } else {
            (other, lines)
        };
        fs::write(folder.join("worker.toml"), text(&worker)).unwrap();
        fs::write(folder.join("services/api.toml"), text(&service)).unwrap();
        load(&folder.join("worker.toml"), machine())
    }

    /// What `check` says with this value of the key.
    fn told(&self, folder: &Path, value: &str) -> String {
        match self.load(folder, self.with(value)) {
            Ok(config) => explain(&config.report(Path::new("worker.toml"))),
            Err(report) => explain(&report),
        }
    }
}

/// A file with these lines. Where a name is the author's, it is one that the other lines know.
fn text(lines: &Lines) -> String {
    let mut text = String::new();
    let mut open = "";
    for (&(section, key), value) in lines {
        if section != open {
            let header = section.replace("environment.*", "environment.production");
            let header = header.replace("registry.*", "registry.\"registry.example.com\"");
            writeln!(text, "[{header}]").unwrap();
            open = section;
        }
        if !key.is_empty() {
            writeln!(text, "{} = {value}", key.replace('*', "ops")).unwrap();
        }
    }
    text
}

/// A folder for the files, with the secrets that examples name.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in ["services", "secrets"] {
        fs::create_dir(folder.path().join(name)).unwrap();
    }
    for name in ["amqp", "registry", "webhook"] {
        let path = folder.path().join("secrets").join(name);
        fs::write(&path, "hush").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }
    folder
}

/// This also shows that each row is read: a key that no reader asks for is unknown.
#[test]
fn the_example_of_each_key_is_accepted() {
    let folder = folder();
    for row in rows() {
        let told = row.told(folder.path(), row.key.example);
        assert!(
            told.ends_with("worker.toml: ok\n") && told.lines().count() == 1,
            "{:?}: {told}",
            row.place()
        );
    }
}

#[test]
fn a_key_that_must_be_there_is_asked_for_with_its_example() {
    let folder = folder();
    for row in rows() {
        if matches!(row.key.default, Fallback::Required) {
            let missing = row
                .load(folder.path(), row.without_but_section())
                .expect_err(row.key.name);
            let hint = format!("write {}", row.key.written(row.key.name));
            let told = missing
                .errors
                .iter()
                .any(|error| error.hint.as_ref() == Some(&hint));
            assert!(told, "{:?}: {missing}", row.place());
        }
    }
}

#[test]
fn a_key_that_need_not_be_there_has_its_default() {
    let folder = folder();
    let service = Service::try_from("api".to_owned()).unwrap();
    let settings = |row: &Row, lines: Lines| {
        let config = row.load(folder.path(), lines);
        let config = config.unwrap_or_else(|errors| panic!("{:?}: {errors}", row.place()));
        let targets = ["staging", "production"].map(|name| {
            let environment = Environment::try_from(name.to_owned()).unwrap();
            let definition = config.definition(&environment, &service).unwrap();
            (definition, config.gates(&environment, &service))
        });
        (config.settings().clone(), targets)
    };
    let mut shown = 0;
    for row in rows() {
        if let Some(value) = row.key.default.toml() {
            let said = settings(&row, row.with(&value));
            assert_eq!(said, settings(&row, row.without()), "{:?}", row.place());
            assert_eq!(
                said,
                settings(&row, row.without_but_section()),
                "{:?}",
                row.place()
            );
            shown += 1;
        }
    }
    assert!(shown > 40, "{shown}");
}

#[test]
fn a_number_beyond_its_bounds_is_refused_with_the_reason() {
    let folder = folder();
    for row in rows() {
        let kind = &row.key.kind;
        let Some(bounds) = kind.bounds() else { continue };
        let written = |number: u64| match kind {
            Kind::Duration(_) => format!("\"{number}ms\""),
            Kind::Size(_) => format!("\"{number}B\""),
            Kind::Cpus(_) => format!("{:?}", number as f64 / 1e9),
            Kind::Fraction(_) => format!("{:?}", number as f64 / 1e3),
            _ => number.to_string(),
        };
        let refusal = format!(
            "must be from {} to {}\n",
            kind.show(bounds.min),
            kind.show(bounds.max)
        );
        for good in [bounds.min, bounds.max] {
            let told = row.told(folder.path(), &written(good));
            assert!(!told.contains(&refusal), "{:?}: {told}", row.place());
        }
        for bad in [bounds.min.checked_sub(1), Some(bounds.max + 1)]
            .into_iter()
            .flatten()
        {
            let told = row.told(folder.path(), &written(bad));
            let reason = format!("hint: {}\n", bounds.reason);
            assert!(
                told.contains(&refusal) && told.contains(&reason),
                "{:?}: {told}",
                row.place()
            );
        }
    }
}

#[test]
fn more_than_there_may_be_is_refused_with_the_reason() {
    let folder = folder();
    for row in rows() {
        let Some(bound) = row.key.kind.most() else {
            continue;
        };
        // The first item of a list, the last text of a map.
        let first = row.key.example.split('"').nth(1).unwrap();
        let last = row.key.example.rsplit('"').nth(1).unwrap();
        let several = |count: usize| match row.key.kind {
            Kind::Template(_) => format!("\"/{}\"", "x".repeat(count - 1)),
            Kind::Map(_) => {
                let entries = (0..count).map(|n| format!("K{n} = {:?}", last));
                format!("{{ {} }}", entries.collect::<Vec<_>>().join(", "))
            }
            _ => format!("{:?}", vec![first; count]),
        };
        let refusal = match row.key.kind {
            Kind::Template(_) => "longer than AWS allows",
            _ => bound.reason,
        };
        let told = [bound.most, bound.most + 1].map(|count| row.told(folder.path(), &several(count)));
        assert!(!told[0].contains(refusal), "{:?}: {}", row.place(), told[0]);
        assert!(told[1].contains(refusal), "{:?}: {}", row.place(), told[1]);
    }
}

#[test]
fn each_choice_is_one_and_nothing_else_is() {
    let folder = folder();
    for row in rows() {
        let Kind::OneOf(choices) = row.key.kind else {
            continue;
        };
        let refusal = format!("{}`: ", row.key.name);
        for choice in choices {
            let told = row.told(folder.path(), &format!("{choice:?}"));
            assert!(!told.contains(&refusal), "{:?}: {told}", row.place());
        }
        let told = row.told(folder.path(), "\"another\"");
        assert!(told.contains(&refusal), "{:?}: {told}", row.place());
    }
}

/// `infra/examples` claims to have every key; programs in place of containers are in `infra/recipes`.
#[test]
fn each_key_is_in_an_example_file() {
    let infra = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../infra");
    let read = |name: &str| fs::read_to_string(infra.join(name)).unwrap();
    let worker = read("examples/worker.toml");
    let service = read("examples/services/search-api.toml") + &read("examples/services/ingest.toml");
    let programs = read("recipes/kubernetes/services/search-api.toml");
    for row in rows().iter().filter(|row| row.key.name != "*") {
        let text = match row.section.name {
            _ if row.is_of_worker => &worker,
            "command" | "command.version" => &programs,
            _ => &service,
        };
        // `[command]` takes variables as every program does; no recipe needs any.
        let is_there = has(text, row.key.name) || row.place() == ("command", "env");
        assert!(is_there, "{:?} is in no example", row.place());
    }
}

/// Whether a text has a line, or a commented line, that sets the key.
fn has(text: &str, key: &str) -> bool {
    text.match_indices(key).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let alone = !before.is_some_and(|c| c.is_alphanumeric() || c == '_');
        alone && text[at + key.len()..].trim_start_matches(' ').starts_with('=')
    })
}

#[test]
fn a_name_is_in_its_section_once() {
    let mut names = BTreeSet::new();
    for row in rows() {
        let place = (row.is_of_worker, row.place());
        assert!(names.insert(place), "{:?}", row.place());
    }
}
