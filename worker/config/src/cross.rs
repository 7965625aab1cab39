//! Checks that need all service files: two files for one service, two services that cannot share a host.

use std::collections::{BTreeMap, BTreeSet};

use drawgate_rollout::definition::FleetSelector;
use drawgate_schemas::{Environment, Service};

use super::container_section::clash;
use super::error::ConfigError;
use super::people::People;
use super::service_file::ServiceFile;
use super::source::Source;

/// A service file with its text.
pub(super) struct Loaded {
    pub(super) source: Source,
    pub(super) file: ServiceFile,
}

/// The mistakes between files.
pub(super) fn check(files: &[Loaded]) -> Vec<ConfigError> {
    let mut errors = same_service(files);
    errors.extend(same_parameter(files));
    for (one, other) in neighbours(files) {
        errors.extend(on_one_host(one, other));
    }
    errors
}

/// Notes approvals that the listed people could never give.
pub(super) fn approvals(files: &[Loaded], people: &People) -> Vec<ConfigError> {
    let mut errors = Vec::new();
    for Loaded { source, file } in files {
        for section in file.asked.iter().filter_map(|asked| asked.approval.as_ref()) {
            let lacking = section.from.iter().filter_map(|group| {
                let (problem, hint) = people.lacks(&group.value)?;
                Some(ConfigError::at(source, &group.span, problem).with_hint(hint))
            });
            let before = errors.len();
            errors.extend(lacking);
            let (who, count) = (section.people(people), section.count.value);
            if errors.len() == before && who.len() < count as usize {
                let message = format!("asks for {count} people, and has {} to ask", who.len());
                let hint =
                    "put more people into the groups, or ask for fewer; those in people.shared do not count";
                errors.push(ConfigError::at(source, &section.count.span, message).with_hint(hint));
            }
        }
    }
    errors
}

fn same_service(files: &[Loaded]) -> Vec<ConfigError> {
    let mut first: BTreeMap<&Service, &Loaded> = BTreeMap::new();
    let mut errors = Vec::new();
    for loaded in files {
        let service = &loaded.file.service;
        if let Some(other) = first.get(&service.value) {
            let at = other.source.place(&other.file.service.span);
            let message = format!("service \"{}\" is defined twice", service.value);
            errors.push(
                ConfigError::at(&loaded.source, &service.span, message).with_hint(format!(
                    "the other is {}:{}; remove one of the files",
                    other.source.name(),
                    at.line
                )),
            );
        } else {
            first.insert(&service.value, loaded);
        }
    }
    errors
}

/// Two services with one parameter for their desired versions: an instance that boots would start either of
/// them.
fn same_parameter(files: &[Loaded]) -> Vec<ConfigError> {
    let publishing: Vec<&Loaded> = files
        .iter()
        .filter(|loaded| loaded.file.wanted.is_some())
        .collect();
    let mut errors = Vec::new();
    for (n, one) in publishing.iter().enumerate() {
        for other in publishing.iter().skip(n + 1) {
            // Where both parameters contain the service's name, they differ.
            let both = [one, other].iter().all(|loaded| {
                loaded
                    .file
                    .wanted
                    .as_ref()
                    .is_some_and(|name| name.value.names_service())
            });
            if both || one.file.service.value == other.file.service.value {
                continue;
            }
            let (Some(environment), Some(wanted)) =
                (common_parameter(&one.file, &other.file), &other.file.wanted)
            else {
                continue;
            };
            let name = &one.file.service.value;
            let message = format!("`wanted_parameter` is service \"{name}\"'s in {environment} too");
            let error = ConfigError::at(&other.source, &wanted.span, message);
            errors.push(error.with_hint("put {service} into it"));
        }
    }
    errors
}

fn common_parameter(one: &ServiceFile, other: &ServiceFile) -> Option<Environment> {
    let pairs = one
        .environments
        .iter()
        .flat_map(|a| other.environments.iter().map(move |b| (a, b)));
    pairs
        .filter_map(|(a, b)| a.value.common(&b.value))
        .find(|environment| one.wanted_parameter(environment) == other.wanted_parameter(environment))
}

