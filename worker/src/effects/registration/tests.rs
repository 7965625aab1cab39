mod vanished;
mod wave;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use drawgate_rehearsal::World;
use drawgate_rollout::{LeftOut, OtherTarget, Plan, Release};

use super::super::fakes::{Calls, FAULTS, Fault, Old, release, task, told};
use super::*;
use crate::aws::{AwsError, Group, Instance, Member, Target, Targets};

/// The targets of a fleet whose instances have no Auto Scaling group, and its hosts.
#[derive(Default)]
struct Fake {
    /// The state of each target that is registered, by ARN and id.
    states: Mutex<BTreeMap<(String, String), TargetState>>,
    old: Old<BTreeMap<(String, String), TargetState>>,
    /// Target groups that were deleted.
    deleted: Mutex<BTreeSet<String>>,
    /// An Auto Scaling group, where the hosts are in one.
    group: Mutex<Option<Group>>,
    /// EC2's state of an instance; `running` where nothing stands here.
    instances: Mutex<BTreeMap<String, String>>,
    /// The state of a target once it is registered.
    becomes: Mutex<Option<TargetState>>,
    open: Mutex<Option<u64>>,
    ended: Mutex<bool>,
    /// How often the targets of a group were looked at.
    looks: Mutex<u32>,
    calls: Calls,
}

impl Fake {
    fn set(&self, target: &TargetPlan, state: Option<TargetState>) {
        let key = (target.target_group.clone(), target.id.clone());
        let mut states = self.states.lock().unwrap();
        match state {
            Some(state) => states.insert(key, state),
            None => states.remove(&key),
        };
    }

    fn of(&self, target: &TargetPlan) -> Option<TargetState> {
        let key = (target.target_group.clone(), target.id.clone());
        self.states.lock().unwrap().get(&key).cloned()
    }

    fn is_in_ec2(&self, id: &str, state: &str) {
        self.instances
            .lock()
            .unwrap()
            .insert(id.to_owned(), state.to_owned());
    }

    /// Deletes a target group, with its targets.
    fn delete(&self, arn: &str) {
        self.deleted.lock().unwrap().insert(arn.to_owned());
        self.states.lock().unwrap().retain(|(group, _), _| group != arn);
    }

    /// Writes to a target group, which has to be there.
    fn in_group(
        &self,
        operation: &'static str,
        arn: &str,
        target: &TargetId,
        state: TargetState,
    ) -> Result<(), AwsError> {
        if self.deleted.lock().unwrap().contains(arn) {
            self.calls
                .fail_once(operation, Fault::RefusedAs("TargetGroupNotFound"));
        }
        self.calls.write(operation, &target.id, || {
            let key = (arn.to_owned(), target.id.clone());
            self.states.lock().unwrap().insert(key, state);
        })
    }

    /// The next looks see the targets as they are now, whatever is written.
    fn answer_old(&self, looks: u32) {
        self.old.answer(self.states.lock().unwrap().clone(), looks);
    }
}

impl HealthPort for &Fake {
    /// As the shared look, waits for its next turn.
    async fn targets(&self, arn: &str, _not_before: Instant) -> Result<Targets, AwsError> {
        tokio::time::sleep(Duration::from_secs(1)).await;
        *self.looks.lock().unwrap() += 1;
        if self.deleted.lock().unwrap().contains(arn) {
            return Ok(None);
        }
        let seen = self.old.or(self.states.lock().unwrap().clone());
        let of_group = seen.into_iter().filter(|((group, _), _)| group == arn);
        let target = |((_, id), state): ((String, String), TargetState)| Target {
            id,
            port: 8080,
            zone: None,
            state,
            reason: None,
            description: None,
        };
        Ok(Some(of_group.map(target).collect()))
    }
}

impl MembershipPort for Fake {
    async fn instances_by_ids(&self, ids: &[String]) -> Result<Vec<Instance>, AwsError> {
        let states = self.instances.lock().unwrap();
        let instance = |id: &String| Instance {
            id: id.clone(),
            state: states.get(id).cloned().unwrap_or_else(|| "running".to_owned()),
            private_addresses: Vec::new(),
            zone: String::new(),
            tags: BTreeMap::new(),
            vpc: None,
            launched_at: None,
        };
        Ok(ids.iter().map(instance).collect())
    }

    async fn group_by_name(&self, _name: &str) -> Result<Option<Group>, AwsError> {
        Ok(self.group.lock().unwrap().clone())
    }
}

impl TargetPort for Fake {
    async fn register(&self, arn: &str, target: &TargetId) -> Result<(), AwsError> {
        let state = self.becomes.lock().unwrap().clone();
        self.in_group("register", arn, target, state.unwrap_or(TargetState::Healthy))
    }

