//! Targets of a load balancer.

use std::time::Duration;

use drawgate_lab::lab::Lab;
use drawgate_worker::aws::{Aws, HealthWatch, TargetId, TargetState};
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
            match look.targets.iter().find(|seen| seen.id == target.id) {
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
