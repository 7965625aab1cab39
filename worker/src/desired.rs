//! The desired version as booting instances read it: the text of the parameter, which `infra/aws/boot`
//! understands.
//!
//! It contains the container as the body of the Docker Engine API's `POST /containers/create`, made by the
//! same function as for a host that is rolled. So the boot script has nothing to translate, and starts what a
//! release would have started, with the same labels. A secret is in the text only as a reference to its
//! store, because everybody who may read the parameter may read all of it.

use std::collections::BTreeMap;

use bollard::models::{ContainerCreateBody, RestartPolicy};
use drawgate_rollout::definition::{ContainerDefinition, ServiceDefinition};
use drawgate_rollout::{DesiredPlan, SecretReference};
use drawgate_schemas::{Digest, ReleaseRequest};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::effects::labels;
use crate::host::{container_body, engine_policy};

/// Schema number of the text. A boot script that knows only smaller numbers starts nothing and says so.
pub const SCHEMA: u32 = 1;
/// Schema number of a text with secrets: a script that does not know secrets must not take it for one
/// without.
pub const SCHEMA_WITH_SECRETS: u32 = 2;

/// The text of the parameter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DesiredVersion {
    /// [`SCHEMA`] or [`SCHEMA_WITH_SECRETS`].
    pub schema: u32,
    pub environment: String,
    pub service: String,
    /// The release that wrote the text.
    pub release: String,
    /// The name that people use for the version.
    pub version: String,
    /// When that release was planned.
    pub planned_at: Timestamp,
    /// What to start; `None` while no version is desired yet.
    pub start: Option<Start>,
}

/// The container to start at boot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Start {
    /// The image, `repository@digest`.
    pub image: String,
    /// The container's name.
    pub name: String,
    /// The restart policy that the container gets once it is up, as the engine writes it.
    pub restart: RestartPolicy,
    /// The body of `POST /containers/create`, without the secrets.
    pub create: ContainerCreateBody,
    /// Environment variables added at boot, from the secret versions that are current then.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<String, SecretReference>,
}

/// The value that a release will publish, with the parameter's value now.
pub(crate) fn plan(
    parameter: &str,
    before: Option<String>,
    request: &ReleaseRequest,
    digest: &Digest,
    definition: &ServiceDefinition,
    container: &ContainerDefinition,
) -> DesiredPlan {
    let image = format!("{}@{digest}", request.image.repository());
    let labels = labels(
        &request.id.to_string(),
        &request.version_name(),
        digest,
        definition,
    );
    let start = Start {
        create: container_body(container, &image, &labels),
        restart: engine_policy(container.restart),
        name: container.name.clone(),
        secrets: container.secrets.clone(),
        image,
    };
    let nothing = DesiredVersion {
        schema: if container.secrets.is_empty() {
            SCHEMA
        } else {
            SCHEMA_WITH_SECRETS
        },
        environment: definition.environment.to_string(),
        service: definition.service.to_string(),
        release: request.id.to_string(),
        version: request.version_name(),
        planned_at: Timestamp::now(),
        start: None,
    };
    let wanted = DesiredVersion {
        start: Some(start),
        ..nothing.clone()
    };
    let text = |version: &DesiredVersion| serde_json::to_string(version).unwrap_or_default();
    DesiredPlan {
        parameter: parameter.to_owned(),
        version_before: before.as_deref().and_then(version_of),
        before,
        placeholder: text(&nothing),
        value: text(&wanted),
    }
}

/// The name of the version that a text asks for; `None` where it asks for none.
pub(crate) fn version_of(text: &str) -> Option<String> {
    match serde_json::from_str::<DesiredVersion>(text) {
        Ok(wanted) => wanted.start.map(|_| wanted.version),
        Err(_) => Some("what Drawgate did not write".to_owned()),
    }
}