/// Pairs of services that share a host port or a container's name: only those can conflict. Each pair once,
/// the later file second.
fn neighbours(files: &[Loaded]) -> Vec<(&Loaded, &Loaded)> {
    let mut by_port: BTreeMap<u16, Vec<usize>> = BTreeMap::new();
    let mut by_name: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (n, loaded) in files.iter().enumerate() {
        let Some(container) = loaded.file.swap.container() else {
            continue;
        };
        by_name.entry(container.name()).or_default().push(n);
        let ports: BTreeSet<u16> = container.ports().iter().map(|port| port.host).collect();
        ports
            .into_iter()
            .for_each(|port| by_port.entry(port).or_default().push(n));
    }
    let groups = by_port.into_values().chain(by_name.into_values());
    let mut pairs = BTreeSet::new();
    for group in groups {
        for (at, one) in group.iter().enumerate() {
            pairs.extend(group.iter().skip(at + 1).map(|other| (*one, *other)));
        }
    }
    let loaded = |(one, other): (usize, usize)| Some((files.get(one)?, files.get(other)?));
    let other_service =
        |(one, other): &(&Loaded, &Loaded)| one.file.service.value != other.file.service.value;
    pairs
        .into_iter()
        .filter_map(loaded)
        .filter(other_service)
        .collect()
}

/// Two services that share a host and use the same port or name there.
fn on_one_host(one: &Loaded, other: &Loaded) -> Vec<ConfigError> {
    let Some(environment) = meeting(&one.file, &other.file) else {
        return Vec::new();
    };
    let mut errors = Vec::new();
    let name = &one.file.service.value;
    let (Some(here), Some(there)) = (other.file.swap.container(), one.file.swap.container()) else {
        return errors;
    };
    let clashing = here
        .ports()
        .iter()
        .zip(&here.port_spans)
        .find(|(port, _)| there.ports().iter().any(|held| clash(held, port)));
    if let Some((port, span)) = clashing {
        let message = format!(
            "host port {} is published by service \"{name}\" on the same fleet too",
            port.host
        );
        let hint = format!(
            "both run on the hosts of {environment} ({}); publish another port",
            one.source.name()
        );
        errors.push(ConfigError::at(&other.source, span, message).with_hint(hint));
    }
    if here.name() == there.name() {
        let message = format!(
            "container \"{}\" is service \"{name}\"'s on the same fleet too",
            here.name()
        );
        let hint = format!(
            "both run on the hosts of {environment} ({}); choose another name",
            one.source.name()
        );
        errors.push(ConfigError::at(&other.source, &here.name_span, message).with_hint(hint));
    }
    errors
}

/// An environment in which both services are on the same hosts.
fn meeting(one: &ServiceFile, other: &ServiceFile) -> Option<Environment> {
    let pairs = one
        .environments
        .iter()
        .flat_map(|a| other.environments.iter().map(move |b| (a, b)));
    pairs
        .filter_map(|(a, b)| a.value.common(&b.value))
        .find(|environment| {
            let a = one.fleet.fill(environment, &one.service.value);
            let b = other.fleet.fill(environment, &other.service.value);
            same_hosts(&a, &b)
        })
}

/// Whether all hosts of one selector are hosts of the other. Tags select the instances that have all of them:
/// more tags, fewer hosts.
fn same_hosts(one: &FleetSelector, other: &FleetSelector) -> bool {
    match (one, other) {
        (FleetSelector::AutoScalingGroup(one), FleetSelector::AutoScalingGroup(other)) => one == other,
        (FleetSelector::Tags(one), FleetSelector::Tags(other)) => {
            let (few, many) = if one.len() <= other.len() {
                (one, other)
            } else {
                (other, one)
            };
            few.iter().all(|(key, value)| many.get(key) == Some(value))
        }
        _ => false,
    }
}
