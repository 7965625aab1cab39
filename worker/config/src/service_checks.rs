//! Checks between the sections of one service file.

use std::ops::Range;

use drawgate_rollout::definition::{PortMapping, Probe, Protocol};
use drawgate_schemas::{Environment, Service};

use super::command_section::Command;
use super::container_section::Container;
use super::environment_section::EnvironmentSection;
use super::error::Problems;
use super::fleet_section::Fleet;
use super::pattern::EnvironmentPattern;
use super::placeholders::Template;
use super::reader::Located;
use super::verify_section::Verify;

/// Several environments with one parameter for their desired versions would overwrite each other's.
pub(super) fn one_parameter(
    environments: &[Located<EnvironmentPattern>],
    wanted: Option<&Located<Template>>,
    problems: &mut Problems<'_>,
) {
    let Some(wanted) = wanted.filter(|wanted| several(environments) && !wanted.value.names_environment())
    else {
        return;
    };
    problems
        .error(
            wanted.span.clone(),
            "several environments, but `wanted_parameter` is the same in each of them",
        )
        .hint("put {environment} into it, or name one environment only");
}

fn several(environments: &[Located<EnvironmentPattern>]) -> bool {
    environments.len() > 1
        || environments
            .iter()
            .any(|one| matches!(one.value, EnvironmentPattern::Pattern { .. }))
}

/// Several environments with one fleet would roll the same hosts, each undoing the other.
pub(super) fn one_fleet(
    environments: &[Located<EnvironmentPattern>],
    fleet: &Fleet,
    problems: &mut Problems<'_>,
) {
    let span: Range<usize> = environments.last().map_or(0..0, |last| last.span.clone());
    if several(environments) && !fleet.names_environment() {
        problems
            .error(
                span,
                "several environments, but the fleet is the same in each of them",
            )
            .hint("put {environment} into `auto_scaling_group` or a tag, or name one environment only");
    }
}

/// Notes a `requires` without `{digest}` in a command: a success elsewhere is recognised by its digest.
pub(super) fn digests(
    command: &Command,
    service: &Service,
    verify: &Verify,
    asked: &[EnvironmentSection],
    problems: &mut Problems<'_>,
) {
    let unnamed = |required: &&Located<Environment>| {
        !command.fill(&required.value, service).names_digest(&verify.value)
    };
    let required = asked.iter().filter_map(|asked| asked.requires.as_ref());
    for required in required.filter(unnamed) {
        problems
            .error(
                required.span.clone(),
                "`requires` compares digests, and no command asks for one",
            )
            .hint("put {digest} into [command] deploy, so that what is released are these very bytes");
    }
}

/// Notes a probe at a port that the container does not publish: it would fail on every host.
pub(super) fn probe_port(container: &Container, verify: &Verify, problems: &mut Problems<'_>) {
    let Probe::Http { port, .. } = verify.value.probe else {
        return;
    };
    let published = |mapping: &&PortMapping| mapping.protocol == Protocol::Tcp;
    if container.on_host_network()
        || container
            .ports()
            .iter()
            .filter(published)
            .any(|mapping| mapping.host == port)
    {
        return;
    }
    let inner = container
        .ports()
        .iter()
        .filter(published)
        .find(|mapping| mapping.container == port);
    let hint = match inner {
        Some(mapping) => format!(
            "{port} is the port in the container; on the host it is {}",
            mapping.host
        ),
        None => format!("publish it, as in [container] ports = [\"{port}:{port}\"]"),
    };
    problems
        .warning(
            verify.span.clone(),
            format!("`verify.http` asks port {port}, which is not published"),
        )
        .hint(hint);
}
