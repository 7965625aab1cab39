//! The lab, from inside (`infra/lab/lab run -- CMD`).
#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test that cannot ask the lab has failed"
)]

use std::path::PathBuf;

use serde_json::{Value, json};
use tokio::sync::{Mutex, MutexGuard};

/// A fault of the lab affects every test, so the tests of one file run one after another.
static SERIAL: Mutex<()> = Mutex::const_new(());

/// Exclusive use of the lab.
pub(crate) struct Lab {
    state: PathBuf,
    api: String,
    http: reqwest::Client,
    _guard: MutexGuard<'static, ()>,
}

/// A fleet in the lab.
pub(crate) struct Fleet {
    pub(crate) group: String,
    pub(crate) instances: Vec<(String, String)>,
    pub(crate) target_groups: Vec<String>,
}

impl Lab {
    /// Waits for exclusive use of the lab; `None`, with a line on stderr, outside the lab.
    pub(crate) async fn enter(test: &str) -> Option<Self> {
        let (Some(state), Ok(api)) = (std::env::var_os("DRAWGATE_LAB"), std::env::var("LAB_API")) else {
            eprintln!("skipped: {test} needs the lab: infra/lab/lab run -- cargo test");
            return None;
        };
        let turn = SERIAL.lock().await;
        let lab = Self {
            state: state.into(),
            api,
            http: reqwest::Client::new(),
            _guard: turn,
        };
        lab.delete("fault").await;
        Some(lab)
    }

    pub(crate) fn state(&self) -> &std::path::Path {
        &self.state
    }

    pub(crate) fn ssh_config(&self) -> PathBuf {
        self.state.join("ssh_config")
    }

    pub(crate) fn registry(&self) -> String {
        std::env::var("LAB_REGISTRY").unwrap()
    }

    pub(crate) fn registry_password(&self) -> String {
        std::fs::read_to_string(self.state.join("registry-password"))
            .unwrap()
            .trim()
            .to_owned()
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Value {
        let answer = self
            .http
            .post(format!("{}/{path}", self.api))
            .json(&body)
            .send()
            .await
            .unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        assert!(status.is_success(), "POST {path}: {status} {text}");
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }

    pub(crate) async fn delete(&self, path: &str) {
        let answer = self
            .http
            .delete(format!("{}/{path}", self.api))
            .send()
            .await
            .unwrap();
        assert!(answer.status().is_success(), "DELETE {path}: {}", answer.status());
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        self.http
            .get(format!("{}/{path}", self.api))
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap()
    }

    pub(crate) async fn fault(&self, action: &str, mode: &str, count: u32) {
        self.post(
            "fault",
            json!({"action": action, "mode": mode, "share": 1.0, "count": count}),
        )
        .await;
    }

    pub(crate) async fn fleet(&self, spec: Value) -> Fleet {
        let made = self.post("fleet", spec).await;
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let instances = made["instances"].as_array().unwrap();
        let groups = made["target_groups"].as_array().unwrap();
        Fleet {
            group: text(&made["auto_scaling_group"]),
            instances: instances
                .iter()
                .map(|each| (text(&each["id"]), text(&each["address"])))
                .collect(),
            target_groups: groups.iter().map(|each| text(&each["arn"])).collect(),
        }
    }

    /// Pushes an image; gives its repository and digest.
    pub(crate) async fn image(
        &self,
        repository: &str,
        version: &str,
        mode: &str,
        healthcheck: bool,
    ) -> (String, String) {
        let spec = json!({"repository": repository, "tag": version, "version": version, "mode": mode,
                          "healthcheck": healthcheck});
        let made = self.post("images", spec).await;
        (
            format!("{}/{repository}", self.registry()),
            made["digest"].as_str().unwrap().to_owned(),
        )
    }

    /// Pushes an image for these architectures; gives its repository and the digest of the list.
    pub(crate) async fn image_for(
        &self,
        repository: &str,
        tag: &str,
        platforms: &[&str],
    ) -> (String, String) {
        let spec = json!({"repository": repository, "tag": tag, "version": tag, "platforms": platforms});
        let made = self.post("images", spec).await;
        (
            format!("{}/{repository}", self.registry()),
            made["digest"].as_str().unwrap().to_owned(),
        )
    }
}
