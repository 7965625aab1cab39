use std::sync::Arc;

use drawgate_rehearsal::{Random, World};
use drawgate_rollout::definition::AlarmDefinition;
use drawgate_rollout::{Release, Step, attempt_ms};
use tokio::task::yield_now;
use tokio::time::timeout;

use super::super::fakes::{CloudWatch, FAULTS, Fault, release_with_alarms, task, told};
use super::seen::alarms_seen;
use super::*;
use crate::aws::{Limiter, RateShare};

const NAMES: [&str; 2] = ["web-5xx", "web-latency"];
const ANOTHER: &str = "drawgate:silenced:another";

struct Case {
    release: Release,
    alarms: CloudWatch,
}

impl Case {
    fn new() -> Self {
        Self {
            release: release_with_alarms(World::new(2, 1), &NAMES),
            alarms: CloudWatch::with(&NAMES),
        }
    }

    /// The key of the release's tag.
    fn key(&self) -> String {
        silenced_tag(&self.release.request.id.to_string())
    }

    fn has_tag(&self, name: &str) -> bool {
        self.alarms.tags_of(name).contains_key(&self.key())
    }

    fn silencing(&self) -> Silencing<'_, CloudWatch> {
        Silencing::of(&self.alarms, task(&self.release))
    }

    async fn run(&self, step: &str) -> String {
        told(&match step {
            "silence" => self.silencing().silence().await,
            _ => self.silencing().unsilence().await,
        })
    }
}

#[tokio::test(start_paused = true)]
async fn alarms_are_tagged_before_their_actions_are_disabled() {
    let case = Case::new();
    assert_eq!(case.run("silence").await, "done");
    let key = case.key();
    let writes = [
        format!("tag web-5xx {key}=staging.api"),
        format!("tag web-latency {key}=staging.api"),
        "disable web-5xx+web-latency".to_owned(),
    ];
    assert_eq!(case.alarms.calls.take(), writes);
    assert_eq!(case.run("silence").await, "already_done");
    assert!(case.alarms.calls.take().is_empty());
}

#[tokio::test(start_paused = true)]
async fn alarms_are_enabled_before_their_tags_go() {
    let case = Case::new();
    case.run("silence").await;
    case.alarms.calls.take();
    let begun = Instant::now();
    assert_eq!(case.run("unsilence").await, "done");
    assert_eq!(begun.elapsed(), Duration::ZERO, "nobody else is waited for");
    let key = case.key();
    let writes = [
        format!("tag web-5xx {key}=staging.api leaving"),
        format!("tag web-latency {key}=staging.api leaving"),
        "enable web-5xx+web-latency".to_owned(),
        format!("untag web-5xx {key}"),
        format!("untag web-latency {key}"),
    ];
    assert_eq!(case.alarms.calls.take(), writes);
    assert_eq!(case.run("unsilence").await, "already_done");
}

#[tokio::test(start_paused = true)]
async fn an_alarm_switched_off_by_hand_stays_off() {
    let case = Case::new();
    case.alarms
        .set("web-latency", |alarm| alarm.actions_enabled = false);
    assert_eq!(case.run("silence").await, "done");
    assert!(!case.has_tag("web-latency"));
    assert_eq!(case.run("unsilence").await, "done");
    assert!(case.alarms.is_enabled("web-5xx"));
    assert!(!case.alarms.is_enabled("web-latency"));
}

#[tokio::test(start_paused = true)]
async fn an_alarm_held_by_another_release_stays_off() {
    let case = Case::new();
    case.run("silence").await;
    case.alarms.tag("web-latency", ANOTHER, "staging.ingest");
    let outcome = case.silencing().unsilence().await;
    let held_by_others = vec!["web-latency".to_owned()];
    assert_eq!(outcome.evidence(), Some(&Evidence::Unsilenced { held_by_others }));
    assert!(case.alarms.is_enabled("web-5xx") && !case.alarms.is_enabled("web-latency"));
    let tags: Vec<String> = case.alarms.tags_of("web-latency").into_keys().collect();
    assert_eq!(tags, [ANOTHER]);
}

#[tokio::test(start_paused = true)]
async fn an_alarm_that_another_release_has_off_is_tagged_too() {
    let case = Case::new();
    case.alarms.tag("web-5xx", ANOTHER, "staging.ingest");
    case.alarms.set("web-5xx", |alarm| alarm.actions_enabled = false);
    assert_eq!(case.run("silence").await, "done");
    assert!(case.has_tag("web-5xx"));
    // The other release has gone, and has left the alarm to this one.
    case.alarms.untag("web-5xx", ANOTHER);
    assert_eq!(case.run("unsilence").await, "done");
    assert!(case.alarms.is_enabled("web-5xx"));
}

