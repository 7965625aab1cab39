//! The lab's own API (`infra/lab/README.md`), and the state of the world that it shows.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tokio::sync::{Mutex, MutexGuard};

use crate::wait::until;

/// All tests share one lab, so they run one after another, even without `--test-threads=1`.
static SERIAL: Mutex<()> = Mutex::const_new(());

/// The three hosts that every lab has.
pub const HOSTS: [&str; 3] = ["h1", "h2", "h3"];

/// The first two of them.
pub const TWO: [&str; 2] = ["h1", "h2"];

/// Every host of this lab: three, or the number in `DRAWGATE_LAB_HOSTS`.
pub fn hosts() -> Vec<String> {
    let asked = std::env::var("DRAWGATE_LAB_HOSTS").ok();
    let count = asked.and_then(|count| count.parse().ok()).unwrap_or(HOSTS.len());
    (1..=count).map(|number| format!("h{number}")).collect()
}

/// Exclusive use of the lab.
pub struct Lab {
    state: PathBuf,
    api: String,
    http: reqwest::Client,
    _guard: MutexGuard<'static, ()>,
}

/// A fleet in the lab.
#[derive(Debug, Clone)]
pub struct Fleet {
    /// Name of the Auto Scaling group.
    pub name: String,
    /// The instances, in the order of their hosts.
    pub instances: Vec<Instance>,
    pub target_groups: Vec<TargetGroup>,
}

#[derive(Debug, Clone)]
pub struct Instance {
    /// The EC2 instance's id.
    pub id: String,
    /// The lab's name for the host.
    pub host: String,
}

/// One target group.
#[derive(Debug, Clone)]
pub struct TargetGroup {
    pub name: String,
    pub arn: String,
    /// The load balancer's address for the group.
    pub url: String,
}

impl Fleet {
    /// The instances in the order in which a roll takes healthy hosts: by id.
    pub fn in_order(&self) -> Vec<Instance> {
        let mut sorted = self.instances.clone();
        sorted.sort_by(|a, b| a.id.cmp(&b.id));
        sorted
    }

    /// The host of an instance.
    pub fn host_of(&self, instance: &str) -> &str {
        &self
            .instances
            .iter()
            .find(|other| other.id == instance)
            .expect("an instance of this fleet")
            .host
    }
}

impl Lab {
    /// Waits for exclusive use of the lab, and resets it.
    pub async fn enter() -> Self {
        let (Some(state), Ok(api)) = (std::env::var_os("DRAWGATE_LAB"), std::env::var("LAB_API")) else {
            panic!("end-to-end tests run inside the lab: run with `make test`");
        };
        let turn = SERIAL.lock().await;
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let lab = Self {
            state: state.into(),
            api,
            http,
            _guard: turn,
        };
        lab.post("reset", json!({})).await;
        lab
    }

    /// The folder with `ssh_config`, `registry-password` and `logs/`.
    pub fn folder(&self) -> &Path {
        &self.state
    }

    /// The registry's host and port.
    pub fn registry(&self) -> String {
        std::env::var("LAB_REGISTRY").expect("LAB_REGISTRY")
    }

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

    /// Creates a fleet.
    pub async fn fleet(&self, spec: Value) -> Fleet {
        let made = self.post("fleet", spec).await;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let list = |key: &str| made[key].as_array().cloned().unwrap_or_default();
        Fleet {
            name: text(&made["auto_scaling_group"]),
            instances: list("instances")
                .iter()
                .map(|each| Instance {
                    id: text(&each["id"]),
                    host: text(&each["host"]),
                })
                .collect(),
            target_groups: list("target_groups")
                .iter()
                .map(|each| TargetGroup {
                    name: text(&each["name"]),
                    arn: text(&each["arn"]),
                    url: text(&each["url"]),
                })
                .collect(),
        }
    }

    /// Pushes the test application under a tag; gives the digest.
    pub async fn image(&self, repository: &str, tag: &str, version: &str, mode: &str) -> String {
        self.push(json!({"repository": repository, "tag": tag, "version": version, "mode": mode}))
            .await
    }

