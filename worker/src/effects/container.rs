//! The containers of one host: create, swap, swap back, keep, remove.
//!
//! Identity is never a name: the old container is the id that the plan recorded, the new one is the one that
//! carries the release's label. So a swap that was broken off half-way finds where to go on.

use drawgate_rollout::definition::{ContainerDefinition, RestartPolicy};
use drawgate_rollout::names::{self, old_container, old_prefix};
use drawgate_rollout::{Evidence, HostPlan, LABEL_RELEASE, StepOutcome};
use drawgate_schemas::Direction;
use tokio::time::Instant;

use super::connections::Effects;
use super::names::{LABEL_AFTER, LABEL_BEFORE, LABEL_RESTART_BEFORE, labels};
use super::outcome::{Effect, Sorted, either, refused};
use super::task::Task;
use crate::host::{ContainerInfo, Host};

impl Effects {
    pub(super) async fn create(&self, task: Task<'_>, host: &HostPlan) -> StepOutcome {
        either(self.try_create(task, host).await)
    }

    async fn try_create(&self, task: Task<'_>, host: &HostPlan) -> Effect<StepOutcome> {
        let engine = self.host(host);
        if new_container(&engine, task).await?.is_some() {
            return Ok(StepOutcome::already());
        }
        let service = task.container()?;
        let definition = &ContainerDefinition {
            env: self.environment(task, service).await?,
            ..service.clone()
        };
        let name = names::new_container(&definition.name, task.release.request.id);
        let plan = task.plan;
        let mut labels = labels(&task.id(), &plan.version_name, task.digest()?, &plan.definition);
        if let Some(before) = &host.before {
            let restart = serde_json::to_string(&before.restart).unwrap_or_default();
            labels.insert(LABEL_RESTART_BEFORE.to_owned(), restart);
        }
        let image = task.plan.pinned();
        let created = engine.create(definition, &name, &image, &labels).await;
        match created {
            // The image was removed between the pull and now, for example by `docker image prune -a` in a
            // timer.
            Err(error) if error.status() == Some(NO_SUCH_IMAGE) => {
                self.try_stage(task, host).await?;
                engine.create(definition, &name, &image, &labels).await.sorted()?;
            }
            created => drop(created.sorted()?),
        }
        Ok(StepOutcome::done())
    }

    pub(super) async fn swap_forward(&self, task: Task<'_>, host: &HostPlan) -> StepOutcome {
        either(self.try_swap_forward(task, host).await)
    }

    async fn try_swap_forward(&self, task: Task<'_>, host: &HostPlan) -> Effect<StepOutcome> {
        let engine = self.host(host);
        let Some(new) = new_container(&engine, task).await? else {
            return refused("the container that was created for this release is gone");
        };
        let old = self.old_container(&engine, host).await?;
        let name = &task.container()?.name;
        let mut stopped_at = None;
        if let Some(old) = &old {
            // A stopped container with `always` starts again when the engine starts, and takes the port.
            set_policy(&engine, old, RestartPolicy::No).await?;
            rename(&engine, old, &old_container(name, task.release.request.id)).await?;
        }
        rename(&engine, &new, name).await?;
        if let Some(old) = old.as_ref().filter(|old| old.running) {
            stopped_at = Some(Instant::now());
            engine
                .stop(&old.id, task.container()?.stop_timeout_s)
                .await
                .sorted()?;
        }
        if new.running {
            return Ok(StepOutcome::already());
        }
        engine.start(&new.id).await.sorted()?;
        let took_ms = |from: Instant| u64::try_from(from.elapsed().as_millis()).unwrap_or(u64::MAX);
        Ok(StepOutcome::Done {
            evidence: Evidence::Swapped {
                without_container_ms: stopped_at.map(took_ms),
            },
        })
    }

    pub(super) async fn swap_back(&self, task: Task<'_>, host: &HostPlan) -> StepOutcome {
        either(self.try_swap_back(task, host).await)
    }

    async fn try_swap_back(&self, task: Task<'_>, host: &HostPlan) -> Effect<StepOutcome> {
        let engine = self.host(host);
        let name = &task.container()?.name;
        let old = self.old_container(&engine, host).await?;
        if let Some(new) = new_container(&engine, task).await? {
            set_policy(&engine, &new, RestartPolicy::No).await?;
            rename(
                &engine,
                &new,
                &names::new_container(name, task.release.request.id),
            )
            .await?;
            if new.running {
                engine
                    .stop(&new.id, task.container()?.stop_timeout_s)
                    .await
                    .sorted()?;
            }
        }
        let Some(old) = old else {
            return Ok(StepOutcome::done());
        };
        rename(&engine, &old, name).await?;
        let ran = host.before.as_ref().is_some_and(|before| before.running);
        if ran && !old.running {
            engine.start(&old.id).await.sorted()?;
        }
        Ok(StepOutcome::done())
    }

    /// The container that ran before the release. Refuses if there was one and it is gone.
    pub(super) async fn old_container(
        &self,
        engine: &Host,
        host: &HostPlan,
    ) -> Effect<Option<ContainerInfo>> {
        let Some(before) = &host.before else {
            return Ok(None);
        };
        match engine.container_alone(&before.id).await.sorted()? {
            Some(container) => Ok(Some(container)),
            None => refused(format!(
                "the container {} that ran {} before is gone",
                before.id, before.image
            )),
        }
    }

