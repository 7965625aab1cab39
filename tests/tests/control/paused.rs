//! Paused and resumed: at each moment of a roll, and beside the death of the worker.

use std::time::Instant;

use drawgate_schemas::{Control, HostPhase, Outcome, ReleaseId};
use drawgate_tests::oracle::Look;
use drawgate_tests::wait::until;
use drawgate_tests::{Load, Rolling};
use serde_json::{Value, json};

use crate::command::{commands, not_taken, taken};
use crate::course::Course;
use crate::moments::Moment::{self, Kind, Phase, Waiting};
use crate::moments::{A_FEW_ROLLS, PAUSES, begins, chosen};

/// At whichever moment a release is paused, every host comes back into service, nothing new is begun, and it
/// succeeds after resume.
#[tokio::test]
async fn paused_at_each_moment_it_rests_whole_and_goes_on() {
    let (course, worker) = Course::begin().await;
    let url = &course.fleet.target_groups[0].url;
    let load = Load::start(course.scene.folder(), url, 40).await;
    for (moments, tag) in chosen(&PAUSES, A_FEW_ROLLS)
        .iter()
        .zip(["v2", "v3"].iter().cycle())
    {
        let began = Instant::now();
        course.paused_at(moments, tag).await;
        eprintln!("  paused at {moments:?}: {:.1} s", began.elapsed().as_secs_f64());
    }
    load.stop_unharmed().await;
    course.scene.end(worker).await;
}

impl Course {
    /// Pauses a release at each of these moments, asserts that every host is then in service, and resumes it;
    /// the release succeeds.
    async fn paused_at(&self, moments: &[Moment], tag: &str) {
        let digest = self.scene.lab.image("search", tag, tag, "ok").await;
        let (id, first) = self.publish(tag, moments[0]).await;
        for moment in moments {
            self.reached(id, *moment).await;
            taken(&self.scene, "pause", id).await;
            not_taken(&self.scene, "pause", id, &["it was paused by drawgate already"]).await;
            self.answered_while_paused(id, *moment).await;
            if let (Waiting, Some(first)) = (moment, first) {
                self.put_away(first).await;
            }
            self.rests(id, *moment).await;
            taken(&self.scene, "resume", id).await;
        }
        self.scene
            .judge(&self.events, id, Outcome::Succeeded, &self.before)
            .await;
        Look::at(&self.scene.lab).await.assert_runs(
            &self.fleet,
            "search",
            &self.scene.pinned("search", &digest),
        );
        let journal = self.scene.journal(id).await;
        assert_eq!(
            commands(&journal, Control::Approve).len(),
            1,
            "one approval, whatever was refused"
        );
        assert_only_hosts_on_their_way(&journal);
        self.refused_at_end(id, &["it has ended: succeeded"]).await;
    }

    /// Asserts that an approval is taken once, while the release waits for it, and that a second or a late
    /// one is refused.
    async fn answered_while_paused(&self, id: ReleaseId, moment: Moment) {
        let (user, why) = match moment {
            Kind("awaits_approval") => {
                let (code, said) = self.approve("drawgate", id).await;
                assert_eq!(code, 3, "{said}");
                assert!(said.contains("somebody else has to approve it"), "{said}");
                let (code, said) = self.approve("anna", id).await;
                assert_eq!(code, 0, "{said}");
                ("anna", "anna has approved it already")
            }
            Waiting => ("anna", "anna has approved it already"),
            _ => ("ben", "it has begun already"),
        };
        let (code, said) = self.approve(user, id).await;
        assert_eq!(code, 3, "{moment:?}: {said}");
        assert!(said.contains(why), "{moment:?}: {said}");
    }

    /// Waits until no step is under way and no host is between its first and its last phase; then asserts
    /// that all hosts serve.
    async fn rests(&self, id: ReleaseId, moment: Moment) {
        let journal = until(&format!("it rests, paused at {moment:?}"), || async {
            let journal = self.scene.journal(id).await;
            let under_way: Vec<&Value> = under_way(&journal).collect();
            (under_way.is_empty() && hosts_out(&journal).is_empty()).then_some(journal)
        })
        .await;
        self.scene.lab.all_targets(&self.fleet, "healthy").await;
        let paused = *commands(&journal, Control::Pause).last().unwrap();
        let out = hosts_out(&journal[..paused]);
        if let Phase(_, n) = moment {
            let hosts = self.fleet.in_order();
            assert!(
                out.contains(&hosts[n - 1].id.as_str()),
                "{moment:?} was over: {out:?}"
            );
        }
    }
}

