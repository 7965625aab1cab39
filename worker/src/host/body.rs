//! The request that creates a container, built as plain data.

use std::collections::{BTreeMap, HashMap};

use bollard::models::{
    ContainerCreateBody, HostConfig, HostConfigLogConfig, PortBinding, PortMap,
    RestartPolicy as EnginePolicy, RestartPolicyNameEnum,
};
use drawgate_rollout::definition::{ContainerDefinition, PortMapping, RestartPolicy};

/// The body of `POST /containers/create`. `image` is `repository@digest`; `labels` win over the definition's.
///
/// The restart policy is `no`: a container that has not passed its verification must not come back by itself
/// and take the port. It gets its policy afterwards.
pub fn container_body(
    definition: &ContainerDefinition,
    image: &str,
    labels: &BTreeMap<String, String>,
) -> ContainerCreateBody {
    let all_labels = definition.labels.iter().chain(labels);
    let some = |list: Vec<String>| Some(list).filter(|list| !list.is_empty());
    ContainerCreateBody {
        image: Some(image.to_owned()),
        env: some(
            definition
                .env
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect(),
        ),
        cmd: definition.command.clone(),
        labels: Some(
            all_labels
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect(),
        ),
        exposed_ports: some(exposed_ports(&definition.ports)),
        stop_timeout: Some(i64::from(definition.stop_timeout_s)),
        host_config: Some(host_config(definition)),
        ..ContainerCreateBody::default()
    }
}

/// A restart policy in the engine's form.
pub(crate) fn engine_policy(policy: RestartPolicy) -> EnginePolicy {
    let (name, retries) = match policy {
        RestartPolicy::No => (RestartPolicyNameEnum::NO, 0),
        RestartPolicy::Always => (RestartPolicyNameEnum::ALWAYS, 0),
        RestartPolicy::UnlessStopped => (RestartPolicyNameEnum::UNLESS_STOPPED, 0),
        RestartPolicy::OnFailure { retries } => (RestartPolicyNameEnum::ON_FAILURE, i64::from(retries)),
    };
    EnginePolicy {
        name: Some(name),
        maximum_retry_count: Some(retries),
    }
}

/// The restart policy behind the engine's; none given means `no`.
pub(super) fn restart_policy(policy: Option<&EnginePolicy>) -> RestartPolicy {
    let Some(policy) = policy else {
        return RestartPolicy::No;
    };
    match policy.name {
        Some(RestartPolicyNameEnum::ALWAYS) => RestartPolicy::Always,
        Some(RestartPolicyNameEnum::UNLESS_STOPPED) => RestartPolicy::UnlessStopped,
        Some(RestartPolicyNameEnum::ON_FAILURE) => {
            let retries = policy
                .maximum_retry_count
                .and_then(|count| u32::try_from(count).ok());
            RestartPolicy::OnFailure {
                retries: retries.unwrap_or_default(),
            }
        }
        Some(RestartPolicyNameEnum::NO | RestartPolicyNameEnum::EMPTY) | None => RestartPolicy::No,
    }
}

fn host_config(definition: &ContainerDefinition) -> HostConfig {
    HostConfig {
        binds: Some(definition.volumes.clone()).filter(|volumes| !volumes.is_empty()),
        network_mode: definition.network.clone(),
        port_bindings: Some(port_bindings(&definition.ports)).filter(|ports| !ports.is_empty()),
        restart_policy: Some(engine_policy(RestartPolicy::No)),
        memory: definition.memory_bytes.map(saturating),
        nano_cpus: definition.nano_cpus.map(saturating),
        log_config: log_config(definition),
        ..HostConfig::default()
    }
}

/// Options without a driver are options of the engine's default driver.
fn log_config(definition: &ContainerDefinition) -> Option<HostConfigLogConfig> {
    if definition.log_driver.is_none() && definition.log_options.is_empty() {
        return None;
    }
    let config: HashMap<_, _> = definition.log_options.clone().into_iter().collect();
    Some(HostConfigLogConfig {
        typ: definition.log_driver.clone(),
        config: Some(config),
    })
}

fn container_port(port: &PortMapping) -> String {
    format!("{}/{}", port.container, port.protocol.as_str())
}

fn exposed_ports(ports: &[PortMapping]) -> Vec<String> {
    let mut exposed: Vec<String> = ports.iter().map(container_port).collect();
    exposed.sort();
    exposed.dedup();
    exposed
}

/// One container port may be published more than once.
fn port_bindings(ports: &[PortMapping]) -> PortMap {
    let mut bindings = PortMap::new();
    for port in ports {
        let binding = PortBinding {
            host_ip: port.address.clone(),
            host_port: Some(port.host.to_string()),
        };
        bindings
            .entry(container_port(port))
            .or_default()
            .get_or_insert_default()
            .push(binding);
    }
    bindings
}

