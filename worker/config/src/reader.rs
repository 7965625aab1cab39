//! Reads a TOML tree key by key, notes every mistake at its place, and goes on reading.
//!
//! serde stops at the first mistake, and cannot say "belongs in another table"; so this module walks the tree
//! by hand. A getter that finds a mistake notes it and returns `None`. The caller goes on with its default,
//! which does no harm, because a configuration with an error is not handed out.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::Range;

use toml::de::{DeTable, DeValue};

use super::error::Problems;
use super::placeholders::{self, Template};
use super::units::{self, Bounds};

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
    span: Range<usize>,
    entries: &'t DeTable<'i>,
    asked: Vec<&'static str>,
    refused: Vec<&'static str>,
}

/// One entry of a table or an array.
pub(super) struct Field<'t, 'i> {
    path: String,
    pub(super) key: Range<usize>,
    pub(super) span: Range<usize>,
    value: &'t DeValue<'i>,
}

impl<'t, 'i> Table<'t, 'i> {
    /// A file's outermost table.
    pub(super) fn root(entries: &'t DeTable<'i>) -> Self {
        Self {
            path: String::new(),
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

    /// The entry with that name, which counts as a known key from now on.
    pub(super) fn take(&mut self, key: &'static str) -> Option<Field<'t, 'i>> {
        self.asked.push(key);
        self.find(key)
    }

    fn find(&self, key: &str) -> Option<Field<'t, 'i>> {
        let (found, value) = self.entries.iter().find(|(found, _)| found.get_ref() == key)?;
        Some(self.field(found.get_ref(), found.span(), value.span(), value.get_ref()))
    }

    /// The entry with that name, which must be there; `example` shows a correct one.
    pub(super) fn require(
        &mut self,
        key: &'static str,
        example: &str,
        problems: &mut Problems<'_>,
    ) -> Option<Field<'t, 'i>> {
        let found = self.take(key);
        if found.is_none() {
            let table = if self.path.is_empty() {
                String::new()
            } else {
                format!(" in [{}]", self.path)
            };
            problems
                .error(self.span(), format!("`{key}` is missing{table}"))
                .hint(format!("write {example}"));
        }
        found
    }

    /// A table in this table, empty where absent.
    pub(super) fn section(
        &mut self,
        key: &'static str,
        problems: &mut Problems<'_>,
    ) -> Option<Table<'t, 'i>> {
        self.take(key)?.table(problems)
    }

    /// Refuses, with the reason, a key that an author might expect here.
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

    /// All entries of the table.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&'t str, Field<'t, 'i>)> + use<'_, 't, 'i> {
        self.entries.iter().map(|(key, value)| {
            let name: &'t str = key.get_ref();
            (name, self.field(name, key.span(), value.span(), value.get_ref()))
        })
    }

    /// Notes the keys that were never asked for. `belongs` may know the right table for a key.
    pub(super) fn finish(self, belongs: impl Fn(&str) -> Option<&'static str>, problems: &mut Problems<'_>) {
        for (name, field) in self.entries() {
            if self.asked.contains(&name) || self.refused.contains(&name) {
                continue;
            }
            let shown: String = name.chars().take(60).collect();
            let error = problems.error(field.key.clone(), format!("unknown key `{shown}`"));
            if let Some(table) = belongs(name).filter(|table| *table != self.path) {
                error.hint(match table {
                    "" => "it belongs at the top of the file, before the first [table]".to_owned(),
                    table => format!("it belongs in [{table}]"),
                });
            } else if let Some(known) = super::suggest::nearest(name, self.asked.iter().copied()) {
                error.hint(format!("did you mean `{known}`?"));
            } else {
                error.hint(format!("known here: {}", self.asked.join(", ")));
            }
        }
    }

    fn field(
        &self,
        name: &str,
        key: Range<usize>,
        span: Range<usize>,
        value: &'t DeValue<'i>,
    ) -> Field<'t, 'i> {
        let path = if self.path.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.path)
        };
        Field {
            path,
            key,
            span,
            value,
        }
    }
}

impl<'t, 'i> Field<'t, 'i> {
    /// The field's full name, `container.ports`.
    pub(super) fn path(&self) -> &str {
        &self.path
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
    pub(super) fn number(&self, bounds: Bounds, problems: &mut Problems<'_>) -> Option<u64> {
        let Some(number) = self.value.as_integer() else {
            self.wrong_kind("a whole number", "a number without quotes", problems);
            return None;
        };
        let number = i128::from_str_radix(number.as_str(), number.radix()).ok();
        let within = number.and_then(|number| u64::try_from(number).ok());
        self.bounded(within, bounds, |number| number.to_string(), problems)
    }

    /// A number, whole or not.
    pub(super) fn float(&self, problems: &mut Problems<'_>) -> Option<f64> {
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
    pub(super) fn duration(&self, bounds: Bounds, problems: &mut Problems<'_>) -> Option<u64> {
        let example = match self.value {
            DeValue::Integer(number) => format!("it with a unit: \"{}s\"", number.as_str()),
            _ => "a duration as \"10s\"".to_owned(),
        };
        let Some(text) = self.value.as_str() else {
            self.wrong_kind("a duration", &example, problems);
            return None;
        };
        match units::duration_ms(text) {
            Ok(ms) => self.bounded(Some(ms), bounds, units::show_ms, problems),
            Err(fix) => {
                self.invalid_hint(format!("{text:?} is not a duration"), fix, problems);
                None
            }
        }
    }

    /// A size within bounds, in bytes.
    pub(super) fn size(&self, bounds: Bounds, problems: &mut Problems<'_>) -> Option<u64> {
        let Some(text) = self.value.as_str() else {
            self.wrong_kind("a size", "a size as \"512MiB\"", problems);
            return None;
        };
        match units::size_bytes(text) {
            Ok(bytes) => self.bounded(Some(bytes), bounds, units::show_bytes, problems),
            Err(fix) => {
                self.invalid_hint(format!("{text:?} is not a size"), fix, problems);
                None
            }
        }
    }

    fn bounded(
        &self,
        value: Option<u64>,
        bounds: Bounds,
        show: impl Fn(u64) -> String,
        problems: &mut Problems<'_>,
    ) -> Option<u64> {
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

    /// The items of a list with at most `most` items.
    pub(super) fn list(
        &self,
        most: usize,
        example: &str,
        problems: &mut Problems<'_>,
    ) -> Option<Vec<Field<'t, 'i>>> {
        let Some(items) = self.value.as_array() else {
            self.wrong_kind("a list", example, problems);
            return None;
        };
        if items.len() > most {
            self.invalid(
                format!("has {} items, and may have {most}", items.len()),
                problems,
            );
        }
        let item = |(n, item): (usize, &'t toml::Spanned<DeValue<'i>>)| Field {
            path: format!("{}[{n}]", self.path),
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
            span: self.span.clone(),
            entries,
            asked: Vec::new(),
            refused: Vec::new(),
        })
    }

    /// A table of texts with placeholders, with at most `most` entries.
    pub(super) fn templates(&self, most: usize, problems: &mut Problems<'_>) -> Templates {
        let Some(table) = self.table(problems) else {
            return BTreeMap::new();
        };
        if table.entries.len() > most {
            self.invalid(
                format!("has {} entries, and may have {most}", table.entries.len()),
                problems,
            );
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
