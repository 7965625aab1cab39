//! The search for target groups, on a fake of Elastic Load Balancing.

use std::sync::Mutex;

use super::super::super::fakes::told;
use super::*;
use crate::aws::{AwsError, TargetGroupAttributes, TargetState, Targets};

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
