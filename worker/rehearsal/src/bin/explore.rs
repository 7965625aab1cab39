//! Runs the complete searches of a roll and of a queue, then runs by chance with larger fleets, and checks
//! that the oracle finds every planted mistake. The last line is one JSON object.
//!
//! ```text
//! explore --most 2       at most so many interleavings in one execution of the complete search
//!         --seed N       the runs by chance begin with this seed; without it the seed is new each time
//!         --runs 20000   number of runs by chance of one roll
//!         --queue-runs N number of runs by chance of two releases of one target
//!         --fleet TEXT   searches completely only the fleets whose name contains this text
//! ```

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Instant, UNIX_EPOCH};

use drawgate_rehearsal::explore::{Found, Violation, explore, fleets, replay, swarm};
use drawgate_rehearsal::lane::{self, Scenario};
use drawgate_rehearsal::{Mutant, World};
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
    let mut fleets = fleets();
    if let Some(text) = std::env::args()
        .skip_while(|argument| argument != "--fleet")
        .nth(1)
    {
        fleets.retain(|(name, _)| name.contains(&text));
    }
    let found = side_by_side(&fleets, |(name, world)| {
        let begun = Instant::now();
        let found = explore(world, most, None);
        tell(name, &found, begun);
        found
    });
    let (mut executions, mut states, mut violations) = (0_u64, 0_u64, 0_u32);
    for ((name, world), found) in fleets.iter().zip(&found) {
        executions = executions.saturating_add(found.ends.total());
        states += found.states;
        if let Some(violation) = &found.violation {
            violations += 1;
            show(name, world, violation)?;
        }
    }
    violations += by_chance(seed, runs)?;
    let scenarios = lane::scenarios();
    let queue = explore_queue(&scenarios, seed, queue_runs)?;
    violations += queue.violations;
    let (planted, caught) = planted_mistakes(&fleets, &scenarios);
    let line = json!({
        "executions": executions,
        "states": states,
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

/// Searches once with each planted mistake. Gives the number of mistakes, and how many of them were found.
fn planted_mistakes(fleets: &[(String, World)], scenarios: &[Scenario]) -> (usize, usize) {
    // A planted mistake may make the model panic too; the panic's message is no news here.
    std::panic::set_hook(Box::new(|_| {}));
    let in_a_roll = |mutant: &Mutant| {
        let caught = fleets.iter().find_map(|(name, world)| {
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
    let mut caught = side_by_side(&Mutant::OF_A_ROLL, in_a_roll);
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

/// The result of the searches of a queue.
struct Queues {
    executions: u64,
    violations: u32,
}

/// Searches two releases of one target: completely with one interleaving, and by chance with many.
fn explore_queue(scenarios: &[Scenario], seed: u64, runs: u64) -> io::Result<Queues> {
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
    let (begun, violations) = (Instant::now(), queues.violations);
    let seeds: Vec<u64> = (0..runs).map(|run| seed.wrapping_add(run)).collect();
    let found = side_by_side(&seeds, |seed| lane::explore::run(*seed, None));
    for (seed, found) in seeds.iter().zip(&found) {
        if let Err(violation) = found {
            queues.violations += 1;
            let name = format!(
                "the run of seed {seed} (again: explore --most 0 --runs 0 --queue-runs 1 --seed {seed})"
            );
            tell_queue(&mut out, &name, violation)?;
        }
    }
    writeln!(
        out,
        "queue by chance: {runs} runs from seed {seed} on, {} violations, {:.1} s",
        queues.violations - violations,
        begun.elapsed().as_secs_f64()
    )?;
    Ok(queues)
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
