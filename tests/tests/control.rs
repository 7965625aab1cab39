//! Control commands: cancel, pause and resume at each phase; who may give them; commands that come too late,
//! are too old, or come from a login that may not give them.
//!
//! `make test` takes a few moments, by a seed that is printed (`DRAWGATE_CONTROL_SEED` repeats it);
//! `make orders` takes all.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "tests"
)]

use std::collections::BTreeMap;
use std::process::Output;
use std::time::{Duration, Instant};

use drawgate_schemas::{Control, Direction, Event, HostPhase, Outcome, ReleaseId};
use drawgate_tests::oracle::Look;
use drawgate_tests::wait::until;
use drawgate_tests::{Events, Fleet, Load, Rolling, Scene, Worker, random};
use serde_json::{Value, json};

/// Number of moments of a cancel, and of rolls with pauses, that `make test` takes.
const A_FEW_CANCELS: usize = 6;
const A_FEW_ROLLS: usize = 3;
/// Releases about which two operators decide at the same moment.
const ROUNDS: usize = 16;
/// About as long as an approval takes.
const HEAD_START_MS: u64 = 60;

async fn control(scene: &Scene, verb: &str, id: ReleaseId) -> Output {
    scene
        .drawgate(&[verb, &id.to_string(), "--yes", "--reason", "looking"])
        .await
}

async fn taken(scene: &Scene, verb: &str, id: ReleaseId) {
    let output = control(scene, verb, id).await;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{verb}: {said}");
    assert!(said.contains("taken by bastion-lab"), "{said}");
}

/// Asserts that the command is refused, for one of these reasons.
async fn not_taken(scene: &Scene, verb: &str, id: ReleaseId, reasons: &[&str]) {
    let output = control(scene, verb, id).await;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(3), "{verb}: {said}");
    assert!(reasons.iter().any(|why| said.contains(why)), "{said}");
}

/// Waits until the n-th host (from 1) begins a phase of the roll forward.
async fn begins(events: &Events, id: ReleaseId, host: usize, phase: HostPhase) {
    events.nth_phase(id, Direction::Forward, phase, host).await;
}

/// The positions of this control command in a journal.
fn commands(journal: &[Value], control: Control) -> Vec<usize> {
    let is = |entry: &Value| {
        entry["record"]["record"] == "control" && entry["record"]["command"]["control"] == json!(control)
    };
    let found = journal.iter().enumerate().filter(|(_, entry)| is(entry));
    found.map(|(place, _)| place).collect()
}

