//! The host adapter against the lab's hosts: real sshd, real Docker engines, a real registry.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "tests; measurements go to stderr"
)]

mod lab;

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use drawgate_rollout::definition::{ContainerDefinition, PortMapping, Protocol, RestartPolicy};
use drawgate_worker::host::{Host, HostError, HostKeys, HostSettings, Hosts, RegistryCredentials, Stage};
use lab::Lab;
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::time::{Instant, sleep, timeout};

const H1: &str = "10.77.0.11";
const H2: &str = "10.77.0.12";
const H3: &str = "10.77.0.13";
const PATIENCE: Duration = Duration::from_secs(30);
const PULL: Duration = Duration::from_secs(60);

fn settings(lab: &Lab) -> HostSettings {
    HostSettings {
        config_file: Some(lab.ssh_config()),
        ..HostSettings::default()
    }
}

fn hosts(lab: &Lab) -> Hosts {
    Hosts::new(settings(lab)).unwrap()
}

fn login(lab: &Lab) -> RegistryCredentials {
    RegistryCredentials {
        username: "AWS".into(),
        password: lab.registry_password(),
    }
}

fn definition(name: &str, port: u16) -> ContainerDefinition {
    ContainerDefinition {
        name: name.into(),
        ports: vec![PortMapping {
            address: None,
            host: port,
            container: 8080,
            protocol: Protocol::Tcp,
        }],
        env: BTreeMap::from([("GREETING".into(), "a \"b\" $c".into())]),
        secrets: BTreeMap::new(),
        volumes: vec!["/dev/log:/dev/log".into()],
        network: None,
        restart: RestartPolicy::UnlessStopped,
        memory_bytes: Some(64 * 1024 * 1024),
        nano_cpus: Some(500_000_000),
        log_driver: Some("json-file".into()),
        log_options: BTreeMap::from([("max-size".into(), "1m".into())]),
        labels: BTreeMap::from([("team".into(), "web".into())]),
        command: None,
        stop_timeout_s: 3,
        keep_images: 1,
    }
}

/// Runs a container of a fresh image; gives its id.
async fn run(lab: &Lab, host: &Host, name: &str, port: u16, mode: &str) -> String {
    let (repository, digest) = lab.image(name, "v1", mode, false).await;
    host.pull(&repository, &digest, Some(&login(lab)), PULL, |_| {})
        .await
        .unwrap();
    host.remove(name, true).await.unwrap();
    let image = format!("{repository}@{digest}");
    let id = host
        .create(&definition(name, port), name, &image, &BTreeMap::new())
        .await
        .unwrap();
    assert!(host.start(&id).await.unwrap());
    id
}

/// Process ids of this process's ssh masters for that instance.
fn masters(instance: &str) -> Vec<u32> {
    processes(|words| {
        words.first().is_some_and(|word| word == "ssh") && words.iter().any(|word| word == instance)
    })
}

fn processes(wanted: impl Fn(&[String]) -> bool) -> Vec<u32> {
    let pids = fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter(|pid: &u32| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let words: Vec<_> = line
            .split(|byte| *byte == 0)
            .map(|word| String::from_utf8_lossy(word).into())
            .collect();
        wanted(&words)
    })
    .collect()
}

fn kill_hard(pids: &[u32]) {
    for pid in pids {
        assert!(
            Command::new("kill")
                .args(["-9", &pid.to_string()])
                .status()
                .unwrap()
                .success()
        );
    }
}

