//! A worker process with a configuration and a ledger of its own.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use tokio::process::{Child, Command};

use crate::programs::program;
use crate::wait::{until, within};

/// Lines of a worker's log that a failed test shows.
const LOG_TAIL: usize = 60;

/// A running worker.
pub struct Worker {
    process: Child,
    log: PathBuf,
}

impl Worker {
    /// Starts `drawgate-worker run` with the configuration in `folder`; its log goes on where the last one ended.
    pub fn start(folder: &Path) -> Self {
        Self::start_as(folder, "worker")
    }

    /// The same with the configuration `NAME.toml` and the log `NAME.log`.
    pub fn start_as(folder: &Path, name: &str) -> Self {
        Self::start_with(folder, name, &[])
    }

    /// The same with more in its environment.
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

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.process.id().expect("a process that runs")
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> Option<ExitStatus> {
        self.process.try_wait().unwrap()
    }

    /// SIGTERM, and waits for its end, which has to be a good one.
    pub async fn stop(mut self) {
        signal(&self.process, "TERM");
        let status = within("the worker's end after SIGTERM", self.process.wait())
            .await
            .unwrap();
        assert!(status.success(), "the worker ended with {status} after SIGTERM");
    }

    /// SIGSTOP: it hangs, with all its connections open.
    pub fn freeze(&self) {
        signal(&self.process, "STOP");
    }

    /// SIGCONT.
    pub fn thaw(&self) {
        signal(&self.process, "CONT");
    }

    /// Waits until its log says this.
    pub async fn says(&self, text: &str) {
        let said = || {
            let found = self.log().contains(text).then_some(());
            async move { found }
        };
        until(&format!("the worker's log says {text:?}"), said).await;
    }

    /// kill -9.
    pub async fn kill(mut self) {
        self.process.kill().await.unwrap();
    }

    /// Its log so far.
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

/// Sends a signal to a process of ours that has not been waited for.
pub fn signal(process: &Child, name: &str) {
    let pid = process.id().expect("a process that runs");
    let sent = std::process::Command::new("kill")
        .args([&format!("-{name}"), &pid.to_string()])
        .status()
        .unwrap();
    assert!(sent.success(), "kill -{name} {pid}");
}
