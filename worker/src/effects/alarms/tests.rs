use drawgate_rehearsal::World;

use super::super::fakes::{CloudWatch, FAULTS, Fault, release_with_alarms, task, told};
use super::*;

const NAMES: [&str; 2] = ["web-5xx", "web-latency"];

struct Case {
    release: drawgate_rollout::Release,
    alarms: CloudWatch,
}

impl Case {
    fn new() -> Self {
        Self {
            release: release_with_alarms(World::new(2, 1), &NAMES),
            alarms: CloudWatch::with(&NAMES),
        }
    }

    fn id(&self) -> String {
        self.release.request.id.to_string()
    }

    async fn run(&self, step: &str) -> String {
        let silencing = Silencing {
            alarms: &self.alarms,
            task: task(&self.release),
        };
        told(&match step {
            "silence" => silencing.silence().await,
            _ => silencing.unsilence().await,
        })
    }
}

#[tokio::test]
async fn alarms_are_tagged_before_their_actions_are_disabled() {
    let case = Case::new();
    assert_eq!(case.run("silence").await, "done");
    let writes = [
        format!("tag web-5xx {}", case.id()),
        format!("tag web-latency {}", case.id()),
        "disable web-5xx+web-latency".to_owned(),
    ];
    assert_eq!(case.alarms.calls.take(), writes);
    assert_eq!(case.run("silence").await, "already_done");
    assert!(case.alarms.calls.take().is_empty());
}

#[tokio::test]
async fn alarms_are_enabled_before_their_tags_go() {
    let case = Case::new();
    case.run("silence").await;
    case.alarms.calls.take();
    assert_eq!(case.run("unsilence").await, "done");
    let writes = ["enable web-5xx+web-latency", "untag web-5xx", "untag web-latency"];
    assert_eq!(case.alarms.calls.take(), writes);
    assert_eq!(case.run("unsilence").await, "already_done");
}

#[tokio::test]
async fn an_alarm_switched_off_by_hand_stays_off() {
    let case = Case::new();
    case.alarms
        .set("web-latency", |alarm| alarm.actions_enabled = false);
    assert_eq!(case.run("silence").await, "done");
    assert_eq!(case.run("unsilence").await, "done");
    assert!(case.alarms.is_enabled("web-5xx"));
    assert!(!case.alarms.is_enabled("web-latency"));
}

#[tokio::test]
async fn an_alarm_held_by_another_release_stays_off() {
    let case = Case::new();
    case.run("silence").await;
    case.alarms.tag("web-latency", "another");
    assert_eq!(case.run("unsilence").await, "done");
    assert!(!case.alarms.is_enabled("web-latency"));
    assert_eq!(case.alarms.tag_of("web-latency").as_deref(), Some("another"));
}

#[tokio::test]
async fn an_alarm_deleted_meanwhile_holds_up_no_other() {
    let case = Case::new();
    case.alarms
        .calls
        .fail_once("tag", Fault::RefusedAs("ResourceNotFound"));
    assert_eq!(case.run("silence").await, "done");
    case.alarms.tag("web-5xx", &case.id());
    case.alarms
        .calls
        .fail_once("untag", Fault::RefusedAs("ResourceNotFound"));
    assert_eq!(case.run("unsilence").await, "done");
    case.alarms.delete("web-5xx");
    assert_eq!(case.run("silence").await, "done");
    assert!(!case.alarms.is_enabled("web-latency"));
}

#[tokio::test]
async fn a_half_silenced_set_is_completed() {
    let case = Case::new();
    case.alarms.tag("web-5xx", &case.id());
    case.alarms.set("web-5xx", |alarm| alarm.actions_enabled = false);
    assert_eq!(case.run("silence").await, "done");
    let writes = case.alarms.calls.take();
    assert_eq!(writes.last().map(String::as_str), Some("disable web-latency"));
    assert_eq!(case.run("unsilence").await, "done");
    assert!(case.alarms.is_enabled("web-5xx") && case.alarms.is_enabled("web-latency"));
}

#[tokio::test]
async fn an_answer_older_than_the_write_is_transient() {
    let case = Case::new();
    case.alarms.answer_old(2);
    let said = case.run("silence").await;
    assert!(
        said.starts_with("transient: ") && said.contains("still on"),
        "{said}"
    );
    assert_eq!(case.run("silence").await, "already_done");
    case.alarms.answer_old(2);
    let said = case.run("unsilence").await;
    assert!(
        said.starts_with("transient: ") && said.contains("still off"),
        "{said}"
    );
    assert_eq!(case.alarms.tag_of("web-5xx"), Some(case.id()));
}

#[tokio::test]
async fn a_write_that_fails_says_what_is_known_of_it() {
    for (fault, kind) in FAULTS {
        for (step, operation) in [
            ("silence", "tag"),
            ("silence", "disable"),
            ("unsilence", "enable"),
            ("unsilence", "untag"),
        ] {
            let case = Case::new();
            if step == "unsilence" {
                case.run("silence").await;
            }
            case.alarms.calls.fail_once(operation, fault);
            let said = case.run(step).await;
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