fn chain(error: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |&error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_on_a_host_shares_one_connection() {
    let Some(lab) = Lab::enter("everything_on_a_host_shares_one_connection").await else {
        return;
    };
    let hosts = hosts(&lab);
    let cold = Instant::now();
    let uses: Vec<_> = (0..20)
        .map(|_| {
            let host = hosts.host("i-share", H1);
            tokio::spawn(async move { host.probe().await.unwrap() })
        })
        .collect();
    for used in uses {
        let facts = used.await.unwrap();
        assert_eq!(
            (facts.os.as_str(), facts.docker_root_dir.as_str()),
            ("linux", "/var/lib/docker")
        );
        assert!(
            facts.disk_free_bytes.unwrap() > 0 && !facts.live_restore,
            "{facts:?}"
        );
    }
    assert_eq!((hosts.connections(), masters("i-share").len()), (1, 1));
    let facts = hosts.host("i-share", H1).probe().await.unwrap();
    eprintln!("20 cold probes {:?}; then {facts:?}", cold.elapsed());
    assert_eq!(hosts.connections(), 1);
    hosts.close().await;
    assert_eq!(masters("i-share").len(), 0, "closing ends the ssh process");
    hosts.host("i-share", H1).probe().await.unwrap();
    assert_eq!(hosts.connections(), 2, "a later use connects anew");
    drop(hosts);
}

#[tokio::test]
async fn trap_25_an_unknown_host_key_is_refused_and_the_error_shows_the_way_out() {
    let Some(lab) = Lab::enter("rule_25_an_unknown_host_key_is_refused").await else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let (config, known) = (dir.path().join("config"), dir.path().join("known"));
    let lab_config = fs::read_to_string(lab.ssh_config()).unwrap();
    let own = format!("Host *\n UserKnownHostsFile {}\n{lab_config}", known.display());
    fs::write(&config, own).unwrap();
    let strict = HostSettings {
        config_file: Some(config),
        ..settings(&lab)
    };
    let hosts = Hosts::new(strict.clone()).unwrap();
    let error = hosts.host("i-new", H1).probe().await.unwrap_err();
    assert_eq!(error.stage(), Some(Stage::Ssh));
    assert!(error.is_transient());
    let text = chain(&error);
    assert!(text.contains("Host key verification failed"), "{text}");
    assert!(
        error.hint().unwrap().contains("-o HostKeyAlias=i-new"),
        "{:?}",
        error.hint()
    );

    // A key is remembered on first sight, under the instance id and not under the address ...
    let accepting = HostSettings {
        host_keys: HostKeys::AcceptNew,
        ..strict
    };
    let hosts = Hosts::new(accepting).unwrap();
    hosts.host("i-new", H1).probe().await.unwrap();
    let remembered = fs::read_to_string(&known).unwrap();
    assert!(
        remembered.contains("i-new") && !remembered.contains(H1),
        "{remembered}"
    );
    // ... so another machine under that id is refused, and its address can be reused.
    let error = hosts.host("i-new", H2).probe().await.unwrap_err();
    assert_eq!(error.stage(), Some(Stage::Ssh));
    hosts.host("i-newer", H1).probe().await.unwrap();
}

/// Settings with an `ssh_config` that has these lines before the lab's own.
fn configured(lab: &Lab, dir: &Path, lines: &str) -> HostSettings {
    let config = dir.join("config");
    let lab_config = fs::read_to_string(lab.ssh_config()).unwrap();
    fs::write(&config, format!("Host *\n{lines}\n{lab_config}")).unwrap();
    HostSettings {
        config_file: Some(config),
        ..settings(lab)
    }
}

#[tokio::test]
async fn trap_25_what_vouches_for_new_hosts_is_told_before_one_is_launched() {
    let Some(lab) = Lab::enter("trap_25_what_vouches_for_new_hosts_is_told").await else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let known = dir.path().join("known");
    let files = format!(
        "UserKnownHostsFile {}\nGlobalKnownHostsFile /dev/null",
        known.display()
    );
    // Keys of known hosts do not vouch for new ones.
    let key =
        |host: &str| fs::read_to_string(lab.state().join(format!("hosts/{host}/ssh_host_key.pub"))).unwrap();
    fs::write(&known, format!("i-old {}", key("h1"))).unwrap();
    let strict = configured(&lab, dir.path(), &files);
    let told = Hosts::new(strict.clone())
        .unwrap()
        .unknown_host_keys()
        .await
        .unwrap();
    assert!(
        told.contains("@cert-authority") && told.contains("accept-new"),
        "{told}"
    );
    assert!(
        Hosts::new(strict)
            .unwrap()
            .host("i-new", H1)
            .probe()
            .await
            .is_err()
    );

    // A certificate authority vouches for new hosts. Another machine's key is recorded for the address, and
    // does not matter.
    let authority = fs::read_to_string(lab.state().join("ca.pub")).unwrap();
    fs::write(
        &known,
        format!("{H1} {}@cert-authority i-* {authority}", key("h2")),
    )
    .unwrap();
    let hosts = Hosts::new(configured(&lab, dir.path(), &format!("{files}\nCheckHostIP yes"))).unwrap();
    assert_eq!(hosts.unknown_host_keys().await, None);
    for instance in ["i-first", "i-second-at-its-address"] {
        hosts.host(instance, H1).probe().await.unwrap();
    }

    // A command that prints the host key which the instance wrote.
    fs::write(&known, "").unwrap();
    let command = dir.path().join("keys");
    fs::write(
        &command,
        format!("#!/bin/sh\nprintf '%s %s' \"$1\" '{}'\n", key("h1")),
    )
    .unwrap();
    fs::set_permissions(&command, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let lines = format!("{files}\nKnownHostsCommand {} %H", command.display());
    let hosts = Hosts::new(configured(&lab, dir.path(), &lines)).unwrap();
    assert_eq!(hosts.unknown_host_keys().await, None);
    hosts.host("i-new", H1).probe().await.unwrap();
    let error = hosts.host("i-new", H2).probe().await.unwrap_err();
    assert_eq!(
        error.stage(),
        Some(Stage::Ssh),
        "another machine's key is not believed"
    );
}

#[tokio::test]
async fn a_tag_becomes_a_digest_and_the_digest_an_image() {
    let Some(lab) = Lab::enter("a_tag_becomes_a_digest_and_the_digest_an_image").await else {
        return;
    };
    let hosts = hosts(&lab);
    // This host has none of the image's layers yet.
    let host = hosts.host("i-pull", H3);
    let (repository, digest) = lab.image("pull/api", "v1", "ok", false).await;
    let login = login(&lab);
    let tag = format!("{repository}:v1");
    assert_eq!(host.at_registry(&tag, Some(&login)).await.unwrap().digest, digest);

    let wrong = RegistryCredentials {
        password: "wrong".into(),
        ..login.clone()
    };
    for error in [
        host.at_registry(&tag, Some(&wrong)).await.unwrap_err(),
        host.at_registry(&tag, None).await.unwrap_err(),
        host.at_registry(&format!("{repository}:none"), Some(&login))
            .await
            .unwrap_err(),
        host.pull(&repository, &digest, Some(&wrong), PULL, |_| {})
            .await
            .unwrap_err(),
        host.pull(
            &repository,
            &format!("sha256:{}", "0".repeat(64)),
            Some(&login),
            PULL,
            |_| {},
        )
        .await
        .unwrap_err(),
    ] {
        assert!(error.is_refused(), "{error:?}");
        assert!(!format!("{error:?}").contains(&login.password));
        eprintln!("{:?} {error}", error.status());
    }

    assert!(!host.has_image(&repository, &digest).await.unwrap());
    let steps = AtomicU32::new(0);
    let note = |_| {
        steps.fetch_add(1, Ordering::Relaxed);
    };
    let pulled = host
        .pull(&repository, &digest, Some(&login), PULL, note)
        .await
        .unwrap();
    assert!(!pulled.already);
    let steps = steps.into_inner();
    eprintln!("{pulled:?} in {steps} steps");
    assert!(steps > 0 && pulled.bytes > 100_000);
    assert!(host.has_image(&repository, &digest).await.unwrap());
    let again = host.pull(&repository, &digest, None, PULL, |_| {}).await.unwrap();
    assert_eq!((again.already, again.bytes), (true, 0));
}

#[tokio::test]
async fn a_container_is_swapped_step_by_step_and_each_step_can_be_repeated() {
    let Some(lab) = Lab::enter("a_container_is_swapped_step_by_step").await else {
        return;
    };
    let hosts = hosts(&lab);
    let host = hosts.host("i-swap", H1);
    let old = run(&lab, &host, "swap", 8101, "ok").await;
    let (repository, digest) = lab.image("swap", "v2", "ok", false).await;
    host.pull(&repository, &digest, Some(&login(&lab)), PULL, |_| {})
        .await
        .unwrap();
    let image = format!("{repository}@{digest}");
    let labels = BTreeMap::from([("drawgate.release".to_owned(), "r2".to_owned())]);

    // The new container is created while the old one runs.
    let new = host
        .create(&definition("swap", 8101), "swap-new", &image, &labels)
        .await
        .unwrap();
    let taken = host
        .create(&definition("swap", 8101), "swap-new", &image, &labels)
        .await
        .unwrap_err();
    assert_eq!((taken.is_refused(), taken.status()), (true, Some(409)));
    let created = host.container("swap-new").await.unwrap().unwrap();
    assert_eq!(
        (created.id.as_str(), created.status.as_str(), created.running),
        (new.as_str(), "created", false)
    );
    assert_eq!(
        (created.image_reference.as_str(), created.repo_digests.clone()),
        (image.as_str(), vec![image.clone()])
    );
    assert_eq!(
        (
            created.labels["drawgate.release"].as_str(),
            created.labels["team"].as_str()
        ),
        ("r2", "web")
    );
    assert_eq!(created.restart_policy, RestartPolicy::No);
    assert_eq!((created.host_ports[0].port, created.started_at), (8101, None));

    // The old container still has the port.
    let in_use = host.ports_in_use().await.unwrap();
    assert!(
        in_use
            .iter()
            .any(|used| used.port == 8101 && used.container == "swap"),
        "{in_use:?}"
    );
    assert!(host.start(&new).await.unwrap_err().is_refused());

    assert!(
        host.set_restart_policy(&old, RestartPolicy::UnlessStopped)
            .await
            .unwrap()
    );
    assert!(
        !host
            .set_restart_policy(&old, RestartPolicy::UnlessStopped)
            .await
            .unwrap()
    );
    assert!(host.set_restart_policy(&old, RestartPolicy::No).await.unwrap());
    let gap = Instant::now();
    assert!(host.stop(&old, 3).await.unwrap());
    let stopped = gap.elapsed();
    assert!(host.start(&new).await.unwrap());
    eprintln!(
        "without a running container for {:?}, {stopped:?} of it for the stop",
        gap.elapsed()
    );
    assert!(!host.stop(&old, 3).await.unwrap());
    assert!(!host.start(&new).await.unwrap());
    assert!(host.rename(&old, "swap-old").await.unwrap());
    assert!(!host.rename(&old, "swap-old").await.unwrap());
    assert_eq!(
        host.rename(&new, "swap-old").await.unwrap_err().status(),
        Some(409)
    );
    assert!(host.rename(&new, "swap").await.unwrap());
    assert!(
        host.set_restart_policy(&new, RestartPolicy::OnFailure { retries: 3 })
            .await
            .unwrap()
    );

    let all = host.containers(true).await.unwrap();
    let named = |name: &str| all.iter().find(|container| container.name == name).unwrap();
    assert_eq!((named("swap").running, named("swap-old").running), (true, false));
    assert_eq!(
        named("swap").restart_policy,
        RestartPolicy::OnFailure { retries: 3 }
    );
    assert!(
        host.containers(false)
            .await
            .unwrap()
            .iter()
            .all(|container| container.running)
    );

    assert!(host.remove(&old, false).await.unwrap());
    assert!(!host.remove(&old, false).await.unwrap());
    assert_eq!(
        host.remove(&new, false).await.unwrap_err().status(),
        Some(409),
        "it runs"
    );
    assert!(host.remove(&new, true).await.unwrap());
    assert_eq!(host.container("swap").await.unwrap(), None);
    assert_eq!(host.stop("swap", 1).await.unwrap_err().status(), Some(404));
    assert_eq!(hosts.connections(), 1);
}

#[tokio::test]
async fn an_image_for_several_platforms_is_one_digest_and_each_host_gets_its_own_part() {
    let Some(lab) = Lab::enter("an_image_for_several_platforms_is_one_digest").await else {
        return;
    };
    let hosts = hosts(&lab);
    let host = hosts.host("i-arch", H3);
    let platform = host.probe().await.unwrap().platform.unwrap();
    let own = platform.strip_prefix("linux/").unwrap().to_owned();
    let foreign = if own == "amd64" { "arm64" } else { "amd64" };
    let login = login(&lab);
    let (repository, digest) = lab.image_for("arch", "v1", &[&own, foreign]).await;
    let known = host
        .at_registry(&format!("{repository}:v1"), Some(&login))
        .await
        .unwrap();
    assert_eq!(known.digest, digest, "of the list, not of a part");
    assert_eq!(known.platforms, [platform, format!("linux/{foreign}")]);
    host.pull(&repository, &digest, Some(&login), PULL, |_| {})
        .await
        .unwrap();
    let image = format!("{repository}@{digest}");
    let id = host
        .create(&definition("arch", 8106), "arch", &image, &BTreeMap::new())
        .await
        .unwrap();
    let created = host.container(&id).await.unwrap().unwrap();
    assert!(created.repo_digests.contains(&image), "{created:?}");
    assert_ne!(created.image_id, digest);
    assert!(host.start(&id).await.unwrap());
    host.remove(&id, true).await.unwrap();

    let (repository, digest) = lab.image_for("arch/foreign", "v1", &[foreign]).await;
    let known = host
        .at_registry(&format!("{repository}@{digest}"), Some(&login))
        .await
        .unwrap();
    assert_eq!(known.platforms, [format!("linux/{foreign}")]);
    let error = host
        .pull(&repository, &digest, Some(&login), PULL, |_| {})
        .await
        .unwrap_err();
    eprintln!("{error}");
    assert!(
        error.is_refused() && error.to_string().contains("no matching manifest"),
        "{error}"
    );
}

/// What the way forward does to the old container, and why: a stopped container with a restart policy comes
/// back with its engine.
#[tokio::test]
async fn trap_17_a_stopped_container_whose_policy_was_taken_off_stays_stopped_when_its_host_reboots() {
    let Some(lab) = Lab::enter("trap_17_a_stopped_container_stays_stopped").await else {
        return;
    };
    let hosts = hosts(&lab);
    let host = hosts.host("i-boot", H3);
    let kept = run(&lab, &host, "kept", 8107, "ok").await;
    let left = run(&lab, &host, "left", 8108, "ok").await;
    for id in [&kept, &left] {
        host.set_restart_policy(id, RestartPolicy::Always).await.unwrap();
    }
    assert!(host.set_restart_policy(&kept, RestartPolicy::No).await.unwrap());
    for id in [&kept, &left] {
        assert!(host.stop(id, 3).await.unwrap());
    }
    reboot(&lab, "h3").await;
    let there = async {
        loop {
            match host.containers(true).await {
                Ok(found) if found.iter().any(|each| each.name == "left" && each.running) => return found,
                _ => sleep(Duration::from_millis(100)).await,
            }
        }
    };
    let found = timeout(PATIENCE, there).await.unwrap();
    let kept = found.iter().find(|each| each.id == kept).unwrap();
    assert!(!kept.running, "{kept:?}");
    assert_eq!(kept.restart_policy, RestartPolicy::No);
    for each in found {
        host.remove(&each.id, true).await.unwrap();
    }
}

async fn reboot(lab: &Lab, host: &str) {
    lab.post(&format!("hosts/{host}/stop"), json!({})).await;
    lab.post(&format!("hosts/{host}/start"), json!({})).await;
}

#[tokio::test]
async fn trap_18_units_and_processes_beside_docker_are_seen() {
    let Some(lab) = Lab::enter("trap_18_units_and_processes_beside_docker_are_seen").await else {
        return;
    };
    let hosts = hosts(&lab);
    let host = hosts.host("i-beside", H2);
    let ports = BTreeSet::from([22, 8109, 8110]);
    let id = run(&lab, &host, "beside", 8109, "ok").await;
    let listeners = host.listeners(&ports).await.unwrap().unwrap();
    let on = |port: u16| listeners.iter().filter(move |listener| listener.port == port);
    assert_eq!((on(22).count(), on(8110).count()), (1, 0), "{listeners:?}");
    let sshd = on(22).next().unwrap();
    assert_eq!((sshd.address.as_str(), sshd.protocol.as_str()), (H2, "tcp"));
    // Docker's own proxy listens for the container: the published ports tell it from other listeners.
    assert!(on(8109).all(|listener| listener.protocol == "tcp"));
    let published = host.ports_in_use().await.unwrap();
    assert!(
        published
            .iter()
            .any(|used| used.port == 8109 && used.container == "beside")
    );
    host.remove(&id, true).await.unwrap();

    // The host does not run systemd, although systemctl may be installed there.
    assert_eq!(host.unit_of("api").await.unwrap(), None);
    // A stand-in that answers as systemd 252 does; sshd's shell finds it first.
    let stand_in = "#!/bin/sh\n\
        [ \"$1\" = show ] || exit 1\n\
        echo Id=ssh.service; echo ActiveState=active; echo UnitFileState=enabled\n\
        echo 'ExecStart={ path=/usr/sbin/sshd ; argv[]=/usr/sbin/sshd -D ; ignore_errors=no ; pid=1 }'\n\
        echo\n\
        echo Id=api.service; echo ActiveState=inactive; echo UnitFileState=enabled\n\
        echo 'ExecStartPre={ path=/usr/bin/docker ; argv[]=/usr/bin/docker rm -f api ; ignore_errors=yes ; pid=0 }'\n\
        echo 'ExecStart={ path=/usr/bin/docker ; argv[]=/usr/bin/docker run --rm --name api x ; ignore_errors=no }'\n";
    on_host(
        &lab,
        H2,
        "mkdir -p bin; cat >bin/systemctl; chmod +x bin/systemctl",
        stand_in,
    );
    on_host(&lab, H2, "cat >.bashrc", "PATH=/home/deploy/bin:$PATH\n");
    let found = host.unit_of("api").await;
    let other = host.unit_of("ap").await;
    on_host(&lab, H2, "rm -r .bashrc bin", "");
    assert_eq!(found.unwrap().as_deref(), Some("api.service"));
    assert_eq!(other.unwrap(), None);
}

/// Runs a command on a host by SSH, with this as its standard input.
fn on_host(lab: &Lab, address: &str, command: &str, input: &str) {
    use std::io::Write as _;
    let mut ssh = Command::new("ssh")
        .arg("-F")
        .arg(lab.ssh_config())
        .args([
            "-o",
            "HostKeyAlias=i-0lab",
            "-o",
            "BatchMode=yes",
            address,
            command,
        ])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    ssh.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    assert!(ssh.wait().unwrap().success(), "{command}");
}

#[tokio::test]
async fn trap_19_unused_images_of_one_repository_go_and_nothing_else() {
    let Some(lab) = Lab::enter("trap_19_unused_images_of_one_repository_go").await else {
        return;
    };
    let hosts = hosts(&lab);
    let host = hosts.host("i-keep", H1);
    let login = login(&lab);
    let mut images = Vec::new();
    // The images have bytes of their own: an image that another test's repository has too would be left
    // alone.
    for version in ["keep-1", "keep-2", "keep-3"] {
        images.push(lab.image("keep", version, "ok", false).await);
    }
    let other = lab.image("keep/other", "keep-0", "ok", false).await;
    for (repository, digest) in images.iter().chain([&other]) {
        host.pull(repository, digest, Some(&login), PULL, |_| {})
            .await
            .unwrap();
    }
    let create = |name: &'static str, n: usize| {
        let (repository, digest) = images[n].clone();
        let (host, image) = (host.clone(), format!("{repository}@{digest}"));
        async move {
            let id = host
                .create(&definition(name, 8111), name, &image, &BTreeMap::new())
                .await
                .unwrap();
            host.container(&id).await.unwrap().unwrap()
        }
    };
    let (before, now) = (create("keep.before", 1).await, create("keep", 2).await);
    let repository = &images[0].0;
    let removed = host.retain_images(repository, &now.image_id, 1).await.unwrap();
    assert_eq!(removed, [format!("{repository}@{}", images[0].1)]);
    let has = |n: usize| host.has_image(repository, &images[n].1);
    assert_eq!(
        (
            has(0).await.unwrap(),
            has(1).await.unwrap(),
            has(2).await.unwrap()
        ),
        (false, true, true)
    );
    assert!(host.has_image(&other.0, &other.1).await.unwrap());
    assert!(
        host.retain_images(repository, &now.image_id, 1)
            .await
            .unwrap()
            .is_empty()
    );
    // Without its container, the last good image is the only other one, and stays.
    host.remove(&before.id, false).await.unwrap();
    assert!(
        host.retain_images(repository, &now.image_id, 1)
            .await
            .unwrap()
            .is_empty()
    );
    assert!(has(1).await.unwrap());
    host.remove(&now.id, false).await.unwrap();
    // `create` from a missing image is refused with the status by which the swap knows to pull it again.
    let gone = format!("{repository}@{}", images[0].1);
    let error = host
        .create(&definition("keep", 8111), "keep", &gone, &BTreeMap::new())
        .await
        .unwrap_err();
    assert_eq!((error.is_refused(), error.status()), (true, Some(404)), "{error}");
}

#[tokio::test]
async fn trap_20_a_container_that_restarts_slowly_has_a_count_that_rises() {
    let Some(lab) = Lab::enter("trap_20_a_container_that_restarts_slowly").await else {
        return;
    };
    let hosts = hosts(&lab);
    let host = hosts.host("i-rise", H1);
    let id = run(&lab, &host, "rise", 8112, "crash-after:300").await;
    host.set_restart_policy(&id, RestartPolicy::Always).await.unwrap();
    let mut running = 0;
    let rises = async {
        loop {
            let seen = host.container_alone(&id).await.unwrap().unwrap();
            running += u32::from(seen.running);
            if seen.restart_count >= 2 {
                return seen.restart_count;
            }
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(PATIENCE, rises).await.unwrap();
    assert!(running > 0, "it looks running at most moments");
    // A manual stop and start resets the restart count, and the rollback relies on that.
    host.stop(&id, 1).await.unwrap();
    host.set_restart_policy(&id, RestartPolicy::No).await.unwrap();
    host.start(&id).await.unwrap();
    assert_eq!(host.container_alone(&id).await.unwrap().unwrap().restart_count, 0);
    host.remove(&id, true).await.unwrap();
}

#[tokio::test]
async fn a_container_is_asked_over_http_and_by_command_and_its_log_is_read() {
    let Some(lab) = Lab::enter("a_container_is_asked_over_http_and_by_command").await else {
        return;
    };
    let hosts = hosts(&lab);
    let host = hosts.host("i-ask", H1);
    let id = run(&lab, &host, "ask", 8102, "unhealthy").await;
    let second = Duration::from_secs(1);
    let answered = async {
        loop {
            match host.http_get(8102, "/", second).await {
                Ok(answer) => return answer,
                Err(error) => assert!(matches!(error, HostError::NoAnswer { .. }), "{error:?}"),
            }
            sleep(Duration::from_millis(20)).await;
        }
    };
    let answer = timeout(PATIENCE, answered).await.unwrap();
    assert_eq!(
        (answer.status, answer.body_start.starts_with("v1 ")),
        (200, true),
        "{answer:?}"
    );
    let answer = host.http_get(8102, "/health", second).await.unwrap();
    assert_eq!(
        (answer.status, answer.body_start.contains("no such table")),
        (500, true),
        "{answer:?}"
    );
    assert_eq!(host.http_get(8102, "/none", second).await.unwrap().status, 404);
    let slow = host
        .http_get(8102, "/slow?ms=3000", Duration::from_millis(200))
        .await
        .unwrap_err();
    assert!(matches!(slow, HostError::NoAnswer { port: 8102, .. }), "{slow:?}");
    let nobody = host.http_get(8199, "/", second).await.unwrap_err();
    assert!(
        matches!(nobody, HostError::NoAnswer { port: 8199, .. }),
        "{nobody:?}"
    );

    let command = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let result = host
        .exec(
            &id,
            &command(&["/bin/sh", "-c", "echo $GREETING; exit 3"]),
            second,
        )
        .await
        .unwrap();
    assert_eq!(
        (result.exit_code, result.output_tail.as_str()),
        (Some(3), "a \"b\" $c\n")
    );
    let much = "i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); done";
    let result = host
        .exec(&id, &command(&["/bin/sh", "-c", much]), PATIENCE)
        .await
        .unwrap();
    assert!(result.output_tail.ends_with("line 2999\n") && result.output_tail.len() <= 4096);
    let result = host
        .exec(
            &id,
            &command(&["/bin/sh", "-c", "echo begun; sleep 5"]),
            second / 2,
        )
        .await
        .unwrap();
    assert_eq!((result.exit_code, result.output_tail.as_str()), (None, "begun\n"));
    let result = host.exec(&id, &command(&["/no/such/program"]), second).await;
    eprintln!("a program that is not there: {result:?}");

    let print =
        r"i=0; while [ $i -lt 80 ]; do printf '\033[31mno %s\033[0m\r\n' $i > /proc/1/fd/1; i=$((i+1)); done";
    host.exec(&id, &command(&["/bin/sh", "-c", print]), PATIENCE)
        .await
        .unwrap();
    let lines = host.logs(&id, 1000).await.unwrap();
    assert_eq!(
        (lines.len(), lines.last().map(String::as_str)),
        (50, Some("no 79")),
        "{lines:?}"
    );
    assert_eq!(host.logs(&id, 2).await.unwrap(), ["no 78", "no 79"]);
    host.remove(&id, true).await.unwrap();
    assert_eq!(host.logs(&id, 2).await.unwrap_err().status(), Some(404));
    assert_eq!(hosts.connections(), 1);
}

#[tokio::test]
async fn open_connections_are_counted_where_docker_hides_them() {
    let Some(lab) = Lab::enter("open_connections_are_counted_where_docker_hides_them").await else {
        return;
    };
    let hosts = hosts(&lab);
    let host = hosts.host("i-open", H2);
    let id = run(&lab, &host, "open", 8103, "ok").await;
    assert_eq!(host.open_connections(8103).await.unwrap(), Some(0));
    let mut open = Vec::new();
    let connected = async {
        while open.len() < 3 {
            match tokio::net::TcpStream::connect((H2, 8103)).await {
                Ok(mut stream) => {
                    stream
                        .write_all(b"GET /slow?ms=20000 HTTP/1.1\r\n\r\n")
                        .await
                        .unwrap();
                    open.push(stream);
                }
                Err(_) => sleep(Duration::from_millis(20)).await,
            }
        }
    };
    timeout(PATIENCE, connected).await.unwrap();
    sleep(Duration::from_millis(50)).await;
    assert_eq!(host.open_connections(8103).await.unwrap(), Some(3));
    // A service outside Docker: sshd's own port, with our connection on it.
    assert!(host.open_connections(22).await.unwrap().unwrap() >= 1);
    host.remove(&id, true).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_master_is_replaced_on_next_use_by_one() {
    let Some(lab) = Lab::enter("a_killed_master_is_replaced_on_next_use_by_one").await else {
        return;
    };
    let hosts = hosts(&lab);
    let host = hosts.host("i-kill", H1);
    host.containers(true).await.unwrap();
    kill_hard(&masters("i-kill"));
    let uses: Vec<_> = (0..10)
        .map(|_| {
            let host = host.clone();
            tokio::spawn(async move { host.containers(true).await.unwrap() })
        })
        .collect();
    for used in uses {
        used.await.unwrap();
    }
    assert_eq!((hosts.connections(), masters("i-kill").len()), (2, 1));

    // The connection breaks during a stop: the outcome is unknown.
    let id = run(&lab, &host, "kill", 8104, "ignore-term").await;
    sleep(Duration::from_millis(300)).await;
    let stopping = tokio::spawn({
        let (host, id) = (host.clone(), id.clone());
        async move { host.stop(&id, 5).await }
    });
    sleep(Duration::from_millis(500)).await;
    kill_hard(&masters("i-kill"));
    let error = stopping.await.unwrap().unwrap_err();
    assert!(error.is_unknown(), "{error:?}");
    host.container(&id).await.unwrap().unwrap();
    assert_eq!(hosts.connections(), 3);
    host.remove(&id, true).await.unwrap();
}

#[tokio::test]
async fn a_stop_waits_for_the_containers_own_time() {
    let Some(lab) = Lab::enter("a_stop_waits_for_the_containers_own_time").await else {
        return;
    };
    let settings = HostSettings {
        docker_timeout: Duration::from_secs(1),
        ..settings(&lab)
    };
    let hosts = Hosts::new(settings).unwrap();
    let host = hosts.host("i-stop", H2);
    let id = run(&lab, &host, "stop", 8105, "ignore-term").await;
    sleep(Duration::from_millis(300)).await;
    let begun = Instant::now();
    assert!(host.stop(&id, 2).await.unwrap());
    assert!(begun.elapsed() >= Duration::from_secs(2), "{:?}", begun.elapsed());
    let stopped = host.container(&id).await.unwrap().unwrap();
    assert_eq!(
        (stopped.status.as_str(), stopped.exit_code),
        ("exited", Some(137))
    );
    host.remove(&id, true).await.unwrap();
}

#[tokio::test]
async fn a_host_that_crashes_is_unreachable_and_found_again_after_its_reboot() {
    let Some(lab) = Lab::enter("a_host_that_crashes_is_unreachable").await else {
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
    let socket = format!("unix://{}", lab.state().join("hosts/h2/docker.sock").display());
    kill_hard(&processes(|words| {
        words[0].ends_with("dockerd") && words.contains(&socket)
    }));
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
    let socket = lab.state().join("hosts/h1/docker.sock");
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
    fs::copy(lab.state().join("id_ed25519.pub"), &keys).unwrap();
    let host_key = lab.state().join("hosts/h1/ssh_host_key");
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

/// The child process of the test below: it connects, and waits to be killed.
async fn be_killed(config: std::ffi::OsString) {
    let settings = HostSettings {
        config_file: Some(config.into()),
        ..HostSettings::default()
    };
    let hosts = Hosts::new(settings).unwrap();
    hosts.host("i-orphan", H1).probe().await.unwrap();
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn a_killed_worker_leaves_no_ssh_behind() {
    if let Some(config) = std::env::var_os("EDGE_HOST_CONFIG") {
        return be_killed(config).await;
    }
    let Some(lab) = Lab::enter("a_killed_worker_leaves_no_ssh_behind").await else {
        return;
    };
    let mut worker = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_killed_worker_leaves_no_ssh_behind"])
        .env("EDGE_HOST_CONFIG", lab.ssh_config())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let appears = async {
        while masters("i-orphan").is_empty() {
            sleep(Duration::from_millis(20)).await;
        }
        // The child is logged in and forwarding by then.
        sleep(Duration::from_secs(1)).await;
    };
    timeout(PATIENCE, appears).await.unwrap();
    assert_eq!(masters("i-orphan").len(), 1);
    worker.kill().unwrap();
    worker.wait().unwrap();
    let begun = Instant::now();
    let ends = async {
        while !masters("i-orphan").is_empty() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, ends).await.unwrap();
    eprintln!("the master ended {:?} after its worker", begun.elapsed());
}