/// The number as the engine's signed type, cut at its maximum: no machine has as much, and the engine's own
/// limits speak first.
fn saturating(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use drawgate_rollout::definition::Protocol;
    use serde_json::json;

    use super::*;

    fn smallest() -> ContainerDefinition {
        ContainerDefinition {
            name: "api".into(),
            ports: Vec::new(),
            env: BTreeMap::new(),
            secrets: BTreeMap::new(),
            volumes: Vec::new(),
            network: None,
            restart: RestartPolicy::Always,
            memory_bytes: None,
            nano_cpus: None,
            log_driver: None,
            log_options: BTreeMap::new(),
            labels: BTreeMap::new(),
            command: None,
            stop_timeout_s: 10,
            keep_images: 1,
        }
    }

    fn pairs(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    }

    fn port(address: Option<&str>, host: u16, container: u16, protocol: Protocol) -> PortMapping {
        PortMapping {
            address: address.map(str::to_owned),
            host,
            container,
            protocol,
        }
    }

    #[test]
    fn everything_a_definition_can_say_reaches_the_engine() {
        let definition = ContainerDefinition {
            ports: vec![
                port(None, 8080, 80, Protocol::Tcp),
                port(Some("127.0.0.1"), 9090, 80, Protocol::Tcp),
                port(None, 8125, 8125, Protocol::Udp),
            ],
            env: pairs(&[("MODE", "production"), ("EMPTY", ""), ("QUOTED", "a \"b\" $c")]),
            volumes: vec!["/dev/log:/dev/log".into(), "data:/data:ro".into()],
            network: Some("backend".into()),
            memory_bytes: Some(536_870_912),
            nano_cpus: Some(1_500_000_000),
            log_driver: Some("awslogs".into()),
            log_options: pairs(&[("awslogs-group", "api")]),
            labels: pairs(&[("team", "web"), ("drawgate.release", "forged")]),
            command: Some(vec!["serve".into(), "--port".into(), "80".into()]),
            stop_timeout_s: 30,
            ..smallest()
        };
        let labels = pairs(&[("drawgate.release", "0190")]);
        let body = container_body(&definition, "registry/api@sha256:ab", &labels);
        let expected = json!({
            "Image": "registry/api@sha256:ab",
            "Env": ["EMPTY=", "MODE=production", "QUOTED=a \"b\" $c"],
            "Cmd": ["serve", "--port", "80"],
            "Labels": {"team": "web", "drawgate.release": "0190"},
            "ExposedPorts": {"80/tcp": {}, "8125/udp": {}},
            "StopTimeout": 30,
            "HostConfig": {
                "Binds": ["/dev/log:/dev/log", "data:/data:ro"],
                "NetworkMode": "backend",
                "PortBindings": {
                    "80/tcp": [{"HostPort": "8080"}, {"HostIp": "127.0.0.1", "HostPort": "9090"}],
                    "8125/udp": [{"HostPort": "8125"}],
                },
                "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0},
                "Memory": 536_870_912,
                "NanoCpus": 1_500_000_000,
                "LogConfig": {"Type": "awslogs", "Config": {"awslogs-group": "api"}},
            },
        });
        assert_eq!(serde_json::to_value(body).unwrap(), expected);
    }

    #[test]
    fn what_a_definition_leaves_out_is_left_to_engine_and_image() {
        let body = container_body(&smallest(), "api@sha256:ab", &BTreeMap::new());
        let expected = json!({
            "Image": "api@sha256:ab",
            "Labels": {},
            "StopTimeout": 10,
            "HostConfig": {"RestartPolicy": {"Name": "no", "MaximumRetryCount": 0}},
        });
        assert_eq!(serde_json::to_value(body).unwrap(), expected);
    }

    #[test]
    fn trap_17_a_new_container_never_restarts_by_itself() {
        for restart in [
            RestartPolicy::Always,
            RestartPolicy::UnlessStopped,
            RestartPolicy::OnFailure { retries: 3 },
        ] {
            let definition = ContainerDefinition {
                restart,
                ..smallest()
            };
            let body = container_body(&definition, "api@sha256:ab", &BTreeMap::new());
            let policy = body.host_config.unwrap().restart_policy.unwrap();
            assert_eq!(restart_policy(Some(&policy)), RestartPolicy::No);
        }
    }

    #[test]
    fn restart_policies_survive_the_way_to_the_engine_and_back() {
        use RestartPolicy::{Always, No, OnFailure, UnlessStopped};
        for policy in [
            No,
            Always,
            UnlessStopped,
            OnFailure { retries: 0 },
            OnFailure { retries: 5 },
        ] {
            assert_eq!(restart_policy(Some(&engine_policy(policy))), policy);
        }
        assert_eq!(restart_policy(None), No);
    }
}