    async fn deregister(&self, arn: &str, target: &TargetId) -> Result<(), AwsError> {
        self.in_group("deregister", arn, target, TargetState::Draining)
    }

    async fn tag_instance(&self, _id: &str, tags: &[(String, String)]) -> Result<(), AwsError> {
        let tags: Vec<String> = tags.iter().map(|(key, value)| format!("{key} {value}")).collect();
        self.calls.write("tag", &tags.join(" + "), || ())
    }

    async fn untag_instance(&self, _id: &str, keys: &[String]) -> Result<(), AwsError> {
        self.calls.write("untag", &keys.join(" + "), || ())
    }
}

impl HostPort for Fake {
    async fn open_connections(&self, _host: &HostPlan, _port: u16) -> Option<u64> {
        *self.open.lock().unwrap()
    }

    async fn still_serves(
        &self,
        _task: Task<'_>,
        _host: &HostPlan,
        _direction: Direction,
        _restarts: &mut Option<u64>,
    ) -> Effect<()> {
        match *self.ended.lock().unwrap() {
            true => super::super::outcome::refused("the container ended"),
            false => Ok(()),
        }
    }
}

struct Case {
    release: Release,
    fake: Fake,
}

impl Case {
    fn new(world: World) -> Self {
        let mut release = release(world);
        let mut plan = release.plan.as_deref().unwrap().clone();
        for host in &mut plan.hosts {
            host.group = None;
        }
        release.plan = Some(plan.into());
        let case = Self {
            release,
            fake: Fake::default(),
        };
        for target in case.plan().hosts.iter().flat_map(|host| &host.targets) {
            case.fake.set(target, Some(TargetState::Healthy));
        }
        case
    }

    fn two() -> Self {
        Self::new(World::new(2, 1))
    }

    fn change_plan(&mut self, act: impl FnOnce(&mut Plan)) {
        act(Arc::make_mut(self.release.plan.as_mut().unwrap()));
    }

    fn plan(&self) -> &Plan {
        self.release.plan.as_deref().unwrap()
    }

    fn host(&self) -> &HostPlan {
        &self.plan().hosts[0]
    }

    fn target(&self) -> &TargetPlan {
        &self.host().targets[0]
    }

    async fn run(&self, phase: Phase, direction: Direction) -> StepOutcome {
        let task = task(&self.release);
        let registration = Registration {
            targets: &self.fake,
            seen: TargetHealth {
                health: &self.fake,
                members: &self.fake,
                task,
            },
            on_host: &self.fake,
            task,
        };
        match phase {
            Phase::Deregister => registration.deregister(self.host(), direction).await,
            Phase::Drain => registration.drain(self.host(), direction).await,
            Phase::Register => registration.register(self.host(), direction).await,
            _ => registration.await_healthy(self.host(), direction).await,
        }
    }

    async fn forward(&self, phase: Phase) -> String {
        told(&self.run(phase, Direction::Forward).await)
    }
}

fn obstacle(outcome: &StepOutcome) -> Option<&Obstacle> {
    outcome.failure()?.obstacle.as_deref()
}

#[tokio::test(start_paused = true)]
async fn a_host_is_tagged_before_it_is_deregistered() {
    let case = Case::two();
    assert_eq!(case.forward(Phase::Deregister).await, "done");
    let id = &case.target().id;
    let release = case.release.request.id;
    let writes = [
        format!("tag drawgate:target:web:8080 {release} {id} 8080 -"),
        format!("deregister {id}"),
    ];
    assert_eq!(case.fake.calls.take(), writes);
    assert_eq!(case.forward(Phase::Deregister).await, "already_done");
    assert!(case.fake.calls.take().is_empty());
}

