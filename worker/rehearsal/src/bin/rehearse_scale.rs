//! `make rehearse-scale`: how long a rehearsal of 100, 200, 400 and 500 hosts takes, one host at a time and a quarter
//! of them at once.
//!
//! ```text
//!   table      hosts; seconds of the processor; milliseconds for each host; the steps and hosts that are looked at for
//!              each host; and both as multiples of the smallest fleet's: linear growth is 1.0 all the way down
//!   last line  one JSON object
//! ```
//! `rehearse_scale 100 200` rehearses fleets of these sizes instead.

use std::fs;
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use drawgate_rehearsal::{Script, World, rehearse};
use drawgate_rollout::{Share, lookups};
use serde_json::json;

const SIZES: [usize; 4] = [100, 200, 400, 500];

/// Of so many rehearsals of one fleet the fastest counts: what other programs do to it meanwhile is no part of it.
const TRIES: u32 = 3;

/// One fleet's rehearsal.
struct Rehearsed {
    hosts: usize,
    entries: usize,
    seconds: f64,
    /// How many steps and hosts the core, the model and the oracle have looked at.
    looks: u64,
}

#[allow(
    clippy::cast_precision_loss,
    reason = "some hundred hosts, some million looks"
)]
impl Rehearsed {
    fn ms_per_host(&self) -> f64 {
        1_000.0 * self.seconds / self.hosts as f64
    }

    fn looks_per_host(&self) -> f64 {
        self.looks as f64 / self.hosts as f64
    }
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _closed = writeln!(io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> io::Result<()> {
    let named = std::env::args().skip(1).map(|size| size.parse());
    let named: Vec<usize> = named.collect::<Result<_, _>>().map_err(io::Error::other)?;
    let sizes = if named.is_empty() { &SIZES[..] } else { &named };
    let at_once = [
        ("one at a time", Share::Count(1)),
        ("25 % at once", Share::Percent(25)),
    ];
    let mut rows = Vec::new();
    let mut out = io::stdout().lock();
    for (name, max_unavailable) in at_once {
        writeln!(
            out,
            "\n{name}\n{:>5} {:>8} {:>8} {:>12} {:>8} {:>15} {:>8}",
            "hosts", "entries", "cpu s", "ms per host", "growth", "looks per host", "growth"
        )?;
        let mut smallest = None;
        for hosts in sizes {
            let rehearsed = fastest(*hosts, max_unavailable)?;
            let (ms, looks) = (rehearsed.ms_per_host(), rehearsed.looks_per_host());
            let (smallest_ms, smallest_looks) = *smallest.get_or_insert((ms, looks));
            let (growth, looks_growth) = (ms / smallest_ms, looks / smallest_looks);
            let Rehearsed {
                hosts,
                entries,
                seconds,
                ..
            } = rehearsed;
            writeln!(
                out,
                "{hosts:>5} {entries:>8} {seconds:>8.3} {ms:>12.2} {growth:>8.2} {looks:>15.0} {looks_growth:>8.2}"
            )?;
            rows.push(json!({
                "at_once": name, "hosts": hosts, "entries": entries, "cpu_s": seconds, "growth": growth,
                "looks": rehearsed.looks, "looks_growth": looks_growth,
            }));
        }
    }
    writeln!(out, "\n{}", json!({ "rehearsals": rows }))
}

fn fastest(hosts: usize, max_unavailable: Share) -> io::Result<Rehearsed> {
    let tries = (0..TRIES).map(|_| measured(hosts, max_unavailable));
    let tries: Vec<Rehearsed> = tries.collect::<Result<_, _>>()?;
    let fastest = tries
        .into_iter()
        .min_by(|one, other| one.seconds.total_cmp(&other.seconds));
    fastest.ok_or_else(|| io::Error::other("not tried"))
}

fn measured(hosts: usize, max_unavailable: Share) -> io::Result<Rehearsed> {
    let mut world = World::new(hosts, 1);
    world.definition.roll.max_unavailable = max_unavailable;
    // A fleet of hundreds one at a time takes longer than a roll may.
    world.definition.roll.max_roll_ms = u64::MAX / 4;
    // As the worker has it where the service's file says nothing.
    world.definition.roll.watch_hosts = true;
    let (begun_s, looks_before) = (cpu_s()?, lookups::so_far());
    let (sim, result) = rehearse(world, &Script::default());
    let seconds = cpu_s()? - begun_s;
    result.map_err(io::Error::other)?;
    Ok(Rehearsed {
        hosts,
        entries: sim.journal.len(),
        seconds,
        looks: lookups::so_far() - looks_before,
    })
}

/// The processor's time of this thread so far: what other programs take meanwhile is no part of it.
fn cpu_s() -> io::Result<f64> {
    let stat = fs::read_to_string("/proc/thread-self/schedstat")?;
    let ns = stat.split_whitespace().next().map(str::parse::<u64>);
    let ns = ns
        .and_then(Result::ok)
        .ok_or_else(|| io::Error::other(stat.clone()))?;
    Ok(Duration::from_nanos(ns).as_secs_f64())
}
