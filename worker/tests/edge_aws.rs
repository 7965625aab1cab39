//! The AWS adapter against the lab's AWS API.
#![allow(clippy::unwrap_used, reason = "tests")]

mod lab;

use std::collections::BTreeMap;
use std::time::Duration;

use aws_config::credential_process::CredentialProcessProvider;
use aws_config::{BehaviorVersion, Region};
use aws_sdk_ec2::config::Credentials;
use drawgate_rollout::definition::Process;
use drawgate_worker::aws::{Aws, AwsError, HealthWatch, TargetId, TargetState, limits};
use lab::{Fleet, Lab};
use serde_json::json;
use tokio::time::{Instant, timeout};

/// Time limit far above what any test in this file takes, except for the adapter's own time-outs.
const PATIENCE: Duration = Duration::from_secs(20);

async fn fleet(lab: &Lab, name: &str) -> Fleet {
    let health = json!({"path": "/health", "interval_s": 0.2, "healthy_threshold": 2, "unhealthy_threshold": 2,
                        "timeout_s": 1});
    lab.fleet(json!({
        "name": name,
        "hosts": ["h1", "h2", "h3"],
        "target_groups": [{"name": format!("{name}-a"), "port": 8080, "deregistration_delay_s": 1, "health": health}],
        "suspended": ["ScheduledActions"],
        "alarms": [
            {"name": format!("{name}-5xx"), "actions_enabled": true, "state": "OK"},
            {"name": format!("{name}-slow"), "actions_enabled": false, "state": "ALARM"},
        ],
        "tags": {"stack": name, "odd": "a*b"},
    }))
    .await
}

/// Connects to another endpoint than the environment's, which all tests of this process share.
async fn connect_to(endpoint: &str) -> Aws {
    let nobody = Credentials::new("nobody", "secret", None, None, "test");
    let environment = aws_config::defaults(BehaviorVersion::latest());
    let environment = environment
        .endpoint_url(endpoint)
        .region(Region::new("eu-west-1"));
    Aws::connect_with(environment.credentials_provider(nobody)).await
}

async fn suspended(aws: &Aws, name: &str) -> Vec<String> {
    aws.group_by_name(name)
        .await
        .unwrap()
        .unwrap()
        .suspended
        .into_keys()
        .collect()
}

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
    assert_eq!(group.target_group_arns, fleet.target_groups);
    assert!(group.classic_load_balancers.is_empty());
    assert_eq!((group.desired, group.health_check_type.as_str()), (3, "EC2"));
    let mut members: Vec<_> = group.members.iter().map(|member| member.id.clone()).collect();
    let mut expected: Vec<_> = fleet.instances.iter().map(|(id, _)| id.clone()).collect();
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

    let (id, address) = &fleet.instances[0];
    aws.tag_instance(id, "drawgate:targets", "x").await.unwrap();
    let instance = aws
        .instances_by_ids(std::slice::from_ref(id))
        .await
        .unwrap()
        .remove(0);
    assert_eq!(instance.tags["drawgate:targets"], "x");
    assert_eq!(
        (&instance.private_addresses[0], instance.state.as_str()),
        (address, "running")
    );
    assert!(instance.launched_at.is_some());
    aws.untag_instance(id, "drawgate:targets").await.unwrap();
    let instance = aws
        .instances_by_ids(std::slice::from_ref(id))
        .await
        .unwrap()
        .remove(0);
    assert!(!instance.tags.contains_key("drawgate:targets"));
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
    ids.extend(fleet.instances.iter().map(|(id, _)| id.clone()));
    assert_eq!(aws.instances_by_ids(&ids).await.unwrap().len(), 3);
    let known: Vec<_> = fleet.instances.iter().map(|(id, _)| id.clone()).collect();
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
    aws.set_instance_health_healthy(&fleet.instances[0].0)
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

