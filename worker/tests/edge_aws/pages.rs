//! Listings of many pages.

use drawgate_lab::lab::Lab;
use drawgate_worker::aws::Aws;
use serde_json::json;

use crate::fixtures::reads_are_fresh;

#[tokio::test]
async fn listings_are_read_to_their_last_page() {
    let Some(lab) = Lab::enter("listings_are_read_to_their_last_page").await else {
        return;
    };
    reads_are_fresh(&lab).await;
    let aws = Aws::connect().await;
    let groups: Vec<_> = (0..410)
        .map(|number| json!({"name": format!("page-{number}"), "port": 9000}))
        .collect();
    let alarms: Vec<_> = (0..130)
        .map(|number| json!({"name": format!("page-{number:03}")}))
        .collect();
    lab.fleet(json!({"name": "pages", "hosts": ["h1"], "target_groups": groups, "alarms": alarms}))
        .await;

    let scanned = aws.target_groups().await.unwrap();
    assert_eq!(
        scanned
            .iter()
            .filter(|group| group.name.starts_with("page-"))
            .count(),
        410
    );
    assert_eq!(aws.calls()["elasticloadbalancing:DescribeTargetGroups"], 2);

    let found = aws.alarms_matching(&["page-*".into()]).await.unwrap();
    assert_eq!(found.len(), 130);
    let names: Vec<_> = found.into_iter().map(|alarm| alarm.name).collect();
    assert_eq!(aws.alarms_matching(&names).await.unwrap().len(), 130);
    aws.disable_actions(&names).await.unwrap();
    assert_eq!(aws.calls()["cloudwatch:DisableAlarmActions"], 2);
    assert!(
        aws.alarms_matching(&names)
            .await
            .unwrap()
            .iter()
            .all(|alarm| !alarm.actions_enabled)
    );
}
