//! A wave of fifty hosts in three target groups: how many calls it makes.

use futures_util::future::join_all;
use tokio::time::sleep;

use super::*;
use crate::aws::Batches;

const LATENCY: Duration = Duration::from_millis(50);
const HOSTS: usize = 50;
const GROUPS: usize = 3;

/// Counts by name.
#[derive(Debug, Default)]
struct Counts(Mutex<BTreeMap<&'static str, usize>>);

impl Counts {
    fn add(&self, name: &'static str) {
        *self.0.lock().unwrap().entry(name).or_default() += 1;
    }

    fn take(&self) -> BTreeMap<&'static str, usize> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// A fleet behind the same batches as the adapter has: what the steps ask for, and what AWS is asked.
struct Region {
    fake: Fake,
    asked: Counts,
    made: Counts,
    registering: Batches<TargetId, (), AwsError>,
    deregistering: Batches<TargetId, (), AwsError>,
    untagging: Batches<String, (), AwsError>,
    instances: Batches<String, Vec<Instance>, AwsError>,
    groups: Batches<(), Option<Group>, AwsError>,
}

impl Region {
    fn of(fake: Fake) -> Self {
        let (of_one, of_all) = (AwsError::is_invalid_target, |_: &AwsError| false);
        Self {
            fake,
            asked: Counts::default(),
            made: Counts::default(),
            registering: Batches::new(100, of_one),
            deregistering: Batches::new(100, of_one),
            untagging: Batches::new(100, of_one),
            instances: Batches::new(1000, of_all),
            groups: Batches::new(1, of_all),
        }
    }

    async fn make<T>(&self, name: &'static str, call: impl Future<Output = T>) -> T {
        self.made.add(name);
        sleep(LATENCY).await;
        call.await
    }
}

impl MembershipPort for Region {
    async fn instances_by_ids(&self, ids: &[String]) -> Result<Vec<Instance>, AwsError> {
        self.asked.add("DescribeInstances");
        let call = |ids: Vec<String>| async move {
            let look = self.fake.instances_by_ids(&ids);
            self.make("DescribeInstances", look).await
        };
        let mut found = self.instances.join("", ids.iter().cloned(), call).await?;
        found.retain(|instance| ids.contains(&instance.id));
        Ok(found)
    }

    async fn group_by_name(&self, name: &str) -> Result<Option<Group>, AwsError> {
        self.asked.add("DescribeAutoScalingGroups");
        let call = |_| self.make("DescribeAutoScalingGroups", self.fake.group_by_name(name));
        self.groups.join(name, [()], call).await
    }
}

impl TargetPort for Region {
    async fn register(&self, arn: &str, target: &TargetId) -> Result<(), AwsError> {
        self.asked.add("RegisterTargets");
        let call = |targets: Vec<TargetId>| async move {
            let write = async {
                for target in &targets {
                    self.fake.register(arn, target).await?;
                }
                Ok(())
            };
            self.make("RegisterTargets", write).await
        };
        self.registering.join(arn, [target.clone()], call).await
    }

    async fn deregister(&self, arn: &str, target: &TargetId) -> Result<(), AwsError> {
        self.asked.add("DeregisterTargets");
        let call = |targets: Vec<TargetId>| async move {
            let write = async {
                for target in &targets {
                    self.fake.deregister(arn, target).await?;
                }
                Ok(())
            };
            self.make("DeregisterTargets", write).await
        };
        self.deregistering.join(arn, [target.clone()], call).await
    }

    async fn tag_instance(&self, id: &str, tags: &[(String, String)]) -> Result<(), AwsError> {
        self.make("CreateTags", self.fake.tag_instance(id, tags)).await
    }

    async fn untag_instance(&self, id: &str, keys: &[String]) -> Result<(), AwsError> {
        self.asked.add("DeleteTags");
        let call = |ids: Vec<String>| async move {
            let write = async {
                for id in &ids {
                    self.fake.untag_instance(id, keys).await?;
                }
                Ok(())
            };
            self.make("DeleteTags", write).await
        };
        self.untagging.join(&keys.join("\n"), [id.to_owned()], call).await
    }
}

/// Hosts of one Auto Scaling group, each in three target groups that keep so many.
fn wave(floor: usize) -> (Case, Region) {
    let mut case = Case::new(World::new(HOSTS, 1).in_two_groups());
    case.change_plan(|plan| {
        let mut third = plan.target_groups.values().next().unwrap().clone();
        third.name = "third".to_owned();
        plan.target_groups.insert("arn:third".to_owned(), third);
        for group in plan.target_groups.values_mut() {
            group.floor = u32::try_from(floor).unwrap();
        }
        for host in &mut plan.hosts {
            host.group = Some("fleet".to_owned());
            let mut target = host.targets[0].clone();
            target.target_group = "arn:third".to_owned();
            host.targets.push(target);
        }
    });
    for target in case.plan().hosts.iter().flat_map(|host| &host.targets) {
        case.fake.set(target, Some(TargetState::Healthy));
    }
    *case.fake.group.lock().unwrap() = Some(group_of(case.plan()));
    let region = Region::of(std::mem::take(&mut case.fake));
    (case, region)
}

fn group_of(plan: &Plan) -> Group {
    let member = |host: &HostPlan| Member {
        id: host.instance.clone(),
        lifecycle: "InService".to_owned(),
        health: "Healthy".to_owned(),
        zone: host.zone.clone(),
        protected_from_scale_in: false,
    };
    Group {
        name: "fleet".to_owned(),
        arn: String::new(),
        suspended: BTreeMap::new(),
        tags: BTreeMap::new(),
        members: plan.hosts.iter().map(member).collect(),
        target_group_arns: Vec::new(),
        classic_load_balancers: Vec::new(),
        traffic_sources: Vec::new(),
        health_check_type: "ELB".to_owned(),
        desired: 0,
        min: 0,
        max: 0,
        warm_pool: false,
        max_instance_lifetime_s: None,
    }
}

/// The outcomes of these hosts' phase, performed side by side.
async fn all_at_once(case: &Case, region: &Region, hosts: &[HostPlan], phase: Phase) -> Vec<String> {
    let task = task(&case.release);
    let registration = Registration {
        targets: region,
        seen: TargetHealth {
            health: &region.fake,
            members: region,
            task,
        },
        on_host: &region.fake,
        task,
    };
    let (registration, direction) = (&registration, Direction::Forward);
    let run = |host| async move {
        match phase {
            Phase::Deregister => registration.deregister(host, direction).await,
            Phase::Register => registration.register(host, direction).await,
            _ => registration.await_healthy(host, direction).await,
        }
    };
    let outcomes = join_all(hosts.iter().map(run)).await;
    outcomes.iter().map(told).collect()
}

/// A call, how often the steps ask for it, and how often it may be made: with each group that hosts pass one
/// after the other, one more of them runs ahead.
type Most = (&'static str, usize, usize);

#[tokio::test(start_paused = true)]
async fn a_wave_makes_few_calls_however_many_hosts_it_has() {
    let (case, region) = wave(0);
    let hosts = &case.plan().hosts;
    let phases: [(Phase, &[Most]); 3] = [
        (
            Phase::Deregister,
            &[("DeregisterTargets", HOSTS * GROUPS, 3 * GROUPS)],
        ),
        (
            Phase::Register,
            &[
                ("RegisterTargets", HOSTS * GROUPS, 5 * GROUPS),
                ("DescribeInstances", HOSTS, 2),
                ("DescribeAutoScalingGroups", HOSTS, 3),
            ],
        ),
        (Phase::AwaitHealthy, &[("DeleteTags", HOSTS, 2)]),
    ];
    for (phase, counts) in phases {
        let outcomes = all_at_once(&case, &region, hosts, phase).await;
        assert_eq!(outcomes, vec!["done"; HOSTS], "{phase}");
        let (asked, made) = (region.asked.take(), region.made.take());
        for (name, asks, most) in counts {
            assert_eq!(asked[name], *asks, "{phase}, {name}");
            assert!(made[name] <= *most, "{phase}, {name}: {made:?}");
        }
        let tags = made.get("CreateTags").copied().unwrap_or(0);
        let (expected, state) = match phase {
            Phase::Deregister => (HOSTS, TargetState::Draining),
            _ => (0, TargetState::Healthy),
        };
        assert_eq!(tags, expected, "{phase}");
        let mut targets = hosts.iter().flat_map(|host| &host.targets);
        let reached = |target| region.fake.of(target) == Some(state.clone());
        assert!(targets.all(reached), "{phase}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_floor_miss_of_many_hosts_costs_a_handful_of_calls() {
    let (case, region) = wave(HOSTS / 2);
    let (asking, missing) = case.plan().hosts.split_at(HOSTS / 2);
    for target in missing.iter().flat_map(|host| &host.targets) {
        region.fake.set(target, Some(TargetState::Unhealthy));
    }
    // They have left, which is believed at the second look, and lower the floor.
    for host in &missing[..5] {
        region.fake.is_in_ec2(&host.instance, "terminated");
    }
    let outcomes = all_at_once(&case, &region, asking, Phase::Deregister).await;
    assert_eq!(outcomes, vec!["done"; HOSTS / 2]);
    let made = region.made.take();
    for name in ["DescribeInstances", "DescribeAutoScalingGroups"] {
        assert!(made[name] <= 6, "{name}: {made:?}");
    }
}