#[tokio::test(start_paused = true)]
async fn a_tag_of_an_earlier_worker_is_the_releases_own() {
    let case = Case::new();
    let id = case.release.request.id.to_string();
    for name in NAMES {
        case.alarms.tag(name, SILENCED_TAG, &id);
        case.alarms.set(name, |alarm| alarm.actions_enabled = false);
    }
    assert_eq!(case.run("unsilence").await, "done");
    for name in NAMES {
        assert!(case.alarms.is_enabled(name));
        assert!(case.alarms.tags_of(name).is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn an_alarm_deleted_meanwhile_holds_up_no_other() {
    let case = Case::new();
    case.alarms
        .calls
        .fail_once("tag", Fault::RefusedAs("ResourceNotFound"));
    assert_eq!(case.run("silence").await, "done");
    case.alarms.tag("web-5xx", &case.key(), "staging.api");
    case.alarms
        .calls
        .fail_once("untag", Fault::RefusedAs("ResourceNotFound"));
    assert_eq!(case.run("unsilence").await, "done");
    case.alarms.delete("web-5xx");
    assert_eq!(case.run("silence").await, "done");
    assert!(!case.alarms.is_enabled("web-latency"));
}

#[tokio::test(start_paused = true)]
async fn a_half_silenced_set_is_completed() {
    let case = Case::new();
    case.alarms.tag("web-5xx", &case.key(), "staging.api");
    case.alarms.set("web-5xx", |alarm| alarm.actions_enabled = false);
    assert_eq!(case.run("silence").await, "done");
    let writes = case.alarms.calls.take();
    assert_eq!(writes.last().map(String::as_str), Some("disable web-latency"));
    assert_eq!(writes.len(), 2, "{writes:?}");
    assert_eq!(case.run("unsilence").await, "done");
    assert!(case.alarms.is_enabled("web-5xx") && case.alarms.is_enabled("web-latency"));
}

#[tokio::test(start_paused = true)]
async fn trap_14_an_alarm_that_looks_off_still_is_silenced() {
    for (nth, left_by_another) in [(0, false), (0, true), (1, false)] {
        let case = Case::new();
        if left_by_another {
            // Its tag is seen still, and its enabling is not.
            case.alarms.tag("web-5xx", ANOTHER, "staging.ingest leaving");
        }
        case.alarms.answer_off(nth);
        assert_eq!(case.run("silence").await, "done", "{nth}, {left_by_another}");
        for name in NAMES {
            let is_silent = case.has_tag(name) && !case.alarms.is_enabled(name);
            assert!(is_silent, "{name}: {nth}, {left_by_another}");
        }
    }
}

/// The other release enables the alarm before it sees this one's tag, and disables it again when it does; an old answer
/// of the time between has it off.
#[tokio::test(start_paused = true)]
async fn trap_14_a_shared_alarm_is_off_when_it_is_said_to_be() {
    let case = Case::new();
    case.alarms.tag("web-5xx", ANOTHER, "staging.ingest leaving");
    case.alarms.set("web-5xx", |alarm| alarm.actions_enabled = false);
    case.alarms.enabled_by_another();
    case.alarms.answer_off(1);
    let other = async {
        sleep(CONSISTENCY / 2).await;
        for name in NAMES {
            case.alarms.set(name, |alarm| alarm.actions_enabled = false);
        }
    };
    let silence = async {
        let said = case.run("silence").await;
        (said, case.alarms.is_enabled("web-5xx"))
    };
    let ((said, is_on), ()) = tokio::join!(silence, other);
    assert_eq!((said.as_str(), is_on), ("done", false));
}

#[tokio::test(start_paused = true)]
async fn an_answer_older_than_the_write_is_asked_for_once_more() {
    let case = Case::new();
    case.alarms.answer_old(2);
    assert_eq!(case.run("silence").await, "done");
    case.alarms.answer_old(2);
    assert_eq!(case.run("unsilence").await, "done");
    assert!(case.alarms.is_enabled("web-5xx") && !case.has_tag("web-5xx"));
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_stays_old_is_transient() {
    let case = Case::new();
    case.alarms.answer_old(3);
    let said = case.run("silence").await;
    assert!(
        said.starts_with("transient: ") && said.contains("still on"),
        "{said}"
    );
    assert_eq!(case.run("silence").await, "already_done");
    case.alarms.answer_old(2 + LOOKS);
    let said = case.run("unsilence").await;
    assert!(
        said.starts_with("transient: ") && said.contains("still off"),
        "{said}"
    );
    assert!(case.has_tag("web-5xx"));
}

#[tokio::test(start_paused = true)]
async fn a_write_that_fails_says_what_is_known_of_it() {
    for (fault, kind) in FAULTS {
        for (step, operation) in [
            ("silence", "tag"),
            ("silence", "disable"),
            ("unsilence", "tag"),
            ("unsilence", "enable"),
            ("unsilence", "untag"),
        ] {
            let case = Case::new();
            if step == "unsilence" {
                case.run("silence").await;
            }
            case.alarms.calls.fail_once(operation, fault);
            let said = case.run(step).await;
            // One of many calls that is throttled is made again by itself.
            let by_itself = matches!(fault, Fault::Throttled) && operation.ends_with("tag");
            let kind = if by_itself { "done" } else { kind };
            assert!(said.starts_with(kind), "{operation}, {fault:?}: {said}");
            let again = case.run(step).await;
            assert!(
                again == "done" || again == "already_done",
                "{operation}, {fault:?}: {again}"
            );
            let enabled = step == "unsilence";
            assert_eq!(
                case.alarms.is_enabled("web-5xx"),
                enabled,
                "{operation}, {fault:?}"
            );
        }
    }
}

/// Only the call that was throttled is made again, not those of the other alarms.
#[tokio::test(start_paused = true)]
async fn a_throttled_tag_costs_no_other_alarm_a_call() {
    let case = Case::new();
    case.alarms.calls.fail_once("tag", Fault::Throttled);
    assert_eq!(case.run("silence").await, "done");
    let writes = case.alarms.calls.take();
    let tags = writes.iter().filter(|write| write.starts_with("tag ")).count();
    assert_eq!(tags, NAMES.len() + 1, "{writes:?}");
}

/// What takes a hundred alarms in one call takes them; each alarm is tagged once when a release comes, once when
/// it leaves, and untagged once.
#[tokio::test(start_paused = true)]
async fn three_thousand_alarms_take_no_call_twice() {
    let names: Vec<String> = (0..3_000).map(|number| format!("web-{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let case = Case {
        release: release_with_alarms(World::new(2, 1), &names),
        alarms: CloudWatch::with(&names),
    };
    let count = |calls: &[String], word: &str| calls.iter().filter(|call| call.starts_with(word)).count();
    assert_eq!(case.run("silence").await, "done");
    let calls = case.alarms.calls.take();
    assert_eq!((count(&calls, "tag "), count(&calls, "disable ")), (3_000, 30));
    assert_eq!(calls.len(), 3_030);
    assert_eq!(case.run("unsilence").await, "done");
    let calls = case.alarms.calls.take();
    let made = ["tag ", "enable ", "untag "].map(|word| count(&calls, word));
    assert_eq!(made, [3_000, 30, 3_000]);
    assert_eq!(calls.len(), 6_030);
}

/// CloudWatch at half of its rates.
struct Paced<'a> {
    alarms: &'a CloudWatch,
    limiter: Arc<Limiter>,
}

impl<'a> Paced<'a> {
    fn of(alarms: &'a CloudWatch) -> Self {
        Self {
            alarms,
            limiter: Limiter::new(RateShare::thousandths(500)),
        }
    }

    async fn call(&self, action: &'static str) {
        self.limiter.admit(action).await.attempt();
    }
}

impl AlarmPort for Paced<'_> {
    async fn alarms_matching(&self, names: &[String]) -> Result<Vec<Alarm>, AwsError> {
        self.call("cloudwatch:DescribeAlarms").await;
        self.alarms.alarms_matching(names).await
    }
}

impl ActionPort for Paced<'_> {
    async fn alarm_tags(&self, arn: &str) -> Result<Tags, AwsError> {
        self.call("cloudwatch:ListTagsForResource").await;
        self.alarms.alarm_tags(arn).await
    }

    async fn tag_alarm(&self, arn: &str, key: &str, value: &str) -> Result<(), AwsError> {
        self.call("cloudwatch:TagResource").await;
        self.alarms.tag_alarm(arn, key, value).await
    }

    async fn untag_alarm(&self, arn: &str, keys: &[String]) -> Result<(), AwsError> {
        self.call("cloudwatch:UntagResource").await;
        self.alarms.untag_alarm(arn, keys).await
    }

    async fn disable_actions(&self, names: &[String]) -> Result<(), AwsError> {
        self.call("cloudwatch:DisableAlarmActions").await;
        self.alarms.disable_actions(names).await
    }

    async fn enable_actions(&self, names: &[String]) -> Result<(), AwsError> {
        self.call("cloudwatch:EnableAlarmActions").await;
        self.alarms.enable_actions(names).await
    }
}

/// Six hundred looks take two minutes at that pace. What is done between them and after them is done meanwhile, but for
/// the last alarms.
#[tokio::test(start_paused = true)]
async fn looks_at_many_alarms_wait_for_nothing_else() {
    let names: Vec<String> = (0..300).map(|number| format!("web-{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let release = release_with_alarms(World::new(2, 1), &names);
    let alarms = CloudWatch::with(&names);
    assert_eq!(
        told(&Silencing::of(&alarms, task(&release)).silence().await),
        "done"
    );
    let paced = Paced::of(&alarms);
    let begun = Instant::now();
    let mut task = task(&release);
    task.deadline = begun + Duration::from_secs(600);
    assert_eq!(told(&Silencing::of(&paced, task).unsilence().await), "done");
    let took = begun.elapsed().as_secs();
    assert!((115..140).contains(&took), "{took} s");
    assert!(names.iter().all(|name| alarms.is_enabled(name)));
}

/// Performs a step within the time that it gets.
async fn in_its_time(alarms: &Paced<'_>, release: &Release, step: Step) -> String {
    let mut task = task(release);
    let begun = Instant::now();
    task.deadline = begun + Duration::from_millis(attempt_ms(&step, release));
    let silencing = Silencing::of(alarms, task);
    let outcome = match step {
        Step::Silence => silencing.silence().await,
        _ => silencing.unsilence().await,
    };
    assert!(begun.elapsed() < Duration::from_millis(attempt_ms(&step, release)));
    told(&outcome)
}

/// Two services have the same 3,000 alarms, and the second one is released while the first one's release silences them:
/// preflight asks for no tags, and the steps get through in their time.
#[tokio::test(start_paused = true)]
async fn thousands_of_alarms_that_another_service_silences_pass() {
    let names: Vec<String> = (0..3_000).map(|number| format!("web-{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let alarms = CloudWatch::with(&names);
    let mut first = release_with_alarms(World::new(2, 1), &names);
    first.request.id = "01976a5e-0000-7000-8000-000000000002".parse().unwrap();
    let of_first = || Silencing::of(&alarms, task(&first));
    assert_eq!(told(&of_first().silence().await), "done");

    let paced = Paced::of(&alarms);
    let definition = AlarmDefinition {
        silence: names.iter().map(|name| (*name).to_owned()).collect(),
        ..AlarmDefinition::default()
    };
    let begun = Instant::now();
    let (seen, _) = alarms_seen(&paced, &definition).await.ok().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert!(seen.len() == 3_000 && seen.iter().all(|alarm| alarm.unasked));

    let second = release_with_alarms(World::new(2, 1), &names);
    assert_eq!(in_its_time(&paced, &second, Step::Silence).await, "done");
    assert_eq!(told(&of_first().unsilence().await), "done");
    assert!(names.iter().all(|name| !alarms.is_enabled(name)));
    assert_eq!(in_its_time(&paced, &second, Step::Unsilence).await, "done");
    assert!(names.iter().all(|name| alarms.is_enabled(name)));
}

/// Where few alarms are off, preflight knows who has switched them off, and leaves alone what a person has.
#[tokio::test(start_paused = true)]
async fn preflight_asks_who_has_switched_few_alarms_off() {
    let alarms = CloudWatch::with(&["web-on", "web-silenced", "web-off"]);
    for name in ["web-silenced", "web-off"] {
        alarms.set(name, |alarm| alarm.actions_enabled = false);
    }
    alarms.tag("web-silenced", ANOTHER, "staging.other");
    let definition = AlarmDefinition {
        silence: ["web-on", "web-silenced", "web-off"].map(str::to_owned).to_vec(),
        ..AlarmDefinition::default()
    };
    let (seen, _) = alarms_seen(&alarms, &definition).await.ok().unwrap();
    let silenced: Vec<&str> = seen
        .iter()
        .filter(|alarm| alarm.silenced)
        .map(|alarm| alarm.name.as_str())
        .collect();
    assert_eq!(silenced, ["web-silenced"]);
    assert!(!seen.iter().any(|alarm| alarm.unasked));
}

/// The calls of one worker. Each comes a little later than it might, and after so many of them the worker is
/// dead.
struct Worker<'a> {
    alarms: &'a CloudWatch,
    random: std::sync::Mutex<Random>,
    calls_left: std::sync::Mutex<u64>,
}

impl Worker<'_> {
    async fn call(&self) {
        let yields = self.random.lock().unwrap().below(5);
        for _ in 0..yields {
            yield_now().await;
        }
        let dead = {
            let mut left = self.calls_left.lock().unwrap();
            *left = left.saturating_sub(1);
            *left == 0
        };
        if dead {
            std::future::pending::<()>().await;
        }
    }
}

impl AlarmPort for Worker<'_> {
    async fn alarms_matching(&self, names: &[String]) -> Result<Vec<Alarm>, AwsError> {
        self.call().await;
        self.alarms.alarms_matching(names).await
    }
}

impl ActionPort for Worker<'_> {
    async fn alarm_tags(&self, arn: &str) -> Result<Tags, AwsError> {
        self.call().await;
        self.alarms.alarm_tags(arn).await
    }

    async fn tag_alarm(&self, arn: &str, key: &str, value: &str) -> Result<(), AwsError> {
        self.call().await;
        self.alarms.tag_alarm(arn, key, value).await
    }

    async fn untag_alarm(&self, arn: &str, keys: &[String]) -> Result<(), AwsError> {
        self.call().await;
        self.alarms.untag_alarm(arn, keys).await
    }

    async fn disable_actions(&self, names: &[String]) -> Result<(), AwsError> {
        self.call().await;
        self.alarms.disable_actions(names).await
    }

    async fn enable_actions(&self, names: &[String]) -> Result<(), AwsError> {
        self.call().await;
        self.alarms.enable_actions(names).await
    }
}

/// Silences and unsilences, each until it is done; a worker that dies is followed by one that does not.
async fn comes_and_goes(release: &Release, alarms: &CloudWatch, seed: u64) {
    let mut random = Random::new(seed);
    // More calls than both steps make: then nobody dies.
    let mut dies_after = 1 + random.below(40);
    for step in ["silence", "unsilence"] {
        loop {
            let worker = Worker {
                alarms,
                random: std::sync::Mutex::new(Random::new(random.below(u64::MAX))),
                calls_left: std::sync::Mutex::new(dies_after),
            };
            let silencing = Silencing::of(&worker, task(release));
            let performed = async {
                match step {
                    "silence" => silencing.silence().await,
                    _ => silencing.unsilence().await,
                }
            };
            let outcome = timeout(Duration::from_secs(30), performed).await;
            dies_after = *worker.calls_left.lock().unwrap();
            match outcome {
                Ok(outcome) if outcome.evidence().is_some() => break,
                Ok(_) => sleep(Duration::from_millis(500)).await,
                Err(_) => dies_after = u64::MAX,
            }
        }
        sleep(Duration::from_millis(random.below(3) * 2_000)).await;
    }
}

/// The real steps of two releases on the same alarms, in as many orders as there are seeds; in half of them a
/// worker dies after some call. `rollout/tests/silence.rs` has every order of the rules alone.
#[tokio::test(start_paused = true)]
async fn two_releases_in_any_order_leave_alarms_as_they_were() {
    let one = release_with_alarms(World::new(2, 1), &NAMES);
    let mut other = one.clone();
    other.request.id = "01976a5e-0000-7000-8000-000000000002".parse().unwrap();
    assert_ne!(one.request.id, other.request.id);
    for seed in 0..2_000 {
        let alarms = CloudWatch::with(&["web-5xx", "web-latency", "web-off"]);
        alarms.set("web-off", |alarm| alarm.actions_enabled = false);
        let (seed_of_one, seed_of_other) = (2 * seed, 2 * seed + 1);
        tokio::join!(
            comes_and_goes(&one, &alarms, seed_of_one),
            comes_and_goes(&other, &alarms, seed_of_other)
        );
        for name in NAMES {
            let calls = alarms.calls.take();
            assert!(alarms.is_enabled(name), "{name} of seed {seed}: {calls:#?}");
            assert_eq!(alarms.tags_of(name), Tags::new(), "{name} of seed {seed}");
        }
        assert!(!alarms.is_enabled("web-off"), "seed {seed}");
    }
}
