//! The example of the worker's IAM policy, against the calls that the worker makes.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use crate::rates::actions;

/// What the hosts' engines and the registry are asked for with the worker's credentials, and not by its own calls.
const OF_PULLS: [&str; 2] = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"];
/// Nobody needs a permission for the first; only tests name the others.
const FREE: [&str; 3] = ["sts:GetCallerIdentity", "ecr:DescribeImages", "kms:Decrypt"];

#[test]
fn the_example_policy_allows_what_the_worker_calls() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../infra/aws/worker-policy.json");
    let policy: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let statements = policy["Statement"].as_array().unwrap().iter();
    let named = statements.flat_map(|statement| match &statement["Action"] {
        Value::Array(actions) => actions.clone(),
        action => vec![action.clone()],
    });
    let mut allowed: BTreeSet<String> = named.map(|action| action.as_str().unwrap().to_owned()).collect();
    allowed.retain(|action| !OF_PULLS.contains(&action.as_str()));
    let mut called: BTreeSet<String> = actions().into_iter().collect();
    called.retain(|action| !FREE.contains(&action.as_str()));
    assert_eq!(allowed, called);
}
