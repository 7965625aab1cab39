//! `[container]`: the container on every host. The image is not here: it comes with the release.

use std::collections::BTreeMap;
use std::net::IpAddr;

use drawgate_rollout::definition::{ContainerDefinition, PortMapping, RestartPolicy};
use drawgate_schemas::{Environment, Service};

use super::docker;
use super::error::Problems;
use super::hooks_section;
use super::limits as at;
use super::placeholders::Template;
use super::reader::{Field, Table, Templates};
use super::secret_references::{self, SecretTemplate};
use super::variables::check_variable;
use super::verify_section::words;

/// Labels that name a container's owner: a roll refuses to touch a container with another owner.
const OWNERS: [&str; 3] = ["drawgate.", "com.docker.compose.", "com.docker.swarm."];

/// A container with the texts that depend on the environment.
#[derive(Debug, Clone)]
pub(super) struct Container {
    /// The part that does not depend on the environment; its maps and its volumes are empty.
    fixed: ContainerDefinition,
    env: Templates,
    secrets: BTreeMap<String, SecretTemplate>,
    labels: Templates,
    log_options: Templates,
    volumes: Vec<Template>,
    /// The place of each of `ports` in the file.
    pub(super) port_spans: Vec<std::ops::Range<usize>>,
    /// The place of the name in the file; 0..0 where the file has none.
    pub(super) name_span: std::ops::Range<usize>,
}

impl Container {
    /// The definition for one target.
    pub(super) fn fill(&self, environment: &Environment, service: &Service) -> ContainerDefinition {
        let fill = |templates: &Templates| hooks_section::fill(templates, environment, service);
        ContainerDefinition {
            env: fill(&self.env),
            secrets: secret_references::fill(&self.secrets, environment, service),
            labels: fill(&self.labels),
            log_options: fill(&self.log_options),
            volumes: self
                .volumes
                .iter()
                .map(|volume| volume.fill(environment, service))
                .collect(),
            ..self.fixed.clone()
        }
    }

    /// The container's name.
    pub(super) fn name(&self) -> &str {
        &self.fixed.name
    }

    /// The published ports.
    pub(super) fn ports(&self) -> &[PortMapping] {
        &self.fixed.ports
    }

    /// Whether the container shares the host's network.
    pub(super) fn on_host_network(&self) -> bool {
        self.fixed.network.as_deref() == Some("host")
    }

    /// A container with that name and nothing else.
    pub(super) fn absent(name: &str) -> Self {
        let fixed = ContainerDefinition {
            name: name.to_owned(),
            ports: Vec::new(),
            env: BTreeMap::new(),
            secrets: BTreeMap::new(),
            volumes: Vec::new(),
            network: None,
            restart: RestartPolicy::UnlessStopped,
            memory_bytes: None,
            nano_cpus: None,
            log_driver: None,
            log_options: BTreeMap::new(),
            labels: BTreeMap::new(),
            command: None,
            stop_timeout_s: at::STOP_TIMEOUT_DEFAULT_S,
            keep_images: at::KEEP_IMAGES_DEFAULT,
        };
        Self {
            fixed,
            env: Templates::new(),
            secrets: BTreeMap::new(),
            labels: Templates::new(),
            log_options: Templates::new(),
            volumes: Vec::new(),
            port_spans: Vec::new(),
            name_span: 0..0,
        }
    }
}

/// Reads the section. Without a name in the file, the container is named like the service.
pub(super) fn read(mut table: Table<'_, '_>, service: &str, problems: &mut Problems<'_>) -> Container {
    let mut container = Container::absent(service);
    table.refuse_as(
        "image",
        "comes with the release, not from this file",
        "name the repository in [policy] images = [\"registry.example.com/team/api\"]",
        problems,
    );
    if let Some(field) = table.take("name") {
        container.name_span = field.span.clone();
        container.fixed.name = name(&field, problems).unwrap_or_default();
    }
    if let Some(field) = table.take("ports") {
        read_ports(&field, &mut container, problems);
    }
    if let Some(field) = table.take("volumes") {
        container.volumes = volumes(&field, problems);
    }
    container.env = table
        .take("env")
        .map(|field| env(&field, problems))
        .unwrap_or_default();
    container.secrets = table
        .take("secrets")
        .map(|field| secret_references::read(&field, &container.env, problems))
        .unwrap_or_default();
    container.labels = table
        .take("labels")
        .map(|field| labels(&field, problems))
        .unwrap_or_default();
    container.fixed.network = table.take("network").and_then(|field| network(&field, problems));
    if let Some(policy) = table.take("restart").and_then(|field| restart(&field, problems)) {
        container.fixed.restart = policy;
    }
    container.fixed.memory_bytes = table.take("memory").and_then(|field| field.size(problems));
    container.fixed.nano_cpus = table.take("cpus").and_then(|field| field.cpus(problems));
    if let Some(log) = table.section("log", problems) {
        read_log(log, &mut container, problems);
    }
    container.fixed.command = table.take("command").and_then(|field| words(&field, problems));
    if let Some(seconds) = table
        .take("stop_timeout")
        .and_then(|field| stop_timeout(&field, problems))
    {
        container.fixed.stop_timeout_s = seconds;
    }
    if let Some(keep) = table.take("keep_images").and_then(|field| field.count(problems)) {
        container.fixed.keep_images = keep;
    }
    check_network(&container, problems);
    table.finish(problems);
    container
}

