//! The search for target groups, on a fake of Elastic Load Balancing.

use std::pin::Pin;
use std::sync::Mutex;

use drawgate_rollout::limits;
use tokio::time::timeout;

use super::super::super::fakes::told;
use super::*;
use crate::aws::{AwsError, Limiter, RateShare, SharedPoll, TargetGroupAttributes, TargetState, Targets};

const DESCRIBE: &str = "elasticloadbalancing:DescribeTargetHealth";

/// Target groups with their targets.
#[derive(Default)]
struct Balancing {
    groups: Vec<TargetGroup>,
    /// Ids of targets, each with its zone, by ARN; all of them are healthy.
    targets: BTreeMap<String, Vec<(String, Option<&'static str>)>>,
    /// ARNs of what was deleted after the groups were listed, before anything else was asked.
    gone: BTreeSet<String>,
    /// ARNs of groups that were deleted after their targets were seen.
    going: BTreeSet<String>,
    /// ARNs of groups whose next look is throttled.
    throttled: Mutex<BTreeSet<String>>,
    asked: Mutex<Vec<String>>,
    /// The pace of the worker's calls, where they have one.
    limiter: Option<Arc<Limiter>>,
}

impl Balancing {
    fn with(groups: Vec<TargetGroup>) -> Self {
        Self {
            groups,
            ..Self::default()
        }
    }

    fn register(self, group: &str, id: &str) -> Self {
        self.register_in(group, id, None)
    }

