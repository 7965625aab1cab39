//! What goes wrong on purpose: calls of the AWS API, processes on hosts, whole hosts.

use serde_json::json;
use tokio::process::Command;

use super::api::Lab;

impl Lab {
    /// Makes the next `count` calls of this action meet this fault.
    pub async fn fault(&self, action: &str, mode: &str, count: u32) {
        let fault = json!({"action": action, "mode": mode, "share": 1.0, "count": count});
        self.post("fault", fault).await;
    }

    /// Answers the calls that the lab holds back, and disturbs no further call.
    pub async fn clear_faults(&self) {
        self.delete("fault").await;
    }

    /// Kills all processes of a host; its address refuses connections from then on.
    pub async fn kill_host(&self, host: &str) {
        kill("9", &self.pid(host)).await;
    }

    /// Sends a signal to every process with that name on a host, where one has to run.
    pub async fn signal_on(&self, host: &str, name: &str, signal: &str) {
        let found = self.try_signal_on(host, name, signal).await;
        assert!(found, "no {name} runs on {host}");
    }

    /// Sends a signal to every process with that name on a host; says whether one runs.
    pub async fn try_signal_on(&self, host: &str, name: &str, signal: &str) -> bool {
        let network = |pid: &str| std::fs::read_link(format!("/proc/{pid}/ns/net")).ok();
        let Some(of_host) = network(&self.pid(host)) else {
            return false;
        };
        let mut found = false;
        for process in std::fs::read_dir("/proc").unwrap().flatten() {
            let pid = process.file_name().to_string_lossy().into_owned();
            let called = std::fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            if called.trim() == name && network(&pid).as_ref() == Some(&of_host) {
                kill(signal, &pid).await;
                found = true;
            }
        }
        found
    }

    /// Sends a signal to a part of the lab: `registry`, `haproxy`, `aws`.
    pub async fn signal_part(&self, part: &str, signal: &str) {
        kill(signal, &self.pid(part)).await;
    }

    /// The process of a host, or of another part of the lab.
    pub(super) fn pid(&self, name: &str) -> String {
        let file = self.folder().join("pids").join(name);
        std::fs::read_to_string(file).unwrap().trim().to_owned()
    }
}

async fn kill(signal: &str, pid: &str) {
    let done = Command::new("kill")
        .args([&format!("-{signal}"), pid])
        .status()
        .await
        .unwrap();
    assert!(done.success(), "kill -{signal} {pid}: {done}");
}
