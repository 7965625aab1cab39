//! What the worker's process used.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::sleep;

/// Time between two looks at the process: a hundredth of a wave.
const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// Clock ticks per second in `/proc/PID/stat`: the kernel's `USER_HZ` (proc(5)), 100 on every Linux that Rust knows.
const TICKS_PER_S: f64 = 100.0;

/// The most that a process has used.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Cost {
    /// The most memory that was resident at one moment, by the kernel's own count.
    pub(crate) rss_kb_max: u64,
    /// The most descriptors that were open at a look.
    pub(crate) descriptors_max: usize,
    /// Processor time of the process itself, without that of its children (the ssh clients), since the first look.
    pub(crate) cpu_s: f64,
}

/// Looks at a process from time to time.
pub(crate) struct Watch {
    over: Arc<AtomicBool>,
    looks: JoinHandle<Cost>,
}

impl Watch {
    pub(crate) fn over(pid: u32) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&over);
        let process = PathBuf::from(format!("/proc/{pid}"));
        let begun_s = cpu_s(&process);
        let looks = tokio::spawn(async move {
            let mut most = Cost::default();
            loop {
                let is_last = stop.load(Ordering::Relaxed);
                most = Cost {
                    rss_kb_max: rss_kb_max(&process),
                    descriptors_max: most.descriptors_max.max(descriptors(&process)),
                    cpu_s: cpu_s(&process) - begun_s,
                };
                if is_last {
                    return most;
                }
                sleep(LOOK_AGAIN).await;
            }
        });
        Self { over, looks }
    }

    /// Looks once more; the process must still be there.
    pub(crate) async fn end(self) -> Cost {
        self.over.store(true, Ordering::Relaxed);
        self.looks.await.unwrap()
    }
}

fn rss_kb_max(process: &Path) -> u64 {
    let status = std::fs::read_to_string(process.join("status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    number.expect("VmHWM of a process that runs")
}

fn descriptors(process: &Path) -> usize {
    std::fs::read_dir(process.join("fd")).unwrap().count()
}

fn cpu_s(process: &Path) -> f64 {
    let stat = std::fs::read_to_string(process.join("stat")).unwrap();
    // The name, in parentheses, may have spaces; utime and stime are the twelfth and thirteenth field after it.
    let (_, after) = stat.rsplit_once(')').expect("a name in parentheses");
    let fields = after.split_whitespace().skip(11).take(2);
    let ticks = fields.filter_map(|field| field.parse::<u32>().ok());
    ticks.map(f64::from).sum::<f64>() / TICKS_PER_S
}

/// The machine's load average over the last minute.
pub(crate) fn load_average() -> f64 {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let first = text.split_whitespace().next();
    first.and_then(|load| load.parse().ok()).unwrap_or_default()
}
