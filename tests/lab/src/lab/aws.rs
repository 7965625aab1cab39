//! The AWS API: the calls that it was asked for, and AWS's own command line against it.

use std::collections::BTreeMap;

use serde_json::Value;
use tokio::process::Command;

use super::api::Lab;
use crate::repository;

impl Lab {
    /// Numbers of AWS calls so far, by `service:Action`.
    pub async fn calls(&self) -> BTreeMap<String, u64> {
        serde_json::from_value(self.get("calls").await).unwrap()
    }

    /// The AWS calls so far that change something.
    pub async fn writes(&self) -> Vec<Value> {
        let log = self.get("calls/log").await;
        let reads = [":Describe", ":List", ":Get", ":Simulate"];
        let is_write = |call: &&Value| {
            let action = call["action"].as_str().unwrap();
            !reads.iter().any(|read| action.contains(read))
        };
        log.as_array().unwrap().iter().filter(is_write).cloned().collect()
    }

    /// Runs the AWS command line, which has to succeed; gives what it printed.
    pub async fn aws(&self, arguments: &[&str]) -> String {
        let done = Command::new(repository("target/lab/venv/bin/aws"))
            .args(arguments)
            .output()
            .await
            .unwrap();
        let error = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(done.status.success(), "aws {}: {error}", arguments.join(" "));
        String::from_utf8_lossy(&done.stdout).trim().to_owned()
    }

    /// The value of a parameter; `None` where the parameter does not exist.
    pub async fn parameter(&self, name: &str) -> Option<String> {
        let query = format!("Parameters[?Name=='{name}'].Value | [0]");
        let answer = self
            .aws(&[
                "ssm",
                "get-parameters",
                "--names",
                name,
                "--query",
                &query,
                "--output",
                "text",
            ])
            .await;
        Some(answer).filter(|value| value != "None")
    }

    /// Creates or overwrites a text parameter.
    pub async fn put_parameter(&self, name: &str, value: &str) {
        let arguments = [
            "ssm",
            "put-parameter",
            "--overwrite",
            "--type",
            "String",
            "--name",
            name,
            "--value",
            value,
        ];
        self.aws(&arguments).await;
    }

    /// Deletes a parameter.
    pub async fn delete_parameter(&self, name: &str) {
        self.aws(&["ssm", "delete-parameter", "--name", name]).await;
    }
}
