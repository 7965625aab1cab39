//! What a row of the tables of keys says, and what is found in them.
//!
//! ```text
//!   worker_keys ──┐            ┌── reader     bounds, examples in hints, "it belongs in [roll]"
//!   service_keys ─┴─ Sections ─┴── reference  runbooks/configuration.md
//! ```
//!
//! The reader finds no key without a row, and a test loads the example of every row: so a new key is a row in
//! a table and a line in the reader of its section.

use super::units::{self, Bounds, Most};

/// The sections of one kind of file, in the order of the reference page.
pub(super) type Sections = &'static [Section];

/// A table of a file.
pub(super) struct Section {
    /// Its name, empty for the top of the file. A `*` stands for a name that the author chooses.
    pub(super) name: &'static str,
    /// What it is about, in a sentence.
    pub(super) meaning: &'static str,
    pub(super) keys: &'static [Key],
}

/// One key of a section.
#[derive(Debug)]
pub(super) struct Key {
    /// Its name; `*` for names that the author chooses.
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) default: Fallback,
    /// A good value, as TOML.
    pub(super) example: &'static str,
    /// What it means, in a sentence.
    pub(super) meaning: &'static str,
    /// What a hint says to write where the key is missing, if that is more than the example.
    write: Option<&'static str>,
    /// Whether the name could mean something in other tables too: then no hint says that it belongs here.
    ambiguous: bool,
}

/// What a value may be.
#[derive(Debug)]
pub(super) enum Kind {
    Text,
    /// One of these texts.
    OneOf(&'static [&'static str]),
    /// A path on the worker's machine, from the folder of `worker.toml` where it is relative.
    Path,
    /// A text with `{environment}` and `{service}`, and its characters.
    Template(Most),
    Flag,
    Number(Bounds),
    /// A number of hosts, or a share of the fleet in percent.
    Share(Bounds),
    /// A number of CPUs; the bounds are in billionths.
    Cpus(Bounds),
    /// A part of a whole, `0.5`; the bounds are in thousandths.
    Fraction(Bounds),
    /// In milliseconds.
    Duration(Bounds),
    /// In bytes.
    Size(Bounds),
    /// A list of texts.
    List(Most),
    /// A program and its arguments.
    Program(Most),
    /// A table of names and texts.
    Map(Most),
    /// A table with a section of its own.
    Table,
}

/// What holds where a key is absent.
#[derive(Debug)]
pub(super) enum Fallback {
    /// Nothing: the key must be there.
    Required,
    /// This text.
    Text(&'static str),
    /// This value, as TOML.
    Toml(&'static str),
    Number(u64),
    /// A duration, in milliseconds.
    Ms(u64),
    /// A size.
    Bytes(u64),
    /// What these words say.
    Words(&'static str),
}

/// A row.
pub(super) const fn key(
    name: &'static str,
    kind: Kind,
    default: Fallback,
    example: &'static str,
    meaning: &'static str,
) -> Key {
    Key {
        name,
        kind,
        default,
        example,
        meaning,
        write: None,
        ambiguous: false,
    }
}

impl Key {
    /// The row, with what a hint says to write.
    pub(super) const fn write(self, write: &'static str) -> Self {
        Self {
            write: Some(write),
            ..self
        }
    }

    /// The row of a name that could mean something in other tables too.
    pub(super) const fn ambiguous(self) -> Self {
        Self {
            ambiguous: true,
            ..self
        }
    }

    /// A good line of a file, with the key's name as the author wrote it.
    pub(super) fn line(&self, name: &str) -> String {
        format!("{name} = {}", self.example)
    }

    /// What a hint says to write.
    pub(super) fn written(&self, name: &str) -> String {
        self.write.map_or_else(|| self.line(name), str::to_owned)
    }
}

impl Kind {
    /// The bounds of a number, a duration or a size.
    pub(super) fn bounds(&self) -> Option<Bounds> {
        match self {
            Self::Number(bounds)
            | Self::Share(bounds)
            | Self::Cpus(bounds)
            | Self::Fraction(bounds)
            | Self::Duration(bounds)
            | Self::Size(bounds) => Some(*bounds),
            _ => None,
        }
    }

    /// How many items, entries or characters there may be.
    pub(super) fn most(&self) -> Option<Most> {
        match self {
            Self::Template(most) | Self::List(most) | Self::Program(most) | Self::Map(most) => Some(*most),
            _ => None,
        }
    }

    /// A number in the form that an operator writes.
    pub(super) fn show(&self, number: u64) -> String {
        match self {
            Self::Duration(_) => units::show_ms(number),
            Self::Size(_) => units::show_bytes(number),
            Self::Cpus(_) => units::show_cpus(number),
            Self::Fraction(_) => units::show_thousandths(number),
            _ => number.to_string(),
        }
    }
}

impl Fallback {
    /// The value as TOML, where it is one.
    pub(super) fn toml(&self) -> Option<String> {
        match self {
            Self::Required | Self::Words(_) => None,
            Self::Text(text) => Some(format!("{text:?}")),
            Self::Toml(value) => Some((*value).to_owned()),
            Self::Number(number) => Some(number.to_string()),
            Self::Ms(ms) => Some(format!("{:?}", units::show_ms(*ms))),
            Self::Bytes(bytes) => Some(format!("{:?}", units::show_bytes(*bytes))),
        }
    }
}

impl Section {
    /// Whether it is written within a line of another section, as `log = { driver = "journald" }`.
    fn is_inline(&self) -> bool {
        self.name.contains('.') && !self.name.ends_with(".*")
    }

    fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }
}

/// The row of a key.
pub(super) fn row(sections: Sections, section: &str, name: &str) -> Option<&'static Key> {
    find(sections, section)?.key(name)
}

fn find(sections: Sections, name: &str) -> Option<&'static Section> {
    sections.iter().find(|section| section.name == name)
}

/// Whether there is a section of that name, or sections under it whose names the author chooses.
pub(super) fn is_section(sections: Sections, name: &str) -> bool {
    let mut names = sections.iter().map(|section| section.name);
    names.any(|section| section.strip_suffix(".*").unwrap_or(section) == name)
}

/// The name of what stands under a key: `roll` and `canary` make `roll.canary`.
pub(super) fn join(section: &str, name: &str) -> String {
    if section.is_empty() {
        name.to_owned()
    } else {
        format!("{section}.{name}")
    }
}

/// The sections that have a key of that name, for the hint about a key that `here` does not have.
pub(super) fn elsewhere(sections: Sections, here: &str, name: &str) -> Vec<&'static str> {
    let is_known = |section: &Section| section.is_inline() || section.key(name).is_some();
    if find(sections, here).is_some_and(is_known) {
        return Vec::new();
    }
    let has = |section: &&Section| section.key(name).is_some_and(|key| !key.ambiguous);
    let all = sections.iter().filter(|section| !section.is_inline());
    all.filter(has).map(|section| section.name).collect()
}
