use std::sync::{Arc, Mutex};

use drawgate_rehearsal::World;
use drawgate_rollout::TargetPlan;

use super::super::fakes::{release, task, told};
use super::*;
use crate::aws::{AwsError, Group, Instance, Target, TargetState, Targets};

/// Two hosts that were rolled, the load balancer, and what each host says when it is asked.
#[derive(Default)]
struct Fake {
    /// The state of each target of the first host at each look; the last one stays.
    first: Mutex<Vec<TargetState>>,
    /// How many looks fail from now on.
    throttled: Mutex<u32>,
    engine: Mutex<Option<EngineSeen>>,
    /// The hosts that were asked, in order.
    asked: Mutex<Vec<String>>,
    /// The state in EC2 of every instance.
    ec2: Mutex<Option<&'static str>>,
    targets: Vec<TargetPlan>,
}

impl HealthPort for &Fake {
    async fn targets(&self, arn: &str, _not_before: Instant) -> Result<Targets, AwsError> {
        let mut throttled = self.throttled.lock().unwrap();
        if *throttled > 0 {
            *throttled -= 1;
            return Err(AwsError::Throttled {
                operation: "DescribeTargetHealth",
                code: "Throttling".to_owned(),
                message: "Rate exceeded".to_owned(),
            });
        }
        let mut first = self.first.lock().unwrap();
        let now = match first.len() {
            0 => TargetState::Healthy,
            1 => first[0].clone(),
            _ => first.remove(0),
        };
        let of_group = self
            .targets
            .iter()
            .enumerate()
            .filter(|(_, target)| target.target_group == arn);
        let seen = of_group.map(|(n, target)| Target {
            id: target.id.clone(),
            port: target.port,
            zone: None,
            state: if n == 0 { now.clone() } else { TargetState::Healthy },
            reason: Some("Target.Timeout".to_owned()),
            description: Some("Request timed out".to_owned()),
        });
        Ok(Some(seen.collect()))
    }
}

impl MembershipPort for Fake {
    async fn instances_by_ids(&self, ids: &[String]) -> Result<Vec<Instance>, AwsError> {
        let state = self.ec2.lock().unwrap().unwrap_or("running");
        let instance = |id: &String| Instance {
            id: id.clone(),
            state: state.to_owned(),
            private_addresses: Vec::new(),
            zone: String::new(),
            tags: BTreeMap::new(),
            vpc: None,
            launched_at: None,
        };
        Ok(ids.iter().map(instance).collect())
    }

    async fn group_by_name(&self, _name: &str) -> Result<Option<Group>, AwsError> {
        Ok(None)
    }
}

impl WatchedHostPort for Fake {
    fn followed(&self, _task: &Task<'_>) -> Option<Arc<Release>> {
        None
    }

    async fn engine_of(&self, _task: Task<'_>, host: &HostPlan) -> EngineSeen {
        self.asked.lock().unwrap().push(host.instance.clone());
        let said = self.engine.lock().unwrap().clone();
        said.unwrap_or_else(|| up(0))
    }

    async fn last_lines(&self, _task: Task<'_>, _host: &HostPlan) -> Vec<String> {
        vec!["db: no such table: users".to_owned()]
    }
}

fn up(restarts: u64) -> EngineSeen {
    EngineSeen::Runs {
        restarts,
        started_by_others: false,
    }
}

struct Case {
    release: Release,
    fake: Fake,
}

/// The release has rolled both hosts, and nothing is wrong with them.
fn case() -> Case {
    let mut release = release(World::new(2, 1).watching_hosts(0));
    let mut plan = release.plan.as_deref().unwrap().clone();
    for host in &mut plan.hosts {
        host.group = None;
    }
    release.plan = Some(plan.into());
    let hosts = &release.plan.as_ref().unwrap().hosts;
    let fake = Fake {
        targets: hosts.iter().flat_map(|host| host.targets.clone()).collect(),
        ..Fake::default()
    };
    Case { release, fake }
}

impl Case {
    /// Looks at the first host find this at first, and in the end the last of it.
    fn first_is(self, states: &[TargetState]) -> Self {
        *self.fake.first.lock().unwrap() = states.to_vec();
        self
    }

    fn engine_says(self, said: EngineSeen) -> Self {
        *self.fake.engine.lock().unwrap() = Some(said);
        self
    }

