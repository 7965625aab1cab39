//! Which release to go back to. Pure.

use drawgate_schemas::{Digest, Outcome, PastView, ReleaseId, ReleaseState};

/// How many releases are looked at.
pub(super) const LOOKED_AT: u32 = 100;

/// The release to go back to.
#[derive(Debug)]
pub(super) struct Chosen<'a> {
    pub(super) past: &'a PastView,
    pub(super) digest: &'a Digest,
    /// Whether to force it. Not forced where the fleet should run the version already: then its hosts are not
    /// touched.
    pub(super) force: bool,
}

impl<'a> Chosen<'a> {
    fn of(past: &'a PastView, force: bool) -> Result<Self, String> {
        let Some(digest) = &past.digest else {
            let id = past.request.id;
            return Err(format!(
                "release {id} is known by its tag alone: publish it by hand"
            ));
        };
        Ok(Self { past, digest, force })
    }
}

/// Chooses the release to go back to: the named one, or the last good one. After a release that began and
/// rolled back, or that needs an operator, that is the last one that succeeded. Else it is the last one that
/// succeeded with another digest than the version that runs.
pub(super) fn chosen(releases: &[PastView], to: Option<ReleaseId>) -> Result<Chosen<'_>, String> {
    // A lane rolls one release at a time, an emergency before those that came earlier. So the order of
    // beginning counts.
    let mut releases: Vec<&PastView> = releases.iter().collect();
    releases.sort_by_key(|past| std::cmp::Reverse(past.started_at.unwrap_or(past.accepted_at)));
    let succeeded = ReleaseState::Ended {
        outcome: Outcome::Succeeded,
    };
    let good = |past: &&&PastView| past.state == succeeded;
    if let Some(id) = to {
        let named = releases.iter().find(|past| past.request.id == id).copied();
        let named =
            named.ok_or_else(|| format!("{id} is none of the last {LOOKED_AT} releases of this lane"))?;
        return match &named.state {
            state if *state == succeeded => Chosen::of(named, true),
            _ => Err(format!("{id} has not succeeded")),
        };
    }
    let mut succeeded_ones = releases.iter().filter(good);
    let Some(running) = succeeded_ones.next() else {
        return Err("no release of this lane has succeeded yet".to_owned());
    };
    for past in releases.iter().take_while(|past| !good(past)) {
        let ReleaseState::Ended { outcome } = past.state else {
            continue;
        };
        match outcome {
            Outcome::Cancelled if past.started_at.is_none() => {}
            Outcome::RolledBack | Outcome::Cancelled => return Chosen::of(running, false),
            Outcome::NeedsOperator => return Chosen::of(running, true),
            _ => {}
        }
    }
    match succeeded_ones.find(|past| past.digest != running.digest) {
        Some(before) => Chosen::of(before, true),
        None => Err(format!(
            "nothing else has succeeded before {}",
            running.request.version_name()
        )),
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;
    use crate::testing;

    fn past(n: u8, digest: char, outcome: Outcome) -> PastView {
        let began = !matches!(outcome, Outcome::Failed | Outcome::Superseded);
        let mut request = testing::request();
        request.id = format!("01936a5e-7c2e-7d10-8a44-5c1f2e9b0d{n:02}")
            .parse()
            .unwrap();
        PastView {
            request,
            digest: Some(
                format!("sha256:{}", digest.to_string().repeat(64))
                    .parse()
                    .unwrap(),
            ),
            state: ReleaseState::Ended { outcome },
            accepted_at: testing::begin() - SignedDuration::from_hours(i64::from(n)),
            started_at: Some(testing::begin() - SignedDuration::from_hours(i64::from(n))).filter(|_| began),
            ended_at: None,
            summary: None,
        }
    }

    fn chosen_of(releases: &[PastView], to: Option<ReleaseId>) -> Result<ReleaseId, String> {
        chosen(releases, to).map(|chosen| chosen.past.request.id)
    }

    #[test]
    fn the_last_good_one_with_other_bytes_than_the_one_that_runs() {
        let releases = [
            past(1, 'f', Outcome::Superseded),
            past(2, 'c', Outcome::Succeeded),
            past(3, 'c', Outcome::Succeeded),
            past(4, 'b', Outcome::Failed),
            past(5, 'a', Outcome::Succeeded),
        ];
        assert_eq!(chosen_of(&releases, None), Ok(releases[4].request.id));
    }

    #[test]
    fn the_last_good_one_is_chosen_after_one_that_did_not_succeed() {
        let after = |outcome| {
            [
                past(1, 'f', outcome),
                past(2, 'e', Outcome::Failed),
                past(3, 'b', Outcome::Succeeded),
                past(4, 'a', Outcome::Succeeded),
            ]
        };
        for (outcome, n, force) in [
            (Outcome::NeedsOperator, 2, true),
            // The release rolled back by itself, so hosts that run the good version are not touched again.
            (Outcome::RolledBack, 2, false),
            (Outcome::Cancelled, 2, false),
            (Outcome::Failed, 3, true),
        ] {
            let releases = after(outcome);
            let chosen = chosen(&releases, None).unwrap();
            assert_eq!(
                (chosen.past.request.id, chosen.force),
                (releases[n].request.id, force),
                "{outcome:?}"
            );
        }
    }

    #[test]
    fn what_was_rolled_last_runs_whichever_was_published_last() {
        let mut releases = [
            past(1, 'e', Outcome::Succeeded),
            past(2, 'a', Outcome::Succeeded),
            past(3, 'b', Outcome::Succeeded),
        ];
        // This release waited while the emergency went first.
        releases[1].started_at = Some(testing::begin());
        assert_eq!(chosen_of(&releases, None), Ok(releases[0].request.id));
    }

    #[test]
    fn what_is_named_has_to_have_succeeded() {
        let releases = [
            past(1, 'b', Outcome::RolledBack),
            past(2, 'a', Outcome::Succeeded),
        ];
        let [bad, good] = [releases[0].request.id, releases[1].request.id];
        assert_eq!(chosen_of(&releases, Some(good)), Ok(good));
        assert_eq!(
            chosen_of(&releases, Some(bad)),
            Err(format!("{bad} has not succeeded"))
        );
        let none = chosen_of(&[], Some(good)).unwrap_err();
        assert!(none.contains("is none of the last 100 releases"), "{none}");
    }

    #[test]
    fn without_anything_before_it_is_said() {
        assert_eq!(
            chosen_of(&[], None),
            Err("no release of this lane has succeeded yet".to_owned())
        );
        let only = [past(1, 'a', Outcome::Succeeded)];
        assert_eq!(
            chosen_of(&only, None),
            Err("nothing else has succeeded before 4f2c91e".to_owned())
        );
    }
}
