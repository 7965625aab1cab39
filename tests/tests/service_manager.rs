//! The worker tells systemd when it is ready, alive and stopping; and systemd accepts the worker's unit.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::path::Path;
use std::process::Command;

use drawgate_tests::wait::within;
use drawgate_tests::{Scene, Worker};
use tokio::net::UnixDatagram;

/// Receives notifications until this one; gives all that came before it.
async fn told(socket: &UnixDatagram, wanted: &str) -> Vec<String> {
    let mut before = Vec::new();
    let all = async {
        loop {
            let mut bytes = vec![0; 4096];
            let length = socket.recv(&mut bytes).await.unwrap();
            let text = String::from_utf8(bytes[..length].to_vec()).unwrap();
            if text.lines().any(|line| line == wanted) {
                return;
            }
            before.push(text.trim().to_owned());
        }
    };
    within(&format!("systemd is told {wanted}"), all).await;
    before
}

#[tokio::test]
async fn systemd_is_told_what_becomes_of_the_worker() {
    let scene = Scene::begin().await;
    let path = scene.folder().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    let path = path.to_string_lossy().into_owned();
    let environment = [("NOTIFY_SOCKET", path.as_str()), ("WATCHDOG_USEC", "500000")];
    let worker = Worker::start_with(scene.folder(), "worker", &environment);

    assert_eq!(told(&socket, "READY=1").await, Vec::<String>::new());
    told(&socket, "WATCHDOG=1").await;
    told(&socket, "WATCHDOG=1").await;
    worker.stop().await;
    let before = told(&socket, "STOPPING=1").await;
    assert!(before.iter().all(|state| state == "WATCHDOG=1"), "{before:?}");
    scene.broker.delete().await;
}

/// Has systemd verify the unit, with an existing program in place of the worker.
#[test]
fn the_unit_is_one_that_systemd_takes() {
    let unit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../infra/systemd/drawgate-worker.service");
    let text = std::fs::read_to_string(unit).unwrap();
    for line in [
        "Type=notify",
        "WatchdogSec=120",
        "ExecStart=/usr/bin/drawgate-worker run --log-format json",
    ] {
        assert!(
            text.lines().any(|other| other == line),
            "{line} is not in the unit"
        );
    }
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("drawgate-worker.service");
    std::fs::write(&copy, text.replace("/usr/bin/drawgate-worker", "/bin/true")).unwrap();
    let judged = Command::new("systemd-analyze")
        .args(["verify", "--man=no"])
        .arg(&copy)
        .output()
        .expect("systemd-analyze");
    let said = String::from_utf8_lossy(&judged.stderr);
    let about_ours: Vec<&str> = said
        .lines()
        .filter(|line| line.contains("drawgate-worker"))
        .collect();
    assert!(judged.status.success() && about_ours.is_empty(), "{said}");
}