    /// Watches for so many seconds.
    async fn watch_for(&self, seconds: u64) -> StepOutcome {
        let task = Task {
            deadline: Instant::now() + Duration::from_secs(seconds) + ENDS_BEFORE,
            ..task(&self.release)
        };
        self.with(task).watch().await
    }

    fn with<'a>(&'a self, task: Task<'a>) -> HostsWatch<'a, &'a Fake, Fake, Fake> {
        HostsWatch {
            seen: TargetHealth {
                health: &self.fake,
                members: &self.fake,
                task,
            },
            hosts: &self.fake,
            task,
        }
    }

    fn asked(&self, instance: &str) -> usize {
        let asked = self.fake.asked.lock().unwrap();
        asked.iter().filter(|other| *other == instance).count()
    }
}

#[tokio::test(start_paused = true)]
async fn a_host_that_fails_its_check_is_named_with_its_last_lines() {
    let case = case().first_is(&[TargetState::Healthy, TargetState::Unhealthy]);
    let begun = Instant::now();
    let outcome = case.watch_for(300).await;
    let what = "fails its check in web: Request timed out, while its container runs on";
    assert_eq!(told(&outcome), format!("refused: {what}"));
    let failure = outcome.failure().unwrap();
    assert_eq!(failure.logs, ["db: no such table: users"]);
    let named = failure.obstacle.as_deref();
    assert!(matches!(named, Some(Obstacle::AgainstVersion { instance }) if instance == "i-1"));
    // The look that shows it, and one that is no old answer.
    let took = begun.elapsed();
    let apart = Duration::from_secs(u64::from(POLLS_APART));
    assert!(took >= apart + Duration::from_millis(SICK_AFTER_MS), "{took:?}");
    assert!(took <= apart + Duration::from_secs(6), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn what_one_look_shows_or_aws_does_not_say_is_no_evidence() {
    use TargetState::{Healthy, Initial, Unhealthy};
    let hiccup = case().first_is(&[Unhealthy, Healthy, Unhealthy, Initial, Healthy]);
    assert_eq!(told(&hiccup.watch_for(60).await), "done");
    let throttled = case().first_is(&[Healthy]);
    *throttled.fake.throttled.lock().unwrap() = u32::MAX;
    assert_eq!(told(&throttled.watch_for(60).await), "done");
}

#[tokio::test(start_paused = true)]
async fn a_host_that_does_not_answer_is_asked_seldom() {
    let silent = EngineSeen::Silent("connection refused".to_owned());
    let case = case().first_is(&[TargetState::Unhealthy]).engine_says(silent);
    assert_eq!(told(&case.watch_for(100).await), "done");
    // Once in turn at most, and then every half a minute.
    assert!((3..=5).contains(&case.asked("i-1")), "{}", case.asked("i-1"));
}

#[tokio::test(start_paused = true)]
async fn hosts_are_asked_in_turn_and_a_restart_is_found() {
    let case = case();
    assert_eq!(told(&case.watch_for(60).await), "done");
    let (first, second) = (case.asked("i-1"), case.asked("i-2"));
    assert!(
        first.abs_diff(second) <= 1 && (10..=14).contains(&(first + second)),
        "{first} {second}"
    );
    let case = case.engine_says(up(1));
    let outcome = case.watch_for(60).await;
    assert_eq!(
        told(&outcome),
        "refused: the container has restarted once since the host's turn"
    );
}

#[tokio::test(start_paused = true)]
async fn a_container_that_ends_with_its_instance_is_no_evidence() {
    let case = case().first_is(&[TargetState::Unhealthy]).engine_says(up(1));
    *case.fake.ec2.lock().unwrap() = Some("shutting-down");
    assert_eq!(told(&case.watch_for(60).await), "done");
}

#[tokio::test(start_paused = true)]
async fn at_the_end_of_the_bake_each_host_is_asked_once() {
    let case = case();
    assert!(case.with(task(&case.release)).last_look().await.is_none());
    assert_eq!((case.asked("i-1"), case.asked("i-2")), (1, 1));
    let case = case.engine_says(up(2));
    let failure = case.with(task(&case.release)).last_look().await.unwrap();
    assert_eq!(
        failure.what,
        "the container has restarted 2 times since the host's turn"
    );
}
