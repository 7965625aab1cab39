//! Exclusive use of the lab, and the requests of its API.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tokio::sync::{Mutex, MutexGuard};

/// The tests of a program share one lab, and a fault affects all of them: they run one after another, even
/// without `--test-threads=1`.
static SERIAL: Mutex<()> = Mutex::const_new(());

/// Exclusive use of the lab.
pub struct Lab {
    folder: PathBuf,
    api: String,
    http: reqwest::Client,
    _guard: MutexGuard<'static, ()>,
}

impl Lab {
    /// Waits for exclusive use of the lab, ends all faults, lets the caller do everything, and makes AWS as hard
    /// as the lab was started with; `None`, with a line on stderr, outside the lab.
    pub async fn enter(test: &str) -> Option<Self> {
        let Some(lab) = Self::inside().await else {
            eprintln!("skipped: {test} needs the lab: infra/lab/lab run -- cargo test");
            return None;
        };
        lab.delete("fault").await;
        lab.delete("world").await;
        lab.permit_everything().await;
        Some(lab)
    }

    /// Waits for exclusive use of the lab, and resets it; panics outside the lab.
    pub async fn fresh() -> Self {
        let lab = Self::inside().await;
        let lab = lab.expect("end-to-end tests run inside the lab: run with `make test`");
        lab.reset().await;
        lab
    }

    /// Resets the lab, and makes AWS as hard as the lab was started with.
    pub async fn reset(&self) {
        self.post("reset", json!({})).await;
    }

    async fn inside() -> Option<Self> {
        let (folder, api) = (std::env::var_os("DRAWGATE_LAB")?, std::env::var("LAB_API").ok()?);
        Some(Self {
            folder: folder.into(),
            api,
            _guard: SERIAL.lock().await,
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
        })
    }

    /// The folder with `ssh_config`, `registry-password` and `logs/`.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The configuration with which `ssh` reaches the hosts.
    pub fn ssh_config(&self) -> PathBuf {
        self.folder.join("ssh_config")
    }

    /// The registry's host and port.
    pub fn registry(&self) -> String {
        std::env::var("LAB_REGISTRY").expect("LAB_REGISTRY")
    }

    /// The password of the registry's user, `AWS`.
    pub fn registry_password(&self) -> String {
        let password = std::fs::read_to_string(self.folder.join("registry-password")).unwrap();
        password.trim().to_owned()
    }

    /// Sends POST to the lab's API, which has to succeed; gives the answer.
    pub async fn post(&self, path: &str, body: Value) -> Value {
        let answer = self
            .http
            .post(format!("{}/{path}", self.api))
            .json(&body)
            .send()
            .await
            .unwrap();
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        assert!(status.is_success(), "POST {path} {body}: {status} {text}");
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }

    /// Sends DELETE to the lab's API, which has to succeed.
    pub async fn delete(&self, path: &str) {
        let answer = self
            .http
            .delete(format!("{}/{path}", self.api))
            .send()
            .await
            .unwrap();
        assert!(answer.status().is_success(), "DELETE {path}: {}", answer.status());
    }

    /// Sends GET to the lab's API; gives the answer.
    pub async fn get(&self, path: &str) -> Value {
        let answer = self
            .http
            .get(format!("{}/{path}", self.api))
            .send()
            .await
            .unwrap();
        assert!(answer.status().is_success(), "GET {path}: {}", answer.status());
        answer.json().await.unwrap()
    }
}
