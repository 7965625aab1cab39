//! Names of what a release leaves on the things it touches, so that each can be put right from the thing itself,
//! without the ledger.

use std::collections::BTreeMap;

use drawgate_rollout::definition::{Process, ServiceDefinition, VerifyDefinition};
use drawgate_rollout::{LABEL_RELEASE, LABEL_VERSION, Plan, TargetPlan};
use drawgate_schemas::Digest;
use drawgate_schemas::ReleaseId;

/// Tag of an Auto Scaling group: the release, and the processes that it suspends.
pub(super) const GROUP_TAG: &str = "drawgate:suspended";
/// Tag of an alarm whose actions a release disabled.
pub(super) const ALARM_TAG: &str = "drawgate:silenced";
/// Label of the one-off container of `[before]`: the release. Not [`LABEL_RELEASE`], which is the service's container.
pub(super) const LABEL_BEFORE: &str = "drawgate.before";
/// Label of the one-off container of `[after]`: the release.
pub(super) const LABEL_AFTER: &str = "drawgate.after";
/// Label: the digest.
pub(super) const LABEL_DIGEST: &str = "drawgate.digest";
/// Label: the service.
pub(super) const LABEL_SERVICE: &str = "drawgate.service";
/// Label: the environment.
pub(super) const LABEL_ENVIRONMENT: &str = "drawgate.environment";
/// Label: the restart policy of the container that this one replaces, as JSON. It is taken off while that one is kept.
pub(super) const LABEL_RESTART_BEFORE: &str = "drawgate.restart_before";
/// Label: how a release verified this container, as JSON. On a later rollback it is judged by this again.
pub(super) const LABEL_VERIFY: &str = "drawgate.verify";

/// Value of [`GROUP_TAG`]: what is suspended, and behind it what is not for a while, so that sick hosts are replaced. Tag values take
/// no comma, hence the plus.
pub(super) fn suspension(release: &str, suspended: &[Process], let_run: &[Process]) -> String {
    let names = |processes: &[Process]| {
        let names: Vec<&str> = processes.iter().map(|process| process.as_str()).collect();
        names.join("+")
    };
    match (suspended.is_empty(), let_run.is_empty()) {
        (_, true) => format!("{release} {}", names(suspended)),
        (true, false) => format!("{release} - {}", names(let_run)),
        (false, false) => format!("{release} {} {}", names(suspended), names(let_run)),
    }
}

/// What such a value says: the release, what is suspended, what is let run for a while.
pub(super) fn suspended_by(tag: &str) -> Option<(&str, Vec<Process>, Vec<Process>)> {
    let mut words = tag.split(' ');
    let (release, suspended) = (words.next()?, words.next()?);
    let named = |word: &str| word.split('+').filter_map(Process::from_name).collect();
    Some((
        release,
        named(suspended),
        words.next().map_or_else(Vec::new, named),
    ))
}

/// How every tag of an instance for one of its targets begins.
pub(super) const TARGET_TAG_PREFIX: &str = "drawgate:target:";

/// Tag of an instance for one of its targets: one tag each, because a value has at most 256 characters.
pub(super) fn target_tag(plan: &Plan, target: &TargetPlan) -> String {
    let name = plan
        .target_groups
        .get(&target.target_group)
        .map_or("", |group| group.name.as_str());
    format!("{TARGET_TAG_PREFIX}{name}:{}", target.port)
}

/// Value of such a tag.
pub(super) fn target_value(release: &str, target: &TargetPlan) -> String {
    let zone = target.zone.as_deref().unwrap_or("-");
    format!("{release} {} {} {zone}", target.id, target.port)
}

/// Name of the one-off container of a hook, `before` or `after`.
pub(super) fn one_off(name: &str, hook: &str, release: ReleaseId) -> String {
    format!("{name}.hook-{hook}-{}", release.short())
}

/// Labels of a container of ours.
pub(crate) fn labels(
    release: &str,
    version: &str,
    digest: &Digest,
    definition: &ServiceDefinition,
) -> BTreeMap<String, String> {
    let verify = serde_json::to_string(&definition.verify).unwrap_or_default();
    [
        (LABEL_RELEASE, release.to_owned()),
        (LABEL_VERSION, version.to_owned()),
        (LABEL_DIGEST, digest.to_string()),
        (LABEL_SERVICE, definition.service.to_string()),
        (LABEL_ENVIRONMENT, definition.environment.to_string()),
        (LABEL_VERIFY, verify),
    ]
    .into_iter()
    .map(|(key, value)| (key.to_owned(), value))
    .collect()
}

/// How a container was verified when a release of ours made it.
pub(super) fn verify_of(labels: &BTreeMap<String, String>) -> Option<VerifyDefinition> {
    labels
        .get(LABEL_VERIFY)
        .and_then(|json| serde_json::from_str(json).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As versions before wrote it, and with what is let run for sick hosts to be replaced.
    #[test]
    fn trap_34_a_suspension_tag_says_what_is_suspended() {
        let (one, other) = (
            [Process::AzRebalance],
            [Process::HealthCheck, Process::ReplaceUnhealthy],
        );
        let all = [Process::AzRebalance, Process::HealthCheck];
        let tag = suspension("release", &all, &[]);
        assert_eq!(tag, "release AZRebalance+HealthCheck");
        assert_eq!(suspended_by(&tag), Some(("release", all.to_vec(), Vec::new())));
        for suspended in [&one[..], &[]] {
            let tag = suspension("release", suspended, &other);
            let expected = ("release", suspended.to_vec(), other.to_vec());
            assert_eq!(suspended_by(&tag), Some(expected), "{tag}");
        }
    }
}
