mod stale;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use drawgate_rehearsal::World;
use drawgate_rollout::Release;

use super::super::fakes::{Calls, FAULTS, Fault, Old, release, task, told};
use super::*;
use crate::aws::{AwsError, Member, Target, Targets};

/// One Auto Scaling group.
struct Fake {
    group: Mutex<Option<Group>>,
    old: Old<Option<Group>>,
    looks: AtomicU32,
    calls: Calls,
}

impl Fake {
    fn change(
        &self,
        operation: &'static str,
        what: &str,
        act: impl FnOnce(&mut Group),
    ) -> Result<(), AwsError> {
        self.calls.write(operation, what, || {
            if let Some(group) = self.group.lock().unwrap().as_mut() {
                act(group);
            }
        })
    }

    fn set(&self, act: impl FnOnce(&mut Group)) {
        act(self.group.lock().unwrap().as_mut().unwrap());
    }

    fn seen(&self) -> Group {
        self.group.lock().unwrap().clone().unwrap()
    }

    /// The next looks see the group as it is now, whatever is written.
    fn answer_old(&self, looks: u32) {
        self.old.answer(Some(self.seen()), looks);
    }
}

impl ScalingPort for Fake {
    async fn group_by_name(&self, _name: &str) -> Result<Option<Group>, AwsError> {
        self.looks.fetch_add(1, Ordering::Relaxed);
        Ok(self.old.or(self.group.lock().unwrap().clone()))
    }

    async fn tag_group(&self, _name: &str, key: &str, value: &str) -> Result<(), AwsError> {
        self.change("tag", value, |group| {
            group.tags.insert(key.to_owned(), value.to_owned());
        })
    }

    async fn untag_group(&self, _name: &str, key: &str) -> Result<(), AwsError> {
        self.change("untag", key, |group| {
            group.tags.remove(key);
        })
    }

    async fn suspend(&self, _name: &str, processes: &[Process]) -> Result<(), AwsError> {
        self.change("suspend", &listed(processes), |group| suspended(group, processes))
    }

    async fn resume(&self, _name: &str, processes: &[Process]) -> Result<(), AwsError> {
        self.change("resume", &listed(processes), |group| {
            let named = |name: &String| processes.iter().any(|process| process.as_str() == name);
            group.suspended.retain(|name, _| !named(name));
        })
    }

    async fn set_instance_health_healthy(&self, id: &str) -> Result<(), AwsError> {
        self.change("set_health", id, |group| {
            for member in group.members.iter_mut().filter(|member| member.id == id) {
                member.health = "Healthy".to_owned();
            }
        })
    }
}

/// Every target of the release, all in one state.
struct Health(Targets);

impl HealthPort for Health {
    async fn targets(&self, _arn: &str, _not_before: Instant) -> Result<Targets, AwsError> {
        Ok(self.0.clone())
    }
}

fn listed(processes: &[Process]) -> String {
    let names: Vec<&str> = processes.iter().map(|process| process.as_str()).collect();
    names.join("+")
}

fn suspended(group: &mut Group, processes: &[Process]) {
    let names = processes.iter().map(|process| process.as_str().to_owned());
    group.suspended.extend(names.map(|name| (name, String::new())));
}

struct Case {
    release: Release,
    fake: Fake,
    state: TargetState,
    target_groups_gone: bool,
}

impl Case {
    fn new() -> Self {
        let release = release(World::new(2, 1));
        let plan = release.plan.as_deref().unwrap();
        let member = |host: &HostPlan| Member {
            id: host.instance.clone(),
            lifecycle: "InService".to_owned(),
            health: "Healthy".to_owned(),
            zone: host.zone.clone(),
            protected_from_scale_in: false,
        };
        let group = Group {
            name: plan.groups[0].name.clone(),
            arn: String::new(),
            suspended: BTreeMap::new(),
            tags: BTreeMap::new(),
            members: plan.hosts.iter().map(member).collect(),
            target_group_arns: Vec::new(),
            classic_load_balancers: Vec::new(),
            traffic_sources: Vec::new(),
            health_check_type: "ELB".to_owned(),
            desired: 2,
            min: 2,
            max: 2,
            warm_pool: false,
            max_instance_lifetime_s: None,
        };
        let fake = Fake {
            group: Mutex::new(Some(group)),
            old: Old::default(),
            looks: AtomicU32::new(0),
            calls: Calls::default(),
        };
        Self {
            release,
            fake,
            state: TargetState::Healthy,
            target_groups_gone: false,
        }
    }

