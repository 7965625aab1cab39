//! Names of the marks that a release leaves on the things it touches, so that each thing can be put right
//! from its own marks, without the ledger.

use std::collections::BTreeMap;

use drawgate_rollout::definition::{Process, ServiceDefinition, VerifyDefinition};
pub(super) use drawgate_rollout::{GROUP_TAG, TARGET_TAG_PREFIX, suspension, target_tag, target_value};
use drawgate_rollout::{LABEL_RELEASE, LABEL_VERSION};
use drawgate_schemas::Digest;
use drawgate_schemas::ReleaseId;

/// Label of the one-off container of `[before]`: the release. Not [`LABEL_RELEASE`], which marks the
/// service's container.
pub(super) const LABEL_BEFORE: &str = "drawgate.before";
/// Label of the one-off container of `[after]`: the release.
pub(super) const LABEL_AFTER: &str = "drawgate.after";
/// Label: the digest.
pub(super) const LABEL_DIGEST: &str = "drawgate.digest";
/// Label: the service.
pub(super) const LABEL_SERVICE: &str = "drawgate.service";
/// Label: the environment.
pub(super) const LABEL_ENVIRONMENT: &str = "drawgate.environment";
/// Label: the restart policy of the container that this one replaces, as JSON. The swap takes the policy off
/// that container, so it is kept here.
pub(super) const LABEL_RESTART_BEFORE: &str = "drawgate.restart_before";
/// Label: how a release verified this container, as JSON. A later rollback verifies the container by this
/// again.
pub(super) const LABEL_VERIFY: &str = "drawgate.verify";

/// What a value of [`GROUP_TAG`] says: the release, the suspended processes, and those resumed for a while.
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

/// Name of the one-off container of a hook, `before` or `after`.
pub(super) fn one_off(name: &str, hook: &str, release: ReleaseId) -> String {
    format!("{name}.hook-{hook}-{}", release.short())
}

/// Labels of a container that a release creates.
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

/// How the release that made this container verified it.
pub(super) fn verify_of(labels: &BTreeMap<String, String>) -> Option<VerifyDefinition> {
    labels
        .get(LABEL_VERIFY)
        .and_then(|json| serde_json::from_str(json).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads the value that earlier versions wrote, and the one with processes resumed so that sick hosts are
    /// replaced.
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
