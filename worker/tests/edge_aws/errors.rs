//! Calls that fail: refused, throttled, not sent, unknown.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use aws_config::credential_process::CredentialProcessProvider;
use aws_config::{BehaviorVersion, Region};
use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, future};
use drawgate_lab::lab::Lab;
use drawgate_rollout::definition::Process;
use drawgate_worker::aws::{Aws, AwsError, RateShare, limits};
use serde_json::json;
use tokio::time::Instant;

use crate::fixtures::{connect_to, fleet, reads_are_fresh, suspended};

#[tokio::test]
async fn only_a_throttled_call_did_not_happen_and_is_repeated() {
    let Some(lab) = Lab::enter("only_a_throttled_call_did_not_happen_and_is_repeated").await else {
        return;
    };
    reads_are_fresh(&lab).await;
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
        aws.target_groups().await.unwrap_err(),
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

/// Gives the access key of a session that ends without saying so, until a person has renewed it.
#[derive(Debug, Default)]
struct Session {
    renewed: AtomicBool,
    asked: AtomicU32,
}

impl ProvideCredentials for Session {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let key = match self.renewed.load(Ordering::Relaxed) {
            true => "lab-session-2",
            false => "lab-session-1",
        };
        future::ProvideCredentials::ready(Ok(Credentials::new(key, "secret", None, None, "test")))
    }
}

#[tokio::test]
async fn an_expired_session_says_no_to_no_call_and_is_asked_for_anew() {
    let Some(lab) = Lab::enter("an_expired_session_says_no_to_no_call_and_is_asked_for_anew").await else {
        return;
    };
    let session = Arc::new(Session::default());
    let provider: Arc<dyn ProvideCredentials> = Arc::<Session>::clone(&session);
    let environment = aws_config::defaults(BehaviorVersion::latest());
    let aws = Aws::connect_with(environment.credentials_provider(provider), RateShare::ALL).await;
    aws.parameter("/none").await.unwrap();
    aws.target_groups().await.unwrap();
    assert_eq!(
        session.asked.load(Ordering::Relaxed),
        1,
        "good credentials are kept"
    );

    let over = json!({"action": "*", "mode": "expired", "count": 1000, "key": "lab-session-1"});
    lab.post("fault", over).await;
    let errors = [
        aws.suspend("x", &[Process::Launch]).await.unwrap_err(),
        aws.instances_by_ids(&["i-1".into()]).await.unwrap_err(),
        aws.target_groups().await.unwrap_err(),
        aws.alarms_matching(&["x".into()]).await.unwrap_err(),
        aws.parameter("/none").await.unwrap_err(),
    ];
    for error in &errors {
        assert!(matches!(error, AwsError::NotAccepted { .. }), "{error:?}");
        assert!(
            error.is_transient() && error.hint().unwrap().contains("renew"),
            "{error:?}"
        );
    }
    session.renewed.store(true, Ordering::Relaxed);
    let behind = aws.parameter("/none").await;
    assert!(behind.is_ok(), "the old session is still in use: {behind:?}");
    assert_eq!(session.asked.load(Ordering::Relaxed), 6, "once after each answer");
}

#[tokio::test]
async fn a_failing_server_leaves_writes_unknown_and_reads_transient() {
    let Some(lab) = Lab::enter("a_failing_server_leaves_writes_unknown_and_reads_transient").await else {
        return;
    };
    let aws = Aws::connect().await;
    lab.fault("*", "error500", 2).await;
    let write = aws.suspend("x", &[Process::Launch]).await.unwrap_err();
    assert!(write.is_unknown() && !write.is_transient(), "{write:?}");
    let read = aws.target_groups().await.unwrap_err();
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
    let (write, read) = tokio::join!(aws.suspend("lost", &[Process::Launch]), aws.target_groups());
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
async fn a_write_is_unknown_when_its_connection_breaks_after_sending() {
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
    let read = aws.target_groups().await.unwrap_err();
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
        RateShare::ALL,
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
