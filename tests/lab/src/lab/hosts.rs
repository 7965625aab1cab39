//! The hosts: what runs on them, and commands there.

use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use super::api::Lab;

impl Lab {
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

    /// Runs a command on a host over SSH, as the worker's user; gives its output.
    pub async fn on_host(&self, host: &str, command: &str) -> String {
        self.on_host_with(host, command, "").await
    }

    /// The same, with this as the command's standard input.
    pub async fn on_host_with(&self, host: &str, command: &str, input: &str) -> String {
        let number: u8 = host.trim_start_matches('h').parse().unwrap();
        let mut ssh = Command::new("ssh")
            .arg("-F")
            .arg(self.ssh_config())
            .args([
                "-o",
                "HostKeyAlias=i-0lab",
                "-o",
                "BatchMode=yes",
                &format!("10.77.0.{}", 10 + number),
                command,
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = ssh.stdin.take().expect("a pipe");
        stdin.write_all(input.as_bytes()).await.unwrap();
        drop(stdin);
        let done = ssh.wait_with_output().await.unwrap();
        assert!(
            done.status.success(),
            "{command} on {host}: {}",
            String::from_utf8_lossy(&done.stderr)
        );
        String::from_utf8_lossy(&done.stdout).into_owned()
    }
}
