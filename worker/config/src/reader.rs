//! Reads a TOML tree key by key, notes every mistake at its place, and goes on reading.
//!
//! serde stops at the first mistake, and cannot say "belongs in another table"; so this module walks the tree
//! by hand. A getter that finds a mistake notes it and returns `None`. The caller goes on with its default,
//! which does no harm, because a configuration with an error is not handed out.
//!
//! Bounds and examples come from the key's row (`worker_keys`, `service_keys`); a key without a row is not
//! read.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::error::Problems;
use super::key::{self, Fallback, Key, Sections};
use super::placeholders::{self, Template};
use super::units::{self, Bounds, Most};

/// A value, and its place in the file.
#[derive(Debug, Clone)]
pub(super) struct Located<T> {
    pub(super) value: T,
    pub(super) span: Range<usize>,
}

/// Texts with placeholders, by their keys.
pub(super) type Templates = BTreeMap<String, Located<Template>>;

/// A table that is being read.
pub(super) struct Table<'t, 'i> {
    path: String,
    sections: Sections,
    /// Its section's name in the table of keys: the path, with `*` for names that the author chose.
    section: String,
    span: Range<usize>,
    entries: &'t DeTable<'i>,
    asked: Vec<&'static str>,
    refused: Vec<&'static str>,
}

/// One entry of a table or an array.
pub(super) struct Field<'t, 'i> {
    path: String,
    name: String,
    sections: Sections,
    /// The section's name, where the value is a table.
    section: String,
    /// The key's row; `None` for a table, and for an entry of a map.
    row: Option<&'static Key>,
    pub(super) key: Range<usize>,
    pub(super) span: Range<usize>,
    value: &'t DeValue<'i>,
}

impl<'t, 'i> Table<'t, 'i> {
    /// The outermost table of a file with these sections.
    pub(super) fn root(entries: &'t DeTable<'i>, sections: Sections) -> Self {
        Self {
            path: String::new(),
            sections,
            section: String::new(),
            span: 0..0,
            entries,
            asked: Vec::new(),
            refused: Vec::new(),
        }
    }

    /// The table's place in the file: its header.
    pub(super) fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// The entry with that name, which counts as a known key from now on. A key without a row is not found.
    pub(super) fn take(&mut self, key: &'static str) -> Option<Field<'t, 'i>> {
        let known = self.row(key).is_some() || key::is_section(self.sections, &key::join(&self.section, key));
        debug_assert!(
            known,
            "`{key}` has no row in [{}] of the table of keys",
            self.section
        );
        if !known {
            return None;
        }
        self.asked.push(key);
        self.find(key)
    }

    /// The entry of a key that another one has taken the place of: it is read still, and has no row.
    pub(super) fn take_old(&mut self, key: &'static str) -> Option<Field<'t, 'i>> {
        self.refused.push(key);
        self.find(key)
    }

    fn find(&self, key: &str) -> Option<Field<'t, 'i>> {
        let (found, value) = self.entries.iter().find(|(found, _)| found.get_ref() == key)?;
        Some(self.field(key, found, value))
    }

