//! Groups and instances: read, suspended, tagged.

use std::collections::BTreeMap;

use drawgate_lab::lab::{Instance, Lab};
use drawgate_rollout::definition::Process;
use drawgate_worker::aws::Aws;
use serde_json::json;

use crate::fixtures::{fleet, reads_are_fresh, suspended};

#[tokio::test]
async fn a_group_is_read_whole() {
    let Some(lab) = Lab::enter("a_group_is_read_whole").await else {
        return;
    };
    let (aws, fleet) = (Aws::connect().await, fleet(&lab, "read").await);
    let group = aws.group_by_name("read").await.unwrap().unwrap();
    assert_eq!(group.name, "read");
    assert!(group.arn.starts_with("arn:aws:autoscaling:"), "{}", group.arn);
    assert_eq!(group.tags["stack"], "read");
    assert_eq!(group.target_group_arns, fleet.target_group_arns());
    assert!(group.classic_load_balancers.is_empty());
    assert_eq!((group.desired, group.health_check_type.as_str()), (3, "EC2"));
    let mut members: Vec<_> = group.members.iter().map(|member| member.id.clone()).collect();
    let mut expected = fleet.ids();
    members.sort();
    expected.sort();
    assert_eq!(members, expected);
    assert!(
        group
            .members
            .iter()
            .all(|member| member.lifecycle == "InService" && member.health == "Healthy")
    );
    assert_eq!(aws.group_by_name("no-such-group").await.unwrap(), None);
    // The result structs go into the journal, and read back the same.
    let json = serde_json::to_string(&group).unwrap();
    assert_eq!(
        serde_json::from_str::<drawgate_worker::aws::Group>(&json).unwrap(),
        group
    );
}

#[tokio::test]
async fn exactly_what_was_asked_for_is_suspended_and_resumed() {
    let Some(lab) = Lab::enter("exactly_what_was_asked_for_is_suspended_and_resumed").await else {
        return;
    };
    reads_are_fresh(&lab).await;
    let (aws, _fleet) = (Aws::connect().await, fleet(&lab, "processes").await);
    aws.suspend("processes", &[Process::AzRebalance, Process::ReplaceUnhealthy])
        .await
        .unwrap();
    assert_eq!(
        suspended(&aws, "processes").await,
        ["AZRebalance", "ReplaceUnhealthy", "ScheduledActions"]
    );
    let refused = aws.resume("processes", &[]).await.unwrap_err();
    assert!(refused.is_refused());
    assert_eq!(suspended(&aws, "processes").await.len(), 3);
    aws.resume("processes", &[Process::AzRebalance, Process::ReplaceUnhealthy])
        .await
        .unwrap();
    assert_eq!(suspended(&aws, "processes").await, ["ScheduledActions"]);
    assert_eq!(aws.calls()["autoscaling:ResumeProcesses"], 1);
    assert!(
        aws.resume("no-such-group", &[Process::AzRebalance])
            .await
            .is_err()
    );
}

#[tokio::test]
async fn tags_come_and_go() {
    let Some(lab) = Lab::enter("tags_come_and_go").await else {
        return;
    };
    reads_are_fresh(&lab).await;
    let (aws, fleet) = (Aws::connect().await, fleet(&lab, "tags").await);
    aws.tag_group("tags", "drawgate:suspended", "AZRebalance,Launch")
        .await
        .unwrap();
    let tags = aws.group_by_name("tags").await.unwrap().unwrap().tags;
    assert_eq!(tags["drawgate:suspended"], "AZRebalance,Launch");
    aws.untag_group("tags", "drawgate:suspended").await.unwrap();
    let tags = aws.group_by_name("tags").await.unwrap().unwrap().tags;
    assert!(
        !tags.contains_key("drawgate:suspended") && tags.contains_key("stack"),
        "{tags:?}"
    );

    let Instance { id, address, .. } = &fleet.instances[0];
    let tags = [("drawgate:one", "x"), ("drawgate:other", "y")].map(|(k, v)| (k.to_owned(), v.to_owned()));
    aws.tag_instance(id, &tags).await.unwrap();
    let instance = aws
        .instances_by_ids(std::slice::from_ref(id))
        .await
        .unwrap()
        .remove(0);
    assert_eq!(
        (
            instance.tags["drawgate:one"].as_str(),
            instance.tags["drawgate:other"].as_str()
        ),
        ("x", "y")
    );
    assert_eq!(
        (&instance.private_addresses[0], instance.state.as_str()),
        (address, "running")
    );
    assert!(instance.launched_at.is_some());
    aws.untag_instances(&[id.to_owned()], &[]).await.unwrap();
    aws.untag_instances(&[id.to_owned()], &tags.map(|(key, _)| key))
        .await
        .unwrap();
    let instance = aws
        .instances_by_ids(std::slice::from_ref(id))
        .await
        .unwrap()
        .remove(0);
    let ours = |key: &&String| key.starts_with("drawgate:");
    assert_eq!(instance.tags.keys().find(ours), None);
    assert!(!instance.tags.is_empty());
    let calls = aws.calls();
    assert_eq!((calls["ec2:CreateTags"], calls["ec2:DeleteTags"]), (1, 1));
}

#[tokio::test]
async fn instances_are_found_by_tag_and_by_id() {
    let Some(lab) = Lab::enter("instances_are_found_by_tag_and_by_id").await else {
        return;
    };
    let (aws, fleet) = (Aws::connect().await, fleet(&lab, "found").await);
    let tags = |stack: &str| BTreeMap::from([("stack".to_owned(), stack.to_owned())]);
    assert_eq!(aws.instances_by_tags(&tags("found")).await.unwrap().len(), 3);
    assert_eq!(aws.instances_by_tags(&tags("foun*")).await.unwrap().len(), 0);
    assert!(
        aws.instances_by_tags(&BTreeMap::new())
            .await
            .unwrap_err()
            .is_refused()
    );
    // Ids that EC2 does not know do not spoil the answer, and many ids are split into several requests.
    let mut ids: Vec<_> = (0..150).map(|number| format!("i-{number:017x}")).collect();
    ids.extend(fleet.ids());
    assert_eq!(aws.instances_by_ids(&ids).await.unwrap().len(), 3);
    let known = fleet.ids();
    let groups = aws.groups_of_instances(&known).await.unwrap();
    assert_eq!(groups.len(), 3);
    assert!(groups.values().all(|group| group == "found"));
}

#[tokio::test]
async fn an_instance_is_declared_healthy_and_a_refresh_is_seen() {
    let Some(lab) = Lab::enter("an_instance_is_declared_healthy_and_a_refresh_is_seen").await else {
        return;
    };
    let (aws, fleet) = (Aws::connect().await, fleet(&lab, "health").await);
    aws.set_instance_health_healthy(&fleet.instances[0].id)
        .await
        .unwrap();
    assert_eq!(aws.refresh_running("health").await.unwrap(), None);
    lab.post("refresh", json!({"group": "health", "active": true}))
        .await;
    assert_eq!(
        aws.refresh_running("health").await.unwrap().as_deref(),
        Some("InProgress")
    );
    lab.post("refresh", json!({"group": "health", "active": false}))
        .await;
    assert_eq!(aws.scheduled_actions("health").await.unwrap(), []);
}
