//! Constant requests through the load balancer, and their results (`infra/lab/load`).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde::Deserialize;
use tokio::process::{Child, Command};

use crate::programs::lab_tool;
use crate::wait::{until, within};
use crate::worker::signal;

/// A running load.
pub struct Load {
    process: Child,
    out: PathBuf,
}

/// The results of the requests.
#[derive(Debug, Clone, Deserialize)]
pub struct Requests {
    /// Requests sent.
    pub requests: u64,
    /// Requests without a 200 within 5 s.
    pub failed: u64,
    /// Answers, by the version that gave them.
    pub by_version: BTreeMap<String, u64>,
    /// The first failures.
    pub failures: Vec<serde_json::Value>,
}

impl Load {
    /// Starts `rate` requests a second, and returns when the first have been answered.
    pub async fn start(folder: &Path, url: &str, rate: u32) -> Self {
        let port: String = url.chars().filter(char::is_ascii_digit).collect();
        let out = folder.join(format!("load-{port}.json"));
        let process = Command::new(lab_tool("load"))
            .args(["--url", url, "--rate", &rate.to_string(), "--out"])
            .arg(&out)
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let live = out.with_extension("json.live");
        until("the load flows", || async {
            let text = tokio::fs::read_to_string(&live).await.ok()?;
            let seen: Requests = serde_json::from_str(&text).ok()?;
            (seen.by_version.values().sum::<u64>() > 0).then_some(())
        })
        .await;
        Self { process, out }
    }

    /// Stops the load, and waits for the requests in flight.
    pub async fn stop(mut self) -> Requests {
        signal(&self.process, "TERM");
        within("the end of the load", self.process.wait()).await.unwrap();
        serde_json::from_str(&tokio::fs::read_to_string(&self.out).await.unwrap()).unwrap()
    }

    /// Stops the load, and fails if any request failed.
    pub async fn stop_unharmed(self) -> Requests {
        let seen = self.stop().await;
        assert!(seen.requests > 0, "no request was sent");
        assert_eq!(
            seen.failed, 0,
            "of {} requests: {:?}",
            seen.requests, seen.failures
        );
        seen
    }
}
