//! What a roll of a large fleet may cost.

use drawgate_schemas::Outcome;

use super::figures::Figures;
use super::order::Order;

/// Of a worker that leaves to others what they take: the part of its requests that AWS throttles.
const THROTTLED: f64 = 0.02;
/// Time that is neither the load balancer's nor the buckets', for the whole roll.
const OVERHEAD_S: f64 = 60.0;
const RSS_MB: u64 = 150;
const DESCRIPTORS: usize = 700;

/// Prints a line for each aim; true when all are met. A worker that takes more than others leave it has only to succeed.
pub(crate) fn judge(figures: &Figures, order: &Order) -> bool {
    let throttled = figures.throttled as f64 / figures.calls_in_all().max(1) as f64;
    let mut aims = vec![(
        figures.outcome == Outcome::Succeeded.as_str(),
        format!("the roll {}", figures.outcome),
    )];
    if order.share + order.others <= 1.0 {
        aims.extend([
            (
                throttled < THROTTLED,
                format!(
                    "throttled {:.1} %, below {:.0} %",
                    throttled * 100.0,
                    THROTTLED * 100.0
                ),
            ),
            (
                figures.strangers_asked == 0,
                format!("strangers' target groups asked: {}", figures.strangers_asked),
            ),
            (
                figures.overhead_s < OVERHEAD_S,
                format!("overhead {:.1} s, below {OVERHEAD_S:.0} s", figures.overhead_s),
            ),
            (
                figures.rss_mb_max <= RSS_MB,
                format!("memory {} MB, at most {RSS_MB} MB", figures.rss_mb_max),
            ),
            (
                figures.fds_max <= DESCRIPTORS,
                format!("descriptors {}, at most {DESCRIPTORS}", figures.fds_max),
            ),
        ]);
    }
    for (good, what) in &aims {
        println!("{}  {what}", if *good { "ok  " } else { "FAIL" });
    }
    aims.iter().all(|(good, _)| *good)
}
