use drawgate_rehearsal::World;
use drawgate_rollout::Release;

use super::super::fakes::{CloudWatch, FAULTS, Fault, release_with_alarms, task, told};
use super::*;

const NAMES: [&str; 2] = ["web-5xx", "web-latency"];

struct Case {
    release: Release,
    alarms: CloudWatch,
}

impl Case {
    fn new() -> Self {
        let mut release = release_with_alarms(World::new(2, 1).muted(), &NAMES);
        // The release is about to unmute: its wait has not begun.
        release.change_steps(|steps| steps.remove(&Step::Unsilence));
        Self {
            release,
            alarms: CloudWatch::with(&NAMES),
        }
    }

    fn rule(&self) -> MuteRule {
        let plan = self.release.plan.as_deref().unwrap();
        plan.mute_rules(self.release.request.id).remove(0)
    }

    fn muting(&self) -> Muting<'_, CloudWatch> {
        Muting {
            alarms: &self.alarms,
            task: task(&self.release),
        }
    }

    async fn mute(&self) -> String {
        told(&self.muting().mute().await)
    }

    async fn unmute(&self) -> String {
        told(&self.muting().unmute().await)
    }

    fn seen(&self) -> SeenMuteRule {
        self.alarms.rule(&self.rule().name).unwrap()
    }
}

#[tokio::test(start_paused = true)]
async fn a_rule_is_made_and_deleted() {
    let case = Case::new();
    let name = case.rule().name;
    assert_eq!(case.mute().await, "done");
    assert_eq!(
        case.alarms.calls.take(),
        [format!("put {name} web-5xx+web-latency")]
    );
    assert_eq!(case.unmute().await, "done");
    assert_eq!(case.alarms.calls.take(), [format!("delete {name}")]);
    assert_eq!(case.unmute().await, "already_done");
}

#[tokio::test(start_paused = true)]
async fn a_rule_that_is_extended_keeps_its_beginning() {
    let case = Case::new();
    case.mute().await;
    let first = case.seen();
    case.alarms.set_rule(&case.rule().name, |rule| {
        rule.from = rule.from.map(|from| from - jiff::SignedDuration::from_mins(10));
        rule.until = rule.from;
    });
    let from = case.seen().from;
    assert_eq!(case.mute().await, "done");
    assert_eq!(case.seen().from, from);
    assert!(case.seen().until >= first.until);
}

#[tokio::test(start_paused = true)]
async fn an_expired_rule_begins_again_with_the_next_minute() {
    let case = Case::new();
    case.mute().await;
    case.alarms
        .set_rule(&case.rule().name, |rule| rule.expired = true);
    let now = Timestamp::now();
    assert_eq!(case.mute().await, "done");
    assert!(case.seen().from.is_some_and(|from| from > now));
}

