//! A worker process with its own configuration and ledger.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use tokio::process::{Child, Command};

use crate::programs::program;
use crate::wait::{until, within};

/// Number of lines of the worker's log that a failed test prints.
const LOG_TAIL: usize = 60;

/// A running worker.
pub struct Worker {
    process: Child,
    log: PathBuf,
}

impl Worker {
    /// Starts `drawgate-worker run` with the configuration in `folder`, and appends to its log.
    pub fn start(folder: &Path) -> Self {
        Self::start_as(folder, "worker")
    }

    /// The same with the configuration `NAME.toml` and the log `NAME.log`.
    pub fn start_as(folder: &Path, name: &str) -> Self {
        Self::start_with(folder, name, &[])
    }

    /// The same with additional environment variables.
    pub fn start_with(folder: &Path, name: &str, environment: &[(&str, &str)]) -> Self {
        let log = folder.join(format!("{name}.log"));
        let file = File::options().create(true).append(true).open(&log).unwrap();
        let process = Command::new(program("drawgate-worker"))
            .arg("run")
            .arg("--config")
            .arg(folder.join(format!("{name}.toml")))
            .env_remove("DRAWGATE_AMQP_URL")
            .envs(environment.iter().copied())
            .env(
                "DRAWGATE_LOG",
                std::env::var("DRAWGATE_LOG").unwrap_or_else(|_| "info".to_owned()),
            )
            .stdin(Stdio::null())
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        Self { process, log }
    }

    pub fn pid(&self) -> u32 {
        self.process.id().expect("a process that runs")
    }

    /// The memory that the process has now, in KiB.
    pub fn rss_kb(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
        number.expect("VmRSS of a process that runs")
    }

    /// The exit status, when the worker has ended by itself.
    pub fn has_ended(&mut self) -> Option<ExitStatus> {
        self.process.try_wait().unwrap()
    }

    /// Sends SIGTERM and waits for the worker's end, which has to be a success.
    pub async fn stop(mut self) {
        signal(&self.process, "TERM");
        let status = within("the worker's end after SIGTERM", self.process.wait())
            .await
            .unwrap();
        assert!(status.success(), "the worker ended with {status} after SIGTERM");
    }

    /// Sends SIGSTOP: the worker hangs, with all its connections open.
    pub fn freeze(&self) {
        signal(&self.process, "STOP");
    }

    pub fn thaw(&self) {
        signal(&self.process, "CONT");
    }

    /// Waits until the worker's log contains this text.
    pub async fn says(&self, text: &str) {
        let said = || {
            let found = self.log().contains(text).then_some(());
            async move { found }
        };
        until(&format!("the worker's log says {text:?}"), said).await;
    }

    pub async fn kill(mut self) {
        self.process.kill().await.unwrap();
    }

    /// The worker's log so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            let from = lines.len().saturating_sub(LOG_TAIL);
            eprintln!(
                "--- the worker's log, last lines ---\n{}\n---",
                lines.get(from..).unwrap_or_default().join("\n")
            );
        }
    }
}

/// Sends a signal to a child process that has not been waited for.
pub fn signal(process: &Child, name: &str) {
    let pid = process.id().expect("a process that runs");
    let sent = std::process::Command::new("kill")
        .args([&format!("-{name}"), &pid.to_string()])
        .status()
        .unwrap();
    assert!(sent.success(), "kill -{name} {pid}");
}