    /// The same, with a `HEALTHCHECK` in the image that runs each second and fails after two failures.
    pub async fn image_with_healthcheck(&self, repository: &str, tag: &str, mode: &str) -> String {
        self.image_checked_by(repository, tag, mode, json!(true)).await
    }

    /// The same with this health check; Docker's defaults apply to what it does not name.
    pub async fn image_checked_by(&self, repository: &str, tag: &str, mode: &str, check: Value) -> String {
        self.push(
            json!({"repository": repository, "tag": tag, "version": tag, "mode": mode, "healthcheck": check}),
        )
        .await
    }

    async fn push(&self, spec: Value) -> String {
        self.post("images", spec).await["digest"]
            .as_str()
            .expect("a digest")
            .to_owned()
    }

    /// Runs `docker run` on each of these hosts, as another tool would; gives the containers' ids.
    pub async fn run_by_hand(&self, hosts: &[&str], image: &str, name: &str, args: &[&str]) -> Vec<String> {
        let one = |host: &str| {
            let path = format!("hosts/{host}/run");
            let body = json!({"image": image, "name": name, "args": args});
            async move {
                self.post(&path, body).await["id"]
                    .as_str()
                    .expect("an id")
                    .to_owned()
            }
        };
        futures_util::future::join_all(hosts.iter().map(|host| one(host))).await
    }

    /// `docker inspect` of every container of a host.
    pub async fn containers(&self, host: &str) -> Vec<Value> {
        self.get(&format!("hosts/{host}/containers"))
            .await
            .as_array()
            .cloned()
            .unwrap_or_default()
    }

    /// The state of every target of a target group, by instance.
    pub async fn targets(&self, group: &str) -> Vec<(String, String)> {
        let state = self.get("state").await;
        let groups = state["target_groups"].as_array().cloned().unwrap_or_default();
        let found = groups
            .into_iter()
            .find(|each| each["name"] == group)
            .expect("a target group");
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let targets = found["targets"].as_array().cloned().unwrap_or_default();
        targets
            .iter()
            .map(|each| (text(&each["id"]), text(&each["state"])))
            .collect()
    }

    /// Waits until every target of the fleet is in this state.
    pub async fn all_targets(&self, fleet: &Fleet, wanted: &str) {
        for group in &fleet.target_groups {
            until(&format!("all of {} {wanted}", group.name), || async {
                let targets = self.targets(&group.name).await;
                (!targets.is_empty() && targets.iter().all(|(_, state)| state == wanted)).then_some(())
            })
            .await;
        }
    }

    /// Numbers of AWS calls so far, by `service:Action`.
    pub async fn calls(&self) -> std::collections::BTreeMap<String, u64> {
        serde_json::from_value(self.get("calls").await).unwrap()
    }

    /// The AWS calls so far that change something.
    pub async fn writes(&self) -> Vec<Value> {
        let log = self.get("calls/log").await;
        let reads = [":Describe", ":List", ":Get"];
        let is_write = |call: &&Value| {
            let action = call["action"].as_str().unwrap();
            !reads.iter().any(|read| action.contains(read))
        };
        log.as_array().unwrap().iter().filter(is_write).cloned().collect()
    }

    /// Runs a command on a host over SSH, as the worker's user.
    pub async fn on_host(&self, host: &str, command: &str) -> String {
        let number: u8 = host.trim_start_matches('h').parse().unwrap();
        let done = tokio::process::Command::new("ssh")
            .arg("-F")
            .arg(self.state.join("ssh_config"))
            .args([
                "-o",
                "HostKeyAlias=i-0lab",
                "-o",
                "BatchMode=yes",
                &format!("10.77.0.{}", 10 + number),
                command,
            ])
            .output()
            .await
            .unwrap();
        assert!(
            done.status.success(),
            "{command} on {host}: {}",
            String::from_utf8_lossy(&done.stderr)
        );
        String::from_utf8_lossy(&done.stdout).into_owned()
    }
}
