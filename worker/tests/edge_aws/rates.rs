//! The limit of the worker's own requests, against AWS's request rates.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use aws_config::BehaviorVersion;
use drawgate_lab::lab::{Lab, Requests};
use drawgate_rollout::Write;
use drawgate_worker::aws::{Aws, RateShare, rates};

use crate::fixtures::fleet;

const HEALTH: &str = "elasticloadbalancing:DescribeTargetHealth";
/// Steps that call at the same time.
const SIDE_BY_SIDE: usize = 8;

/// Every action that the worker's sources name in full, and those of the core's table of writes.
pub(crate) fn actions() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/aws");
    let mut actions: BTreeSet<String> = Write::ALL.iter().map(|write| write.action().to_owned()).collect();
    let mut files = vec![folder];
    while let Some(path) = files.pop() {
        if path.is_dir() {
            files.extend(
                std::fs::read_dir(path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
            continue;
        }
        let text = std::fs::read_to_string(path).unwrap();
        actions.extend(text.split('"').filter(|text| is_action(text)).map(str::to_owned));
    }
    actions.into_iter().collect()
}

fn is_action(text: &str) -> bool {
    text.split_once(':').is_some_and(|(service, operation)| {
        let is_service = service
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        let is_name = operation.bytes().all(|byte| byte.is_ascii_alphanumeric());
        !service.is_empty()
            && is_service
            && is_name
            && operation.starts_with(|c: char| c.is_ascii_uppercase())
    })
}

#[tokio::test]
async fn the_table_of_rates_is_the_labs() {
    let Some(lab) = Lab::enter("the_table_of_rates_is_the_labs").await else {
        return;
    };
    let actions = actions();
    assert!(
        actions.len() > 25 && actions.iter().any(|action| action == HEALTH),
        "{actions:?}"
    );
    let told = lab.buckets_of(&actions).await;
    // Each bucket of ours is one of the lab's, so that the same actions share it, and the other way round.
    let (mut theirs_of, mut ours_of) = (BTreeMap::new(), BTreeMap::new());
    for action in &actions {
        let (own, account) = rates::of(action);
        let ours: Vec<_> = [Some(own), account].into_iter().flatten().collect();
        assert_eq!(ours.len(), told[action].len(), "{action}");
        for (ours, theirs) in ours.into_iter().zip(&told[action]) {
            let figures = (f64::from(ours.size), f64::from(ours.refill_per_s), ours.source);
            assert_eq!(
                figures,
                (theirs.size, theirs.refill_per_s, theirs.source.as_str()),
                "{action}"
            );
            let names = ((ours.service, ours.name), (ours.service, theirs.name.as_str()));
            assert_eq!(*theirs_of.entry(names.0).or_insert(names.1), names.1, "{action}");
            assert_eq!(*ours_of.entry(names.1).or_insert(names.0), names.0, "{action}");
        }
    }
}

/// Asks for a target group's health so many times, from several tasks, while others take half of each bucket;
/// gives what the lab saw of it, and how many calls failed.
async fn storm(lab: &Lab, name: &str, share: RateShare, calls: usize) -> (Requests, usize) {
    let environment = aws_config::defaults(BehaviorVersion::latest());
    let (aws, fleet) = (
        Aws::connect_with(environment, share).await,
        fleet(lab, name).await,
    );
    lab.limit_rates(0.5).await;
    let tasks: Vec<_> = (0..SIDE_BY_SIDE)
        .map(|_| {
            let (aws, arn) = (aws.clone(), fleet.target_groups[0].arn.clone());
            tokio::spawn(async move {
                let mut failed = 0;
                for _ in 0..calls / SIDE_BY_SIDE {
                    failed += usize::from(aws.target_health(&arn).await.is_err());
                }
                failed
            })
        })
        .collect();
    let mut failed = 0;
    for task in tasks {
        failed += task.await.unwrap();
    }
    let seen = lab.requests().await[HEALTH];
    lab.unlimit_rates().await;
    let traffic = aws.traffic()[HEALTH];
    assert_eq!((traffic.attempts, traffic.throttled), (seen.all, seen.throttled));
    (seen, failed)
}

#[tokio::test]
async fn a_storm_within_the_share_is_hardly_throttled() {
    let Some(lab) = Lab::enter("a_storm_within_the_share_is_hardly_throttled").await else {
        return;
    };
    let (seen, failed) = storm(&lab, "within", RateShare::thousandths(500), 200).await;
    assert_eq!(failed, 0, "{seen:?}");
    assert!(seen.throttled * 50 < seen.all, "{seen:?}");
}

/// More than is left in the buckets from the start, or else nothing would be throttled.
#[tokio::test]
async fn a_storm_beyond_the_share_gets_through_all_the_same() {
    let Some(lab) = Lab::enter("a_storm_beyond_the_share_gets_through_all_the_same").await else {
        return;
    };
    let (seen, failed) = storm(&lab, "beyond", RateShare::ALL, 96).await;
    assert_eq!(failed, 0, "{seen:?}");
    assert!(seen.throttled > 0, "{seen:?}");
}
