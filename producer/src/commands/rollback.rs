//! `drawgate rollback`: a release of what ran before.

use drawgate_schemas::{Digest, Outcome, PastView, ReleaseId, ReleaseState};

use super::again::again;
use super::{history, is_meant};
use crate::cli::{PublishArgs, RollbackArgs};
use crate::error::CommandError;
use crate::exit::Exit;

/// As far back as is looked.
const LOOKED_AT: u32 = 100;

/// Finds what ran before, and releases it once it is said to be meant.
pub(crate) async fn rollback(args: &RollbackArgs) -> Result<Exit, CommandError> {
    let (environment, service) = (&args.lane.environment, &args.lane.service);
    let releases = history::of_lane("rollback", environment, service, LOOKED_AT, &args.broker).await?;
    let nothing = |why: String| CommandError::NothingBefore { why };
    let (past, digest) = chosen(&releases, args.to).map_err(nothing)?;
    let version = past.request.version_name();
    let question = format!(
        "release {version} ({digest}) of {} again on {environment}?",
        past.request.id
    );
    if !is_meant(&question, args.yes)? {
        return Err(CommandError::NotMeant);
    }
    let reason = match &args.reason {
        Some(reason) => Some(reason.clone()),
        None => format!("back to {version}, of release {}", past.request.id)
            .parse()
            .ok(),
    };
    let published = PublishArgs {
        reason,
        force: true,
        emergency: args.emergency.clone(),
        wait: args.wait,
        format: args.format,
        broker: args.broker.clone(),
        ..PublishArgs::of_nothing()
    };
    again(&past.request, Some(digest), published).await
}

fn with_digest(past: &PastView) -> Result<(&PastView, &Digest), String> {
    let known = past.digest.as_ref().map(|digest| (past, digest));
    known.ok_or_else(|| {
        let id = past.request.id;
        format!("release {id} is known by its tag alone: publish it by hand")
    })
}

/// What to go back to, with its digest: what is named, or the last that succeeded with another one than the last that succeeded.
fn chosen(releases: &[PastView], to: Option<ReleaseId>) -> Result<(&PastView, &Digest), String> {
    let succeeded = ReleaseState::Ended {
        outcome: Outcome::Succeeded,
    };
    let good = |past: &&PastView| past.state == succeeded;
    if let Some(id) = to {
        let named = releases.iter().find(|past| past.request.id == id);
        let named =
            named.ok_or_else(|| format!("{id} is none of the last {LOOKED_AT} releases of this lane"))?;
        return match &named.state {
            state if *state == succeeded => with_digest(named),
            _ => Err(format!("{id} has not succeeded")),
        };
    }
    let mut good = releases.iter().filter(good);
    let Some(running) = good.next() else {
        return Err("no release of this lane has succeeded yet".to_owned());
    };
    let before = good.find(|past| past.digest != running.digest);
    before.map_or_else(
        || {
            Err(format!(
                "nothing else has succeeded before {}",
                running.request.version_name()
            ))
        },
        with_digest,
    )
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;
    use crate::testing;

    fn past(n: u8, digest: char, outcome: Outcome) -> PastView {
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
            ended_at: None,
            summary: None,
        }
    }

    fn chosen_of(releases: &[PastView], to: Option<ReleaseId>) -> Result<ReleaseId, String> {
        chosen(releases, to).map(|(past, _)| past.request.id)
    }

    #[test]
    fn the_last_good_one_with_other_bytes_than_the_one_that_runs() {
        let releases = [
            past(1, 'f', Outcome::RolledBack),
            past(2, 'c', Outcome::Succeeded),
            past(3, 'c', Outcome::Succeeded),
            past(4, 'b', Outcome::Failed),
            past(5, 'a', Outcome::Succeeded),
        ];
        assert_eq!(chosen_of(&releases, None), Ok(releases[4].request.id));
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
