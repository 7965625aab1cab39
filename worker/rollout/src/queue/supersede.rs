//! Which release supersedes another that has not begun.

use drawgate_schemas::{Ended, Outcome, ReleaseId, ReleaseRequest, limits};

use crate::definition::Supersede;

/// Another release of the same target that waits, rolls, or has succeeded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Other {
    pub id: ReleaseId,
    /// Its build's place in the order of builds.
    pub sequence: Option<u64>,
    /// Whether it was accepted later than the release that asks.
    pub came_later: bool,
    /// Whether it has succeeded; otherwise it waits or rolls.
    pub has_succeeded: bool,
}

/// The end of a release that has not begun, where another one supersedes it, together with that other one. A
/// forced release is not superseded, because a rollback is of an older build; nor is an emergency. `others`
/// are the releases that roll, have succeeded, or could begin, as far as is known.
pub(crate) fn superseded<'o>(
    own: &ReleaseRequest,
    others: &'o [Other],
    policy: Supersede,
) -> Option<(&'o Other, Ended)> {
    if own.force || own.emergency.is_some() || policy == Supersede::Never {
        return None;
    }
    let newer = |other: &&Other| match (own.sequence, other.sequence) {
        (Some(own), Some(other_one)) if own != other_one => own < other_one,
        (Some(_), Some(_)) => other.came_later,
        _ => policy == Supersede::ByArrival && other.came_later,
    };
    let newest = others
        .iter()
        .filter(newer)
        .max_by_key(|other| (other.sequence, other.came_later))?;
    let is_lower = own.sequence < newest.sequence && own.sequence.is_some();
    let of_build = match (own.sequence, newest.sequence) {
        (Some(own), Some(newer)) => format!(" of build {newer}, which is newer than {own}"),
        _ => ", which came later".to_owned(),
    };
    let ended = Ended {
        outcome: Outcome::Superseded,
        summary: format!(
            "release {}{of_build}, takes its place: nothing was touched",
            newest.id
        ),
        hint: Some(way_out(own, is_lower)),
        receipt: None,
    };
    Some((newest, ended))
}

/// The hint: how to release this build once, or for good, because a counter that has started again would lose
/// against its own past for ever.
fn way_out(own: &ReleaseRequest, is_lower: bool) -> String {
    let once = "drawgate publish --force releases an older build all the same";
    if !is_lower {
        return once.to_owned();
    }
    let (environment, service) = (&own.environment, &own.service);
    format!(
        "{once}; if the builds' counter has started again: drawgate forget-sequence --environment {environment} --service {service} --reason WHY"
    )
}

/// Whether a build's number leaps so far above the highest of its lane that it would keep every other build
/// out. A lane without a number takes any.
pub fn leaps(sequence: Option<u64>, highest: Option<u64>) -> bool {
    let (Some(sequence), Some(highest)) = (sequence, highest) else {
        return false;
    };
    sequence.saturating_sub(highest) > limits::SEQUENCE_JUMP
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(sequence: Option<u64>, force: bool) -> ReleaseRequest {
        let mut request: ReleaseRequest = serde_json::from_str(
            r#"{"version": 1, "id": "0190f6f0-0000-7000-8000-000000000001", "environment": "staging",
                "service": "api", "image": "registry.example.com/api:1", "requested_at": "2026-01-01T00:00:00Z"}"#,
        )
        .unwrap();
        request.sequence = sequence;
        request.force = force;
        request
    }

    fn other(sequence: Option<u64>, came_later: bool) -> Other {
        Other {
            id: "0190f6f0-0000-7000-8000-000000000002".parse().unwrap(),
            sequence,
            came_later,
            has_succeeded: false,
        }
    }

    #[test]
    fn a_later_build_supersedes_an_earlier_one_in_either_order() {
        for came_later in [false, true] {
            let others = [other(Some(3), true), other(Some(5), came_later)];
            let (by, ended) = superseded(&request(Some(4), false), &others, Supersede::ByBuild).unwrap();
            assert_eq!(*by, others[1]);
            assert_eq!(ended.outcome, Outcome::Superseded);
            assert!(
                ended.summary.contains("of build 5, which is newer than 4"),
                "{}",
                ended.summary
            );
            assert_eq!(
                superseded(
                    &request(Some(5), false),
                    &[other(Some(4), came_later)],
                    Supersede::ByBuild
                ),
                None
            );
        }
    }

    /// The hint names the command also where the newer release still waits, because the command's answer says
    /// that an open release goes on to count.
    #[test]
    fn trap_44_a_lower_number_hears_how_a_counter_starts_again() {
        let hint = |own, other: Other| {
            let others = [other];
            let (_, ended) = superseded(&request(own, false), &others, Supersede::ByArrival).unwrap();
            ended.hint.unwrap()
        };
        let told = hint(Some(1), other(Some(812), false));
        let command = "drawgate forget-sequence --environment staging --service api --reason WHY";
        assert!(told.ends_with(command), "{told}");
        for (own, newer) in [
            (Some(5), other(Some(5), true)),
            (None, other(Some(5), true)),
            (Some(5), other(None, true)),
        ] {
            assert!(!hint(own, newer).contains("forget-sequence"), "{own:?}");
        }
    }

    #[test]
    fn trap_44_a_number_may_be_a_million_above_the_highest() {
        for (sequence, highest, leaps) in [
            (Some(1_000_812), Some(812), false),
            (Some(1_000_813), Some(812), true),
            (Some(20_260_101), Some(812), true),
            (Some(1), Some(812), false),
            (Some(u64::MAX), None, false),
            (None, Some(812), false),
            (Some(u64::MAX), Some(0), true),
            (Some(5), Some(u64::MAX), false),
        ] {
            assert_eq!(
                self::leaps(sequence, highest),
                leaps,
                "{sequence:?} after {highest:?}"
            );
        }
    }

    #[test]
    fn of_one_build_the_one_that_came_later_is_rolled() {
        assert!(
            superseded(
                &request(Some(5), false),
                &[other(Some(5), true)],
                Supersede::ByBuild
            )
            .is_some()
        );
        assert!(
            superseded(
                &request(Some(5), false),
                &[other(Some(5), false)],
                Supersede::ByBuild
            )
            .is_none()
        );
    }

    #[test]
    fn without_a_build_arrival_counts_only_where_it_is_to() {
        for (own, others) in [(None, None), (Some(5), None), (None, Some(5))] {
            let (own, others) = (request(own, false), [other(others, true)]);
            assert_eq!(superseded(&own, &others, Supersede::ByBuild), None);
            let (_, ended) = superseded(&own, &others, Supersede::ByArrival).unwrap();
            assert!(ended.summary.contains("which came later"), "{}", ended.summary);
        }
        assert_eq!(
            superseded(&request(None, false), &[other(None, false)], Supersede::ByArrival),
            None
        );
    }

    #[test]
    fn force_emergency_and_supersede_never_keep_their_place() {
        let others = [other(Some(9), true)];
        let mut emergency = request(Some(4), false);
        emergency.emergency = Some("checkout is down".parse().unwrap());
        assert_eq!(superseded(&emergency, &others, Supersede::ByArrival), None);
        assert_eq!(
            superseded(&request(Some(4), true), &others, Supersede::ByArrival),
            None
        );
        assert_eq!(
            superseded(&request(Some(4), false), &others, Supersede::Never),
            None
        );
    }
}
