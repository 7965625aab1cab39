//! Open files of the worker: it closes every file of a release at the release's end, and refuses a fleet that
//! needs more files than the limit before it begins.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::fs;
use std::path::Path;

use drawgate_schemas::Outcome;
use drawgate_tests::lab::{Fleet, HOSTS};
use drawgate_tests::programs::program;
use drawgate_tests::scene::{fleet_spec, plan_arguments};
use drawgate_tests::wait::until;
use drawgate_tests::{Scene, Service};
use serde_json::json;
use tokio::process::Command;

/// The open files of a process, without its connections to AWS, which it keeps for a minute or two.
#[derive(Debug, PartialEq, Eq)]
struct Open {
    pipes: usize,
    handles: usize,
    unix_sockets: usize,
}

impl Open {
    fn by(pid: u32) -> Self {
        let unix = fs::read_to_string(format!("/proc/{pid}/net/unix")).unwrap();
        let inodes: Vec<&str> = unix
            .lines()
            .filter_map(|line| line.split_whitespace().nth(6))
            .collect();
        let files = fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten();
        // A file that is closed during this look does not count.
        let targets: Vec<String> = files
            .filter_map(|file| Some(fs::read_link(file.path()).ok()?.to_string_lossy().into_owned()))
            .collect();
        let count = |of: &dyn Fn(&str) -> bool| targets.iter().filter(|target| of(target)).count();
        Self {
            pipes: count(&|target| target.starts_with("pipe:")),
            handles: count(&|target| target.contains("[pidfd]")),
            unix_sockets: count(&|target| {
                let inode = target
                    .strip_prefix("socket:[")
                    .and_then(|rest| rest.strip_suffix(']'));
                inode.is_some_and(|inode| inodes.contains(&inode))
            }),
        }
    }
}

/// Each roll has instances of its own, as after a night of autoscaling. DRAWGATE_ROLLS=10 makes ten rolls.
#[tokio::test]
async fn trap_41_rolls_leave_no_connection_open() {
    let rolls: u32 = std::env::var("DRAWGATE_ROLLS").map_or(2, |rolls| rolls.parse().unwrap());
    let scene = Scene::begin().await;
    let mut service = Service::of("search").at_once(3);
    service.allow_outage = true;
    service.fleet = "[fleet]\ntags = { rolling = \"{environment}\" }".to_owned();
    scene.serve(&service);
    scene.v1("search", &HOSTS, &["-p", "8080:8080"]).await;
    let worker = scene.worker().await;
    let events = scene.events().await;
    let before = Open::by(worker.pid());
    for roll in 1..=rolls {
        let tag = format!("v{}", roll + 1);
        scene.lab.image("search", &tag, &tag, "ok").await;
        let name = format!("search{roll}");
        let port = u16::try_from(8100 + roll).unwrap();
        let mut spec = fleet_spec(&name, &HOSTS, &[(8080, port)]);
        spec["tags"] = json!({"rolling": "staging"});
        // The instances of earlier rolls are on the same hosts, and the group must not replace them.
        spec["suspended"] = json!(["Launch", "Terminate"]);
        let fleet = scene.lab.fleet(spec).await;
        scene.lab.all_targets(&fleet, "healthy").await;
        let id = scene.publish("search", &tag, &[]).await;
        scene.judge_telling(&events, id, Outcome::Succeeded).await;
        leave(&scene, &fleet).await;
        let what = format!("as many descriptors as before after roll {roll}");
        until(&what, || async {
            (Open::by(worker.pid()) == before).then_some(())
        })
        .await;
        assert_eq!(sockets_in(&scene.folder().join("run")), 0);
    }
    scene.end(worker).await;
}

/// Removes these instances from the service.
async fn leave(scene: &Scene, fleet: &Fleet) {
    let mut arguments = vec!["ec2", "delete-tags", "--tags", "Key=rolling", "--resources"];
    arguments.extend(fleet.instances.iter().map(|instance| instance.id.as_str()));
    scene.lab.aws(&arguments).await;
}

/// The number of sockets; each connection has a folder of its own.
fn sockets_in(folder: &Path) -> usize {
    let all = fs::read_dir(folder).unwrap().flatten();
    let folders = all.filter(|entry| entry.path().is_dir());
    folders
        .map(|folder| fs::read_dir(folder.path()).unwrap().count())
        .sum()
}

/// The network where the lab's API puts instances of its own subnets.
const NETWORK: &str = "172.31.0.0/16";

/// Sixty instances whose addresses all lead to one host.
#[tokio::test]
async fn trap_41_a_fleet_is_refused_when_beyond_the_file_limit() {
    let scene = Scene::begin().await;
    let mut service = Service::of("search");
    service.fleet = "[fleet]\ntags = { stack = \"sixty-{environment}\" }".to_owned();
    scene.serve(&service);
    scene.v1("search", &["h1"], &["-p", "8080:8080"]).await;
    scene.lab.image("search", "v2", "v2", "ok").await;
    sixty_instances(&scene).await;
    let to_h1 = [
        "-t",
        "nat",
        "-I",
        "OUTPUT",
        "-d",
        NETWORK,
        "-p",
        "tcp",
        "-j",
        "DNAT",
        "--to-destination",
        "10.77.0.11",
    ];
    let run = async |program: &str, arguments: &[&str]| {
        let done = Command::new(program).args(arguments).output().await.unwrap();
        assert!(done.status.success(), "{program} {arguments:?}: {done:?}");
    };
    run("ip", &["route", "replace", NETWORK, "dev", "lab0"]).await;
    run("iptables", &to_h1).await;

    let plan = async |limit: u32| {
        let image = scene.image("search", "v2");
        let done = Command::new("prlimit")
            .arg(format!("--nofile={limit}"))
            .arg(program("drawgate-worker"))
            .args(plan_arguments("search", &image))
            .arg("--config")
            .arg(scene.folder().join("worker.toml"))
            .output()
            .await
            .unwrap();
        let said = String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned();
        (
            done.status.code(),
            said.split_whitespace().collect::<Vec<_>>().join(" "),
        )
    };
    let (code, said) = plan(256).await;
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("60 hosts need 375 open files, and this process may have 256"),
        "{said}"
    );
    assert!(said.contains("prlimit --nofile=375"), "{said}");
    assert!(
        !said.contains("os error 24") && !said.contains("Too many"),
        "{said}"
    );
    // With the limit that the refusal names, the worker looks at all of them.
    let (code, said) = plan(375).await;
    assert_eq!(code, Some(0), "{said}");
    let rows = said.split(' ').filter(|word| word.starts_with("i-")).count();
    assert!(rows >= 60, "{said}");

    run(
        "iptables",
        &to_h1.map(|word| if word == "-I" { "-D" } else { word }),
    )
    .await;
    run("ip", &["route", "del", NETWORK, "dev", "lab0"]).await;
    scene.leave().await;
}

async fn sixty_instances(scene: &Scene) {
    let query = [
        "ec2",
        "describe-subnets",
        "--query",
        "Subnets[0].SubnetId",
        "--output",
        "text",
    ];
    let subnet = scene.lab.aws(&query).await;
    let tags = "ResourceType=instance,Tags=[{Key=stack,Value=sixty-staging}]";
    let launch = [
        "ec2",
        "run-instances",
        "--image-id",
        "ami-12c6146b",
        "--count",
        "60",
        "--subnet-id",
        &subnet,
    ];
    scene
        .lab
        .aws(&[&launch[..], &["--tag-specifications", tags]].concat())
        .await;
}