#[tokio::test(start_paused = true)]
async fn one_call_writes_all_tags_and_one_removes_them() {
    let case = Case::new(World::new(2, 1).in_two_groups());
    assert_eq!(case.forward(Phase::Deregister).await, "done");
    let writes = case.fake.calls.take();
    let tagged = |write: &&String| write.starts_with("tag ");
    assert_eq!(writes.iter().filter(tagged).count(), 1, "{writes:?}");
    assert_eq!(writes[0].matches("drawgate:target:").count(), 2, "{writes:?}");
    assert_eq!(case.forward(Phase::Register).await, "done");
    assert_eq!(case.forward(Phase::AwaitHealthy).await, "done");
    let writes = case.fake.calls.take();
    assert_eq!(
        writes[2..],
        ["untag drawgate:target:web:8080 + drawgate:target:admin:8080"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_group_that_is_throttled_keeps_a_host_out_of_no_other() {
    let mut case = Case::new(World::new(2, 1).in_two_groups());
    for target in &case.host().targets {
        case.fake.set(target, None);
    }
    case.fake.calls.fail_once("register", Fault::Throttled);
    let said = case.forward(Phase::Register).await;
    assert!(said.starts_with("transient: "), "{said}");
    assert_eq!(case.fake.calls.take().len(), 2);
    assert_eq!(case.fake.of(case.target()), None);
    // The next attempt registers what is missing, and nothing else.
    let step = Step::on_host(&case.host().instance.clone(), Direction::Forward, Phase::Register);
    case.release.change_steps(|steps| {
        steps.change(&step, |state| state.attempts = 2);
    });
    assert_eq!(case.forward(Phase::Register).await, "done");
    assert_eq!(case.fake.calls.take().len(), 1);
    assert_eq!(case.fake.of(case.target()), Some(TargetState::Healthy));
}

#[tokio::test(start_paused = true)]
async fn a_host_that_is_half_out_is_taken_out_of_the_other_group() {
    let case = Case::new(World::new(2, 1).in_two_groups());
    case.fake.set(case.target(), Some(TargetState::Draining));
    assert_eq!(case.forward(Phase::Deregister).await, "done");
    let writes = case.fake.calls.take();
    assert!(
        writes[0].starts_with("tag drawgate:target:admin:8080"),
        "{writes:?}"
    );
    assert_eq!(writes.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_floor_keeps_a_host_in_service() {
    let case = Case::two();
    let other = &case.plan().hosts[1].targets[0];
    case.fake.set(other, Some(TargetState::Unhealthy));
    let outcome = case.run(Phase::Deregister, Direction::Forward).await;
    assert!(
        matches!(obstacle(&outcome), Some(Obstacle::Floor(kept)) if kept.healthy == 1 && kept.floor == 1),
        "{outcome:?}"
    );
    assert!(matches!(outcome, StepOutcome::Transient { .. }), "{outcome:?}");
    assert!(case.fake.calls.take().is_empty());
}

/// A host that does not answer may fail at any moment, so that the floor does not rest on it.
#[tokio::test(start_paused = true)]
async fn a_host_that_is_left_out_holds_no_floor() {
    let mut case = Case::new(World::new(3, 1));
    case.change_plan(|plan| {
        let host = plan.hosts.remove(2);
        let why = "no answer".to_owned();
        plan.left_out.push(LeftOut { host, why });
    });
    let outcome = case.run(Phase::Deregister, Direction::Forward).await;
    assert!(
        matches!(obstacle(&outcome), Some(Obstacle::Floor(kept)) if kept.healthy == 2 && kept.floor == 2),
        "{outcome:?}"
    );
}

/// Where each zone serves itself: the zone of the first host has another one of the fleet, and a target of another service.
#[tokio::test(start_paused = true)]
async fn another_services_target_keeps_the_floor_of_its_zone() {
    let mut case = Case::new(World::new(4, 1));
    let (zone, mut other) = (case.host().zone.clone(), case.target().clone());
    "i-other".clone_into(&mut other.id);
    case.change_plan(|plan| {
        let group = plan.target_groups.get_mut(&other.target_group).unwrap();
        group.zone_floors = BTreeMap::from([(zone.clone(), 2)]);
        group.others = vec![OtherTarget {
            id: other.id.clone(),
            port: other.port,
            zone: zone.clone(),
            healthy: true,
        }];
    });
    for (state, expected) in [(TargetState::Healthy, true), (TargetState::Unhealthy, false)] {
        case.fake.set(&other, Some(state.clone()));
        let outcome = case.run(Phase::Deregister, Direction::Forward).await;
        let is_kept = matches!(obstacle(&outcome), Some(Obstacle::Floor(kept)) if kept.zone.is_some());
        assert_eq!(!is_kept, expected, "{state}: {outcome:?}");
        case.fake.set(case.target(), Some(TargetState::Healthy));
    }
}

#[tokio::test(start_paused = true)]
async fn a_drain_ends_when_the_target_is_gone() {
    let case = Case::two();
    case.fake.set(case.target(), Some(TargetState::Draining));
    case.fake.answer_old(3);
    case.fake.set(case.target(), None);
    assert_eq!(case.forward(Phase::Drain).await, "done");
    assert!(case.fake.calls.take().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_group_that_nobody_uses_drains_nothing() {
    let mut case = Case::new(World::new(2, 1).in_two_groups());
    case.change_plan(|plan| plan.hosts[0].targets[1].state_before = "unused".to_owned());
    let spare = &case.host().targets[1];
    let of_the_other = &case.plan().hosts[1].targets[1];
    case.fake.set(of_the_other, Some(TargetState::Unused));
    case.fake.set(case.target(), None);
    case.fake.set(spare, Some(TargetState::Draining));
    assert_eq!(case.forward(Phase::Drain).await, "done");
    // Taken into use meanwhile and registered again, it is deregistered as any other.
    case.fake.set(of_the_other, Some(TargetState::Healthy));
    case.fake.set(spare, Some(TargetState::Healthy));
    let said = case.forward(Phase::Drain).await;
    assert!(said.starts_with("transient: still draining in admin"), "{said}");
    assert_eq!(case.fake.calls.take().len(), 2, "a tag and a deregistering");
    case.fake.set(spare, None);
    // It is registered again with the others.
    assert_eq!(case.forward(Phase::Register).await, "done");
    assert_eq!(case.fake.of(spare), Some(TargetState::Healthy));
}

/// The other target of the group tells that a load balancer uses it now.
#[tokio::test(start_paused = true)]
async fn a_spare_group_that_was_taken_into_use_is_drained() {
    let mut case = Case::new(World::new(2, 1).in_two_groups());
    case.change_plan(|plan| plan.hosts[0].targets[1].state_before = "unused".to_owned());
    case.fake.set(case.target(), None);
    case.fake
        .set(&case.host().targets[1], Some(TargetState::Draining));
    let said = case.forward(Phase::Drain).await;
    assert!(said.starts_with("transient: still draining in admin"), "{said}");
}

#[tokio::test(start_paused = true)]
async fn an_endless_drain_is_transient_and_counts_connections() {
    let case = Case::two();
    case.fake.set(case.target(), Some(TargetState::Draining));
    *case.fake.open.lock().unwrap() = Some(7);
    let said = case.forward(Phase::Drain).await;
    assert!(
        said.starts_with("transient: still draining in web") && said.contains("7 connections"),
        "{said}"
    );
    *case.fake.open.lock().unwrap() = None;
    let said = case.forward(Phase::Drain).await;
    assert!(said.ends_with("could not be counted"), "{said}");
}

#[tokio::test(start_paused = true)]
async fn a_target_registered_again_is_deregistered_once_more() {
    let case = Case::two();
    let said = case.forward(Phase::Drain).await;
    assert!(said.starts_with("transient: "), "{said}");
    let deregistered = format!("deregister {}", case.target().id);
    assert!(case.fake.calls.take().contains(&deregistered));
    assert_eq!(case.fake.of(case.target()), Some(TargetState::Draining));
}

#[tokio::test(start_paused = true)]
async fn connections_that_outlast_the_drain_are_told() {
    let mut case = Case::two();
    case.change_plan(|plan| {
        for group in plan.target_groups.values_mut() {
            group.keeps_connections = true;
        }
    });
    case.fake.set(case.target(), None);
    *case.fake.open.lock().unwrap() = Some(2);
    let outcome = case.run(Phase::Drain, Direction::Forward).await;
    assert!(
        matches!(
            &outcome,
            StepOutcome::Done {
                evidence: Evidence::Outlasted { connections: 2, .. }
            }
        ),
        "{outcome:?}"
    );
    *case.fake.open.lock().unwrap() = Some(0);
    assert_eq!(case.forward(Phase::Drain).await, "done");
}

#[tokio::test(start_paused = true)]
async fn only_a_member_is_registered() {
    let case = Case::two();
    case.fake.set(case.target(), None);
    case.fake.is_in_ec2(&case.host().instance, "pending");
    assert!(case.forward(Phase::Register).await.starts_with("transient: "));
    case.fake.is_in_ec2(&case.host().instance, "terminated");
    let outcome = case.run(Phase::Register, Direction::Forward).await;
    assert!(
        matches!(
            &outcome,
            StepOutcome::Done {
                evidence: Evidence::Gone { .. }
            }
        ),
        "{outcome:?}"
    );
    assert!(case.fake.calls.take().is_empty());
    case.fake.is_in_ec2(&case.host().instance, "running");
    assert_eq!(case.forward(Phase::Register).await, "done");
    assert_eq!(case.fake.of(case.target()), Some(TargetState::Healthy));
}

#[tokio::test(start_paused = true)]
async fn a_host_keeps_its_tag_until_it_is_healthy() {
    let case = Case::two();
    case.fake.set(case.target(), Some(TargetState::Unhealthy));
    let outcome = case.run(Phase::AwaitHealthy, Direction::Forward).await;
    assert!(
        matches!(obstacle(&outcome), Some(Obstacle::Unhealthy { target_group }) if *target_group == case.target().target_group),
        "{outcome:?}"
    );
    assert!(case.fake.calls.take().is_empty());
    case.fake.set(case.target(), Some(TargetState::Healthy));
    assert_eq!(case.forward(Phase::AwaitHealthy).await, "done");
    assert_eq!(case.fake.calls.take(), ["untag drawgate:target:web:8080"]);
}

#[tokio::test(start_paused = true)]
async fn a_host_is_healthy_for_one_further_check_before_it_counts() {
    let mut case = Case::two();
    case.change_plan(|plan| {
        plan.definition.roll.min_healthy_time_ms = 10_000;
        for group in plan.target_groups.values_mut() {
            group.check_interval_s = 30;
        }
    });
    let begun = Instant::now();
    assert_eq!(case.forward(Phase::AwaitHealthy).await, "done");
    let took = begun.elapsed();
    assert!(
        took >= Duration::from_secs(30) && took < Duration::from_secs(35),
        "{took:?}"
    );
}

/// One look that finds it healthy, and one after the further check.
#[tokio::test(start_paused = true)]
async fn a_host_that_stays_healthy_costs_two_looks() {
    let mut case = Case::two();
    case.change_plan(|plan| {
        for group in plan.target_groups.values_mut() {
            group.check_interval_s = 30;
        }
    });
    assert_eq!(case.forward(Phase::AwaitHealthy).await, "done");
    assert_eq!(*case.fake.looks.lock().unwrap(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_container_that_ends_between_two_looks_is_noticed() {
    let mut case = Case::two();
    case.change_plan(|plan| {
        for group in plan.target_groups.values_mut() {
            group.check_interval_s = 30;
        }
    });
    let begun = Instant::now();
    let ends = async {
        tokio::time::sleep(Duration::from_secs(10)).await;
        *case.fake.ended.lock().unwrap() = true;
    };
    let (said, ()) = tokio::join!(case.forward(Phase::AwaitHealthy), ends);
    assert_eq!(said, "refused: the container ended");
    let took = begun.elapsed();
    assert!(
        took < Duration::from_secs(10) + 2 * task(&case.release).poll(),
        "{took:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_target_that_is_missing_for_long_is_registered_again() {
    let case = Case::two();
    case.fake.set(case.target(), None);
    assert_eq!(case.forward(Phase::AwaitHealthy).await, "done");
    let writes = case.fake.calls.take();
    assert_eq!(writes[0], format!("register {}", case.target().id));
    assert_eq!(writes.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_answer_older_than_the_registering_causes_no_second_one() {
    let case = Case::two();
    case.fake.set(case.target(), None);
    case.fake.answer_old(2);
    case.fake.set(case.target(), Some(TargetState::Healthy));
    assert_eq!(case.forward(Phase::AwaitHealthy).await, "done");
    assert_eq!(case.fake.calls.take(), ["untag drawgate:target:web:8080"]);
}

#[tokio::test(start_paused = true)]
async fn a_container_that_ends_ends_the_wait_for_health() {
    let case = Case::two();
    *case.fake.ended.lock().unwrap() = true;
    assert_eq!(
        case.forward(Phase::AwaitHealthy).await,
        "refused: the container ended"
    );
}

#[tokio::test(start_paused = true)]
async fn a_rollback_awaits_only_what_was_healthy_before() {
    let mut case = Case::two();
    case.change_plan(|plan| plan.hosts[0].targets[0].state_before = "unhealthy".to_owned());
    case.fake.set(case.target(), Some(TargetState::Unhealthy));
    let back = case.run(Phase::AwaitHealthy, Direction::Back).await;
    assert_eq!(told(&back), "done");
    assert!(case.forward(Phase::AwaitHealthy).await.starts_with("transient: "));
}

#[tokio::test(start_paused = true)]
async fn a_write_that_fails_says_what_is_known_of_it() {
    for (fault, kind) in FAULTS {
        for (phase, operation) in [
            (Phase::Deregister, "tag"),
            (Phase::Deregister, "deregister"),
            (Phase::Register, "register"),
            (Phase::AwaitHealthy, "untag"),
        ] {
            let case = Case::two();
            case.fake.calls.fail_once(operation, fault);
            let said = case.forward(phase).await;
            assert!(said.starts_with(kind), "{operation}, {fault:?}: {said}");
            let again = case.forward(phase).await;
            assert!(
                again == "done" || again == "already_done",
                "{operation}, {fault:?}: {again}"
            );
        }
    }
}
