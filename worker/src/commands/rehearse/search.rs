//! The search: every way that a roll of this fleet can go with one disturbance, or random runs with several
//! where that would take too long.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use drawgate_rehearsal::World;
use drawgate_rehearsal::explore::{Outcomes, Violation, explore, swarm};
use drawgate_rollout::Plan;
use drawgate_schemas::{Environment, Outcome, Service};
use serde::Serialize;

use super::super::layout::wrapped;

/// Fleets up to this size are searched completely, which takes seconds.
const HOSTS: usize = 6;
/// Most random runs for a larger fleet.
const RUNS: u64 = 1_000;
/// The random runs end after this time in any case.
const LONGEST: Duration = Duration::from_secs(30);
/// A complete search leaves out the limit on the whole roll, so this many times the expected time must be
/// below it.
const ROLLS: u64 = 4;

/// The result of a search. Its fields are the JSON of `rehearse --explore`.
#[derive(Debug, Serialize)]
pub(super) struct Search {
    environment: Environment,
    service: Service,
    version: String,
    /// Whether every way was searched, instead of random ones.
    complete: bool,
    /// The seed of the random runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<u64>,
    executions: u64,
    /// How many executions ended in each outcome.
    ends: BTreeMap<Outcome, u64>,
    /// The same for each kind of disturbance.
    after: BTreeMap<&'static str, BTreeMap<Outcome, u64>>,
    /// A violated invariant and the disturbances that led to it: a mistake in Drawgate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) violation: Option<String>,
}

fn counted(ends: Outcomes) -> BTreeMap<Outcome, u64> {
    ends.by_outcome().collect()
}

impl Search {
    pub(super) fn of(world: &World, plan: &Plan, seed: u64) -> Self {
        let in_time = plan.estimate().expected_ms.saturating_mul(ROLLS) < plan.definition.roll.max_roll_ms;
        if plan.hosts.len() <= HOSTS && in_time {
            let found = explore(world, 1, None);
            let after = found.after.iter().map(|(what, ends)| (*what, counted(*ends)));
            let after = after.collect();
            return Self::new(world, None, found.ends, after, found.violation);
        }
        let (mut ends, mut violation) = (Outcomes::default(), None);
        let begun = Instant::now();
        for run in 0..RUNS {
            match swarm::run(world, seed.wrapping_add(run), None) {
                Ok(ran) => ends.count(ran.outcome),
                Err(found) => {
                    violation = Some(*found);
                    break;
                }
            }
            if begun.elapsed() > LONGEST {
                break;
            }
        }
        Self::new(world, Some(seed), ends, BTreeMap::new(), violation)
    }

    fn new(
        world: &World,
        seed: Option<u64>,
        ends: Outcomes,
        after: BTreeMap<&'static str, BTreeMap<Outcome, u64>>,
        violation: Option<Violation>,
    ) -> Self {
        let told = |violation: Violation| {
            let between = violation
                .between
                .iter()
                .map(|(entry, what)| format!("{what} after entry {entry}"));
            let what = violation.what.lines().next().unwrap_or_default();
            format!("{what} ({})", between.collect::<Vec<_>>().join(", "))
        };
        Self {
            environment: world.request.environment.clone(),
            service: world.request.service.clone(),
            version: world.request.version_name(),
            complete: seed.is_none(),
            seed,
            executions: ends.total(),
            ends: counted(ends),
            after,
            violation: violation.map(told),
        }
    }
}

fn told(ends: &BTreeMap<Outcome, u64>) -> String {
    let parts: Vec<String> = ends
        .iter()
        .map(|(outcome, number)| format!("{outcome} {number}"))
        .collect();
    parts.join(", ")
}

impl fmt::Display for Search {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} {} -> {}, every way it can go\n",
            self.service, self.version, self.environment
        )?;
        match self.seed {
            None => writeln!(f, "{:<38} ENDS", "ONE THING COMES BETWEEN, ANYWHERE")?,
            Some(seed) => wrapped(
                f,
                "",
                &format!(
                    "{} rolls with up to 12 things between each, by chance from seed {seed} on",
                    self.executions
                ),
                2,
            )?,
        }
        for (what, ends) in &self.after {
            wrapped(f, &format!("{what:<38} "), &told(ends), 39)?;
        }
        let all = format!("{} ways: {}", self.executions, told(&self.ends));
        wrapped(f, "", &format!("\n{all}"), 2)?;
        let end = match &self.violation {
            None => {
                "in each of them hosts, scaling, alarms and targets were as they should be at the end, or an operator was \
                 called and told what is not"
                    .to_owned()
            }
            Some(violation) => format!("  !!    a mistake in drawgate: {violation}"),
        };
        wrapped(f, "", &end, 2)?;
        f.write_str("nothing was touched\n")
    }
}
