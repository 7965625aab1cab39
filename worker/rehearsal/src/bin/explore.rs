//! Runs the complete searches of a roll, of a queue, and of two services that share alarms; then runs by chance with
//! larger fleets, and checks that the oracle finds every planted mistake. The last line is one JSON object.
//!
//! ```text
//! explore --most 2       at most so many interleavings in one execution of the complete search; what AWS lets come
//!                        between comes alone
//!         --most-of-aws 1  the same for the fleets in which that matters, with what AWS lets come as any of them
//!         --seed N       the runs by chance begin with this seed; without it the seed is new each time
//!         --runs 20000   number of runs by chance of one roll, and as many with what AWS lets come alone
//!         --queue-runs N number of runs by chance of two releases of one target
//!         --fleet TEXT   searches completely only the fleets whose name contains this text
//! ```

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Instant, UNIX_EPOCH};

use drawgate_rehearsal::explore::{
    Bounds, Found, OfAws, Violation, aws_fleets, explore, explore_within, fleets, replay, swarm,
};
use drawgate_rehearsal::lane::{self, Scenario};
use drawgate_rehearsal::{Mutant, World, pair};
use serde_json::json;

/// Runs by chance of one roll: about half a minute.
const RUNS: u64 = 20_000;

/// Runs by chance of two releases of one target: about half a minute too.
const QUEUE_RUNS: u64 = 100_000;

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let _closed = writeln!(io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs every search. True when none found a violation and every planted mistake was found.
fn run() -> io::Result<bool> {
    let begun = Instant::now();
    let most = asked("--most")?
        .and_then(|most| u8::try_from(most).ok())
        .unwrap_or(2);
    let now = || UNIX_EPOCH.elapsed().map_or(1, |elapsed| elapsed.as_secs());
    let (seed, runs, queue_runs) = (
        asked("--seed")?.unwrap_or_else(now),
        asked("--runs")?.unwrap_or(RUNS),
        asked("--queue-runs")?.unwrap_or(QUEUE_RUNS),
    );
    let of_aws = asked("--most-of-aws")?
        .and_then(|most| u8::try_from(most).ok())
        .unwrap_or(most.min(1));
    let (fleets, aws_fleets) = (chosen(fleets()), chosen(aws_fleets()));
    let of_aws = Bounds {
        most: of_aws,
        of_aws: OfAws::Any,
    };
    let mut rolls = Rolls::default();
    rolls.search(&fleets, Bounds::at_most(most))?;
    rolls.search(&aws_fleets, of_aws)?;
    rolls.tell_families()?;
    let mut violations = rolls.violations;
    violations += explore_shared_alarms(most)?;
    let scenarios = lane::scenarios();
    let queue = explore_queue(&scenarios)?;
    violations += queue.violations;
    for (seed, runs) in batches(seed, runs, RUNS) {
        violations += by_chance(seed, runs)?;
        violations += by_chance_of_aws(seed, runs)?;
    }
    for (seed, runs) in batches(seed, queue_runs, QUEUE_RUNS) {
        violations += queue_by_chance(seed, runs)?;
    }
    let (planted, caught) = planted_mistakes(&fleets, &aws_fleets, &scenarios);
    let line = json!({
        "executions": rolls.executions,
        "states": rolls.states,
        "violations": violations,
        "seconds": begun.elapsed().as_secs(),
        "planted": planted,
        "caught": caught,
        "seed": seed,
        "runs": runs,
        "queue_executions": queue.executions,
        "queue_runs": queue_runs,
    });
    writeln!(io::stdout(), "{line}")?;
    Ok(violations == 0 && caught == planted)
}

/// Runs in batches of at most so many: the first seed and the number of each. Each batch tells its result.
fn batches(seed: u64, runs: u64, most: u64) -> impl Iterator<Item = (u64, u64)> {
    let firsts = (0..runs.div_ceil(most)).map(move |batch| batch * most);
    firsts.map(move |first| (seed.wrapping_add(first), most.min(runs - first)))
}

/// The fleets whose name contains what was asked for.
fn chosen(mut fleets: Vec<(String, World)>) -> Vec<(String, World)> {
    let mut arguments = std::env::args().skip_while(|argument| argument != "--fleet");
    if let Some(text) = arguments.nth(1) {
        fleets.retain(|(name, _)| name.contains(&text));
    }
    fleets
}

/// The results of the complete searches of a roll.
#[derive(Default)]
struct Rolls {
    executions: u64,
    states: u64,
    violations: u32,
    /// Executions and states by the family of the first interleaving.
    families: BTreeMap<&'static str, (u64, u64)>,
}

impl Rolls {
    fn search(&mut self, fleets: &[(String, World)], bounds: Bounds) -> io::Result<()> {
        let found = side_by_side(fleets, |(name, world)| {
            let begun = Instant::now();
            let found = explore_within(world, bounds, None);
            tell(name, &found, begun);
            found
        });
        for ((name, world), found) in fleets.iter().zip(&found) {
            self.executions = self.executions.saturating_add(found.ends.total());
            self.states += found.states;
            for (&family, ends) in &found.after {
                self.families.entry(family).or_default().0 += ends.total();
            }
            for (&family, states) in &found.states_after {
                self.families.entry(family).or_default().1 += states;
            }
            if let Some(violation) = &found.violation {
                self.violations += 1;
                show(name, world, violation)?;
            }
        }
        Ok(())
    }

    fn tell_families(&self) -> io::Result<()> {
        let mut out = io::stdout().lock();
        for (family, (executions, states)) in &self.families {
            writeln!(out, "first {family}: {executions} executions, {states} states")?;
        }
        Ok(())
    }
}

/// Searches once with each planted mistake. Gives the number of mistakes, and how many of them were found.
fn planted_mistakes(
    fleets: &[(String, World)],
    aws_fleets: &[(String, World)],
    scenarios: &[Scenario],
) -> (usize, usize) {
    // A planted mistake may make the model panic too; the panic's message is no news here.
    std::panic::set_hook(Box::new(|_| {}));
    let in_a_roll = |mutant: &Mutant| {
        let caught = aws_fleets.iter().filter(|_| Mutant::OF_AWS.contains(mutant));
        let caught = caught.chain(fleets).find_map(|(name, world)| {
            // The model itself may panic on a state that the mistake has made.
            let found = std::panic::catch_unwind(|| explore(world, 1, Some(*mutant)));
            let what = match found {
                Ok(found) => found.violation?.what,
                Err(_) => "the model cannot go on".to_owned(),
            };
            Some((name.clone(), what))
        });
        tell_caught(*mutant, caught.as_ref())
    };
    let in_a_queue = |mutant: &Mutant| {
        let caught = scenarios.iter().find_map(|scenario| {
            let violation = lane::explore::explore(scenario, Some(*mutant)).violation?;
            Some((scenario.name.to_owned(), violation.what))
        });
        tell_caught(*mutant, caught.as_ref())
    };
    let in_a_pair = |mutant: &Mutant| {
        let caught = pair::explore::scenarios().into_iter().find_map(|scenario| {
            let (what, _) = pair::explore::explore(scenario, Some(*mutant)).violation?;
            Some((format!("{scenario:?}"), what))
        });
        tell_caught(*mutant, caught.as_ref())
    };
    let mut caught = side_by_side(&Mutant::OF_A_ROLL, in_a_roll);
    caught.extend(side_by_side(&Mutant::OF_AWS, in_a_roll));
    caught.extend(side_by_side(&Mutant::OF_SHARED_ALARMS, in_a_pair));
    caught.extend(side_by_side(&Mutant::OF_A_QUEUE, in_a_queue));
    (caught.len(), caught.iter().filter(|caught| **caught).count())
}

fn tell_caught(mutant: Mutant, caught: Option<&(String, String)>) -> bool {
    let line = match caught {
        Some((name, what)) => format!("caught: {mutant} ({name}): {}", first_line(what)),
        None => format!("NOT CAUGHT: {mutant}"),
    };
    let _closed = writeln!(io::stdout(), "{line}");
    caught.is_some()
}

fn tell(name: &str, found: &Found, begun: Instant) {
    let _closed = writeln!(
        io::stdout(),
        "{name}: {} executions, {} states, {:.1} s{}",
        found.ends.total(),
        found.states,
        begun.elapsed().as_secs_f64(),
        if found.violation.is_some() {
            ", VIOLATION"
        } else {
            ""
        }
    );
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

/// Reads the number that follows a flag on the command line.
fn asked(flag: &str) -> io::Result<Option<u64>> {
    let mut arguments = std::env::args().skip_while(|argument| argument != flag).skip(1);
    let number = arguments.next().map(|text| text.parse::<u64>());
    number
        .transpose()
        .map_err(|error| io::Error::other(format!("{flag}: {error}")))
}

/// Runs larger fleets with many interleavings by chance. Gives the number of runs that ended in a violation.
fn by_chance(seed: u64, runs: u64) -> io::Result<u32> {
    let begun = Instant::now();
    let seeds: Vec<u64> = (0..runs).map(|run| seed.wrapping_add(run)).collect();
    let found = side_by_side(&seeds, |seed| swarm::run(&swarm::fleet(*seed), *seed, None));
    let (mut entries, mut violations) = (0, 0);
    for (seed, found) in seeds.iter().zip(&found) {
        match found {
            Ok(ran) => entries += ran.entries,
            Err(violation) => {
                violations += 1;
                let name = format!("the run of seed {seed} (again: explore --most 0 --runs 1 --seed {seed})");
                show(&name, &swarm::fleet(*seed), violation)?;
            }
        }
    }
    writeln!(
        io::stdout(),
        "by chance: {runs} runs from seed {seed} on, {entries} entries, {violations} violations, {:.1} s",
        begun.elapsed().as_secs_f64()
    )?;
    Ok(violations)
}

/// Runs larger fleets with three things that AWS lets come between, after which every release has to succeed. Gives
/// the number of runs that ended in a violation.
fn by_chance_of_aws(seed: u64, runs: u64) -> io::Result<u32> {
    let begun = Instant::now();
    let seeds: Vec<u64> = (0..runs).map(|run| seed.wrapping_add(run)).collect();
    let found = side_by_side(&seeds, |seed| {
        swarm::run_of_aws(&swarm::aws_fleet(*seed), *seed, None)
    });
    let (mut entries, mut violations) = (0, 0);
    for (seed, found) in seeds.iter().zip(&found) {
        match found {
            Ok(ran) => entries += ran.entries,
            Err(violation) => {
                violations += 1;
                let name = format!(
                    "the run of seed {seed} with what AWS lets come (again: --most 0 --runs 1 --seed {seed})"
                );
                show(&name, &swarm::aws_fleet(*seed), violation)?;
            }
        }
    }
    writeln!(
        io::stdout(),
        "by chance, three that AWS lets come: {runs} runs from seed {seed} on, {entries} entries, {violations} \
         violations, {:.1} s",
        begun.elapsed().as_secs_f64()
    )?;
    Ok(violations)
}

/// Searches two services that share an alarm, completely with one interleaving, unless none is to come. Gives the
/// number of scenarios that ended in a violation.
fn explore_shared_alarms(most: u8) -> io::Result<u32> {
    let begun = Instant::now();
    let mut scenarios = pair::explore::scenarios();
    scenarios.retain(|_| most > 0);
    let found = side_by_side(&scenarios, |scenario| pair::explore::explore(*scenario, None));
    let (mut executions, mut violations) = (0, 0);
    let mut out = io::stdout().lock();
    for (scenario, found) in scenarios.iter().zip(&found) {
        executions += found.ends.total();
        if let Some((what, at)) = &found.violation {
            violations += 1;
            writeln!(out, "\nviolation in {scenario:?}: {}", first_line(what))?;
            if let Some((place, comes)) = at {
                writeln!(out, "  at place {place}: {comes}")?;
            }
        }
    }
    writeln!(
        out,
        "shared alarms: {executions} executions of {} scenarios, {violations} violations, {:.1} s",
        scenarios.len(),
        begun.elapsed().as_secs_f64()
    )?;
    Ok(violations)
}

/// The result of the searches of a queue.
struct Queues {
    executions: u64,
    violations: u32,
}

/// Searches two releases of one target, completely with one interleaving.
fn explore_queue(scenarios: &[Scenario]) -> io::Result<Queues> {
    let begun = Instant::now();
    let found = side_by_side(scenarios, |scenario| lane::explore::explore(scenario, None));
    let mut queues = Queues {
        executions: 0,
        violations: 0,
    };
    let mut out = io::stdout().lock();
    for (scenario, found) in scenarios.iter().zip(&found) {
        queues.executions += found.ends.total();
        if let Some(violation) = &found.violation {
            queues.violations += 1;
            tell_queue(&mut out, scenario.name, violation)?;
        }
    }
    writeln!(
        out,
        "queue: {} executions of {} scenarios, {:.1} s",
        queues.executions,
        scenarios.len(),
        begun.elapsed().as_secs_f64()
    )?;
    Ok(queues)
}

/// Runs two releases of one target with many interleavings by chance. Gives the number of runs that ended in a
/// violation.
fn queue_by_chance(seed: u64, runs: u64) -> io::Result<u32> {
    let begun = Instant::now();
    let mut violations = 0;
    let seeds: Vec<u64> = (0..runs).map(|run| seed.wrapping_add(run)).collect();
    let found = side_by_side(&seeds, |seed| lane::explore::run(*seed, None));
    let mut out = io::stdout().lock();
    for (seed, found) in seeds.iter().zip(&found) {
        if let Err(violation) = found {
            violations += 1;
            let name = format!(
                "the run of seed {seed} (again: explore --most 0 --runs 0 --queue-runs 1 --seed {seed})"
            );
            tell_queue(&mut out, &name, violation)?;
        }
    }
    writeln!(
        out,
        "queue by chance: {runs} runs from seed {seed} on, {violations} violations, {:.1} s",
        begun.elapsed().as_secs_f64()
    )?;
    Ok(violations)
}

fn tell_queue(out: &mut impl io::Write, name: &str, violation: &lane::explore::Violation) -> io::Result<()> {
    writeln!(out, "\nviolation in {name}: {}", first_line(&violation.what))?;
    for (place, comes) in &violation.between {
        writeln!(out, "  at place {place}: {comes}")?;
    }
    Ok(())
}

/// Prints the journal that led to a violation, entry by entry.
fn show(name: &str, world: &World, violation: &Violation) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "\nviolation in {name}: {}", first_line(&violation.what))?;
    for (entries, between) in &violation.between {
        writeln!(out, "  after entry {entries}: {between}")?;
    }
    let (sim, _) = replay(world, &violation.between, None);
    for entry in &sim.journal {
        writeln!(out, "  {:>3} {}", entry.n, told(&entry.record))?;
    }
    writeln!(out)
}

fn told(record: &drawgate_rollout::Record) -> String {
    let text = format!("{record:?}");
    text.chars().take(150).collect()
}

/// Applies `work` to all items, on as many threads as there are cores.
fn side_by_side<T: Sync, R: Send>(all: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::new());
    let workers = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = all.get(n) else { break };
                    let result = work(item);
                    if let Ok(mut results) = results.lock() {
                        results.push((n, result));
                    }
                }
            });
        }
    });
    let mut results = results.into_inner().unwrap_or_default();
    results.sort_by_key(|(n, _)| *n);
    results.into_iter().map(|(_, result)| result).collect()
}
