//! How calls and processor time grow with the fleet.

use std::process::ExitCode;

use super::figures::Figures;

/// What is counted as noise: a tenth, for a roll that takes longer polls more often.
const NOISE: f64 = 1.1;

/// Prints a table of these lines, of which those that are no figures are passed over; fails where anything grows more
/// than linearly.
pub(crate) fn judge(lines: impl Iterator<Item = String>) -> ExitCode {
    let mut all: Vec<Figures> = lines
        .filter_map(|line| serde_json::from_str(&line).ok())
        .collect();
    all.sort_by_key(|figures| figures.hosts);
    println!(
        "{:>6} {:>8} {:>9} {:>10} {:>10} {:>8} {:>8} {:>6}",
        "HOSTS", "CALLS", "PER HOST", "CPU", "PER HOST", "OVERHEAD", "MEMORY", "FILES"
    );
    for figures in &all {
        let hosts = figures.hosts as f64;
        println!(
            "{:>6} {:>8} {:>9.1} {:>8.1} s {:>8.3} s {:>6.1} s {:>5} MB {:>6}",
            figures.hosts,
            figures.calls_in_all(),
            figures.calls_in_all() as f64 / hosts,
            figures.cpu_s,
            figures.cpu_s / hosts,
            figures.overhead_s,
            figures.rss_mb_max,
            figures.fds_max
        );
    }
    let faults = faults(&all);
    for fault in &faults {
        println!("FAIL  {fault}");
    }
    match all.len() > 1 && faults.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

/// What grows more than linearly from one fleet to the next larger one.
fn faults(all: &[Figures]) -> Vec<String> {
    let mut faults = Vec::new();
    for (smaller, larger) in all.iter().zip(all.iter().skip(1)) {
        let times = larger.hosts as f64 / smaller.hosts as f64;
        let counted = [
            (
                "calls",
                smaller.calls_in_all() as f64,
                larger.calls_in_all() as f64,
            ),
            ("processor time", smaller.cpu_s, larger.cpu_s),
        ];
        for (what, of_smaller, of_larger) in counted {
            if of_larger > of_smaller * times * NOISE {
                faults.push(format!(
                    "{what} from {} to {} hosts: {of_smaller:.1} to {of_larger:.1}",
                    smaller.hosts, larger.hosts
                ));
            }
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn figures(hosts: usize, calls: u64, cpu_s: f64) -> Figures {
        Figures {
            hosts,
            groups_in_region: 500,
            alarms: 3_000,
            silenced: 200,
            share: 0.5,
            outcome: "succeeded".to_owned(),
            calls: BTreeMap::from([("ec2:DescribeInstances".to_owned(), calls)]),
            throttled: 0,
            throttled_calls: BTreeMap::new(),
            strangers_asked: 0,
            wall_s: 1.0,
            most_out: 1,
            waits_s: 0.0,
            rate_floor_s: 0.0,
            slowest_bucket: String::new(),
            overhead_s: 1.0,
            rss_mb_max: 1,
            fds_max: 1,
            cpu_s,
            load: 0.0,
            debug_build: true,
        }
    }

    #[test]
    fn what_costs_as_much_for_each_host_is_no_fault() {
        let all = [
            figures(10, 100, 1.0),
            figures(50, 300, 5.2),
            figures(100, 650, 9.0),
        ];
        assert_eq!(faults(&all), Vec::<String>::new());
    }

    #[test]
    fn what_grows_with_the_square_is_a_fault() {
        let all = [figures(10, 100, 1.0), figures(100, 10_000, 20.0)];
        let expected = [
            "calls from 10 to 100 hosts: 100.0 to 10000.0",
            "processor time from 10 to 100 hosts: 1.0 to 20.0",
        ];
        assert_eq!(faults(&all), expected);
    }
}
