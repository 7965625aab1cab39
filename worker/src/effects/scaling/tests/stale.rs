//! Answers of Auto Scaling that are older than its last change, at each look of each step.

use std::time::Duration;

use super::*;

const STEPS: [&str; 4] = ["suspend", "resume", "let_replace", "suspend_again"];

/// More looks than any step takes.
const LOOKS: u32 = 9;

/// More attempts than an old answer may cost.
const ATTEMPTS: usize = 3;

/// How an answer that is too old shows the group.
#[derive(Debug, Clone, Copy)]
enum Shows {
    /// As before this release touched it.
    Untouched,
    /// As another release had it, which has ended since.
    AnotherRelease,
    /// As this release had it before the step.
    ThisRelease,
}

const SHOWS: [Shows; 3] = [Shows::Untouched, Shows::AnotherRelease, Shows::ThisRelease];

impl Shows {
    fn group(self, case: &Case) -> Group {
        let untouched = Case::new();
        match self {
            Self::Untouched => untouched.fake.seen(),
            Self::ThisRelease => case.fake.seen(),
            Self::AnotherRelease => {
                let planned = untouched.planned();
                untouched.tag_as("another AZRebalance");
                untouched.fake.set(|group| suspended(group, &planned));
                untouched.fake.seen()
            }
        }
    }
}

impl Case {
    /// The group as a step finds it.
    async fn before(step: &str) -> Self {
        match step {
            "suspend" => Self::new(),
            "suspend_again" => {
                let case = Self::rolling();
                assert_eq!(case.run("let_replace").await, "done");
                case.fake.calls.take();
                case
            }
            _ => Self::rolling(),
        }
    }

    fn answer_nth(&self, old: Group, nth: u32) {
        self.fake.old.answer_nth(Some(old), nth);
    }

    /// Performs a step until it is done; fails where it is refused.
    async fn complete(&self, step: &str) -> Result<(), String> {
        for _ in 0..ATTEMPTS {
            match self.run(step).await.as_str() {
                "done" | "already_done" => return Ok(()),
                said if said.starts_with("transient: ") => {}
                said => return Err(said.to_owned()),
            }
        }
        Err("never done".to_owned())
    }

    /// The group's tags and suspended processes.
    fn state(&self) -> (BTreeMap<String, String>, Vec<String>) {
        let group = self.fake.seen();
        (group.tags, group.suspended.into_keys().collect())
    }

    fn looks(&self) -> u32 {
        self.fake.looks.swap(0, Ordering::Relaxed)
    }
}

#[tokio::test(start_paused = true)]
async fn trap_14_one_old_answer_misleads_no_step() {
    for step in STEPS {
        let plain = Case::before(step).await;
        assert_eq!(plain.run(step).await, "done");
        for (old, nth) in SHOWS.iter().flat_map(|old| (0..LOOKS).map(move |nth| (old, nth))) {
            let case = Case::before(step).await;
            case.answer_nth(old.group(&case), nth);
            let done = case.complete(step).await;
            assert_eq!(done, Ok(()), "{step}, look {nth} is old: {old:?}");
            assert_eq!(case.state(), plain.state(), "{step}, look {nth} is old: {old:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn trap_04_an_old_answer_has_no_host_terminated() {
    for step in ["resume", "let_replace"] {
        for nth in 0..LOOKS {
            let case = Case::before(step).await;
            let healthy = case.fake.seen();
            let ill = case.fall_ill(0);
            case.answer_nth(healthy, nth);
            assert_eq!(case.complete(step).await, Ok(()), "{step}, look {nth} is old");
            let writes = case.fake.calls.take();
            let place = |write: &str| writes.iter().position(|each| each == write);
            let marked = place(&format!("set_health {ill}"));
            let replaces = place("resume ReplaceUnhealthy");
            assert!(
                marked.is_some() && marked < replaces,
                "{step}, look {nth} is old: {writes:?}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn looks_are_few_and_wait_for_nothing() {
    for (step, looks) in [
        ("suspend", 2),
        ("resume", 2),
        ("let_replace", 2),
        ("suspend_again", 1),
    ] {
        let case = Case::before(step).await;
        case.looks();
        let begun = Instant::now();
        assert_eq!(case.run(step).await, "done");
        assert_eq!(case.looks(), looks, "{step}");
        assert_eq!(begun.elapsed(), Duration::ZERO, "{step}");
    }
}

/// Where HealthCheck runs all the time, a host may be marked at any moment.
#[tokio::test(start_paused = true)]
async fn a_mark_is_waited_for_where_health_check_runs() {
    let mut case = Case::rolling();
    case.leave_health_check();
    let begun = Instant::now();
    assert_eq!(case.run("resume").await, "done");
    assert_eq!(begun.elapsed(), CONSISTENCY);
}