    fn register_in(mut self, group: &str, id: &str, zone: Option<&'static str>) -> Self {
        let targets = self.targets.entry(format!("arn:{group}")).or_default();
        targets.push((id.to_owned(), zone));
        self
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

fn error(code: &str) -> AwsError {
    let (code, message) = (code.to_owned(), "so".to_owned());
    match code.as_str() {
        "Throttling" => AwsError::Throttled {
            operation: DESCRIBE,
            code,
            message,
        },
        _ => AwsError::Refused {
            operation: DESCRIBE,
            code,
            message,
        },
    }
}

impl HealthPort for &Balancing {
    async fn targets(&self, arn: &str, _not_before: Instant) -> Result<Targets, AwsError> {
        if let Some(limiter) = &self.limiter {
            limiter.admit(DESCRIBE).await.attempt();
        }
        self.asked.lock().unwrap().push(arn.to_owned());
        if self.throttled.lock().unwrap().remove(arn) {
            return Err(error("Throttling"));
        }
        if self.gone.contains(arn) {
            return Ok(None);
        }
        let ids = self.targets.get(arn).into_iter().flatten();
        let target = |(id, zone): &(String, Option<&str>)| Target {
            id: id.clone(),
            port: 8080,
            zone: zone.map(str::to_owned),
            state: TargetState::Healthy,
            reason: None,
            description: None,
        };
        Ok(Some(ids.map(target).collect()))
    }
}

impl GroupPort for Balancing {
    async fn target_groups(&self) -> Result<Vec<TargetGroup>, AwsError> {
        Ok(self.groups.clone())
    }

    async fn attributes(&self, arn: &str) -> Result<TargetGroupAttributes, AwsError> {
        if self.gone.contains(arn) || self.going.contains(arn) {
            return Err(error("TargetGroupNotFound"));
        }
        Ok(TargetGroupAttributes {
            deregistration_delay_s: 300,
            slow_start_s: 0,
            ends_connections: false,
            cross_zone: None,
            dns_failover: Default::default(),
            unhealthy_state_routing: Default::default(),
            all: BTreeMap::new(),
        })
    }

    async fn balances_across_zones(&self, load_balancer: &str) -> Result<bool, AwsError> {
        match self.gone.contains(load_balancer) {
            true => Err(error("LoadBalancerNotFound")),
            false => Ok(false),
        }
    }

    async fn zones(&self, instances: &[String]) -> Result<BTreeMap<String, String>, AwsError> {
        let zone = |id: &String| (id.clone(), "us-west-2c".to_owned());
        Ok(instances.iter().map(zone).collect())
    }

    fn pace(&self) -> Duration {
        let limiter = self.limiter.as_ref();
        limiter.map_or(Duration::ZERO, |limiter| limiter.pace(DESCRIBE))
    }
}

async fn find(balancing: &Balancing, known: &Known<'_>) -> Effect<Found> {
    let search = Search {
        groups: balancing,
        health: balancing,
        known,
    };
    search.find().await
}

fn names(found: &Found) -> Vec<&str> {
    found
        .target_groups
        .iter()
        .map(|group| group.name.as_str())
        .collect()
}

/// The same instance in these groups of its VPC, each behind a load balancer of its own that passes connections.
fn behind_load_balancers(names: &[&str]) -> Balancing {
    let of = |name: &&str| TargetGroup {
        protocol: "TCP".to_owned(),
        load_balancers: vec![format!("arn:balancer-of-{name}")],
        ..group(name, HERE, "instance")
    };
    let all = Balancing::with(names.iter().map(of).collect());
    names.iter().fold(all, |all, name| all.register(name, "i-1"))
}

#[tokio::test]
async fn a_load_balancer_that_is_gone_balances_nothing() {
    let instances = [instance("i-1", HERE)];
    let known = known(&instances, &["web"], None);
    let mut balancing = behind_load_balancers(&["web", "admin"]);
    balancing.gone.insert("arn:balancer-of-web".to_owned());
    let found = find(&balancing, &known).await.ok().unwrap();
    let zonal: Vec<bool> = found.target_groups.iter().map(|group| group.zonal).collect();
    assert_eq!((names(&found), zonal), (vec!["web", "admin"], vec![false, true]));
}

#[tokio::test]
async fn a_group_that_is_gone_since_it_was_listed_has_no_hosts() {
    let instances = [instance("i-1", HERE)];
    let known = known(&instances, &["before", "after"], None);
    let mut balancing = behind_load_balancers(&["before", "after", "other", "web"]);
    balancing
        .gone
        .extend(["arn:before".to_owned(), "arn:other".to_owned()]);
    balancing.going.insert("arn:after".to_owned());
    let found = find(&balancing, &known).await.ok().unwrap();
    assert_eq!(names(&found), ["web"]);
    assert_eq!(found.registrations["i-1"].len(), 1);
}

#[tokio::test]
async fn a_throttled_group_keeps_no_other_from_being_asked() {
    let instances = [instance("i-1", HERE)];
    let known = known(&instances, &[], None);
    let groups = (0..20).map(|number| group(&format!("g{number:02}"), HERE, "instance"));
    let balancing = Balancing::with(groups.collect()).register("g19", "i-1");
    balancing.throttled.lock().unwrap().insert("arn:g03".to_owned());
    let failed = find(&balancing, &known).await.err().unwrap();
    assert!(told(&failed).starts_with("transient: "), "{failed:?}");
    let asked: BTreeSet<String> = balancing.asked().into_iter().collect();
    assert_eq!(asked.len(), 20);
    let found = find(&balancing, &known).await.ok().unwrap();
    assert_eq!(names(&found), ["g19"]);
}

type Fetched = Pin<Box<dyn Future<Output = Result<Targets, AwsError>> + Send>>;
type Fetch = Box<dyn Fn(String) -> Fetched + Send + Sync>;

/// The shared look, which keeps the answers.
struct Kept(SharedPoll<Fetch, Targets>);

impl Kept {
    fn of(balancing: &Arc<Balancing>) -> Self {
        let balancing = Arc::clone(balancing);
        let fetch: Fetch = Box::new(move |arn| {
            let balancing = Arc::clone(&balancing);
            Box::pin(async move { (&*balancing).targets(&arn, Instant::now()).await })
        });
        Self(SharedPoll::new(fetch, Duration::from_secs(1)))
    }
}

impl HealthPort for &Kept {
    async fn targets(&self, arn: &str, not_before: Instant) -> Result<Targets, AwsError> {
        Ok(self.0.look(arn, not_before).await?.targets.clone())
    }
}

/// So many groups in the fleet's own VPC, of which the last one has its host.
fn a_full_vpc(groups: usize) -> Arc<Balancing> {
    let all = (0..groups).map(|number| group(&format!("g{number:04}"), HERE, "instance"));
    let mut balancing = Balancing::with(all.collect()).register(&format!("g{:04}", groups - 1), "i-1");
    balancing.limiter = Some(Limiter::new(RateShare::thousandths(500)));
    Arc::new(balancing)
}

/// Looks until one look ends within its time, and gives how many were begun.
async fn looks_until_found(balancing: &Arc<Balancing>, kept: &Kept) -> usize {
    let instances = [instance("i-1", HERE)];
    let known = known(&instances, &[], None);
    let search = Search {
        groups: &**balancing,
        health: kept,
        known: &known,
    };
    for looks in 1..=3 {
        let attempt = Duration::from_millis(limits::INSPECT_MS);
        match timeout(attempt, search.find()).await {
            Ok(Ok(found)) => {
                assert_eq!(found.registrations["i-1"].len(), 1);
                return looks;
            }
            Ok(Err(failed)) => panic!("{failed:?}"),
            Err(_) => {}
        }
    }
    panic!("three looks did not find it");
}

/// At half of AWS's rate, of which another lane's roll takes a third.
#[tokio::test(start_paused = true)]
async fn trap_33_a_look_at_a_full_vpc_goes_on_where_the_last_one_was() {
    for (groups, expected) in [(500, 1), (1_500, 1), (3_000, 2)] {
        let balancing = a_full_vpc(groups);
        let limiter = balancing.limiter.clone().unwrap();
        let other_lane = tokio::spawn(async move {
            loop {
                limiter.admit(DESCRIBE).await.attempt();
                tokio::time::sleep(Duration::from_millis(600)).await;
            }
        });
        let kept = Kept::of(&balancing);
        assert_eq!(looks_until_found(&balancing, &kept).await, expected, "{groups}");
        // Strangers are asked once; the look that finds the fleet's own group asks it again. Eight were being asked when
        // the first look's time was over.
        let asked = balancing.asked().len();
        assert!(
            (groups..=groups + 1 + SIDE_BY_SIDE).contains(&asked),
            "{asked} of {groups}"
        );
        // The second look, with everything locked, asks that group alone.
        assert_eq!(looks_until_found(&balancing, &kept).await, 1);
        assert_eq!(balancing.asked(), [format!("arn:g{:04}", groups - 1)], "{groups}");
        other_lane.abort();
    }
}

fn foreign(found: &Found) -> Vec<(&str, bool)> {
    let targets = found.foreign_targets.iter();
    targets
        .map(|target| (target.target_group.as_str(), target.from_outside))
        .collect()
}

/// The fleet's address in groups of another VPC: from outside it, as by peering, or within it, another machine's.
fn with_foreign_groups() -> Balancing {
    let of = |name: &str, protocol: &str| TargetGroup {
        protocol: protocol.to_owned(),
        ..group(name, ELSEWHERE, "ip")
    };
    let groups = vec![
        group("web", HERE, "ip"),
        of("peered", "HTTP"),
        of("stranger", "HTTP"),
        of("either", "TCP"),
        of("other", "HTTP"),
    ];
    Balancing::with(groups)
        .register_in("web", ADDRESS, Some("us-west-2a"))
        .register_in("peered", ADDRESS, Some("all"))
        .register_in("stranger", ADDRESS, Some("us-west-2b"))
        .register_in("either", ADDRESS, Some("us-west-2b"))
        .register_in("other", "10.0.0.99", Some("all"))
}

#[tokio::test]
async fn trap_35_an_address_from_outside_another_vpc_is_told() {
    let instances = [instance("i-1", HERE)];
    let found = find(&with_foreign_groups(), &known(&instances, &[], None)).await;
    let found = found.ok().unwrap();
    assert_eq!(names(&found), ["web"]);
    assert_eq!(foreign(&found), [("peered", true), ("either", false)]);
    assert_eq!((found.unasked_foreign, found.asked_in_vain), (0, 0));
}

#[tokio::test]
async fn trap_35_named_groups_say_whose_the_addresses_are() {
    let instances = [instance("i-1", HERE)];
    let peered = ["web".to_owned(), "peered".to_owned()];
    for (named, expected) in [(&peered[..], vec!["web", "peered"]), (&peered[..1], vec!["web"])] {
        let balancing = with_foreign_groups();
        let found = find(&balancing, &known(&instances, &[], Some(named))).await;
        let found = found.ok().unwrap();
        assert_eq!((names(&found), foreign(&found)), (expected, vec![]));
        let asked: BTreeSet<String> = balancing.asked().into_iter().collect();
        assert_eq!(asked.len(), named.len());
    }
}

#[tokio::test]
async fn many_groups_of_other_vpcs_are_not_asked_and_told() {
    let instances = [instance("i-1", HERE)];
    let mut balancing = with_foreign_groups();
    let more = (0..FOREIGN).map(|number| group(&format!("f{number}"), ELSEWHERE, "ip"));
    balancing.groups.extend(more);
    let found = find(&balancing, &known(&instances, &[], None)).await;
    let found = found.ok().unwrap();
    assert_eq!((found.unasked_foreign, foreign(&found)), (24, vec![]));
    let asked: BTreeSet<String> = balancing.asked().into_iter().collect();
    assert_eq!(asked.into_iter().collect::<Vec<_>>(), ["arn:web"]);
}

/// A registration there carries a server id, which a release would lose.
#[tokio::test]
async fn a_quic_group_is_known_by_its_protocol() {
    let instances = [instance("i-1", HERE)];
    for (protocol, expected) in [
        ("QUIC", true),
        ("TCP_QUIC", true),
        ("TCP", false),
        ("HTTPS", false),
    ] {
        let web = TargetGroup {
            protocol: protocol.to_owned(),
            ..group("web", HERE, "instance")
        };
        let balancing = Balancing::with(vec![web]).register("web", "i-1");
        let found = find(&balancing, &known(&instances, &[], None))
            .await
            .ok()
            .unwrap();
        assert_eq!(found.target_groups[0].has_server_ids, expected, "{protocol}");
    }
}

/// Where each zone serves itself, other services' targets keep their zone's floor too.
#[tokio::test]
async fn targets_of_other_services_are_in_their_zones() {
    let instances = [instance("i-1", HERE)];
    let balancing = behind_load_balancers(&["web"])
        .register("web", "i-other")
        .register_in("web", "10.0.0.99", Some("us-west-2b"));
    let found = find(&balancing, &known(&instances, &[], None))
        .await
        .ok()
        .unwrap();
    let others = found.target_groups[0].others.iter();
    let others: Vec<(&str, &str)> = others
        .map(|other| (other.id.as_str(), other.zone.as_str()))
        .collect();
    assert_eq!(others, [("i-other", "us-west-2c"), ("10.0.0.99", "us-west-2b")]);
}
