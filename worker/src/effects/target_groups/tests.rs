//! Which target groups are asked, and whose their targets are, without a lab.

mod search;

use super::*;
use crate::aws::HealthCheck;

const HERE: &str = "vpc-here";
const ELSEWHERE: &str = "vpc-elsewhere";
const ADDRESS: &str = "10.0.0.5";

fn instance(id: &str, vpc: &str) -> Instance {
    Instance {
        id: id.to_owned(),
        state: "running".to_owned(),
        private_addresses: vec![ADDRESS.to_owned()],
        zone: "us-west-2a".to_owned(),
        vpc: Some(vpc.to_owned()),
        tags: BTreeMap::new(),
        launched_at: None,
    }
}

fn group(name: &str, vpc: &str, target_type: &str) -> TargetGroup {
    TargetGroup {
        arn: format!("arn:{name}"),
        name: name.to_owned(),
        protocol: "HTTP".to_owned(),
        port: Some(8080),
        target_type: target_type.to_owned(),
        vpc: Some(vpc.to_owned()),
        load_balancers: Vec::new(),
        health_check: HealthCheck {
            enabled: true,
            interval_s: 30,
            timeout_s: 5,
            healthy_threshold: 5,
            unhealthy_threshold: 2,
        },
    }
}

fn known<'a>(instances: &'a [Instance], attached: &[&str], named: Option<&'a [String]>) -> Known<'a> {
    Known {
        instances,
        arns: attached.iter().map(|name| format!("arn:{name}")).collect(),
        named,
    }
}

fn is_asked(known: &Known<'_>, group: &TargetGroup) -> bool {
    known.is_of_fleet(group) || known.is_possible(group)
}

fn owner(known: &Known<'_>, group: &TargetGroup, id: &str) -> Option<String> {
    known.owner(group, id).map(|instance| instance.id.clone())
}

#[test]
fn trap_33_the_vpc_is_asked_unless_the_file_names_groups() {
    let instances = [instance("i-1", HERE)];
    let (own, attached) = (
        group("by-hand", HERE, "instance"),
        group("attached", HERE, "instance"),
    );
    let without = known(&instances, &["attached"], None);
    assert!(is_asked(&without, &own) && is_asked(&without, &attached));
    assert!(!is_asked(&without, &group("stranger", ELSEWHERE, "instance")));
    assert!(!is_asked(&without, &group("function", HERE, "lambda")));

    let names = ["admin".to_owned()];
    let named = known(&instances, &["attached"], Some(&names));
    assert!(!is_asked(&named, &own) && is_asked(&named, &attached));
    assert!(is_asked(&named, &group("admin", ELSEWHERE, "ip")));
}

#[test]
fn a_name_that_no_group_has_is_told() {
    let instances = [instance("i-1", HERE)];
    let names = ["admin".to_owned(), "arn:other".to_owned()];
    let known = known(&instances, &[], Some(&names));
    let there = [group("other", HERE, "ip")];
    assert_eq!(known.missing(&there), ["admin"]);
}

#[test]
fn trap_35_an_address_in_another_vpc_is_another_machine() {
    let instances = [instance("i-1", HERE)];
    let known_here = known(&instances, &["peered"], None);
    let ours = group("ours", HERE, "ip");
    let peered = group("peered", ELSEWHERE, "ip");
    assert_eq!(owner(&known_here, &ours, ADDRESS).as_deref(), Some("i-1"));
    assert_eq!(owner(&known_here, &peered, ADDRESS), None);
    assert_eq!(owner(&known_here, &peered, "i-1").as_deref(), Some("i-1"));

    let names = ["peered".to_owned()];
    let named = known(&instances, &[], Some(&names));
    assert_eq!(owner(&named, &peered, ADDRESS).as_deref(), Some("i-1"));
}

#[test]
fn one_address_in_two_vpcs_is_each_its_own_instance() {
    let instances = [instance("i-here", HERE), instance("i-elsewhere", ELSEWHERE)];
    let names = ["third".to_owned()];
    let known = known(&instances, &[], Some(&names));
    assert_eq!(
        owner(&known, &group("here", HERE, "ip"), ADDRESS).as_deref(),
        Some("i-here")
    );
    let there = group("there", ELSEWHERE, "ip");
    assert_eq!(owner(&known, &there, ADDRESS).as_deref(), Some("i-elsewhere"));
    // Whose of the two it is, from a third VPC, nobody can tell.
    assert_eq!(owner(&known, &group("third", "vpc-third", "ip"), ADDRESS), None);
}
