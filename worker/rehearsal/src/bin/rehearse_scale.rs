//! `make rehearse-scale`: how long a rehearsal of 100, 200, 400 and 500 hosts takes, one host at a time and a quarter
//! of them at once.
//!
//! ```text
//!   table      hosts, seconds, milliseconds for each host, and these as a multiple of the smallest fleet's: linear
//!              growth is 1.0 all the way down
//!   last line  one JSON object
//! ```
//! `rehearse_scale 100 200` rehearses fleets of these sizes instead.

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::Instant;

use drawgate_rehearsal::{Script, World, rehearse};
use drawgate_rollout::Share;
use serde_json::json;

const SIZES: [usize; 4] = [100, 200, 400, 500];

/// Of so many rehearsals of one fleet the fastest counts: what other programs do to it meanwhile is no part of it.
const TRIES: u32 = 3;

/// One fleet's rehearsal.
struct Rehearsed {
    hosts: usize,
    entries: usize,
    seconds: f64,
}

impl Rehearsed {
    fn ms_per_host(&self) -> f64 {
        #[allow(clippy::cast_precision_loss, reason = "some hundred hosts")]
        let hosts = self.hosts as f64;
        1_000.0 * self.seconds / hosts
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
            "\n{name}\n{:>5} {:>8} {:>8} {:>12} {:>8}",
            "hosts", "entries", "s", "ms per host", "growth"
        )?;
        let mut smallest_ms = None;
        for hosts in sizes {
            let rehearsed = fastest(*hosts, max_unavailable).map_err(io::Error::other)?;
            let ms = rehearsed.ms_per_host();
            let growth = ms / *smallest_ms.get_or_insert(ms);
            let Rehearsed {
                hosts,
                entries,
                seconds,
            } = rehearsed;
            writeln!(
                out,
                "{hosts:>5} {entries:>8} {seconds:>8.2} {ms:>12.2} {growth:>8.2}"
            )?;
            rows.push(json!({
                "at_once": name, "hosts": hosts, "entries": entries, "seconds": seconds, "growth": growth,
            }));
        }
    }
    writeln!(out, "\n{}", json!({ "rehearsals": rows }))
}

fn fastest(hosts: usize, max_unavailable: Share) -> Result<Rehearsed, String> {
    let tries = (0..TRIES).map(|_| timed(hosts, max_unavailable));
    let tries: Vec<Rehearsed> = tries.collect::<Result<_, _>>()?;
    let fastest = tries
        .into_iter()
        .min_by(|one, other| one.seconds.total_cmp(&other.seconds));
    fastest.ok_or_else(|| "not tried".to_owned())
}

fn timed(hosts: usize, max_unavailable: Share) -> Result<Rehearsed, String> {
    let mut world = World::new(hosts, 1);
    world.definition.roll.max_unavailable = max_unavailable;
    // A fleet of hundreds one at a time takes longer than a roll may.
    world.definition.roll.max_roll_ms = u64::MAX / 4;
    let begun = Instant::now();
    let (sim, result) = rehearse(world, &Script::default());
    let seconds = begun.elapsed().as_secs_f64();
    result?;
    Ok(Rehearsed {
        hosts,
        entries: sim.journal.len(),
        seconds,
    })
}