/// A moment of a roll forward, named by the event that tells of it.
#[derive(Debug, Clone, Copy)]
enum Moment {
    /// The release is approved, and queued behind another release of its lane.
    Waiting,
    Kind(&'static str),
    Phase(HostPhase, usize),
}

use HostPhase::{AwaitingHealthy, Deregistering, Draining, Registering, Swapping, Verifying};
use Moment::{Kind, Phase, Waiting};

const MOMENTS: [Moment; 20] = [
    Kind("accepted"),
    Kind("awaits_approval"),
    Waiting,
    Kind("started"),
    Kind("staged"),
    Kind("scaling_suspended"),
    Kind("alarms_silenced"),
    Phase(Deregistering, 1),
    Phase(Draining, 1),
    Phase(Swapping, 1),
    Phase(Verifying, 1),
    Phase(Registering, 1),
    Phase(AwaitingHealthy, 1),
    Phase(Deregistering, 3),
    Phase(Draining, 3),
    Phase(Swapping, 3),
    Phase(Verifying, 3),
    Phase(Registering, 3),
    Phase(AwaitingHealthy, 3),
    Kind("baking"),
];

/// All moments except the first, spread over as few rolls as they fit in.
const PAUSES: [&[Moment]; 7] = [
    &[
        Kind("awaits_approval"),
        Phase(Deregistering, 1),
        Phase(AwaitingHealthy, 3),
    ],
    &[Kind("started"), Phase(Draining, 1), Phase(Deregistering, 3)],
    &[Waiting, Phase(Swapping, 1), Phase(Draining, 3)],
    &[Phase(Verifying, 1), Phase(Swapping, 3)],
    &[Phase(Registering, 1), Phase(Verifying, 3)],
    &[Phase(AwaitingHealthy, 1), Phase(Registering, 3)],
    &[
        Kind("staged"),
        Kind("scaling_suspended"),
        Kind("alarms_silenced"),
        Kind("baking"),
    ],
];

/// All of them with `make orders`; otherwise `count` of them, by a seed that is printed.
fn chosen<T: Copy>(all: &[T], count: usize) -> Vec<T> {
    if std::env::var("DRAWGATE_CONTROL").is_ok_and(|wanted| wanted == "all") {
        return all.to_vec();
    }
    let mut chance = random::seeded_by("DRAWGATE_CONTROL_SEED");
    let mut left = all.to_vec();
    while left.len() > count {
        let nth = chance.below(left.len() as u64);
        left.remove(usize::try_from(nth).unwrap());
    }
    left
}

/// One fleet, and releases that roll it one after another. Each needs the approval of somebody other than its
/// publisher.
struct Course {
    scene: Scene,
    events: Events,
    fleet: Fleet,
    before: Look,
}

impl Course {
    async fn begin() -> (Self, Worker) {
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

    async fn approve(&self, user: &str, id: ReleaseId) -> (i32, String) {
        told(&self.scene, user, "approve", id).await
    }

    /// Publishes a release and brings it to its first moment. Gives the release ahead of it in the queue too,
    /// where there is one.
    async fn publish(&self, tag: &str, moment: Moment) -> (ReleaseId, Option<ReleaseId>) {
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

    async fn reached(&self, id: ReleaseId, moment: Moment) {
        match moment {
            Waiting => drop(self.events.kind(id, "approved").await),
            Kind(kind) => drop(self.events.kind(id, kind).await),
            Phase(phase, n) => begins(&self.events, id, n, phase).await,
        }
    }

    /// Ends a queued release, which touches nothing.
    async fn put_away(&self, id: ReleaseId) {
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

    /// Asserts that every control command is refused from now on, each for this reason.
    async fn refused_at_end(&self, id: ReleaseId, reasons: &[&str]) {
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
    of("intent").filter(move |step| step["step"] != "watch" && count("intent", step) > count("outcome", step))
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
            let beside = ["watch", "take_lease", "renew"]
                .iter()
                .any(|name| step["step"] == *name);
            assert!(
                record["record"] != "intent" || beside || (step["step"] == "host" && begun(step)),
                "{step} was begun while it was paused"
            );
        }
    }
}

/// Sends a control command; gives exit code and output.
async fn told(scene: &Scene, user: &str, verb: &str, id: ReleaseId) -> (i32, String) {
    let output = scene.drawgate_as(user, &[verb, &id.to_string(), "--yes"]).await;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code().unwrap(), said)
}

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

/// While a release rolls back, the worker refuses every control command at every phase, and says why.
#[tokio::test]
async fn on_the_rollback_every_order_is_refused() {
    let (course, worker) = Course::begin().await;
    course.scene.lab.image("search", "bad", "bad", "exit").await;
    let (id, _) = course.publish("bad", Kind("started")).await;
    course.events.kind(id, "rolling_back").await;
    // Four programs take a while to start on a busy machine, and the rollback of one host is short: the
    // release may have ended by then.
    let reasons = [
        "it is rolling back already, which nothing stops",
        "it has ended: rolled back",
    ];
    course.refused_at_end(id, &reasons).await;
    for phase in [
        Deregistering,
        Draining,
        Swapping,
        Verifying,
        Registering,
        AwaitingHealthy,
    ] {
        course.events.phase(id, Direction::Back, phase).await;
        course.refused_at_end(id, &reasons).await;
    }
    course
        .scene
        .judge(&course.events, id, Outcome::RolledBack, &course.before)
        .await;
    Look::at(&course.scene.lab)
        .await
        .assert_containers_as(&course.before);
    let journal = course.scene.journal(id).await;
    for control in [Control::Pause, Control::Resume, Control::Cancel] {
        assert!(
            commands(&journal, control).is_empty(),
            "{control:?} is in the journal"
        );
    }
    course.refused_at_end(id, &["it has ended: rolled back"]).await;
    course.scene.end(worker).await;
}

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
            step.is_null() || step["instance"] == json!(first) || step["step"] == "take_lease",
            "{step} while it is paused"
        );
    }
    not_taken(&roll.scene, "resume", id, &["it has ended: succeeded"]).await;
    roll.end_after_kill().await;
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

