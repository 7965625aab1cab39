//! Cancelled: at each moment of a roll, and while the release is queued.

use std::time::Instant;

use drawgate_schemas::{HostPhase, Outcome};
use drawgate_tests::oracle::Look;
use drawgate_tests::{Load, Rolling};

use crate::command::{control, taken};
use crate::course::Course;
use crate::moments::Moment::{self, Kind, Phase, Waiting};
use crate::moments::{A_FEW_CANCELS, MOMENTS, begins, chosen};

/// At whichever moment a release is cancelled, it ends with the very same containers, and no request fails.
#[tokio::test]
async fn cancelled_at_each_moment_everything_is_as_before() {
    let (course, worker) = Course::begin().await;
    course.scene.lab.image("search", "v2", "v2", "ok").await;
    let url = &course.fleet.target_groups[0].url;
    let load = Load::start(course.scene.folder(), url, 40).await;
    for moment in chosen(&MOMENTS, A_FEW_CANCELS) {
        let began = Instant::now();
        course.cancelled_at(moment).await;
        eprintln!(
            "  cancelled at {moment:?}: {:.1} s",
            began.elapsed().as_secs_f64()
        );
    }
    load.stop_unharmed().await;
    course.scene.end(worker).await;
}

impl Course {
    async fn cancelled_at(&self, moment: Moment) {
        let (id, first) = self.publish("v2", moment).await;
        self.reached(id, moment).await;
        taken(&self.scene, "cancel", id).await;
        let end = self
            .scene
            .judge(&self.events, id, Outcome::Cancelled, &self.before);
        let summary = end.await.summary;
        assert!(
            summary.starts_with("cancelled by drawgate: looking; "),
            "{moment:?}: {summary}"
        );
        let untouched = summary.ends_with("; nothing was touched");
        if matches!(moment, Waiting | Kind("accepted" | "awaits_approval")) {
            assert!(untouched, "{moment:?}: {summary}");
        }
        assert!(
            !(untouched && matches!(moment, Phase(..))),
            "{moment:?}: {summary}"
        );
        Look::at(&self.scene.lab).await.assert_containers_as(&self.before);
        let followed = self.scene.drawgate(&["watch", &id.to_string()]).await;
        assert_eq!(followed.status.code(), Some(7));
        self.refused_at_end(id, &["it has ended: cancelled"]).await;
        if let Some(first) = first {
            self.put_away(first).await;
        }
    }
}

/// A queued release is cancelled without anything being touched; the one ahead of it goes on.
#[tokio::test]
async fn one_that_waits_is_cancelled_alone() {
    let roll = Rolling::of("search").images(["v2", "v3"]).begin().await;

    let first = roll.publish("v2").await;
    begins(&roll.events, first, 1, HostPhase::Draining).await;
    let second = roll.publish("v3").await;
    roll.events.kind(second, "accepted").await;
    taken(&roll.scene, "cancel", second).await;
    let ended = roll.events.end(second).await;
    assert_eq!(ended.outcome, Outcome::Cancelled);
    assert_eq!(
        ended.summary,
        "cancelled by drawgate: looking; nothing was touched"
    );
    roll.judge(first, Outcome::Succeeded).await;

    let unknown = control(
        &roll.scene,
        "cancel",
        "01936a5e-7c2e-7d10-8a44-5c1f2e9b0d7c".parse().unwrap(),
    )
    .await;
    assert_eq!(
        unknown.status.code(),
        Some(2),
        "{}",
        String::from_utf8_lossy(&unknown.stderr)
    );
    let unsure = roll.scene.drawgate(&["cancel", &first.to_string()]).await;
    assert_eq!(
        unsure.status.code(),
        Some(2),
        "{}",
        String::from_utf8_lossy(&unsure.stderr)
    );
    roll.end().await;
}
