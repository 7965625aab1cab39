//! Registries. These tests need no lab: what is sent is what matters, and a server of their own reads it.

use serde_json::Value;
use tokio::net::TcpListener;

use crate::fixtures::{Reply, asked_once, connect_to};

/// That there is no life-cycle policy, as ECR says it.
fn no_policy() -> Reply {
    Reply {
        status: "400 Bad Request",
        headers: "content-type: application/x-amz-json-1.1\r\n",
        body: b"{\"__type\":\"LifecyclePolicyNotFoundException\"}".to_vec(),
    }
}

#[tokio::test]
async fn a_policy_is_read_in_the_account_of_the_image() {
    for (account, expected) in [
        (Some("210987654321"), Value::from("210987654321")),
        (None, Value::Null),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let aws = connect_to(&format!("http://{}", listener.local_addr().unwrap())).await;
        let asked = tokio::spawn(asked_once(listener, no_policy()));
        let policy = aws.lifecycle_policy(Some("eu-west-1"), account, "team/api").await;
        assert_eq!(policy.unwrap(), None);
        let asked = asked.await.unwrap().unwrap();
        let asked: Value = serde_json::from_slice(&asked).unwrap();
        assert_eq!(asked["registryId"], expected, "{asked}");
        assert_eq!(asked["repositoryName"], "team/api");
    }
}