/// The worker's file says who may give control commands, and the broker says who asks. A command of yesterday
/// and one without a user id change nothing.
#[tokio::test]
async fn trap_23_old_orders_and_nobodys_orders_change_nothing() {
    let roll = Rolling::of("search")
        .configured("[groups]\nops = [\"ci\"]\n\n[orders]\nfrom = [\"ops\"]\n")
        .image("v2")
        .begin()
        .await;

    let id = roll.publish("v2").await;
    begins(&roll.events, id, 1, HostPhase::Draining).await;
    let question = |expires_at: jiff::Timestamp| {
        let ask = json!({"type": "control", "release": id, "control": "cancel"});
        let question =
            json!({"version": 1, "id": uuid::Uuid::now_v7(), "expires_at": expires_at, "ask": ask});
        serde_json::to_vec(&question).unwrap()
    };
    let now = jiff::Timestamp::now();
    roll.scene
        .broker
        .ask_unsigned(&question(now - jiff::SignedDuration::from_hours(24)))
        .await;
    roll.scene
        .broker
        .ask_unsigned(&question(now + jiff::SignedDuration::from_mins(1)))
        .await;
    not_taken(
        &roll.scene,
        "cancel",
        id,
        &["drawgate may not: [orders] in the worker's file says who may"],
    )
    .await;
    // The worker handles its queue in order, so it has handled both commands by now.
    let journal = roll.scene.journal(id).await;
    assert!(commands(&journal, Control::Cancel).is_empty());

    let url = roll.scene.broker.url_of("ci");
    let output = roll
        .scene
        .drawgate(&[
            "cancel",
            &id.to_string(),
            "--yes",
            "--format",
            "json",
            "--amqp-url",
            &url,
        ])
        .await;
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&told["taken"], &told["worker"]),
        (&json!(true), &json!("bastion-lab"))
    );
    let ended = roll.judge(id, Outcome::Cancelled).await;
    assert!(
        ended.summary.starts_with("cancelled by ci; "),
        "{}",
        ended.summary
    );
    roll.end().await;
}

/// A login at the broker is no right to stop a release, because every build has one. Where the worker's file
/// has no `[orders]`, nobody may, and the refusal, `check` and the log say what to write.
#[tokio::test]
async fn nobody_stops_anything_where_orders_is_left_out() {
    let roll = Rolling::of("search")
        .configured_exactly("")
        .image("v2")
        .begin()
        .await;

    let id = roll.publish("v2").await;
    begins(&roll.events, id, 1, HostPhase::Draining).await;
    let release = id.to_string();
    let lane = ["--environment", "staging"];
    for command in [
        vec!["pause", &release],
        vec!["resume", &release],
        vec!["cancel", &release, "--yes"],
        [&["freeze", "--for", "1h", "--reason", "x"], &lane[..]].concat(),
        [&["thaw"], &lane[..]].concat(),
        [
            &["forget-sequence", "--service", "search", "--reason", "x"],
            &lane[..],
        ]
        .concat(),
    ] {
        let output = roll.scene.drawgate_as("ci", &command).await;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(3), "{command:?}: {said}");
        assert!(
            said.contains("ci may not") && said.contains("write [orders] with from = [\"ops\"]"),
            "{command:?}: {said}"
        );
        let logged = format!("command=\"{}", command[0]);
        assert!(roll.worker.log().contains(&logged), "{logged} is not in the log");
    }
    roll.judge(id, Outcome::Succeeded).await;
    assert!(
        roll.events
            .of(id)
            .iter()
            .all(|event| !matches!(event.event, Event::Control(_)))
    );
    let (code, status) = {
        let output = roll.scene.drawgate(&["status"]).await;
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stdout).into_owned(),
        )
    };
    assert!(code == Some(0) && !status.contains("frozen"), "{status}");
    let checked = roll.scene.drawgate_worker(&["check"]).await;
    let said = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert_eq!(checked.status.code(), Some(0), "{said}");
    assert!(
        said.contains("there is no [orders]: nobody may pause") && said.contains("write [orders] with from"),
        "{said}"
    );
    roll.end().await;
}
