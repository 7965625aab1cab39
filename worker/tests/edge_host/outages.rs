//! Hosts and engines that are away: noticed, explained, and found again.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use drawgate_lab::lab::Lab;
use drawgate_worker::host::{HostError, HostSettings, Hosts, Stage};
use serde_json::json;
use tokio::time::{Instant, sleep, timeout};

use crate::processes::masters;
use crate::reach::{H1, H2, H3, PATIENCE, chain, hosts, settings};

#[tokio::test]
async fn a_crashed_host_is_unreachable_and_found_after_its_reboot() {
    let Some(lab) = Lab::enter("a_crashed_host_is_unreachable_and_found_after_its_reboot").await else {
        return;
    };
    let settings = HostSettings {
        docker_timeout: Duration::from_secs(2),
        ..settings(&lab)
    };
    let hosts = Hosts::new(settings).unwrap();
    let host = hosts.host("i-crash", H3);
    host.probe().await.unwrap();
    lab.post("hosts/h3/stop", json!({})).await;
    let look = host.containers(true).await.unwrap_err();
    assert!(matches!(look, HostError::Unreachable { .. }), "{look:?}");
    let change = host.start("x").await.unwrap_err();
    assert!(change.is_transient(), "it is looked at first: {change:?}");
    // ssh notices the loss by itself; then a new connection is tried and given up.
    let begun = Instant::now();
    let noticed = async {
        while masters("i-crash").len() == 1 {
            sleep(Duration::from_millis(200)).await;
        }
    };
    timeout(PATIENCE, noticed).await.unwrap();
    eprintln!("the dead host was noticed after {:?}", begun.elapsed());
    let begun = Instant::now();
    let (one, two) = tokio::join!(host.probe(), host.probe());
    let (one, two) = (one.unwrap_err(), two.unwrap_err());
    assert_eq!((one.stage(), two.stage()), (Some(Stage::Ssh), Some(Stage::Ssh)));
    assert!(
        begun.elapsed() < Duration::from_secs(15),
        "one attempt for both: {:?}",
        begun.elapsed()
    );
    eprintln!("{}", chain(&one));
    lab.post("hosts/h3/start", json!({})).await;
    let back = async {
        while host.probe().await.is_err() {
            sleep(Duration::from_millis(200)).await;
        }
    };
    timeout(PATIENCE, back).await.unwrap();
}

#[tokio::test]
async fn a_host_that_falls_silent_is_noticed_and_found_again() {
    let Some(lab) = Lab::enter("a_host_that_falls_silent_is_noticed_and_found_again").await else {
        return;
    };
    let settings = HostSettings {
        docker_timeout: Duration::from_secs(2),
        ..settings(&lab)
    };
    let hosts = Hosts::new(settings).unwrap();
    let host = hosts.host("i-silent", H3);
    host.probe().await.unwrap();
    cable("h3", "down");
    let begun = Instant::now();
    let (look, change) = tokio::join!(host.containers(true), host.remove("x", false));
    let (look, change) = (look.unwrap_err(), change.unwrap_err());
    let noticed = timeout(PATIENCE, async {
        while !masters("i-silent").is_empty() {
            sleep(Duration::from_millis(200)).await;
        }
    });
    let noticed = noticed.await.map(|()| begun.elapsed());
    cable("h3", "up");
    eprintln!("silence noticed after {noticed:?}");
    assert!(noticed.unwrap() < Duration::from_secs(22));
    assert!(look.is_transient() && !look.is_unknown(), "{look:?}");
    assert!(change.is_unknown(), "{change:?}");
    let back = async {
        while host.probe().await.is_err() {
            sleep(Duration::from_millis(200)).await;
        }
    };
    timeout(PATIENCE, back).await.unwrap();
}

fn cable(host: &str, state: &str) {
    assert!(
        Command::new("ip")
            .args(["link", "set", &format!("v-{host}"), state])
            .status()
            .unwrap()
            .success()
    );
}