fn name(field: &Field<'_, '_>, problems: &mut Problems<'_>) -> Option<String> {
    let name = field.plain_text(problems)?;
    if !docker::is_volume_name(name) {
        field.invalid_hint(
            format!("{name:?} is no container's name"),
            "use letters, digits, `_`, `.` and `-`, at least two of them, the first a letter or digit",
            problems,
        );
        return None;
    }
    Some(name.to_owned())
}

fn read_ports(field: &Field<'_, '_>, container: &mut Container, problems: &mut Problems<'_>) {
    for item in field.list(problems).unwrap_or_default() {
        let Some(text) = item.as_text() else {
            item.wrong_kind(
                "a string",
                "\"HOST:CONTAINER\" in quotes, as in \"8080:80\"",
                problems,
            );
            continue;
        };
        let port = match docker::port(text) {
            Ok(port) => port,
            Err((problem, hint)) => {
                item.invalid_hint(problem, hint, problems);
                continue;
            }
        };
        if container.ports().iter().any(|other| clash(other, &port)) {
            item.invalid(format!("host port {} is published twice", port.host), problems);
        }
        container.port_spans.push(item.span.clone());
        container.fixed.ports.push(port);
    }
}

/// Whether two published ports cannot both be bound on one host.
pub(super) fn clash(one: &PortMapping, other: &PortMapping) -> bool {
    let any = |port: &PortMapping| {
        let address = port
            .address
            .as_deref()
            .and_then(|address| address.parse::<IpAddr>().ok());
        address.is_none_or(|address| address.is_unspecified())
    };
    one.host == other.host
        && one.protocol == other.protocol
        && (any(one) || any(other) || one.address == other.address)
}

fn volumes(field: &Field<'_, '_>, problems: &mut Problems<'_>) -> Vec<Template> {
    let mut volumes = Vec::new();
    let mut targets = Vec::new();
    for item in field.list(problems).unwrap_or_default() {
        if item.text(problems).is_none() {
            continue;
        }
        let Some(volume) = item.template(problems) else {
            continue;
        };
        match docker::volume_target(&volume.example()) {
            Ok(target) if targets.contains(&target) => {
                item.invalid(format!("{target} is mounted twice"), problems);
            }
            Ok(target) => targets.push(target),
            Err((problem, hint)) => item.invalid_hint(problem, hint, problems),
        }
        volumes.push(volume);
    }
    volumes
}

fn env(field: &Field<'_, '_>, problems: &mut Problems<'_>) -> Templates {
    let env = field.templates(problems);
    for (name, value) in &env {
        check_variable(name, &value.span, problems);
    }
    env
}

fn labels(field: &Field<'_, '_>, problems: &mut Problems<'_>) -> Templates {
    let labels = field.templates(problems);
    for (name, value) in &labels {
        if let Some(owner) = OWNERS.into_iter().find(|owner| name.starts_with(owner)) {
            problems
                .error(
                    value.span.clone(),
                    format!("labels that begin with `{owner}` say who owns a container"),
                )
                .hint("choose a name of your own, as in \"com.example.team\"");
        }
        if name.is_empty() {
            problems.error(value.span.clone(), "a label needs a name");
        }
    }
    labels
}

fn network(field: &Field<'_, '_>, problems: &mut Problems<'_>) -> Option<String> {
    let network = field.plain_text(problems)?;
    if let Some(other) = network.strip_prefix("container:") {
        field.invalid_hint(
            format!("the network of container {other:?} would be gone when that one is replaced"),
            "write \"host\", \"bridge\" or a network's name",
            problems,
        );
        return None;
    }
    if !docker::is_volume_name(network) {
        field.invalid_hint(
            format!("{network:?} is no network's name"),
            "write \"host\", \"bridge\" or a network's name",
            problems,
        );
        return None;
    }
    Some(network.to_owned())
}

fn check_network(container: &Container, problems: &mut Problems<'_>) {
    let Some(span) = container
        .port_spans
        .first()
        .filter(|_| container.on_host_network())
    else {
        return;
    };
    problems
        .warning(
            span.clone(),
            "with network = \"host\" the engine ignores published ports",
        )
        .hint("remove `ports`: the container listens on the host's ports itself");
}

fn restart(field: &Field<'_, '_>, problems: &mut Problems<'_>) -> Option<RestartPolicy> {
    let policy = docker::restart(field.plain_text(problems)?);
    policy
        .map_err(|(problem, hint)| field.invalid_hint(problem, hint, problems))
        .ok()
}

fn read_log(mut table: Table<'_, '_>, container: &mut Container, problems: &mut Problems<'_>) {
    let driver = table.require("driver", problems);
    container.fixed.log_driver = driver
        .and_then(|field| field.plain_text(problems))
        .map(str::to_owned);
    container.log_options = table
        .take("options")
        .map(|field| field.templates(problems))
        .unwrap_or_default();
    table.finish(problems);
}

/// Whole seconds: the engine takes nothing finer.
fn stop_timeout(field: &Field<'_, '_>, problems: &mut Problems<'_>) -> Option<u32> {
    let ms = field.duration(problems)?;
    if ms % 1000 != 0 {
        field.invalid_hint(
            "must be whole seconds: the engine takes nothing finer",
            "write it as \"20s\"",
            problems,
        );
        return None;
    }
    u32::try_from(ms / 1000).ok()
}
