//! Retries of the AWS SDK against an API that throttles calls. Needs no lab.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use aws_config::{BehaviorVersion, Region};
use aws_sdk_ec2::config::Credentials;
use drawgate_rollout::definition::Process;
use drawgate_worker::aws::{Aws, AwsError, RateShare, limits};
use futures_util::future::join_all;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// Calls of the busy lane, with four times as many repetitions as the SDK's quota for a process allows. They
/// are as many as AWS admits at once: further calls would wait until one comes through.
const CALLS: usize = 100;

/// Requests so far, by group.
type Asked = Arc<Mutex<HashMap<String, u32>>>;

const THROTTLED: &str = "<ErrorResponse><Error><Type>Sender</Type><Code>Throttling</Code><Message>Rate exceeded</Message>\
                         </Error><RequestId>1</RequestId></ErrorResponse>";
const DONE: &str = "<ResumeProcessesResponse><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata>\
                    </ResumeProcessesResponse>";

/// An API that throttles every call for the group `busy`, and every call for another group except the last
/// attempt.
async fn api(asked: Asked) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, Arc::clone(&asked)));
        }
    });
    format!("http://{address}")
}

async fn serve(stream: TcpStream, asked: Asked) -> Option<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await.ok()? == 0 {
                return None;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().ok()?;
            }
            if line.trim().is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.ok()?;
        let body = String::from_utf8(body).ok()?;
        let word = |name: &str| {
            let mut words = body.split('&').filter_map(|word| word.split_once('='));
            words
                .find(|(key, _)| *key == name)
                .map(|(_, value)| value.to_owned())
        };
        let group = word("AutoScalingGroupName")?;
        let times = {
            let mut asked = asked.lock().unwrap();
            let times = asked.entry(group.clone()).or_default();
            *times += 1;
            *times
        };
        let (status, text) = match group != "busy" && times >= limits::THROTTLED_ATTEMPTS {
            true => ("200 OK", DONE),
            false => ("400 Bad Request", THROTTLED),
        };
        let length = text.len();
        let answer =
            format!("HTTP/1.1 {status}\r\ncontent-type: text/xml\r\ncontent-length: {length}\r\n\r\n{text}");
        stream.get_mut().write_all(answer.as_bytes()).await.ok()?;
    }
}

async fn connect_to(endpoint: &str) -> Aws {
    let nobody = Credentials::new("nobody", "secret", None, None, "test");
    let environment = aws_config::defaults(BehaviorVersion::latest())
        .endpoint_url(endpoint)
        .region(Region::new("eu-west-1"));
    Aws::connect_with(environment.credentials_provider(nobody), RateShare::ALL).await
}

#[tokio::test]
async fn trap_41_a_throttled_lane_leaves_the_others_their_attempts() {
    // Each call has a connection, and this process has both ends of it.
    drawgate_worker::descriptors::raise();
    let asked = Asked::default();
    let aws = connect_to(&api(Arc::clone(&asked)).await).await;
    let busy = (0..CALLS).map(|_| async {
        let error = aws.resume("busy", &[Process::Launch]).await.unwrap_err();
        assert!(matches!(error, AwsError::Throttled { .. }), "{error:?}");
    });
    join_all(busy).await;
    let of = |group: &str| asked.lock().unwrap()[group];
    assert_eq!(of("busy") as usize, CALLS * limits::THROTTLED_ATTEMPTS as usize);

    aws.resume("other", &[Process::Launch]).await.unwrap();
    assert_eq!(of("other"), limits::THROTTLED_ATTEMPTS);

    let traffic = aws.traffic()["autoscaling:ResumeProcesses"];
    let attempts = u64::from(limits::THROTTLED_ATTEMPTS) * (CALLS as u64 + 1);
    assert_eq!((traffic.calls, traffic.attempts), (CALLS as u64 + 1, attempts));
    assert_eq!(traffic.throttled, attempts - 1, "all but the last");
}