#[tokio::test]
async fn a_target_drains_and_comes_back() {
    let Some(lab) = Lab::enter("a_target_drains_and_comes_back").await else {
        return;
    };
    let (aws, fleet) = (Aws::connect().await, fleet(&lab, "drain").await);
    let arn = fleet.target_groups[0].as_str();
    let before = aws.target_health(arn).await.unwrap();
    assert_eq!(before.len(), 3);
    assert!(before.iter().all(|target| target.port == 8080));
    let attributes = aws.attributes(arn).await.unwrap();
    assert_eq!(attributes.deregistration_delay_s, 1);
    let scanned = aws.scan_target_groups().await.unwrap();
    let group = scanned.iter().find(|group| group.arn == arn).unwrap();
    assert_eq!((group.port, group.target_type.as_str()), (Some(8080), "instance"));
    assert_eq!(
        (!group.load_balancers.is_empty(), group.health_check.enabled),
        (false, true)
    );

    let target = TargetId {
        id: fleet.instances[0].0.clone(),
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
            let (watch, arn) = (watch.clone(), fleet.target_groups[0].clone());
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
async fn alarms_are_matched_silenced_and_tagged() {
    let Some(lab) = Lab::enter("alarms_are_matched_silenced_and_tagged").await else {
        return;
    };
    let (aws, _fleet) = (Aws::connect().await, fleet(&lab, "alarms").await);
    let found = aws
        .alarms_matching(&["alarms-*".into(), "alarms-5xx".into(), "no-such".into()])
        .await
        .unwrap();
    let facts: Vec<_> = found
        .iter()
        .map(|alarm| {
            (
                alarm.name.as_str(),
                alarm.actions_enabled,
                alarm.state.as_str(),
                alarm.scaling_policy_only,
            )
        })
        .collect();
    assert_eq!(
        facts,
        [
            ("alarms-5xx", true, "OK", false),
            ("alarms-slow", false, "ALARM", false)
        ]
    );
    assert_eq!(aws.alarms_matching(&[]).await.unwrap(), []);

    aws.tag_alarm(&found[0].arn, "drawgate:silenced", "r1")
        .await
        .unwrap();
    aws.disable_actions(&["alarms-5xx".into()]).await.unwrap();
    assert!(!aws.alarms_matching(&["alarms-5xx".into()]).await.unwrap()[0].actions_enabled);
    aws.enable_actions(&["alarms-5xx".into()]).await.unwrap();
    assert!(aws.alarms_matching(&["alarms-5xx".into()]).await.unwrap()[0].actions_enabled);
    aws.untag_alarm(&found[0].arn, "drawgate:silenced").await.unwrap();
    let before = aws.calls();
    aws.disable_actions(&[]).await.unwrap();
    aws.enable_actions(&[]).await.unwrap();
    assert_eq!(aws.calls(), before);
}

/// The alarms whose actions were performed, one name for each action.
async fn fired(lab: &Lab) -> Vec<String> {
    let fired = lab.get("alarms/fired").await;
    let alarm = |each: &serde_json::Value| each["alarm"].as_str().unwrap().to_owned();
    fired.as_array().unwrap().iter().map(alarm).collect()
}

#[tokio::test]
async fn trap_15_a_mute_rule_holds_actions_back_and_its_deletion_lets_them_go() {
    let Some(lab) = Lab::enter("trap_15_a_mute_rule_holds_actions_back").await else {
        return;
    };
    let (aws, _fleet) = (Aws::connect().await, fleet(&lab, "mute").await);
    let set = |state: &str| lab.post("alarm", json!({"name": "mute-5xx", "state": state}));
    let before = fired(&lab).await.len();
    assert_eq!(aws.mute_rule("quiet").await.unwrap(), None);
    let now = jiff::Timestamp::now();
    let until = now + jiff::SignedDuration::from_mins(15);
    let alarms = ["mute-5xx".to_owned()];
    aws.put_mute_rule("quiet", &alarms, now, until).await.unwrap();
    let made = aws.mute_rule("quiet").await.unwrap().unwrap();
    assert!(
        made.active && !made.expired && made.from.unwrap() <= now,
        "{made:?}"
    );
    let ends = made.until.unwrap();
    assert!(
        ends >= until && ends < until + jiff::SignedDuration::from_mins(1),
        "{ends}"
    );

    // The rule's end is put off, and its beginning stays.
    let later = until + jiff::SignedDuration::from_mins(15);
    aws.put_mute_rule("quiet", &alarms, made.from.unwrap(), later)
        .await
        .unwrap();
    let put_off = aws.mute_rule("quiet").await.unwrap().unwrap();
    assert_eq!(put_off.from, made.from);
    assert!(put_off.active && put_off.until.unwrap() >= later);

    set("ALARM").await;
    assert_eq!(fired(&lab).await.len(), before, "muted");
    aws.delete_mute_rule("quiet").await.unwrap();
    assert_eq!(fired(&lab).await[before..], ["mute-5xx"], "it is in ALARM still");
    aws.delete_mute_rule("quiet").await.unwrap();
    assert_eq!(aws.mute_rule("quiet").await.unwrap(), None);

    set("OK").await;
    aws.put_mute_rule("quiet", &alarms, now, until).await.unwrap();
    set("ALARM").await;
    set("OK").await;
    aws.delete_mute_rule("quiet").await.unwrap();
    assert_eq!(fired(&lab).await.len(), before + 1, "it was OK again");
}

#[tokio::test]
async fn trap_15_a_mute_rule_takes_a_hundred_alarms_that_are_there_and_no_others() {
    let Some(lab) = Lab::enter("trap_15_a_mute_rule_takes_a_hundred_alarms").await else {
        return;
    };
    let (aws, _fleet) = (Aws::connect().await, fleet(&lab, "many").await);
    let now = jiff::Timestamp::now();
    let until = now + jiff::SignedDuration::from_mins(15);
    let refused = aws
        .put_mute_rule("many", &["no-such".to_owned()], now, until)
        .await;
    assert!(refused.unwrap_err().is_refused());
    let names: Vec<String> = (0..101).map(|_| "many-5xx".to_owned()).collect();
    assert!(
        aws.put_mute_rule("many", &names, now, until)
            .await
            .unwrap_err()
            .is_refused()
    );
    let backwards = aws.put_mute_rule("many", &names[..1], until, now).await;
    assert!(backwards.unwrap_err().is_refused());
}

#[tokio::test]
async fn a_tag_of_an_alarm_is_read_and_one_of_a_deleted_alarm_is_not_missed() {
    let Some(lab) = Lab::enter("a_tag_of_an_alarm_is_read").await else {
        return;
    };
    let (aws, _fleet) = (Aws::connect().await, fleet(&lab, "tagged").await);
    let arn = aws
        .alarms_matching(&["tagged-5xx".into()])
        .await
        .unwrap()
        .remove(0)
        .arn;
    assert_eq!(aws.alarm_tag(&arn, "drawgate:silenced").await.unwrap(), None);
    aws.tag_alarm(&arn, "drawgate:silenced", "r1").await.unwrap();
    assert_eq!(
        aws.alarm_tag(&arn, "drawgate:silenced").await.unwrap().as_deref(),
        Some("r1")
    );
    aws.untag_alarm(&arn, "drawgate:silenced").await.unwrap();
    assert_eq!(aws.alarm_tag(&arn, "drawgate:silenced").await.unwrap(), None);
    let gone = aws
        .tag_alarm(&format!("{arn}-gone"), "drawgate:silenced", "r1")
        .await;
    assert!(gone.unwrap_err().is_not_found());
}

#[tokio::test]
async fn listings_are_read_to_their_last_page() {
    let Some(lab) = Lab::enter("listings_are_read_to_their_last_page").await else {
        return;
    };
    let aws = Aws::connect().await;
    let groups: Vec<_> = (0..410)
        .map(|number| json!({"name": format!("page-{number}"), "port": 9000}))
        .collect();
    let alarms: Vec<_> = (0..130)
        .map(|number| json!({"name": format!("page-{number:03}")}))
        .collect();
    lab.fleet(json!({"name": "pages", "hosts": ["h1"], "target_groups": groups, "alarms": alarms}))
        .await;

    let scanned = aws.scan_target_groups().await.unwrap();
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

#[tokio::test]
async fn a_throttled_call_did_not_happen_and_is_repeated_and_no_other_is() {
    let Some(lab) = Lab::enter("a_throttled_call_did_not_happen_and_is_repeated_and_no_other_is").await
    else {
        return;
    };
    let (aws, _fleet) = (Aws::connect().await, fleet(&lab, "throttle").await);
    let attempts = limits::THROTTLED_ATTEMPTS;
    lab.fault("autoscaling:SuspendProcesses", "throttle", attempts)
        .await;
    let error = aws.suspend("throttle", &[Process::Launch]).await.unwrap_err();
    assert!(
        matches!(error, AwsError::Throttled { .. }) && error.is_transient(),
        "{error:?}"
    );
    assert_eq!(aws.calls()["autoscaling:SuspendProcesses"], 1);
    assert_eq!(suspended(&aws, "throttle").await, ["ScheduledActions"]);
    lab.fault("autoscaling:SuspendProcesses", "throttle", 2).await;
    aws.suspend("throttle", &[Process::Launch]).await.unwrap();
    lab.fault("ec2:DescribeInstances", "throttle", attempts).await;
    let error = aws.instances_by_ids(&["i-1".into()]).await.unwrap_err();
    assert_eq!(
        (error.is_transient(), error.code()),
        (true, Some("RequestLimitExceeded"))
    );
    lab.fault("cloudwatch:DescribeAlarms", "throttle", 2).await;
    aws.alarms_matching(&["x".into()]).await.unwrap();
    // The call may have taken effect, so the outcome is unknown, and the caller looks first.
    lab.fault("autoscaling:ResumeProcesses", "error500", 1).await;
    let error = aws.resume("throttle", &[Process::Launch]).await.unwrap_err();
    assert!(error.is_unknown(), "{error:?}");
    lab.fault("cloudwatch:DescribeAlarms", "error500", 1).await;
    assert!(
        aws.alarms_matching(&["x".into()])
            .await
            .unwrap_err()
            .is_transient()
    );
}

#[tokio::test]
async fn a_denied_call_names_the_action_to_allow() {
    let Some(lab) = Lab::enter("a_denied_call_names_the_action_to_allow").await else {
        return;
    };
    let aws = Aws::connect().await;
    lab.fault("*", "access_denied", 4).await;
    let errors = [
        aws.suspend("x", &[Process::Launch]).await.unwrap_err(),
        aws.instances_by_ids(&["i-1".into()]).await.unwrap_err(),
        aws.scan_target_groups().await.unwrap_err(),
        aws.alarms_matching(&["x".into()]).await.unwrap_err(),
    ];
    let actions = [
        "autoscaling:SuspendProcesses",
        "ec2:DescribeInstances",
        "elasticloadbalancing:DescribeTargetGroups",
        "cloudwatch:DescribeAlarms",
    ];
    for (error, action) in errors.iter().zip(actions) {
        assert!(error.is_refused(), "{error:?}");
        assert!(error.hint().unwrap().contains(action), "{error:?}");
    }
}

#[tokio::test]
async fn a_failing_server_leaves_a_write_unknown_and_a_read_to_be_asked_again() {
    let Some(lab) = Lab::enter("a_failing_server_leaves_a_write_unknown").await else {
        return;
    };
    let aws = Aws::connect().await;
    lab.fault("*", "error500", 2).await;
    let write = aws.suspend("x", &[Process::Launch]).await.unwrap_err();
    assert!(write.is_unknown() && !write.is_transient(), "{write:?}");
    let read = aws.scan_target_groups().await.unwrap_err();
    assert!(read.is_transient() && !read.is_unknown(), "{read:?}");
}

#[tokio::test]
async fn trap_14_a_call_without_an_answer_may_have_happened() {
    let Some(lab) = Lab::enter("rule_14_a_call_without_an_answer_may_have_happened").await else {
        return;
    };
    let (aws, _fleet) = (Aws::connect().await, fleet(&lab, "lost").await);
    lab.fault("autoscaling:SuspendProcesses", "timeout_after_act", 1)
        .await;
    lab.fault("elasticloadbalancing:DescribeTargetGroups", "timeout", 1)
        .await;
    let begun = Instant::now();
    let (write, read) = tokio::join!(aws.suspend("lost", &[Process::Launch]), aws.scan_target_groups());
    assert!(begun.elapsed() < Duration::from_secs(22), "{:?}", begun.elapsed());
    let (write, read) = (write.unwrap_err(), read.unwrap_err());
    assert!(write.is_unknown(), "{write:?}");
    assert!(read.is_transient() && !read.is_unknown(), "{read:?}");
    // In this case the call did take effect.
    assert_eq!(suspended(&aws, "lost").await, ["Launch", "ScheduledActions"]);
}

#[tokio::test]
async fn an_endpoint_that_is_not_there_was_never_asked() {
    let Some(_lab) = Lab::enter("an_endpoint_that_is_not_there_was_never_asked").await else {
        return;
    };
    let aws = connect_to("http://10.77.0.1:9").await;
    let error = aws.suspend("x", &[Process::Launch]).await.unwrap_err();
    assert!(
        matches!(error, AwsError::NotSent { .. }) && error.is_transient(),
        "{error:?}"
    );
    // An address that swallows all packets meets the connection time-out, not the time-out of the whole call.
    let aws = connect_to("http://10.77.0.200:5555").await;
    let begun = Instant::now();
    let error = aws.suspend("x", &[Process::Launch]).await.unwrap_err();
    assert!(matches!(error, AwsError::NotSent { .. }), "{error:?}");
    assert!(begun.elapsed() < Duration::from_secs(7), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_connection_that_breaks_after_sending_leaves_a_write_unknown() {
    // This test needs no lab: its server reads the request and hangs up.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 64];
            let _ = tokio::io::AsyncReadExt::read(&mut stream, &mut request).await;
        }
    });
    let aws = connect_to(&endpoint).await;
    let write = aws.suspend("x", &[Process::Launch]).await.unwrap_err();
    assert!(write.is_unknown(), "{write:?}");
    let read = aws.scan_target_groups().await.unwrap_err();
    assert!(read.is_transient() && !read.is_unknown(), "{read:?}");
}

#[tokio::test]
async fn without_credentials_nothing_is_sent() {
    // This test needs no lab: no request is sent.
    let nothing = CredentialProcessProvider::new("false".to_owned());
    let environment = aws_config::defaults(BehaviorVersion::latest()).region(Region::new("eu-west-1"));
    let aws = Aws::connect_with(
        environment
            .endpoint_url("http://127.0.0.1:9")
            .credentials_provider(nothing),
    )
    .await;
    let error = aws.suspend("x", &[Process::Launch]).await.unwrap_err();
    assert!(
        matches!(error, AwsError::NotSent { .. }) && error.is_transient(),
        "{error:?}"
    );
    assert!(error.hint().unwrap().contains("credentials"));
    assert!(aws.calls().is_empty());
}

#[tokio::test]
async fn trap_10_a_parameter_is_written_read_and_deleted() {
    let Some(lab) = Lab::enter("trap_10_a_parameter_is_written_read_and_deleted").await else {
        return;
    };
    let (aws, name) = (Aws::connect().await, "/drawgate/wanted/staging/parameter");
    aws.delete_parameter(name).await.unwrap();
    assert_eq!(aws.parameter(name).await.unwrap(), None);
    // The last value is as long as a parameter's value may be.
    for value in ["one".to_owned(), "two".to_owned(), "x".repeat(8192)] {
        aws.put_parameter(name, &value).await.unwrap();
        let seen = aws.parameter(name).await.unwrap().unwrap();
        assert_eq!((seen.value, seen.secure), (value, false));
        let age = jiff::Timestamp::now().duration_since(seen.modified_at.unwrap());
        assert!(age.as_secs().abs() < 5, "{age:?}");
    }
    lab.fault("ssm:PutParameter", "access_denied", 1).await;
    let denied = aws.put_parameter(name, "three").await.unwrap_err();
    assert!(denied.is_refused(), "{denied}");
    assert_eq!(
        denied.hint().unwrap(),
        "allow `ssm:PutParameter` in the IAM policy of the worker's role"
    );
    lab.fault("ssm:DeleteParameter", "throttle", limits::THROTTLED_ATTEMPTS)
        .await;
    assert!(aws.delete_parameter(name).await.unwrap_err().is_transient());
    aws.delete_parameter(name).await.unwrap();
    assert_eq!(aws.parameter(name).await.unwrap(), None);
}