#[tokio::test]
async fn an_engine_that_dies_and_comes_back_needs_no_new_connection() {
    let Some(lab) = Lab::enter("an_engine_that_dies_and_comes_back_needs_no_new_connection").await else {
        return;
    };
    let hosts = hosts(&lab);
    let host = hosts.host("i-engine", H2);
    host.probe().await.unwrap();
    lab.post("hosts/h2/engine/kill", json!({})).await;
    let look = host.containers(true).await.unwrap_err();
    assert_eq!((look.stage(), look.is_unknown()), (Some(Stage::Engine), false));
    let probe = host.probe().await.unwrap_err();
    eprintln!("{} hint: {:?}", chain(&probe), probe.hint());
    assert!(probe.hint().is_some());
    // A change that was requested and not answered may have happened.
    assert!(host.remove("x", false).await.unwrap_err().is_unknown());
    let back = async {
        while host.probe().await.is_err() {
            sleep(Duration::from_millis(100)).await;
        }
    };
    timeout(PATIENCE, back).await.unwrap();
    assert_eq!(hosts.connections(), 1);
}

#[tokio::test]
async fn an_engine_that_cannot_be_reached_is_explained() {
    let Some(lab) = Lab::enter("an_engine_that_cannot_be_reached_is_explained").await else {
        return;
    };
    let missing = HostSettings {
        docker_socket: "/run/no.sock".into(),
        ..settings(&lab)
    };
    let error = Hosts::new(missing)
        .unwrap()
        .host("i-none", H1)
        .probe()
        .await
        .unwrap_err();
    assert_eq!(error.stage(), Some(Stage::Engine));
    assert!(
        error.hint().unwrap().contains("/run/no.sock"),
        "{:?}",
        error.hint()
    );

    // A second sshd, beside the lab's, that forbids what the adapter needs.
    let dir = tempfile::tempdir().unwrap();
    let socket = lab.folder().join("hosts/h1/docker.sock");
    let mut sshd = forbidding_sshd(&lab, dir.path());
    let settings = HostSettings {
        user: Some("root".into()),
        port: Some(2222),
        docker_socket: socket,
        ..settings(&lab)
    };
    let hosts = Hosts::new(settings).unwrap();
    let explained = async {
        loop {
            let error = hosts.host("i-forbid", "10.77.0.1").probe().await.unwrap_err();
            if error.stage() != Some(Stage::Ssh) {
                return error;
            }
            eprintln!("{}", chain(&error));
            sleep(Duration::from_millis(100)).await;
        }
    };
    let error = timeout(PATIENCE, explained).await;
    sshd.kill().unwrap();
    sshd.wait().unwrap();
    let error = error.unwrap();
    eprintln!("{} hint: {:?}", chain(&error), error.hint());
    assert_eq!(error.stage(), Some(Stage::Forwarding));
    assert!(error.hint().unwrap().contains("AllowStreamLocalForwarding"));
}

fn forbidding_sshd(lab: &Lab, dir: &Path) -> std::process::Child {
    let config = dir.join("sshd_config");
    let keys = dir.join("authorized_keys");
    fs::copy(lab.folder().join("id_ed25519.pub"), &keys).unwrap();
    let host_key = lab.folder().join("hosts/h1/ssh_host_key");
    let text = format!(
        "ListenAddress 10.77.0.1:2222\nHostKey {key}\nHostCertificate {key}-cert.pub\nAuthorizedKeysFile {keys}\n\
         PermitRootLogin yes\nStrictModes no\nPasswordAuthentication no\nUsePAM no\nPidFile none\n\
         AllowStreamLocalForwarding no\n",
        key = host_key.display(),
        keys = keys.display()
    );
    fs::write(&config, text).unwrap();
    fs::create_dir_all("/run/sshd").unwrap();
    Command::new("/usr/sbin/sshd")
        .args(["-D", "-f"])
        .arg(&config)
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}
