//! Images of the test application in the lab's registry.

use serde_json::{Value, json};

use super::api::Lab;

impl Lab {
    /// Pushes the test application under a tag; gives the digest.
    pub async fn image(&self, repository: &str, tag: &str, version: &str, mode: &str) -> String {
        self.push(json!({"repository": repository, "tag": tag, "version": version, "mode": mode}))
            .await
    }

    /// The same, with a `HEALTHCHECK` in the image that runs each second and fails after two failures.
    pub async fn image_with_healthcheck(&self, repository: &str, tag: &str, mode: &str) -> String {
        self.image_checked_by(repository, tag, mode, json!(true)).await
    }

    /// The same with this health check; Docker's defaults apply to what it does not name.
    pub async fn image_checked_by(&self, repository: &str, tag: &str, mode: &str, check: Value) -> String {
        self.push(
            json!({"repository": repository, "tag": tag, "version": tag, "mode": mode, "healthcheck": check}),
        )
        .await
    }

    /// Pushes the test application for these architectures; gives the digest of the list.
    pub async fn image_for(&self, repository: &str, tag: &str, platforms: &[&str]) -> String {
        self.push(json!({"repository": repository, "tag": tag, "version": tag, "platforms": platforms}))
            .await
    }

    async fn push(&self, spec: Value) -> String {
        self.post("images", spec).await["digest"]
            .as_str()
            .expect("a digest")
            .to_owned()
    }
}
