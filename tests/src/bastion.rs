//! A stand-in for systemd that runbooks call: a program with the verbs of `systemctl`, for the unit of this
//! test.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::programs::program;
use crate::scene::Scene;

/// Starts the worker in the background, stops it by SIGTERM and waits for its end. A process that ended and
/// that nobody has waited for has no command line, so it counts as ended.
const UNIT: &str = r#"#!/bin/bash
set -eu
cd "$(dirname "$0")"
alive() { [ -s pid ] && [ -n "$( (tr -d '\0' <"/proc/$(cat pid)/cmdline") 2>/dev/null)" ]; }
if [ "$1" != start ] && alive; then
    kill "$(cat pid)"
    while alive; do sleep 0.05; done
fi
if [ "$1" != stop ]; then
    env -u DRAWGATE_AMQP_URL DRAWGATE_LOG=info setsid WORKER run --config "$PWD/worker.toml" </dev/null >>worker.log 2>&1 &
    echo $! >pid
fi
"#;

/// The unit of one test. Dropping it kills the worker.
pub struct Bastion(PathBuf);

impl Bastion {
    /// Writes the program.
    pub fn of(scene: &Scene) -> Self {
        let path = scene.folder().join("unit");
        let worker = program("drawgate-worker").to_string_lossy().into_owned();
        std::fs::write(&path, UNIT.replace("WORKER", &worker)).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        Self(path)
    }

    /// The command for a verb: `start`, `stop`, `restart`.
    pub fn command(&self, verb: &str) -> String {
        format!("{} {verb}", self.0.display())
    }

    /// Stops the worker.
    pub fn stop(&self) {
        let done = Command::new(&self.0).arg("stop").status().unwrap();
        assert!(done.success(), "the worker was not stopped: {done}");
    }
}

impl Drop for Bastion {
    fn drop(&mut self) {
        let Ok(pid) = std::fs::read_to_string(self.0.with_file_name("pid")) else {
            return;
        };
        // The worker has usually ended long before.
        let _ = Command::new("kill")
            .args(["-9", pid.trim()])
            .stderr(Stdio::null())
            .status();
    }
}