/// Steps that were begun and have not ended, except the watch over alarms.
fn under_way(journal: &[Value]) -> impl Iterator<Item = &Value> {
    let of = |kind: &'static str| {
        let is = move |entry: &&Value| entry["record"]["record"] == kind;
        journal.iter().filter(is).map(|entry| &entry["record"]["step"])
    };
    let count = move |kind, step: &Value| of(kind).filter(|other| *other == step).count();
    of("intent").filter(move |step| {
        step["step"] != "watch"
            && step["step"] != "watch_hosts"
            && count("intent", step) > count("outcome", step)
    })
}

/// Hosts whose `deregister` was begun and whose `await_healthy` has not ended.
fn hosts_out(journal: &[Value]) -> Vec<&str> {
    let mut out: Vec<&str> = Vec::new();
    for entry in journal {
        let record = &entry["record"];
        let Some(instance) = record["step"]["instance"].as_str() else {
            continue;
        };
        match (record["record"].as_str(), record["step"]["phase"].as_str()) {
            (Some("intent"), Some("deregister")) => out.push(instance),
            (Some("outcome"), Some("await_healthy")) => out.retain(|other| *other != instance),
            _ => {}
        }
    }
    out
}

/// Asserts that between a pause and its resume only steps of hosts were begun that had been begun before.
fn assert_only_hosts_on_their_way(journal: &[Value]) {
    let (pauses, resumes) = (
        commands(journal, Control::Pause),
        commands(journal, Control::Resume),
    );
    assert_eq!(pauses.len(), resumes.len());
    for (paused, resumed) in pauses.into_iter().zip(resumes) {
        let begun = |step: &Value| {
            journal[..paused]
                .iter()
                .any(|entry| entry["record"]["step"]["instance"] == step["instance"])
        };
        for entry in &journal[paused..resumed] {
            let (record, step) = (&entry["record"], &entry["record"]["step"]);
            let beside = ["watch", "watch_hosts", "take_lease", "renew"]
                .iter()
                .any(|name| step["step"] == *name);
            assert!(
                record["record"] != "intent" || beside || (step["step"] == "host" && begun(step)),
                "{step} was begun while it was paused"
            );
        }
    }
}

/// After a pause the host that is out comes back, and the others stay; killing the worker meanwhile changes
/// nothing.
#[tokio::test]
async fn paused_it_rests_with_every_host_in_service_and_goes_on() {
    let mut roll = Rolling::of("search").image("v2").begin().await;

    let id = roll.publish("v2").await;
    begins(&roll.events, id, 1, HostPhase::Draining).await;
    taken(&roll.scene, "pause", id).await;
    not_taken(&roll.scene, "pause", id, &["it was paused by drawgate already"]).await;
    begins(&roll.events, id, 1, HostPhase::Done).await;
    roll.scene.lab.all_targets(&roll.fleet, "healthy").await;
    roll.worker.kill().await;
    roll.worker = roll.scene.worker().await;
    roll.events.kind(id, "taken_over").await;
    roll.scene.lab.all_targets(&roll.fleet, "healthy").await;
    taken(&roll.scene, "resume", id).await;
    roll.judge(id, Outcome::Succeeded).await;
    roll.assert_runs("v2").await;

    let journal = roll.scene.journal(id).await;
    let (paused, resumed) = (
        commands(&journal, Control::Pause)[0],
        commands(&journal, Control::Resume)[0],
    );
    let first = roll.fleet.in_order()[0].id.clone();
    for entry in &journal[paused..resumed] {
        let step = &entry["record"]["step"];
        assert!(
            step.is_null()
                || step["instance"] == json!(first)
                || step["step"] == "take_lease"
                || step["step"] == "watch_hosts",
            "{step} while it is paused"
        );
    }
    not_taken(&roll.scene, "resume", id, &["it has ended: succeeded"]).await;
    roll.end_after_kill().await;
}
