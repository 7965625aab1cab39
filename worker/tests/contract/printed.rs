//! The table as people read it, 80 columns wide.

use std::collections::BTreeMap;

use crate::cell::Situation;
use crate::table::{self, Line};

/// The mark in a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    /// Model and lab did the same.
    Same,
    /// Model and lab differ.
    Differs,
    /// The cell cannot be made: the note with this number says why.
    Never(usize),
}

/// Width of the first column, and of each other one.
const NAME: usize = 30;
const CELL: usize = 8;
const WIDTH: usize = 80;

/// The results.
pub(crate) struct Table {
    cells: BTreeMap<(String, Situation), Vec<Mark>>,
    notes: Vec<&'static str>,
    differences: Vec<String>,
}

impl Table {
    pub(crate) fn new() -> Self {
        Self {
            cells: BTreeMap::new(),
            notes: Vec::new(),
            differences: Vec::new(),
        }
    }

    /// Adds the result of a cell.
    pub(crate) fn note(&mut self, line: &Line, situation: Situation, how: &str, differs: Vec<String>) {
        let name = format!("{}, {}", line.name(), situation.head());
        let how = match how {
            "" => String::new(),
            how => format!(": {how}"),
        };
        eprintln!(
            "{} {name}{how}",
            if differs.is_empty() { "  ok " } else { "DIFFERS" }
        );
        let mark = match differs.is_empty() {
            true => Mark::Same,
            false => Mark::Differs,
        };
        self.cells.entry((line.name(), situation)).or_default().push(mark);
        if !differs.is_empty() {
            let what = differs.join("\n    ");
            eprintln!("    {what}");
            self.differences.push(format!("{name}{how}\n    {what}"));
        }
    }

    /// Adds a cell that cannot be made.
    pub(crate) fn never(&mut self, line: &Line, situation: Situation, why: &'static str) {
        let known = self.notes.iter().position(|note| *note == why);
        let number = known.unwrap_or_else(|| {
            self.notes.push(why);
            self.notes.len() - 1
        });
        self.cells
            .entry((line.name(), situation))
            .or_default()
            .push(Mark::Never(number + 1));
    }

    /// Adds rules that the model saw broken on the way of a whole release.
    pub(crate) fn note_rules(&mut self, broken: Vec<String>) {
        if !broken.is_empty() {
            self.differences
                .push(format!("rules broken on the way: {}", broken.join("; ")));
        }
    }

    pub(crate) fn differences(&self) -> Vec<String> {
        self.differences.clone()
    }

    pub(crate) fn print(&self) {
        eprintln!("\n{}", self.text());
    }

    fn text(&self) -> String {
        let heads: Vec<String> = Situation::ALL
            .iter()
            .map(|each| format!("{:<CELL$}", each.head()))
            .collect();
        let mut lines = vec![format!("{:<NAME$}{}", "step", heads.concat())];
        for line in table::lines() {
            let cells: Vec<String> = Situation::ALL
                .iter()
                .map(|each| self.cell(&line, *each))
                .collect();
            lines.push(format!("{:<NAME$}{}", line.name(), cells.concat()));
        }
        lines.push(String::new());
        lines
            .push("ok: the same in the model and in the lab, so many times; .: not performed now".to_owned());
        for (n, note) in self.notes.iter().enumerate() {
            let indent = format!("{:>2}: ", n + 1);
            let wrapped = textwrap::Options::new(WIDTH)
                .initial_indent(&indent)
                .subsequent_indent("    ");
            lines.extend(
                textwrap::wrap(note, wrapped)
                    .into_iter()
                    .map(|line| line.into_owned()),
            );
        }
        let lines: Vec<&str> = lines.iter().map(|line| line.trim_end()).collect();
        lines.join("\n")
    }

    fn cell(&self, line: &Line, situation: Situation) -> String {
        let none = Vec::new();
        let marks = self.cells.get(&(line.name(), situation)).unwrap_or(&none);
        let same = marks.iter().filter(|mark| **mark == Mark::Same).count();
        let differ = marks.iter().filter(|mark| **mark == Mark::Differs).count();
        let never = marks.iter().find_map(|mark| match mark {
            Mark::Never(number) => Some(*number),
            Mark::Same | Mark::Differs => None,
        });
        let mut words = Vec::new();
        match (same, differ) {
            (0, 0) if never.is_none() => words.push(".".to_owned()),
            (0, 0) => {}
            (1, 0) => words.push("ok".to_owned()),
            (same, 0) => words.push(format!("ok {same}")),
            (same, differ) => words.push(format!("NO {differ}/{}", same + differ)),
        }
        words.extend(never.map(|number| format!("({number})")));
        let text = words.join(" ");
        format!("{text:<CELL$}")
    }
}
