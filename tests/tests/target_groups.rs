//! Target groups that somebody changes in mid-roll: one loses its listener, one is deleted.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use drawgate_schemas::{Direction, Ended, HostPhase, NoteKind, Outcome};
use drawgate_tests::Rolling;
use drawgate_tests::lab::TWO;
use drawgate_tests::scene::fleet_spec;

const UNUSED: &str = "search-8081";
const DELETED: &str = "search-8082";

/// Rolls a fleet of two in three target groups. While its first host is drained, one of the groups loses its listener,
/// and another one is deleted.
async fn groups_go_in_mid_roll(mode: &str, outcome: Outcome) -> (Rolling, Ended) {
    let spec = fleet_spec("search", &TWO, &[(8080, 8100), (8081, 8101), (8082, 8102)]);
    let ports = ["8080:8080", "8081:8080", "8082:8080"].map(str::to_owned);
    let roll = Rolling::of("search")
        .service(|service| service.ports = ports.to_vec())
        .on_fleet(spec)
        .image_in("v2", mode)
        .begin()
        .await;
    let load = roll.load().await;
    let id = roll.publish("v2").await;
    let drains = roll.events.phase(id, Direction::Forward, HostPhase::Draining);
    drains.await;
    roll.scene.lab.leave_listeners(UNUSED).await;
    roll.scene.lab.delete_target_group(DELETED).await;

    let ended = roll.judge_telling(id, outcome).await;
    load.stop_unharmed().await;
    roll.look().await.assert_no_tags();
    (roll, ended)
}

/// The end says of both groups what became of them.
fn assert_noted(ended: &Ended) {
    let notes = &ended.receipt.as_ref().unwrap().notes;
    for (group, what) in [
        (UNUSED, "sends anything any more"),
        (DELETED, "does not exist any more"),
    ] {
        let told = |text: &str| text.contains(group) && text.contains(what);
        let mut texts = notes.iter().filter_map(|note| match &note.what {
            NoteKind::Warning { text } => Some(text),
            _ => None,
        });
        assert!(texts.any(|text| told(text)), "{group}: {notes:?}");
    }
}

#[tokio::test]
async fn trap_39_groups_that_go_in_mid_roll_hold_nothing_up() {
    let (roll, ended) = groups_go_in_mid_roll("ok", Outcome::Succeeded).await;
    assert_noted(&ended);
    roll.assert_runs("v2").await;
    roll.end().await;
}

#[tokio::test]
async fn trap_39_groups_that_go_in_mid_roll_hold_no_rollback_up() {
    let (roll, ended) = groups_go_in_mid_roll("unhealthy", Outcome::RolledBack).await;
    assert_noted(&ended);
    roll.assert_containers_as_before().await;
    roll.end().await;
}
