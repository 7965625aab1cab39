//! Programs of the service's own: whether a rollback is possible, before anything is touched.

use drawgate_schemas::{Digest, ReleaseRequest};

use super::finding::Finding;
use crate::definition::placeholders::{Values, uses};
use crate::definition::{CommandDefinition, Probe, ServiceDefinition};
use crate::fleet::{HostPlan, HostSnapshot};

/// Refuses a host whose own program does not tell its version.
pub(super) fn told(host: &HostSnapshot, untold: Option<&str>, findings: &mut Vec<Finding>) {
    let Some(why) = untold else { return };
    let what = format!("what runs there now cannot be told: {why}");
    let hint = "let [command] version print it in one line; before the first release of a service, put a version there by \
                hand";
    findings.push(Finding::refuse(&host.instance, what, hint));
}

/// Checks that every word of every program can be filled in, also those of the rollback.
pub(super) fn rollback_is_possible(
    request: &ReleaseRequest,
    digest: Option<&Digest>,
    hosts: &[HostPlan],
    definition: &ServiceDefinition,
    findings: &mut Vec<Finding>,
) {
    let Some(command) = definition.command() else {
        return;
    };
    let values = Values::of(request, digest, definition);
    for host in hosts {
        let values = values
            .clone()
            .on(host)
            .with("previous", host.told_before.as_deref())
            .with("expected", Some(""));
        let missing = words(command, definition).find_map(|word| values.fill(word).err());
        if let Some(missing) = missing {
            let hint = if missing.0 == "previous" {
                "say [command] version: what it prints is what {previous} stands for".to_owned()
            } else {
                format!("publish with a {}, or leave the placeholder out", missing.0)
            };
            findings.push(Finding::refuse(&host.instance, missing.to_string(), hint));
        }
    }
    if command.version.is_none() && !uses(&command.rollback, "previous") {
        let what = "nothing tells which version runs: whether a host is on the wanted one is known by the exit codes of \
                    `deploy` and [verify] alone";
        findings.push(Finding::warn("[command]", what));
    }
}

fn words<'a>(
    command: &'a CommandDefinition,
    definition: &'a ServiceDefinition,
) -> impl Iterator<Item = &'a String> {
    let checked: &[String] = match &definition.verify.probe {
        Probe::Command(words) => words,
        Probe::Http { .. } | Probe::Healthcheck | Probe::Running => &[],
    };
    command.words().chain(checked)
}
