//! Registries. These tests need no lab: what is sent is what matters, and a server of their own reads it.

use std::collections::BTreeMap;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

use crate::fixtures::connect_to;

/// Reads one request, says that there is no life-cycle policy, and gives the request's body.
async fn asked_once(listener: TcpListener) -> Option<Value> {
    let (stream, _) = listener.accept().await.ok()?;
    let mut stream = BufReader::new(stream);
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok()?;
        if line.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = line.trim().split_once(": ") {
            headers.insert(name.to_ascii_lowercase(), value.to_owned());
        }
    }
    let mut body = vec![0; headers.get("content-length")?.parse().ok()?];
    stream.read_exact(&mut body).await.ok()?;
    let text = "{\"__type\":\"LifecyclePolicyNotFoundException\"}";
    let length = text.len();
    let answer = format!(
        "HTTP/1.1 400 Bad Request\r\ncontent-type: application/x-amz-json-1.1\r\ncontent-length: {length}\r\n\r\n{text}"
    );
    stream.get_mut().write_all(answer.as_bytes()).await.ok()?;
    serde_json::from_slice(&body).ok()
}

#[tokio::test]
async fn a_policy_is_read_in_the_account_of_the_image() {
    for (account, expected) in [
        (Some("210987654321"), Value::from("210987654321")),
        (None, Value::Null),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let aws = connect_to(&format!("http://{}", listener.local_addr().unwrap())).await;
        let asked = tokio::spawn(asked_once(listener));
        let policy = aws.lifecycle_policy(Some("eu-west-1"), account, "team/api").await;
        assert_eq!(policy.unwrap(), None);
        let asked = asked.await.unwrap().unwrap();
        assert_eq!(asked["registryId"], expected, "{asked}");
        assert_eq!(asked["repositoryName"], "team/api");
    }
}