    /// The group as it is during the roll.
    fn rolling() -> Self {
        let case = Self::new();
        let (tag, processes) = (case.tag(), case.planned());
        case.fake.set(|group| {
            group.tags.insert(GROUP_TAG.to_owned(), tag);
            suspended(group, &processes);
        });
        case
    }

    fn planned(&self) -> Vec<Process> {
        self.release.plan.as_deref().unwrap().groups[0].suspend.clone()
    }

    fn tag(&self) -> String {
        suspension(&self.release.request.id.to_string(), &self.planned(), &[])
    }

    fn tag_as(&self, tag: &str) {
        self.fake.set(|group| {
            group.tags.insert(GROUP_TAG.to_owned(), tag.to_owned());
        });
    }

    /// Plans the group with HealthCheck running all along.
    fn leave_health_check(&mut self) {
        let mut plan = self.release.plan.as_deref().unwrap().clone();
        plan.groups[0]
            .suspend
            .retain(|process| *process != Process::HealthCheck);
        self.release.plan = Some(plan.into());
    }

    fn fall_ill(&self, n: usize) -> String {
        self.fake
            .set(|group| group.members[n].health = "Unhealthy".to_owned());
        self.fake.seen().members[n].id.clone()
    }

    async fn run(&self, step: &str) -> String {
        let plan = self.release.plan.as_deref().unwrap();
        let targets = plan.hosts.iter().flat_map(|host| &host.targets);
        let health = targets.map(|target| Target {
            id: target.id.clone(),
            port: target.port,
            zone: None,
            state: self.state.clone(),
            reason: None,
            description: None,
        });
        let suspension = Suspension {
            scaling: &self.fake,
            health: Health((!self.target_groups_gone).then(|| health.collect())),
            task: task(&self.release),
        };
        let name = plan.groups[0].name.as_str();
        told(&match step {
            "suspend" => suspension.suspend(name).await,
            "resume" => suspension.resume(name).await,
            "let_replace" => suspension.let_replace(name).await,
            _ => suspension.suspend_again(name).await,
        })
    }
}

#[tokio::test(start_paused = true)]
async fn suspending_tags_first_and_is_done_once() {
    let case = Case::new();
    assert_eq!(case.run("suspend").await, "done");
    let writes = [
        format!("tag {}", case.tag()),
        format!("suspend {}", listed(&case.planned())),
    ];
    assert_eq!(case.fake.calls.take(), writes);
    assert_eq!(case.run("suspend").await, "already_done");
    assert_eq!(case.fake.calls.take(), writes[1..], "no look is believed");
}

