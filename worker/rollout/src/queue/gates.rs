//! The gates before a release, beside approvals: freezes, windows, and another environment that its digest
//! has to have succeeded in first. They are asked again whenever the release could begin, because a gate that
//! was open at its acceptance may be shut by then.

use drawgate_schemas::{Blocker, Digest, Ended, Environment, Freeze, Outcome, ReleaseRequest};
use jiff::Timestamp;

use crate::definition::Gates;

/// What blocks a release now, in the order in which it ends.
pub(crate) fn blockers(
    environment: &Environment,
    gates: &Gates,
    freezes: &[Freeze],
    now: Timestamp,
) -> Vec<Blocker> {
    let frozen = freezes
        .iter()
        .filter(|freeze| freeze.covers(environment) && now < freeze.until);
    let mut blockers: Vec<Blocker> = frozen.cloned().map(Blocker::Frozen).collect();
    if let Some(windows) = &gates.windows
        && let Some(opens_at) = windows.shut_until(now)
    {
        blockers.push(Blocker::Closed {
            opens_at,
            windows: windows.to_string(),
        });
    }
    blockers.sort_by_key(Blocker::until);
    blockers
}

/// The end of a release whose digest has not succeeded where it has to first. `proven` says whether it has
/// succeeded there, or in the release's own environment: a version that ran there may always come back.
pub(crate) fn unproven(
    request: &ReleaseRequest,
    digest: Option<&Digest>,
    gates: &Gates,
    proven: bool,
) -> Option<Ended> {
    let required = gates.requires.as_ref().filter(|_| !proven)?;
    let what = digest.map_or_else(|| request.image.to_string(), ToString::to_string);
    let (environment, service) = (&request.environment, &request.service);
    Some(Ended {
        outcome: Outcome::Rejected,
        summary: format!(
            "{what} has not succeeded in {required}, as {environment} requires: nothing was touched"
        ),
        hint: Some(format!(
            "release it there first; then drawgate promote --from {required} --to {environment} --service {service}"
        )),
        receipt: None,
    })
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;
    use crate::definition::{Opening, Windows};

    fn freeze(environment: Option<&str>, until: &str) -> Freeze {
        Freeze {
            environment: environment.map(|name| name.parse().unwrap()),
            until: until.parse().unwrap(),
            reason: "db upgrade".parse().unwrap(),
            by: "anna".to_owned(),
            since: Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn a_freeze_holds_its_environment_until_its_end() {
        let freezes = [
            freeze(Some("staging"), "2026-03-02T12:00:00Z"),
            freeze(None, "2026-03-02T11:00:00Z"),
        ];
        let held = |environment: &str, now: &str| {
            let (environment, now) = (environment.parse().unwrap(), now.parse().unwrap());
            let blockers = super::blockers(&environment, &Gates::default(), &freezes, now);
            blockers
                .iter()
                .map(|hold| hold.until().to_string())
                .collect::<Vec<_>>()
        };
        assert_eq!(
            held("staging", "2026-03-02T10:00:00Z"),
            ["2026-03-02T11:00:00Z", "2026-03-02T12:00:00Z"]
        );
        assert_eq!(
            held("production", "2026-03-02T10:00:00Z"),
            ["2026-03-02T11:00:00Z"]
        );
        assert_eq!(held("staging", "2026-03-02T11:00:00Z"), ["2026-03-02T12:00:00Z"]);
        assert!(held("staging", "2026-03-02T12:00:00Z").is_empty());
    }

    #[test]
    fn a_shut_window_holds_and_names_when_it_opens() {
        let opening: Opening = "Mon-Fri 08:00-16:00".parse().unwrap();
        let gates = Gates {
            requires: None,
            windows: Some(Windows::new("UTC".to_owned(), TimeZone::UTC, vec![opening])),
        };
        let blockers = super::blockers(
            &"staging".parse().unwrap(),
            &gates,
            &[],
            "2026-03-06T16:00:00Z".parse().unwrap(),
        );
        let told = blockers.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(
            told,
            ["waits for 2026-03-09T08:00:00Z: releases begin Mon-Fri 08:00-16:00 (UTC)"]
        );
    }
}