    fn row(&self, key: &str) -> Option<&'static Key> {
        key::row(self.sections, &self.section, key)
    }

    /// The entry with that name, which must be there; otherwise its row says what to write.
    pub(super) fn require(
        &mut self,
        key: &'static str,
        problems: &mut Problems<'_>,
    ) -> Option<Field<'t, 'i>> {
        let found = self.take(key);
        if found.is_none() {
            let table = if self.path.is_empty() {
                String::new()
            } else {
                format!(" in [{}]", self.path)
            };
            let written = self.row(key).map(|row| row.written(key)).unwrap_or_default();
            problems
                .error(self.span(), format!("`{key}` is missing{table}"))
                .hint(format!("write {written}"));
        }
        found
    }

    /// A good line for a key of this table.
    pub(super) fn example(&self, key: &str) -> String {
        self.example_in(&self.section, key)
    }

    /// A good line for a key of another section.
    pub(super) fn example_in(&self, section: &str, key: &str) -> String {
        let row = key::row(self.sections, section, key);
        row.map(|row| row.line(key)).unwrap_or_default()
    }

    /// The text that holds where a key of this table is absent.
    pub(super) fn default_text(&self, key: &str) -> &'static str {
        match self.row(key) {
            Some(Key {
                default: Fallback::Text(text),
                ..
            }) => text,
            _ => "",
        }
    }

    /// A table in this table, empty where absent.
    pub(super) fn section(
        &mut self,
        key: &'static str,
        problems: &mut Problems<'_>,
    ) -> Option<Table<'t, 'i>> {
        self.take(key)?.table(problems)
    }

    /// Refuses, with the reason, a key that an author might expect here. It has no row.
    pub(super) fn refuse_as(
        &mut self,
        key: &'static str,
        reason: &str,
        hint: &str,
        problems: &mut Problems<'_>,
    ) {
        self.refused.push(key);
        if let Some(field) = self.find(key) {
            problems
                .error(field.key.clone(), format!("`{}` {reason}", field.path))
                .hint(hint);
        }
    }

    /// Whether the table has the key.
    pub(super) fn has(&self, key: &str) -> bool {
        self.find(key).is_some()
    }

    /// All entries of the table, whose names the author chose.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&'t str, Field<'t, 'i>)> + use<'_, 't, 'i> {
        let field = |(key, value): (&'t Spanned<DeString<'i>>, &'t Spanned<DeValue<'i>>)| {
            let name: &'t str = key.get_ref();
            (name, self.field("*", key, value))
        };
        self.entries.iter().map(field)
    }

    /// Notes the keys that were never asked for.
    pub(super) fn finish(self, problems: &mut Problems<'_>) {
        for (name, field) in self.entries() {
            if self.asked.contains(&name) || self.refused.contains(&name) {
                continue;
            }
            let shown: String = name.chars().take(60).collect();
            let error = problems.error(field.key.clone(), format!("unknown key `{shown}`"));
            let elsewhere = key::elsewhere(self.sections, &self.section, name);
            if !elsewhere.is_empty() {
                error.hint(format!("it belongs {}", place(&elsewhere)));
            } else if let Some(known) = super::suggest::nearest(name, self.asked.iter().copied()) {
                error.hint(format!("did you mean `{known}`?"));
            } else {
                error.hint(format!("known here: {}", self.asked.join(", ")));
            }
        }
    }

    /// An entry of the table. `row` is its name in the table of keys.
    fn field(
        &self,
        row: &str,
        key: &Spanned<DeString<'i>>,
        value: &'t Spanned<DeValue<'i>>,
    ) -> Field<'t, 'i> {
        let name = key.get_ref();
        Field {
            path: key::join(&self.path, name),
            name: name.to_string(),
            sections: self.sections,
            section: key::join(&self.section, row),
            row: self.row(row),
            key: key.span(),
            span: value.span(),
            value: value.get_ref(),
        }
    }
}

/// Where the sections are in a file.
fn place(sections: &[&str]) -> String {
    match sections {
        [""] => "at the top of the file, before the first [table]".to_owned(),
        sections => {
            let tables = sections
                .iter()
                .map(|name| format!("[{}]", name.replace('*', "NAME")));
            format!("in {}", tables.collect::<Vec<_>>().join(" or "))
        }
    }
}

impl<'t, 'i> Field<'t, 'i> {
    /// The field's full name, `container.ports`.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// A good line for the key.
    pub(super) fn example(&self) -> String {
        self.row.map(|row| row.line(&self.name)).unwrap_or_default()
    }