#[tokio::test(start_paused = true)]
async fn a_group_of_another_release_is_left_alone() {
    let case = Case::new();
    case.tag_as("another AZRebalance");
    let said = case.run("suspend").await;
    assert!(
        said.starts_with("refused: ") && said.contains("another"),
        "{said}"
    );
    assert_eq!(case.run("resume").await, "already_done");
    for step in ["let_replace", "suspend_again"] {
        let said = case.run(step).await;
        assert!(said.starts_with("refused: "), "{step}: {said}");
    }
    assert!(case.fake.calls.take().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_group_that_is_tagged_and_half_suspended_is_completed() {
    let case = Case::new();
    case.tag_as(&case.tag());
    let planned = case.planned();
    case.fake.set(|group| suspended(group, &planned[..1]));
    assert_eq!(case.run("suspend").await, "done");
    assert_eq!(case.fake.calls.take(), [format!("suspend {}", listed(&planned))]);
}

#[tokio::test(start_paused = true)]
async fn a_write_that_fails_says_what_is_known_of_it() {
    for (fault, kind) in FAULTS {
        for (step, operations) in [
            ("suspend", &["tag", "suspend"][..]),
            ("resume", &["resume", "untag"]),
            ("let_replace", &["resume", "tag"]),
            ("suspend_again", &["tag", "suspend"]),
        ] {
            for operation in operations {
                let case = if step == "suspend" {
                    Case::new()
                } else {
                    Case::rolling()
                };
                case.fake.calls.fail_once(operation, fault);
                let said = case.run(step).await;
                assert!(said.starts_with(kind), "{step}, {operation}, {fault:?}: {said}");
                let again = case.run(step).await;
                assert!(
                    again == "done" || again == "already_done",
                    "{step}, {operation}, {fault:?}: {again}"
                );
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn marked_healthy_between_health_check_and_replace_unhealthy() {
    let case = Case::rolling();
    let ill = case.fall_ill(0);
    assert_eq!(case.run("resume").await, "done");
    let writes = case.fake.calls.take();
    let others = without(&case.planned(), |process| process == Process::ReplaceUnhealthy);
    let expected = [
        format!("resume {}", listed(&others)),
        format!("set_health {ill}"),
        "resume ReplaceUnhealthy".to_owned(),
        format!("untag {GROUP_TAG}"),
    ];
    assert_eq!(writes, expected);
    assert!(case.fake.seen().suspended.is_empty());
    assert_eq!(case.run("resume").await, "already_done");
    assert!(case.fake.calls.take().is_empty());
}

#[tokio::test(start_paused = true)]
async fn where_nobody_is_marked_one_call_resumes_all() {
    let case = Case::rolling();
    assert_eq!(case.run("resume").await, "done");
    let writes = [
        format!("resume {}", listed(&case.planned())),
        format!("untag {GROUP_TAG}"),
    ];
    assert_eq!(case.fake.calls.take(), writes);
    assert!(case.fake.seen().suspended.is_empty());
}

/// HealthCheck runs again since an earlier attempt, or was never suspended: a host may be marked at any moment.
#[tokio::test(start_paused = true)]
async fn trap_04_while_health_check_runs_replacing_comes_last() {
    let begun_before = Case::rolling();
    begun_before
        .fake
        .set(|group| drop(group.suspended.remove("HealthCheck")));
    let mut never_suspended = Case::rolling();
    never_suspended.leave_health_check();
    for (name, case) in [
        ("begun before", begun_before),
        ("never suspended", never_suspended),
    ] {
        assert_eq!(case.run("resume").await, "done", "{name}");
        let writes = case.fake.calls.take();
        let last = writes.iter().rfind(|write| write.starts_with("resume "));
        assert_eq!(last.unwrap(), "resume ReplaceUnhealthy", "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_host_whose_targets_are_unhealthy_is_left_to_be_replaced() {
    let mut case = Case::rolling();
    case.state = TargetState::Unhealthy;
    case.fall_ill(0);
    assert_eq!(case.run("resume").await, "done");
    let writes = case.fake.calls.take();
    assert!(
        !writes.iter().any(|write| write.starts_with("set_health")),
        "{writes:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn in_a_deleted_target_group_nobody_has_to_be_healthy() {
    let mut case = Case::rolling();
    case.target_groups_gone = true;
    let ill = case.fall_ill(0);
    assert_eq!(case.run("resume").await, "done");
    let writes = case.fake.calls.take();
    assert!(writes.contains(&format!("set_health {ill}")), "{writes:?}");
}

#[tokio::test(start_paused = true)]
async fn only_replace_unhealthy_stays_suspended_if_marking_fails() {
    let case = Case::rolling();
    case.fall_ill(0);
    case.fake.calls.fail_once("set_health", Fault::Throttled);
    assert!(case.run("resume").await.starts_with("transient: "));
    let left: Vec<String> = case.fake.seen().suspended.into_keys().collect();
    assert_eq!(left, ["ReplaceUnhealthy"]);
    assert_eq!(case.run("resume").await, "done");
}

#[tokio::test(start_paused = true)]
async fn resumed_already_is_believed_only_at_the_second_look() {
    let case = Case::new();
    case.tag_as(&case.tag());
    case.fake.answer_old(1);
    let planned = case.planned();
    case.fake.set(|group| suspended(group, &planned));
    assert_eq!(case.run("resume").await, "done");
    assert!(case.fake.seen().suspended.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_deleted_group_counts_as_resumed_and_refuses_suspension() {
    let case = Case::new();
    *case.fake.group.lock().unwrap() = None;
    assert_eq!(case.run("resume").await, "already_done");
    let said = case.run("suspend").await;
    assert!(
        said.starts_with("refused: ") && said.ends_with("does not exist"),
        "{said}"
    );
}

#[tokio::test(start_paused = true)]
async fn replacing_is_let_and_taken_back() {
    let case = Case::rolling();
    let both = [Process::HealthCheck, Process::ReplaceUnhealthy];
    assert_eq!(case.run("let_replace").await, "done");
    let others = without(&case.planned(), |process| both.contains(&process));
    let id = case.release.request.id.to_string();
    let writes = [
        "resume HealthCheck".to_owned(),
        "resume ReplaceUnhealthy".to_owned(),
        format!("tag {}", suspension(&id, &others, &both)),
    ];
    assert_eq!(case.fake.calls.take(), writes);
    assert_eq!(case.run("suspend_again").await, "done");
    let writes = [
        format!("tag {}", case.tag()),
        format!("suspend {}", listed(&both)),
    ];
    assert_eq!(case.fake.calls.take(), writes);
}
