//! The hosts: what runs on them, and commands there.

use std::process::Stdio;

use futures_util::{StreamExt as _, stream};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use super::api::Lab;

/// Containers run by hand at once: each needs a tenth of a second of a processor for Docker's own client.
const RUNS_AT_ONCE: usize = 9;

/// Hosts per third octet of the lab's network.
const HOSTS_PER_OCTET: usize = 200;

/// The address of a host, by the lab's name for it.
fn address_of(host: &str) -> String {
    let number = host
        .strip_prefix('h')
        .and_then(|number| number.parse::<usize>().ok());
    let index = number.and_then(|number| number.checked_sub(1));
    let index = index.expect("the name of a host: h and a number from 1");
    format!(
        "10.77.{}.{}",
        index / HOSTS_PER_OCTET,
        11 + index % HOSTS_PER_OCTET
    )
}

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
        let runs = stream::iter(hosts.iter().map(|host| one(host)));
        runs.buffered(RUNS_AT_ONCE).collect().await
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
        let mut ssh = Command::new("ssh")
            .arg("-F")
            .arg(self.ssh_config())
            .args([
                "-o",
                "HostKeyAlias=i-0lab",
                "-o",
                "BatchMode=yes",
                &address_of(host),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_have_the_addresses_that_the_lab_gives_them() {
        let addresses = ["h1", "h9", "h200", "h201", "h500"].map(address_of);
        let expected = [
            "10.77.0.11",
            "10.77.0.19",
            "10.77.0.210",
            "10.77.1.11",
            "10.77.2.110",
        ];
        assert_eq!(addresses, expected);
    }
}
