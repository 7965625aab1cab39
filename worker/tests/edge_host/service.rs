//! A container of the test application.

use std::collections::BTreeMap;
use std::time::Duration;

use drawgate_lab::lab::Lab;
use drawgate_rollout::definition::{ContainerDefinition, PortMapping, Protocol, RestartPolicy};
use drawgate_worker::host::{Host, RegistryCredentials};

pub(crate) const PULL: Duration = Duration::from_secs(60);

pub(crate) fn login(lab: &Lab) -> RegistryCredentials {
    RegistryCredentials {
        username: "AWS".into(),
        password: lab.registry_password(),
    }
}

/// Pushes an image with its version as the tag; gives its repository and digest.
pub(crate) async fn pushed(lab: &Lab, repository: &str, version: &str, mode: &str) -> (String, String) {
    let digest = lab.image(repository, version, version, mode).await;
    (format!("{}/{repository}", lab.registry()), digest)
}

pub(crate) fn definition(name: &str, port: u16) -> ContainerDefinition {
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
pub(crate) async fn run(lab: &Lab, host: &Host, name: &str, port: u16, mode: &str) -> String {
    let (repository, digest) = pushed(lab, name, "v1", mode).await;
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
