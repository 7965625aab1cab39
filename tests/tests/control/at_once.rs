//! Two operators decide at the same moment.

use std::collections::BTreeMap;
use std::time::Duration;

use drawgate_schemas::{Control, Outcome, ReleaseId};
use drawgate_tests::oracle::Look;
use drawgate_tests::random;

use crate::command::{commands, told};
use crate::course::Course;
use crate::moments::Moment::Kind;

/// Releases about which two operators decide at the same moment.
const ROUNDS: usize = 16;
/// About as long as an approval takes.
const HEAD_START_MS: u64 = 60;

/// Two operators decide at the same moment: each is told what became of the command, and the later answer
/// takes the earlier command into account.
#[tokio::test]
async fn both_people_are_answered_when_they_command_at_once() {
    let (mut course, worker) = Course::begin().await;
    let (id, _) = course.publish("v1", Kind("started")).await;
    course
        .scene
        .judge(&course.events, id, Outcome::Succeeded, &course.before)
        .await;
    course.before = Look::at(&course.scene.lab).await;
    let mut chance = random::seeded_by("DRAWGATE_CONTROL_SEED");
    let mut ends = BTreeMap::<String, u32>::new();
    for round in 0..ROUNDS {
        let other = if round % 2 == 0 { "cancel" } else { "reject" };
        // Every host runs this version already, so the release is done at once: a round costs nothing even
        // when the approval wins.
        let id = course.scene.publish("search", "v1", &[]).await;
        course.events.kind(id, "awaits_approval").await;
        let yes = course.approve("anna", id);
        // An approval is two questions, and the other command is one: with a random delay either may come
        // first.
        let later = Duration::from_millis(chance.below(HEAD_START_MS));
        let no = async {
            tokio::time::sleep(later).await;
            told(&course.scene, "ben", other, id).await
        };
        let (yes, no) = tokio::join!(yes, no);
        let end = course.judge_both(id, &yes, other, &no).await;
        *ends.entry(end).or_default() += 1;
    }
    eprintln!("  {ends:?}");
    let after = Look::at(&course.scene.lab).await;
    after.assert_aws_as(&course.before);
    after.assert_containers_as(&course.before);
    course.scene.end(worker).await;
}

impl Course {
    async fn judge_both(
        &self,
        id: ReleaseId,
        yes: &(i32, String),
        other: &str,
        no: &(i32, String),
    ) -> String {
        let ended = self.events.end(id).await;
        let journal = self.scene.journal(id).await;
        let (given, outcome, mark) = match other {
            "cancel" => (
                Control::Cancel,
                Outcome::Cancelled,
                "it was cancelled by ben already",
            ),
            _ => (
                Control::Reject,
                Outcome::Rejected,
                "it was rejected by ben already",
            ),
        };
        let (approved, refused) = (commands(&journal, Control::Approve), commands(&journal, given));
        for (word, found) in [(yes, &approved), (no, &refused)] {
            let expected = if found.is_empty() { 3 } else { 0 };
            assert_eq!(word.0, expected, "{other}: {}", word.1);
        }
        let wanted = match (approved.as_slice(), refused.as_slice()) {
            ([_], []) => {
                let late = [
                    "it has ended: succeeded",
                    "it has begun already",
                    "every host is through",
                ];
                assert!(late.iter().any(|why| no.1.contains(why)), "{}", no.1);
                Outcome::Succeeded
            }
            ([], [_]) => {
                let ended = format!("it has ended: {outcome}");
                assert!(yes.1.contains(mark) || yes.1.contains(&ended), "{}", yes.1);
                outcome
            }
            ([first], [second]) => {
                assert!(first < second, "approved after the {other}");
                outcome
            }
            _ => panic!("neither was taken, or one twice: {approved:?} {refused:?}"),
        };
        assert_eq!(ended.outcome, wanted, "{}", ended.summary);
        self.scene.judge_telling(&self.events, id, wanted).await;
        let approved = if approved.is_empty() { "" } else { "approved, " };
        format!("{approved}{wanted}")
    }
}
