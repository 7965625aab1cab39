//! Makes, starts, stops, renames and removes containers. Each method looks before it acts: `Ok(true)` means
//! that it acted, `Ok(false)` that nothing was left to do.

use std::collections::BTreeMap;
use std::time::Duration;

use bollard::errors::Error as DockerError;
use bollard::models::ContainerUpdateBody;
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, RemoveContainerOptionsBuilder, RenameContainerOptionsBuilder,
    StopContainerOptionsBuilder,
};
use drawgate_rollout::definition::{ContainerDefinition, RestartPolicy};

use super::body::{container_body, engine_policy};
use super::containers::ContainerInfo;
use super::error::{Effect, HostError};
use super::limits;
use super::pool::Host;

impl Host {
    /// Creates a container, without starting it and without a restart policy; gives its id. The engine
    /// refuses a name that is taken with status 409.
    pub async fn create(
        &self,
        definition: &ContainerDefinition,
        name: &str,
        image: &str,
        labels: &BTreeMap<String, String>,
    ) -> Result<String, HostError> {
        let body = container_body(definition, image, labels);
        let created = self
            .ask("creating the container", Effect::Write, |docker| {
                let options = CreateContainerOptionsBuilder::new().name(name).build();
                let body = body.clone();
                async move { docker.create_container(Some(options), body).await }
            })
            .await?;
        Ok(created.id)
    }

    /// Sets what the engine does when the container ends.
    pub async fn set_restart_policy(&self, id: &str, policy: RestartPolicy) -> Result<bool, HostError> {
        const OPERATION: &str = "setting the restart policy";
        if self.existing(OPERATION, id).await?.restart_policy == policy {
            return Ok(false);
        }
        self.ask(OPERATION, Effect::Write, |docker| {
            let restart_policy = Some(engine_policy(policy));
            let body = ContainerUpdateBody {
                restart_policy,
                ..ContainerUpdateBody::default()
            };
            let id = id.to_owned();
            async move { docker.update_container(&id, body).await }
        })
        .await?;
        Ok(true)
    }

    /// Stops a container: SIGTERM, and SIGKILL after the time-out.
    pub async fn stop(&self, id: &str, timeout_s: u32) -> Result<bool, HostError> {
        const OPERATION: &str = "stopping the container";
        let container = self.existing(OPERATION, id).await?;
        // A container between two restarts has no process, but will have one: it must be stopped too.
        if !container.running && container.status != "restarting" {
            return Ok(false);
        }
        let timeout_s = timeout_s.min(limits::STOP_TIMEOUT_MAX_S);
        let limit = Duration::from_secs(timeout_s.into()) + limits::STOP_MARGIN;
        self.ask_within(OPERATION, Effect::Write, limit, |docker| {
            let patience = i32::try_from(timeout_s).unwrap_or(i32::MAX);
            let options = StopContainerOptionsBuilder::new().t(patience).build();
            let id = id.to_owned();
            async move { docker.stop_container(&id, Some(options)).await }
        })
        .await?;
        Ok(true)
    }

    /// Starts a container.
    pub async fn start(&self, id: &str) -> Result<bool, HostError> {
        const OPERATION: &str = "starting the container";
        if self.existing(OPERATION, id).await?.running {
            return Ok(false);
        }
        self.ask(OPERATION, Effect::Write, |docker| {
            let id = id.to_owned();
            async move { docker.start_container(&id, None).await }
        })
        .await?;
        Ok(true)
    }

    /// Renames a container. The engine refuses a name that is taken with status 409.
    pub async fn rename(&self, id: &str, name: &str) -> Result<bool, HostError> {
        const OPERATION: &str = "renaming the container";
        if self.existing(OPERATION, id).await?.name == name {
            return Ok(false);
        }
        self.ask(OPERATION, Effect::Write, |docker| {
            let options = RenameContainerOptionsBuilder::new().name(name).build();
            let id = id.to_owned();
            async move { docker.rename_container(&id, options).await }
        })
        .await?;
        Ok(true)
    }

    /// Removes a container, never its volumes. With `force`, even while it runs. `Ok(false)`: there was none.
    pub async fn remove(&self, id: &str, force: bool) -> Result<bool, HostError> {
        self.ask("removing the container", Effect::Write, |docker| {
            let options = RemoveContainerOptionsBuilder::new().force(force).v(false).build();
            let id = id.to_owned();
            async move {
                match docker.remove_container(&id, Some(options)).await {
                    Ok(()) => Ok(true),
                    Err(DockerError::DockerResponseServerError { status_code: 404, .. }) => Ok(false),
                    Err(error) => Err(error),
                }
            }
        })
        .await
    }

    /// The container to act on. Refuses if it is absent.
    async fn existing(&self, operation: &'static str, id: &str) -> Result<ContainerInfo, HostError> {
        self.container_alone(id).await?.ok_or_else(|| HostError::Refused {
            host: self.label(),
            operation,
            status: Some(404),
            message: format!("there is no container {id}"),
        })
    }
}