    /// A good value for the key, as TOML.
    pub(super) fn example_value(&self) -> &'static str {
        self.row.map_or("", |row| row.example)
    }

    /// What a hint says to write for the key.
    pub(super) fn written(&self) -> String {
        self.row.map(|row| row.written(&self.name)).unwrap_or_default()
    }

    /// The bounds of the key's number. Those of a row without bounds let nothing in, so that no reader can
    /// miss them.
    fn bounds(&self) -> Bounds {
        let bounds = self.row.and_then(|row| row.kind.bounds());
        debug_assert!(bounds.is_some(), "the row of `{}` has no bounds", self.path);
        bounds.unwrap_or(Bounds {
            min: 1,
            max: 0,
            reason: "its row in the table of keys has no bounds",
        })
    }

    /// How many items or entries the key may have.
    pub(super) fn most(&self) -> Most {
        let most = self.row.and_then(|row| row.kind.most());
        debug_assert!(most.is_some(), "the row of `{}` has no bound", self.path);
        most.unwrap_or(Most {
            most: 0,
            reason: "its row in the table of keys has no bound",
        })
    }

    /// The value, where it is a string.
    pub(super) fn as_text(&self) -> Option<&'t str> {
        self.value.as_str()
    }

    /// Notes that the value is of the wrong kind.
    pub(super) fn wrong_kind(&self, wanted: &str, example: &str, problems: &mut Problems<'_>) {
        let kind = match self.value.type_str() {
            "array" => "a list".to_owned(),
            kind @ "integer" => format!("an {kind}"),
            kind => format!("a {kind}"),
        };
        problems
            .error(
                self.span.clone(),
                format!("`{}` is {kind}, and not {wanted}", self.path),
            )
            .hint(format!("write {example}"));
    }

    /// Notes that the value is not allowed.
    pub(super) fn invalid(&self, problem: impl Display, problems: &mut Problems<'_>) {
        problems.error(self.span.clone(), format!("`{}`: {problem}", self.path));
    }

    /// The same, with a hint.
    pub(super) fn invalid_hint(
        &self,
        problem: impl Display,
        hint: impl Into<String>,
        problems: &mut Problems<'_>,
    ) {
        problems
            .error(self.span.clone(), format!("`{}`: {problem}", self.path))
            .hint(hint);
    }

    /// A text that is not empty and has no control characters.
    pub(super) fn text(&self, problems: &mut Problems<'_>) -> Option<&'t str> {
        let Some(text) = self.value.as_str() else {
            self.wrong_kind("a string", &self.quoted(), problems);
            return None;
        };
        if text.is_empty() {
            self.invalid("must not be empty", problems);
            return None;
        }
        if text.chars().any(char::is_control) {
            self.invalid("has a control character (a line break, perhaps)", problems);
            return None;
        }
        Some(text)
    }

    /// A text in which no placeholder is filled in, and which therefore must not contain one.
    pub(super) fn plain_text(&self, problems: &mut Problems<'_>) -> Option<&'t str> {
        let text = self.text(problems)?;
        if let Some(placeholder) = placeholders::misplaced(text) {
            self.invalid_hint(
                format!("{placeholder} is not filled in here"),
                "placeholders work in fleet tags, auto_scaling_group, wanted_parameter, env, labels, volumes, log options and alarms",
                problems,
            );
            return None;
        }
        Some(text)
    }

    /// A text with placeholders; like an environment variable, it may be empty and have several lines.
    pub(super) fn template(&self, problems: &mut Problems<'_>) -> Option<Template> {
        let Some(text) = self.value.as_str() else {
            self.wrong_kind("a string", &self.quoted(), problems);
            return None;
        };
        if text.contains('\0') {
            self.invalid("has a NUL character", problems);
            return None;
        }
        match Template::parse(text) {
            Ok(template) => Some(template),
            Err(error) => {
                self.invalid_hint(&error, error.fix(), problems);
                None
            }
        }
    }

    /// The value in quotes, as an example for an author who forgot them.
    fn quoted(&self) -> String {
        match self.value {
            DeValue::Integer(number) => format!("\"{}\"", number.as_str()),
            DeValue::Float(number) => format!("\"{}\"", number.as_str()),
            DeValue::Boolean(flag) => format!("\"{flag}\""),
            DeValue::Datetime(time) => format!("\"{time}\""),
            _ => "a text in quotes".to_owned(),
        }
    }

    /// `true` or `false`.
    pub(super) fn flag(&self, problems: &mut Problems<'_>) -> Option<bool> {
        if self.value.as_bool().is_none() {
            self.wrong_kind("true or false", "true or false, without quotes", problems);
        }
        self.value.as_bool()
    }

    /// A whole number within bounds.
    pub(super) fn number(&self, problems: &mut Problems<'_>) -> Option<u64> {
        let Some(number) = self.value.as_integer() else {
            self.wrong_kind("a whole number", "a number without quotes", problems);
            return None;
        };
        let number = i128::from_str_radix(number.as_str(), number.radix()).ok();
        let within = number.and_then(|number| u64::try_from(number).ok());
        self.bounded(within, |number| number.to_string(), problems)
    }

    /// A number within bounds that fit a `u32`.
    pub(super) fn count(&self, problems: &mut Problems<'_>) -> Option<u32> {
        self.number(problems)
            .and_then(|number| u32::try_from(number).ok())
    }

    /// The number of a port.
    pub(super) fn port(&self, problems: &mut Problems<'_>) -> Option<u16> {
        self.number(problems)
            .and_then(|number| u16::try_from(number).ok())
    }

    /// A number of CPUs within bounds, in billionths.
    pub(super) fn cpus(&self, problems: &mut Problems<'_>) -> Option<u64> {
        let cpus = self.float(problems)?;
        self.bounded(units::whole(cpus * 1e9), units::show_cpus, problems)
    }

    /// A part of a whole within bounds, in thousandths.
    pub(super) fn thousandths(&self, problems: &mut Problems<'_>) -> Option<u16> {
        let fraction = self.float(problems)?;
        let within = units::whole(fraction * 1e3);
        self.bounded(within, units::show_thousandths, problems)
            .and_then(|thousandths| u16::try_from(thousandths).ok())
    }

    /// A number, whole or not.
    fn float(&self, problems: &mut Problems<'_>) -> Option<f64> {
        let number = match self.value {
            DeValue::Integer(number) => number.as_str().parse::<f64>().ok(),
            DeValue::Float(number) => number.as_str().parse::<f64>().ok(),
            _ => None,
        };
        if number.is_none() {
            self.wrong_kind("a number", "a number without quotes", problems);
        }
        number
    }

    /// A duration within bounds, in milliseconds.
    pub(super) fn duration(&self, problems: &mut Problems<'_>) -> Option<u64> {
        let example = match self.value {
            DeValue::Integer(number) => format!("it with a unit: \"{}s\"", number.as_str()),
            _ => "a duration as \"10s\"".to_owned(),
        };
        let Some(text) = self.value.as_str() else {
            self.wrong_kind("a duration", &example, problems);
            return None;
        };
        match units::duration_ms(text) {
            Ok(ms) => self.bounded(Some(ms), units::show_ms, problems),
            Err(fix) => {
                self.invalid_hint(format!("{text:?} is not a duration"), fix, problems);
                None
            }
        }
    }

    /// A size within bounds, in bytes.
    pub(super) fn size(&self, problems: &mut Problems<'_>) -> Option<u64> {
        let Some(text) = self.value.as_str() else {
            self.wrong_kind("a size", "a size as \"512MiB\"", problems);
            return None;
        };
        match units::size_bytes(text) {
            Ok(bytes) => self.bounded(Some(bytes), units::show_bytes, problems),
            Err(fix) => {
                self.invalid_hint(format!("{text:?} is not a size"), fix, problems);
                None
            }
        }
    }

    fn bounded(
        &self,
        value: Option<u64>,
        show: impl Fn(u64) -> String,
        problems: &mut Problems<'_>,
    ) -> Option<u64> {
        let bounds = self.bounds();
        let within = value.filter(|value| (bounds.min..=bounds.max).contains(value));
        if within.is_none() {
            self.invalid_hint(
                format!("must be from {} to {}", show(bounds.min), show(bounds.max)),
                bounds.reason,
                problems,
            );
        }
        within
    }

    /// The items of a list.
    pub(super) fn list(&self, problems: &mut Problems<'_>) -> Option<Vec<Field<'t, 'i>>> {
        self.list_as(&self.example(), problems)
    }

    /// The items of a list; `example` shows a correct one.
    pub(super) fn list_as(&self, example: &str, problems: &mut Problems<'_>) -> Option<Vec<Field<'t, 'i>>> {
        let Some(items) = self.value.as_array() else {
            self.wrong_kind("a list", example, problems);
            return None;
        };
        let Most { most, reason } = self.most();
        if items.len() > most {
            let what = format!("has {} items, and may have {most}", items.len());
            self.invalid_hint(what, reason, problems);
        }
        let item = |(n, item): (usize, &'t Spanned<DeValue<'i>>)| Field {
            path: format!("{}[{n}]", self.path),
            name: self.name.clone(),
            sections: self.sections,
            section: self.section.clone(),
            row: self.row,
            key: item.span(),
            span: item.span(),
            value: item.get_ref(),
        };
        Some(items.iter().take(most).enumerate().map(item).collect())
    }

    /// The value as a table.
    pub(super) fn table(&self, problems: &mut Problems<'_>) -> Option<Table<'t, 'i>> {
        let Some(entries) = self.value.as_table() else {
            let name = &self.path;
            self.wrong_kind(
                "a table",
                &format!("[{name}] on a line of its own, or {name} = {{ … }}"),
                problems,
            );
            return None;
        };
        Some(Table {
            path: self.path.clone(),
            sections: self.sections,
            section: self.section.clone(),
            span: self.span.clone(),
            entries,
            asked: Vec::new(),
            refused: Vec::new(),
        })
    }

    /// A table of texts with placeholders.
    pub(super) fn templates(&self, problems: &mut Problems<'_>) -> Templates {
        let Some(table) = self.table(problems) else {
            return BTreeMap::new();
        };
        let Most { most, reason } = self.most();
        if table.entries.len() > most {
            let what = format!("has {} entries, and may have {most}", table.entries.len());
            self.invalid_hint(what, reason, problems);
        }
        let read = |(name, field): (&str, Field<'_, '_>)| {
            let value = field.template(problems)?;
            Some((
                name.to_owned(),
                Located {
                    value,
                    span: field.key,
                },
            ))
        };
        table.entries().take(most).filter_map(read).collect()
    }
}