#[tokio::test(start_paused = true)]
async fn a_minute_that_is_over_is_answered_by_the_next() {
    for code in [
        "ValidationError",
        "ValidationException",
        "InvalidParameterValue",
        "anything",
    ] {
        let case = Case::new();
        let now = Timestamp::now();
        case.alarms.calls.fail_once("put", Fault::RefusedAs(code));
        assert_eq!(case.mute().await, "done", "{code}");
        assert!(case.seen().from.is_some_and(|from| from > now), "{code}");
        assert_eq!(case.alarms.calls.take().len(), 2, "{code}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_that_says_something_else_is_none_of_the_past() {
    for code in [
        "AccessDenied",
        "LimitExceeded",
        "LimitExceededFault",
        "ResourceNotFound",
    ] {
        let case = Case::new();
        case.alarms.calls.fail_once("put", Fault::RefusedAs(code));
        let said = case.mute().await;
        assert!(said.starts_with("refused: "), "{code}: {said}");
        assert_eq!(case.alarms.calls.take().len(), 1, "{code}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_rule_names_only_alarms_that_exist() {
    let case = Case::new();
    case.alarms.delete("web-latency");
    case.mute().await;
    let name = case.rule().name;
    assert_eq!(case.alarms.calls.take(), [format!("put {name} web-5xx")]);
    case.alarms.delete("web-5xx");
    assert_eq!(case.mute().await, "done");
    assert!(case.alarms.calls.take().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_rule_that_is_not_active_yet_is_transient() {
    let case = Case::new();
    case.alarms.rules_begin_late();
    let said = case.mute().await;
    assert!(
        said.starts_with("transient: ") && said.contains("not active yet"),
        "{said}"
    );
}

#[tokio::test(start_paused = true)]
async fn unmuting_waits_for_a_firing_alarm_and_names_it() {
    let mut case = Case::new();
    let mut plan = case.release.plan.as_deref().unwrap().clone();
    plan.definition.alarms.settle_ms = 50;
    case.release.plan = Some(plan.into());
    case.mute().await;
    case.alarms
        .set("web-5xx", |alarm| alarm.state = "ALARM".to_owned());
    case.alarms.calls.take();
    let outcome = case.muting().unmute().await;
    let StepOutcome::Done {
        evidence: Evidence::Unmuted { firing },
    } = outcome
    else {
        panic!("{outcome:?}");
    };
    assert_eq!(firing, ["web-5xx"]);
    // The rule must outlast the wait, so it is extended first.
    let writes = case.alarms.calls.take();
    assert!(
        writes[0].starts_with("put ") && writes[1].starts_with("delete "),
        "{writes:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_write_that_fails_says_what_is_known_of_it() {
    for (fault, kind) in FAULTS {
        let case = Case::new();
        let no_put = match fault {
            Fault::Refused => Fault::RefusedAs("AccessDenied"),
            fault => fault,
        };
        case.alarms.calls.fail_once("put", no_put);
        let said = case.mute().await;
        assert!(said.starts_with(kind), "put, {fault:?}: {said}");
        assert_eq!(case.mute().await, "done");
        case.alarms.calls.fail_once("delete", fault);
        let said = case.unmute().await;
        assert!(said.starts_with(kind), "delete, {fault:?}: {said}");
        let again = case.unmute().await;
        assert!(again == "done" || again == "already_done", "{fault:?}: {again}");
        assert!(case.alarms.rule(&case.rule().name).is_none());
    }
}

/// CloudWatch does not say whether a rule may be put that begins in the past. Where it may not, another rule
/// goes on before the first one ends.
#[tokio::test(start_paused = true)]
async fn trap_15_a_rule_that_cannot_be_extended_has_a_successor() {
    let case = Case::new();
    case.mute().await;
    let MuteRule { name, successor, .. } = case.rule();
    let now = Timestamp::now();
    let ends = now + jiff::SignedDuration::from_mins(10);
    case.alarms.set_rule(&name, |rule| {
        rule.from = Some(now - jiff::SignedDuration::from_mins(5));
        rule.until = Some(ends);
    });
    let first = case.seen();
    case.alarms.refuse_rules_before(now);
    case.alarms.calls.take();
    assert_eq!(case.mute().await, "done");
    assert_eq!(case.seen(), first, "it mutes until its successor does");
    let next = case.alarms.rule(&successor).unwrap();
    assert!(
        next.from.is_some_and(|from| from > now && from <= ends),
        "{next:?}"
    );
    assert!(next.until.is_some_and(|until| until > ends), "{next:?}");

    // The successor is extended in its turn, and both go at the end.
    case.alarms.refuse_rules_before(Timestamp::MIN);
    case.alarms.set_rule(&successor, |rule| {
        rule.until = Some(ends + jiff::SignedDuration::from_secs(1))
    });
    case.alarms.calls.take();
    assert_eq!(case.mute().await, "done");
    assert_eq!(
        case.alarms.calls.take(),
        [format!("put {successor} web-5xx+web-latency")]
    );
    assert_eq!(case.unmute().await, "done");
    let deleted = [format!("delete {name}"), format!("delete {successor}")];
    assert_eq!(case.alarms.calls.take(), deleted);
}

/// Thirty rules for 3,000 alarms: all are written, and then they are waited for together.
#[tokio::test(start_paused = true)]
async fn rules_are_written_before_any_of_them_is_waited_for() {
    let names: Vec<String> = (0..3_000).map(|number| format!("web-{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let case = Case {
        release: release_with_alarms(World::new(2, 1).muted(), &names),
        alarms: CloudWatch::with(&names),
    };
    case.alarms.rules_begin_late();
    let begun = Instant::now();
    let said = case.mute().await;
    assert!(said.contains("not active yet"), "{said}");
    assert!(begun.elapsed() <= Duration::from_secs(60));
    assert_eq!(case.alarms.calls.take().len(), 30);
}