    pub(super) async fn set_restart_policy(
        &self,
        task: Task<'_>,
        host: &HostPlan,
        direction: Direction,
    ) -> StepOutcome {
        either(self.try_set_restart_policy(task, host, direction).await)
    }

    async fn try_set_restart_policy(
        &self,
        task: Task<'_>,
        host: &HostPlan,
        direction: Direction,
    ) -> Effect<StepOutcome> {
        let (Some(policy), Some(container)) = (
            policy(task, host, direction),
            self.serving_container(task, host, direction).await?,
        ) else {
            return Ok(StepOutcome::already());
        };
        let changed = set_policy(&self.host(host), &container, policy).await?;
        Ok(if changed {
            StepOutcome::done()
        } else {
            StepOutcome::already()
        })
    }

    /// The container that must serve in this direction; `None` where there is to be none.
    pub(super) async fn serving_container(
        &self,
        task: Task<'_>,
        host: &HostPlan,
        direction: Direction,
    ) -> Effect<Option<ContainerInfo>> {
        let engine = self.host(host);
        match direction {
            Direction::Back => self.old_container(&engine, host).await,
            Direction::Forward => match new_container(&engine, task).await? {
                Some(new) => Ok(Some(new)),
                None => refused("the container that was created for this release is gone"),
            },
        }
    }

    pub(super) async fn clean_up(&self, task: Task<'_>, host: &HostPlan) -> StepOutcome {
        either(self.try_clean_up(task, host).await)
    }

    /// After a success the replaced container stays, stopped; the containers that earlier releases replaced
    /// are removed, with the images that nothing needs any more. After a failure the failed container is
    /// removed (its last lines are in the journal), and its image stays for inspection until the next
    /// success.
    async fn try_clean_up(&self, task: Task<'_>, host: &HostPlan) -> Effect<StepOutcome> {
        let engine = self.host(host);
        let name = &task.container()?.name;
        let prefix = old_prefix(name);
        let keep = host.before.as_ref().map(|before| before.id.as_str());
        let succeeded = task.release.rolling_back.is_none();
        let mut removed = false;
        for container in engine.containers(true).await.sorted()? {
            let failed = !succeeded && is_of(&container, task) && container.name != *name;
            // Every swap takes the restart policy off the container that it replaces, so a container that has
            // one was not replaced by a release.
            let replaced = container.name.strip_prefix(&prefix).is_some_and(is_short_id)
                && container.restart_policy == RestartPolicy::No;
            let superseded = succeeded && replaced;
            if is_own_hook(&container, task) {
                removed |= engine.remove(&container.id, true).await.sorted()?;
                continue;
            }
            // A running container is somebody's service, whatever went wrong before: it is not removed.
            if (failed || superseded) && !container.running && keep != Some(container.id.as_str()) {
                removed |= engine.remove(&container.id, false).await.sorted()?;
            }
        }
        if succeeded {
            removed |= self.clean_up_images(task, &engine).await?;
        }
        Ok(if removed {
            StepOutcome::done()
        } else {
            StepOutcome::already()
        })
    }
}

impl Effects {
    /// Removes the images of this repository that nothing needs any more. The previous image is in use by its
    /// container.
    async fn clean_up_images(&self, task: Task<'_>, engine: &Host) -> Effect<bool> {
        let Some(running) = new_container(engine, task).await? else {
            return Ok(false);
        };
        let keep = task.container()?.keep_images;
        let repository = task.plan.image.repository();
        let removed = engine.retain_images(repository, &running.image_id, keep).await;
        Ok(!removed.sorted()?.is_empty())
    }
}

/// The engine's answer to a create when the image is not there (Docker Engine API, "ContainerCreate").
const NO_SUCH_IMAGE: u16 = 404;

/// The one-off container of a hook of this release. A `[before]` that still runs although its end could not
/// be awaited is left to end by itself.
fn is_own_hook(container: &ContainerInfo, task: Task<'_>) -> bool {
    let has = |label: &str| container.labels.get(label) == Some(&task.id());
    has(LABEL_AFTER) || (has(LABEL_BEFORE) && !container.running)
}

/// Tests the form that [`drawgate_schemas::ReleaseId::short`] writes: other names that begin alike are not
/// ours.
fn is_short_id(text: &str) -> bool {
    text.len() == 8 && text.chars().all(|c| c.is_ascii_hexdigit())
}

fn is_of(container: &ContainerInfo, task: Task<'_>) -> bool {
    container.labels.get(LABEL_RELEASE) == Some(&task.id())
}

/// The container that this release made on a host.
pub(super) async fn new_container(engine: &Host, task: Task<'_>) -> Effect<Option<ContainerInfo>> {
    engine.labelled(LABEL_RELEASE, &task.id()).await.sorted()
}

async fn set_policy(engine: &Host, container: &ContainerInfo, policy: RestartPolicy) -> Effect<bool> {
    if container.restart_policy == policy {
        return Ok(false);
    }
    engine.set_restart_policy(&container.id, policy).await.sorted()
}

async fn rename(engine: &Host, container: &ContainerInfo, name: &str) -> Effect<bool> {
    if container.name == name {
        return Ok(false);
    }
    engine.rename(&container.id, name).await.sorted()
}

/// The restart policy that a host's container must have in this direction; `None` where there is no
/// container.
fn policy(task: Task<'_>, host: &HostPlan, direction: Direction) -> Option<RestartPolicy> {
    match direction {
        Direction::Forward => task
            .plan
            .definition
            .container()
            .map(|container| container.restart),
        Direction::Back => host.before.as_ref().map(|before| before.restart),
    }
}
