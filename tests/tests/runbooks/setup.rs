//! The worker's own files: a new service, and another SSH key.

use drawgate_schemas::Outcome;
use drawgate_tests::oracle::Look;
use drawgate_tests::runbook::{blocks, follow, shell};
use drawgate_tests::{Bastion, Scene, Service};
use tokio::process::Command;

use crate::{assert_in_order, published};

/// First with an error in the file, at which the check stops; then as the runbook has it.
#[tokio::test]
async fn add_a_service() {
    let scene = Scene::begin().await;
    let fleet = scene.fleet_on_v1("search", &["h1", "h2"]).await;
    let v2 = scene.lab.image("search", "v2", "v2", "ok").await;
    let quick = "[roll]\nmin_healthy_time = \"200ms\"\nmin_disk_free = \"64MiB\"";
    let text = blocks("add-a-service.md", "toml")
        .replace("registry.example.com", &scene.lab.registry())
        .replace("[roll]", quick);
    let file = scene.folder().join("mine.toml");
    let bastion = Bastion::of(&scene);
    let restart = bastion.command("restart");
    let config = scene.folder().join("worker.toml").to_string_lossy().into_owned();
    let (path, image) = (file.to_string_lossy().into_owned(), scene.image("search", "v2"));
    let variables = [
        ("FILE", path.as_str()),
        ("CONFIG", config.as_str()),
        ("ENVIRONMENT", "staging"),
        ("SERVICE", "search"),
        ("IMAGE", image.as_str()),
        ("RESTART", restart.as_str()),
    ];

    scene.serve(&Service::of("other"));
    let worker = scene.worker().await;
    let events = scene.events().await;
    worker.stop().await;
    let before = Look::at(&scene.lab).await;
    std::fs::write(&file, text.replace("port = 8080", "prot = 8080")).unwrap();
    let stopped = shell(&scene, "add-a-service.md", &variables).await;
    let said = String::from_utf8_lossy(&[stopped.stdout, stopped.stderr].concat()).into_owned();
    assert!(!stopped.status.success(), "{said}");
    assert_in_order(&said, &["services/search.toml", "prot"]);
    assert!(
        !scene.folder().join("pid").exists(),
        "a worker was started: {said}"
    );

    std::fs::write(&file, text).unwrap();
    let printed = follow(&scene, "add-a-service.md", &variables).await;
    let id = published(&printed);
    assert_in_order(&printed, &[fleet.in_order()[0].id.as_str(), "succeeded"]);
    scene.judge(&events, id, Outcome::Succeeded, &before).await;
    Look::at(&scene.lab)
        .await
        .assert_runs(&fleet, "search", &scene.pinned("search", &v2));
    bastion.stop();
    scene.leave().await;
}

/// A worker with its own key rolls before and after the rotation, without a restart.
#[tokio::test]
async fn rotate_the_ssh_key() {
    let scene = Scene::begin().await;
    let key = give_a_key_of_its_own(&scene).await;
    scene.serve(&Service::of("search"));
    let fleet = scene.fleet_on_v1("search", &["h1", "h2"]).await;
    let v2 = scene.lab.image("search", "v2", "v2", "ok").await;
    scene.lab.image("search", "v3", "v3", "ok").await;
    let worker = scene.worker().await;
    let events = scene.events().await;
    let before = Look::at(&scene.lab).await;
    let id = scene.publish("search", "v3", &[]).await;
    scene.judge(&events, id, Outcome::Succeeded, &before).await;

    let old = std::fs::read_to_string(format!("{key}.pub")).unwrap();
    let config = scene.folder().join("worker.toml").to_string_lossy().into_owned();
    let ssh_config = scene.folder().join("ssh_config").to_string_lossy().into_owned();
    let image = scene.image("search", "v2");
    let variables = [
        ("KEY", key.as_str()),
        ("HOSTS", "10.77.0.11 10.77.0.12"),
        ("SSH_CONFIG", ssh_config.as_str()),
        ("CONFIG", config.as_str()),
        ("ENVIRONMENT", "staging"),
        ("SERVICE", "search"),
        ("IMAGE", image.as_str()),
    ];
    let printed = follow(&scene, "rotate-the-ssh-key.md", &variables).await;
    let instance = &fleet.in_order()[0].id;
    let wanted = [
        "10.77.0.11 takes the new key",
        "10.77.0.12 takes the new key",
        instance,
        "deploy@10.77.0.11: Permission denied",
        "deploy@10.77.0.12: Permission denied",
    ];
    assert_in_order(&printed, &wanted);
    let new = std::fs::read_to_string(format!("{key}.pub")).unwrap();
    for host in ["h1", "h2"] {
        let there = scene.lab.on_host(host, "cat ~/.ssh/authorized_keys").await;
        assert_ne!(old, new);
        assert_eq!(there, new, "keys of {host}");
    }
    let id = scene.publish("search", "v2", &[]).await;
    scene.judge(&events, id, Outcome::Succeeded, &before).await;
    Look::at(&scene.lab)
        .await
        .assert_runs(&fleet, "search", &scene.pinned("search", &v2));
    for host in ["h1", "h2"] {
        scene.lab.on_host(host, "rm -r ~/.ssh").await;
    }
    scene.end(worker).await;
}

/// Gives the worker a key that is in the login's own file on two hosts, and takes the lab's key out of its
/// `ssh_config`.
async fn give_a_key_of_its_own(scene: &Scene) -> String {
    let key = scene.folder().join("key").to_string_lossy().into_owned();
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "of-this-test", "-f", &key])
        .status()
        .await
        .unwrap();
    assert!(made.success());
    let public = std::fs::read_to_string(format!("{key}.pub")).unwrap();
    let add = format!(
        "umask 077; mkdir -p ~/.ssh; echo '{}' > ~/.ssh/authorized_keys",
        public.trim()
    );
    for host in ["h1", "h2"] {
        scene.lab.on_host(host, &add).await;
    }
    let theirs = scene.lab.folder().join("ssh_config");
    let without_key: String = std::fs::read_to_string(&theirs)
        .unwrap()
        .lines()
        .filter(|line| !line.contains("IdentityFile"))
        .map(|line| format!("{line}\n"))
        .collect();
    std::fs::write(scene.folder().join("ssh_config"), without_key).unwrap();
    let file = scene.folder().join("worker.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let with_lab = format!("config_file = \"{}\"", theirs.display());
    assert!(text.contains(&with_lab), "{text}");
    let ours = format!("config_file = \"ssh_config\"\nkey_file = \"{key}\"");
    std::fs::write(file, text.replace(&with_lab, &ours)).unwrap();
    key
}
