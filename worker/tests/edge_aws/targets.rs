//! Targets of a load balancer.

use std::time::Duration;

use drawgate_lab::lab::Lab;
use drawgate_worker::aws::{Aws, AwsError, HealthWatch, SharedCalls, TargetId, TargetState};
use futures_util::future::join_all;
use tokio::time::{Instant, timeout};

use crate::fixtures::{PATIENCE, fleet};

#[tokio::test]
async fn a_target_drains_and_comes_back() {
    let Some(lab) = Lab::enter("a_target_drains_and_comes_back").await else {
        return;
    };
    let (aws, fleet) = (Aws::connect().await, fleet(&lab, "drain").await);
    let arn = fleet.target_groups[0].arn.as_str();
    let before = aws.target_health(arn).await.unwrap();
    assert_eq!(before.len(), 3);
    assert!(before.iter().all(|target| target.port == 8080));
    let attributes = aws.attributes(arn).await.unwrap();
    assert_eq!(attributes.deregistration_delay_s, 1);
    let scanned = aws.target_groups().await.unwrap();
    let group = scanned.iter().find(|group| group.arn == arn).unwrap();
    assert_eq!((group.port, group.target_type.as_str()), (Some(8080), "instance"));
    assert_eq!(
        (!group.load_balancers.is_empty(), group.health_check.enabled),
        (false, true)
    );

    let target = TargetId {
        id: fleet.instances[0].id.clone(),
        port: 8080,
        zone: None,
    };
    aws.deregister(arn, std::slice::from_ref(&target)).await.unwrap();
    let watch = HealthWatch::new(aws.clone(), Duration::from_millis(100));
    let gone = async {
        let mut seen = Vec::new();
        loop {
            let look = watch.look(arn, Instant::now()).await.unwrap();
            let targets = look.targets.as_deref().unwrap();
            match targets.iter().find(|seen| seen.id == target.id) {
                Some(found) if found.state != TargetState::Unused => seen.push(found.state.clone()),
                _ => return seen,
            }
        }
    };
    let seen = timeout(PATIENCE, gone).await.unwrap();
    assert!(
        seen.iter().all(|state| *state == TargetState::Draining),
        "{seen:?}"
    );
    aws.register(arn, std::slice::from_ref(&target)).await.unwrap();
    let again = aws.target_health(arn).await.unwrap();
    assert!(
        again
            .iter()
            .any(|found| found.id == target.id && found.port == 8080)
    );
}

#[tokio::test]
async fn waiters_share_the_real_calls() {
    let Some(lab) = Lab::enter("waiters_share_the_real_calls").await else {
        return;
    };
    let (aws, fleet) = (Aws::connect().await, fleet(&lab, "shared").await);
    let watch = HealthWatch::new(aws.clone(), Duration::from_millis(200));
    let waiters: Vec<_> = (0..20)
        .map(|_| {
            let (watch, arn) = (watch.clone(), fleet.target_groups[0].arn.clone());
            tokio::spawn(async move {
                for _ in 0..5 {
                    watch.look(&arn, Instant::now()).await.unwrap();
                }
            })
        })
        .collect();
    for waiter in waiters {
        timeout(PATIENCE, waiter).await.unwrap().unwrap();
    }
    let calls = aws.calls()["elasticloadbalancing:DescribeTargetHealth"];
    assert!((5..=7).contains(&calls), "{calls} calls for 100 looks");
}

#[tokio::test]
async fn hosts_of_a_wave_share_their_calls() {
    let Some(lab) = Lab::enter("hosts_of_a_wave_share_their_calls").await else {
        return;
    };
    let (aws, fleet) = (Aws::connect().await, fleet(&lab, "wave").await);
    let arn = fleet.target_groups[0].arn.as_str();
    let target = |id: String| TargetId {
        id,
        port: 8080,
        zone: None,
    };
    let targets: Vec<TargetId> = fleet.ids().into_iter().map(target).collect();
    let registered = async || {
        let targets = aws.target_health(arn).await.unwrap().into_iter();
        let there = targets.filter(|target| target.state != TargetState::Draining);
        there.count()
    };
    let shared = SharedCalls::new(aws.clone());
    let deregister = |target| shared.deregister(arn, target);
    all_ok(targets.iter().map(deregister)).await;
    assert_eq!(registered().await, 0);
    let register = |target| shared.register(arn, target);
    all_ok(targets.iter().map(register)).await;
    assert_eq!(registered().await, targets.len());
    let ids = fleet.ids();
    all_ok((0..20).map(|_| shared.instances_by_ids(&ids))).await;
    all_ok((0..20).map(|_| shared.group_by_name("wave"))).await;
    let calls = aws.calls();
    for name in [
        "elasticloadbalancing:DeregisterTargets",
        "elasticloadbalancing:RegisterTargets",
        "ec2:DescribeInstances",
        "autoscaling:DescribeAutoScalingGroups",
    ] {
        // The first goes alone, all others together.
        assert_eq!(calls[name], 2, "{name}");
    }
}

async fn all_ok<T>(calls: impl Iterator<Item = impl Future<Output = Result<T, AwsError>>>) {
    for result in join_all(calls).await {
        assert!(result.is_ok(), "{:?}", result.err());
    }
}

#[tokio::test]
async fn a_target_group_that_does_not_exist_is_told_apart() {
    let Some(lab) = Lab::enter("a_target_group_that_does_not_exist_is_told_apart").await else {
        return;
    };
    let (aws, fleet) = (Aws::connect().await, fleet(&lab, "vanished").await);
    let arn = format!("{}0", fleet.target_groups[0].arn);
    let target = TargetId {
        id: fleet.instances[0].id.clone(),
        port: 8080,
        zone: None,
    };
    let shared = SharedCalls::new(aws.clone());
    assert!(shared.register(&arn, &target).await.unwrap_err().is_not_found());
    assert!(shared.deregister(&arn, &target).await.unwrap_err().is_not_found());
    let watch = HealthWatch::new(aws.clone(), Duration::from_millis(100));
    assert_eq!(watch.look(&arn, Instant::now()).await.unwrap().targets, None);
}
