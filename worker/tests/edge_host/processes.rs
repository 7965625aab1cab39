//! Processes of this machine.

use std::fs;
use std::process::Command;

/// Process ids of this process's ssh masters for that instance.
pub(crate) fn masters(instance: &str) -> Vec<u32> {
    processes(|words| {
        words.first().is_some_and(|word| word == "ssh") && words.iter().any(|word| word == instance)
    })
}

fn processes(wanted: impl Fn(&[String]) -> bool) -> Vec<u32> {
    let pids = fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter(|pid: &u32| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let words: Vec<_> = line
            .split(|byte| *byte == 0)
            .map(|word| String::from_utf8_lossy(word).into())
            .collect();
        wanted(&words)
    })
    .collect()
}

pub(crate) fn kill_hard(pids: &[u32]) {
    for pid in pids {
        assert!(
            Command::new("kill")
                .args(["-9", &pid.to_string()])
                .status()
                .unwrap()
                .success()
        );
    }
}
