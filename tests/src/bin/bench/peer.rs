//! The peer: Ansible with the classic playbook, on the same fleet, in the same run.

use std::path::Path;
use std::process::Stdio;
use std::time::Instant;

use drawgate_tests::{Fleet, Load, Scene};
use serde::Serialize;
use serde_json::json;

use crate::measure::{DockerEvents, Floor};

/// The playbook's path in the workspace's folder, where `make` runs.
const PLAYBOOK: &str = "tests/peer/roll.yml";

/// The time that the peer's roll took.
#[derive(Serialize)]
pub(crate) struct Peer {
    wall_s: f64,
    floor_s: f64,
    failed_requests: u64,
}

/// Rolls the fleet to v3 with the `ansible-playbook` of that virtualenv.
pub(crate) async fn roll(scene: &Scene, fleet: &Fleet, virtualenv: &Path) -> Peer {
    scene.lab.image("search", "v3", "v3", "ok").await;
    let inventory = scene.folder().join("inventory.json");
    std::fs::write(&inventory, inventory_of(scene, fleet).to_string()).unwrap();
    scene.lab.post("transitions/reset", json!({})).await;
    let docker = DockerEvents::start(scene);
    let load = Load::start(scene.folder(), &fleet.target_groups[0].url, 50).await;

    let begin = Instant::now();
    let output = tokio::process::Command::new(virtualenv.join("bin/ansible-playbook"))
        .arg("-i")
        .arg(&inventory)
        .arg(PLAYBOOK)
        .env("ANSIBLE_HOME", scene.folder().join("ansible"))
        .env("ANSIBLE_LOCALHOST_WARNING", "false")
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap();
    let wall_s = begin.elapsed().as_secs_f64();

    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{said}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let (requests, docker) = (load.stop().await, docker.stop().await);
    let transitions = scene.lab.get("transitions").await;
    let floors = fleet
        .instances
        .iter()
        .map(|instance| Floor::of(&instance.id, fleet, &transitions, &docker).sum_s());
    Peer {
        wall_s: crate::rounded(wall_s),
        floor_s: crate::rounded(floors.sum()),
        failed_requests: requests.failed,
    }
}

fn inventory_of(scene: &Scene, fleet: &Fleet) -> serde_json::Value {
    let lab = scene.lab.folder();
    let mut hosts = serde_json::Map::new();
    for instance in fleet.in_order() {
        let number: u8 = instance.host.trim_start_matches('h').parse().unwrap();
        let ssh = format!("-F {}/ssh_config -o HostKeyAlias={}", lab.display(), instance.id);
        let variables = json!({
            "ansible_host": format!("10.77.0.{}", 10 + number), "instance": instance.id, "ansible_ssh_common_args": ssh,
        });
        hosts.insert(instance.host.clone(), variables);
    }
    let password = std::fs::read_to_string(lab.join("registry-password")).unwrap();
    json!({"all": {
        "vars": {
            "group": fleet.name, "target_group": fleet.target_groups[0].name, "registry": scene.lab.registry(),
            "registry_password": password.trim(), "image": scene.image("search", "v3"),
            "ansible_python_interpreter": "/usr/bin/python3",
        },
        "children": {"fleet": {"hosts": hosts}},
    }})
}

impl Peer {
    /// Prints the times of Drawgate and the peer side by side.
    pub(crate) fn compare(&self, wall_s: f64, floor_s: f64, hosts: usize) {
        let over = |wall_s: f64, floor_s: f64| (wall_s - floor_s) / hosts as f64;
        let (ours_s, theirs_s) = (over(wall_s, floor_s), over(self.wall_s, self.floor_s));
        println!(
            "\n{:<10} {:>8} {:>8} {:>20}",
            "", "WALL", "FLOOR", "OVER IT, PER HOST"
        );
        for (name, wall_s, floor_s, over_s) in [
            ("drawgate", wall_s, floor_s, ours_s),
            ("ansible", self.wall_s, self.floor_s, theirs_s),
        ] {
            println!("{name:<10} {wall_s:>6.2} s {floor_s:>6.2} s {over_s:>18.2} s");
        }
        println!(
            "{:<10} {:>8.2} {:>8.2} {:>20.2}   (ansible / drawgate)",
            "ratio",
            self.wall_s / wall_s,
            self.floor_s / floor_s,
            theirs_s / ours_s
        );
        println!("failed requests with ansible: {}", self.failed_requests);
    }
}
