//! The names in a made-up fleet.

use drawgate_schemas::{Digest, ReleaseRequest};
use serde_json::json;

/// The Auto Scaling group.
pub const GROUP: &str = "web-asg";
/// The target group.
pub const TARGET_GROUP: &str = "arn:aws:elasticloadbalancing:eu-west-1:1:targetgroup/web/1";
/// The second target group, where there is one.
pub const SECOND_GROUP: &str = "arn:aws:elasticloadbalancing:eu-west-1:1:targetgroup/admin/2";
pub const ALARM: &str = "web-5xx";
/// The parameter with the desired version.
pub const PARAMETER: &str = "/drawgate/wanted/staging/api";
/// The value that this release writes into the parameter.
pub const VALUE: &str = "main-42";
pub const NAME: &str = "api";
/// The image's repository.
pub const REPOSITORY: &str = "registry.example.com/team/api";
pub(super) const OLD_IMAGE: &str = "registry.example.com/team/api:main-41";

/// A digest that repeats this one digit.
pub fn digest(of: char) -> Digest {
    format!("sha256:{}", of.to_string().repeat(64)).parse().unwrap()
}

/// A request for the version that the tests usually release.
pub fn request() -> ReleaseRequest {
    serde_json::from_value(json!({
        "version": 1,
        "id": "0190f6f0-0000-7000-8000-000000000001",
        "environment": "staging",
        "service": "api",
        "image": format!("{REPOSITORY}:main-42"),
        "requested_at": "2026-01-01T00:00:00Z",
    }))
    .unwrap()
}

/// The id of the n-th instance.
pub fn id(n: usize) -> String {
    format!("i-{n}")
}
