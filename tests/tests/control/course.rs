//! One fleet that release after release rolls, each with an approval.

use drawgate_schemas::{Outcome, ReleaseId};
use drawgate_tests::oracle::Look;
use drawgate_tests::{Events, Fleet, Rolling, Scene, Worker};

use crate::command::{not_taken, taken, told};
use crate::moments::Moment::{self, Kind, Phase, Waiting};
use crate::moments::begins;

/// One fleet, and releases that roll it one after another. Each needs the approval of somebody other than its
/// publisher.
pub(crate) struct Course {
    pub(crate) scene: Scene,
    pub(crate) events: Events,
    pub(crate) fleet: Fleet,
    pub(crate) before: Look,
}

impl Course {
    pub(crate) async fn begin() -> (Self, Worker) {
        let roll = Rolling::of("search")
            .service(|service| {
                service.alarms = "watch = [\"search-5xx\"]\nbake = \"1s\"\n".to_owned();
                service.more = "[environment.staging]\napproval = { from = [\"ops\"] }".to_owned();
            })
            .configured("[groups]\nops = [\"anna\", \"ben\", \"drawgate\"]\n")
            .begin()
            .await;
        let course = Self {
            scene: roll.scene,
            events: roll.events,
            fleet: roll.fleet,
            before: roll.before,
        };
        (course, roll.worker)
    }

    pub(crate) async fn approve(&self, user: &str, id: ReleaseId) -> (i32, String) {
        told(&self.scene, user, "approve", id).await
    }

    /// Publishes a release and brings it to its first moment. Gives the release ahead of it in the queue too,
    /// where there is one.
    pub(crate) async fn publish(&self, tag: &str, moment: Moment) -> (ReleaseId, Option<ReleaseId>) {
        let first = match moment {
            Waiting => Some(self.publish_only(tag).await),
            _ => None,
        };
        if matches!(moment, Kind("accepted")) {
            return (self.scene.publish("search", tag, &[]).await, first);
        }
        let id = self.publish_only(tag).await;
        if !matches!(moment, Kind("awaits_approval")) {
            let (code, said) = self.approve("anna", id).await;
            assert_eq!(code, 0, "{said}");
        }
        (id, first)
    }

    async fn publish_only(&self, tag: &str) -> ReleaseId {
        let id = self.scene.publish("search", tag, &[]).await;
        self.events.kind(id, "awaits_approval").await;
        id
    }

    pub(crate) async fn reached(&self, id: ReleaseId, moment: Moment) {
        match moment {
            Waiting => drop(self.events.kind(id, "approved").await),
            Kind(kind) => drop(self.events.kind(id, kind).await),
            Phase(phase, n) => begins(&self.events, id, n, phase).await,
        }
    }

    /// Ends a queued release, which touches nothing.
    pub(crate) async fn put_away(&self, id: ReleaseId) {
        taken(&self.scene, "cancel", id).await;
        let ended = self
            .scene
            .judge_telling(&self.events, id, Outcome::Cancelled)
            .await;
        assert!(
            ended.summary.ends_with("; nothing was touched"),
            "{}",
            ended.summary
        );
    }

    /// Asserts that every control command is refused from now on, each for this reason.
    pub(crate) async fn refused_at_end(&self, id: ReleaseId, reasons: &[&str]) {
        let (scene, approve) = (&self.scene, self.approve("ben", id));
        let ((), (), (), (code, said)) = tokio::join!(
            not_taken(scene, "pause", id, reasons),
            not_taken(scene, "resume", id, reasons),
            not_taken(scene, "cancel", id, reasons),
            approve,
        );
        assert_eq!(code, 3, "{said}");
        assert!(reasons.iter().any(|why| said.contains(why)), "{said}");
    }
}
