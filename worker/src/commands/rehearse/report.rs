//! The result of a rehearsal: a timeline at 80 columns for people, JSON for programs.

use std::fmt;

use drawgate_rehearsal::sim::Sim;
use drawgate_rollout::{Cost, Plan};
use drawgate_schemas::{Environment, Leftover, Outcome, Service};
use serde::Serialize;

use super::super::layout::{WIDTH, clock, wrapped};
use super::super::plan::report::part;
use super::timeline::{self, HostWay, Moment};

/// The column at which a moment's text begins.
const INDENT: usize = 10;
/// The width of the column with instance ids.
const ID: usize = 21;
/// How many of the largest parts of the time are named.
const COSTS: usize = 3;

/// The result of a rehearsed release. Its fields are the JSON of `rehearse`.
#[derive(Debug, Serialize)]
pub(super) struct Rehearsal {
    environment: Environment,
    service: Service,
    version: String,
    outcome: Option<Outcome>,
    summary: String,
    duration_ms: u64,
    /// The parts of the time of an undisturbed roll, the largest first.
    costs: Vec<Cost>,
    timeline: Vec<Moment>,
    hosts: Vec<HostWay>,
    /// Leftovers that an operator would have to put right.
    /// A violated invariant, which is a mistake in Drawgate.
    leftovers: Vec<Leftover>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) violation: Option<String>,
}

impl Rehearsal {
    pub(super) fn of(sim: &Sim, plan: &Plan, violation: Option<String>) -> Self {
        let ended = sim.release().ended.as_ref();
        let request = &sim.release().request;
        let receipt = ended.and_then(|ended| ended.receipt.as_ref());
        let first = sim.journal.first().map_or(sim.now, |entry| entry.at);
        Self {
            environment: request.environment.clone(),
            service: request.service.clone(),
            version: request.version_name(),
            outcome: ended.map(|ended| ended.outcome),
            summary: ended.map_or_else(String::new, |ended| ended.summary.clone()),
            duration_ms: drawgate_rollout::limits::between_ms(first, sim.now),
            costs: plan.estimate().costs,
            timeline: timeline::moments(&sim.journal),
            hosts: timeline::ways(&sim.journal),
            leftovers: receipt.map_or_else(Vec::new, |receipt| receipt.leftovers.clone()),
            violation: violation.map(|what| what.lines().take(1).collect()),
        }
    }
}

impl fmt::Display for Rehearsal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} {} -> {}, rehearsed\n",
            self.service, self.version, self.environment
        )?;
        writeln!(f, "{:>8}  WHAT", "AT")?;
        for moment in &self.timeline {
            let mark = format!("{:>8}  ", clock(moment.at_ms));
            wrapped(f, &mark, &moment.what, INDENT)?;
        }
        self.bars(f)?;
        let outcome = self
            .outcome
            .map_or_else(|| "no end".to_owned(), |outcome| outcome.to_string());
        let end = format!("{outcome} after {}: {}", clock(self.duration_ms), self.summary);
        wrapped(f, "", &end, 2)?;
        for leftover in &self.leftovers {
            wrapped(f, "  left  ", &leftover.to_string(), 8)?;
        }
        let most: Vec<String> = self.costs.iter().take(COSTS).map(part).collect();
        if !most.is_empty() {
            wrapped(f, "", &format!("costs most: {}", most.join(", ")), 12)?;
        }
        if let Some(violation) = &self.violation {
            wrapped(f, "  !!    ", &format!("a mistake in drawgate: {violation}"), 8)?;
        }
        f.write_str("nothing was touched; a pull is taken to last 20 s, every other call 1 s\n")
    }
}

impl Rehearsal {
    fn bars(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.hosts.is_empty() {
            return writeln!(f);
        }
        let (columns, end) = (WIDTH - ID, clock(self.duration_ms));
        writeln!(f, "\n{:<ID$}0:00{end:>width$}", "HOST", width = columns - 4)?;
        for way in &self.hosts {
            let bar = timeline::bar(way, self.duration_ms, columns);
            writeln!(f, "{:<ID$}{bar}", way.instance)?;
        }
        writeln!(
            f,
            "{:<ID$}d drains  s is swapped  h becomes healthy; capitals: back\n",
            ""
        )
    }
}
