//! `[before]` and `[after]`: one-off containers on a host, and a program on the bastion.
//!
//! A `[before]` is never begun twice. Its container is created in a step of its own; from then on the
//! container itself says how far it came: never started, running, or ended with a code. A container that
//! vanished says nothing, and is not created again.

use std::path::Path;
use std::time::Duration;

use drawgate_rollout::definition::{
    AfterDefinition, BeforeDefinition, ContainerDefinition, Place, Surroundings,
};
use drawgate_rollout::placeholders::Values;
use drawgate_rollout::{Evidence, Failure, HostPlan, Step, StepOutcome, limits};
use drawgate_schemas::ImageReference;
use tokio::time::{Instant, sleep, sleep_until};

use super::connections::Effects;
use super::names::{LABEL_AFTER, LABEL_BEFORE, LABEL_ENVIRONMENT, LABEL_SERVICE, one_off};
use super::outcome::{Effect, Sorted, either, refused};
use super::task::Task;
use crate::host::{ContainerInfo, Host};
use crate::program::{self, Program};
use crate::sanitize::LOG_LINES;

/// Pauses between looks at a one-off container: the first pause, and the longest.
const LOOK_FIRST: Duration = Duration::from_millis(100);
const LOOK_LAST: Duration = Duration::from_secs(2);

/// A container that seems not to have been started is looked at twice, this far apart: a start request that
/// was on its way when the connection broke has arrived by then, or never will.
const ON_ITS_WAY: Duration = Duration::from_secs(3);

/// Seconds between SIGTERM and SIGKILL for a one-off container that ran out of time. Well below
/// [`limits::HOOK_MARGIN_MS`].
const STOP_TIMEOUT_S: u32 = 10;

/// Where a program on the bastion runs when its file names no directory.
pub(super) const ROOT: &str = "/";

impl Effects {
    pub(super) async fn before(&self, task: Task<'_>, step: &Step, host: &HostPlan) -> StepOutcome {
        let Some(before) = &task.plan.definition.before else {
            return StepOutcome::already();
        };
        either(match step {
            Step::CreateBefore { .. } => self.create_before(task, before, host).await,
            _ => self.run_before(task, before, host).await,
        })
    }

    async fn create_before(
        &self,
        task: Task<'_>,
        before: &BeforeDefinition,
        host: &HostPlan,
    ) -> Effect<StepOutcome> {
        let engine = self.host(host);
        if engine
            .labelled(LABEL_BEFORE, &task.id())
            .await
            .sorted()?
            .is_some()
        {
            return Ok(StepOutcome::already());
        }
        let service = task.container()?;
        let mut definition = one_off_of(service);
        definition.volumes.clone_from(&service.volumes);
        definition.env = self.environment(task, service).await?;
        definition.env.extend(before.env.clone());
        create(
            &engine,
            task,
            definition,
            &before.run,
            "before",
            &task.plan.pinned(),
        )
        .await?;
        Ok(StepOutcome::done())
    }

    async fn run_before(
        &self,
        task: Task<'_>,
        before: &BeforeDefinition,
        host: &HostPlan,
    ) -> Effect<StepOutcome> {
        let engine = self.host(host);
        let mut container = the_one_off(&engine, task, before).await?;
        let begun_earlier = task.attempts(&Step::RunBefore {
            instance: host.instance.clone(),
        }) > 1;
        if never_ran(&container) && begun_earlier {
            sleep(ON_ITS_WAY).await;
            container = the_one_off(&engine, task, before).await?;
        }
        if never_ran(&container) {
            if Instant::now() >= until(task) {
                return refused("no time is left to run it: nothing was begun");
            }
            engine.start(&container.id).await.sorted()?;
        }
        let ended = wait_for_end(&engine, &container.id, until(task)).await?;
        let logs = engine.logs(&container.id, LOG_LINES).await.unwrap_or_default();
        let command = before.run.join(" ");
        match ended {
            Some(0) => Ok(ran_on(&host.instance, logs)),
            Some(code) => Err(failed(format!("{command} ended with exit code {code}"), logs)),
            None => {
                let what = format!(
                    "{command} did not end within {} s and was stopped: see how far it came",
                    before.timeout_ms / 1000
                );
                Err(failed(what, logs))
            }
        }
    }

    pub(super) async fn after(&self, task: Task<'_>) -> StepOutcome {
        let Some(after) = &task.plan.definition.after else {
            return StepOutcome::already();
        };
        either(match &after.place {
            Place::Worker(around) => on_the_bastion(task, after, around).await,
            Place::Container { image } => self.after_in_container(task, after, image.as_deref()).await,
        })
    }

    async fn after_in_container(
        &self,
        task: Task<'_>,
        after: &AfterDefinition,
        image: Option<&str>,
    ) -> Effect<StepOutcome> {
        let host = task
            .release
            .any_host()
            .and_then(|instance| task.release.host(instance));
        let Some(host) = host else {
            return refused("no host of the fleet is left to run it on");
        };
        let engine = self.host(host);
        let service = task.container()?;
        let mut definition = one_off_of(service);
        if image.is_none() {
            definition.volumes.clone_from(&service.volumes);
            definition.env = self.environment(task, service).await?;
        }
        definition.env.extend(after.env.clone());
        let image = match image {
            Some(image) => self.pulled(&engine, image, task).await?,
            None => task.plan.pinned(),
        };
        // A worker that was killed may have left its attempt's container, perhaps still running.
        if let Some(left) = engine.labelled(LABEL_AFTER, &task.id()).await.sorted()? {
            engine.remove(&left.id, true).await.sorted()?;
        }
        let until = Instant::now() + Duration::from_millis(after.timeout_ms);
        let id = create(&engine, task, definition, &after.run, "after", &image).await?;
        engine.start(&id).await.sorted()?;
        let ended = wait_for_end(&engine, &id, until).await?;
        let logs = engine.logs(&id, LOG_LINES).await.unwrap_or_default();
        engine.remove(&id, true).await.sorted()?;
        judged(after, &host.instance, ended, logs)
    }

    /// Makes an image of the service's file available on this host; gives the reference to run it by.
    async fn pulled(&self, engine: &Host, image: &str, task: Task<'_>) -> Effect<String> {
        let release = task.release.request.id;
        let Ok(reference) = image.parse::<ImageReference>() else {
            return refused(format!("{image:?} is no image"));
        };
        let hosts = [engine.clone()];
        let digest = match reference.digest() {
            Some(digest) => digest.clone(),
            None => self.digest_from(release, &hosts, &reference).await?,
        };
        let repository = reference.repository();
        let credentials = self.credentials_of(release, repository).await?;
        let limit = task.deadline.saturating_duration_since(Instant::now());
        engine
            .pull(repository, digest.as_str(), credentials.as_ref(), limit, |_| {})
            .await
            .sorted()?;
        Ok(format!("{repository}@{digest}"))
    }
}

impl Task<'_> {
    /// The values of the placeholders.
    pub(super) fn values(&self) -> Values {
        Values::of(
            &self.release.request,
            self.plan.digest.as_ref(),
            &self.plan.definition,
        )
        .with("previous", self.plan.previous())
    }

    /// How many times a step was begun, this time included.
    pub(super) fn attempts(&self, step: &Step) -> u32 {
        self.release.steps.get(step).map_or(0, |state| state.attempts)
    }
}

async fn on_the_bastion(
    task: Task<'_>,
    after: &AfterDefinition,
    around: &Surroundings,
) -> Effect<StepOutcome> {
    let values = task.values();
    let words = values
        .fill_all(&after.run)
        .or_else(|missing| refused(missing.to_string()))?;
    let mut env = after.env.clone();
    env.extend(values.environment());
    let program = Program {
        words: &words,
        env: &env,
        pass_env: &around.pass_env,
        directory: around.directory.as_deref().unwrap_or(ROOT),
        until: Instant::now() + Duration::from_millis(after.timeout_ms),
        lock: None,
    };
    let ran = program::run(Path::new(program::SELF), program)
        .await
        .or_else(|error| refused(format!("{} could not be started: {error}", after.run.join(" "))))?;
    judged(after, "the worker", ran.exit_code.map(i64::from), ran.output)
}

/// Judges a check of `[after]`. A failed attempt is made again as often as the file says: a test that passes
/// at its second attempt passes.
fn judged(after: &AfterDefinition, on: &str, ended: Option<i64>, output: Vec<String>) -> Effect<StepOutcome> {
    let command = after.run.join(" ");
    let what = match ended {
        Some(0) => return Ok(ran_on(on, output)),
        Some(code) => format!("{command} ended with exit code {code}{}", last_of(&output)),
        None => format!("{command} did not end within {} s", after.timeout_ms / 1000),
    };
    Err(StepOutcome::Transient {
        failure: Failure::new(what).with_logs(output),
    })
}

/// The last line that is not blank: it usually says why.
pub(super) fn last_of(output: &[String]) -> String {
    let last = output.iter().rev().find(|line| !line.trim().is_empty());
    last.map_or_else(String::new, |line| format!(": {}", line.trim()))
}

fn ran_on(on: &str, output: Vec<String>) -> StepOutcome {
    StepOutcome::Done {
        evidence: Evidence::Ran {
            on: on.to_owned(),
            output,
        },
    }
}

fn failed(what: String, logs: Vec<String>) -> StepOutcome {
    let last = last_of(&logs);
    StepOutcome::Refused {
        failure: Failure::new(format!("{what}{last}")).with_logs(logs),
    }
}

/// The service's container definition without its ports, labels, volumes, environment, secrets and log
/// driver. The log stays with the engine, where its last lines can be read.
fn one_off_of(service: &ContainerDefinition) -> ContainerDefinition {
    ContainerDefinition {
        ports: Vec::new(),
        labels: std::collections::BTreeMap::new(),
        log_driver: None,
        log_options: std::collections::BTreeMap::new(),
        volumes: Vec::new(),
        env: std::collections::BTreeMap::new(),
        secrets: std::collections::BTreeMap::new(),
        ..service.clone()
    }
}

async fn create(
    engine: &Host,
    task: Task<'_>,
    mut definition: ContainerDefinition,
    run: &[String],
    hook: &str,
    image: &str,
) -> Effect<String> {
    let values = task.values();
    let words = values
        .fill_all(run)
        .or_else(|missing| refused(missing.to_string()))?;
    definition.command = Some(words);
    definition.env.extend(values.environment());
    let label = if hook == "before" {
        LABEL_BEFORE
    } else {
        LABEL_AFTER
    };
    let labels = [
        (label, task.id()),
        (LABEL_SERVICE, task.plan.definition.service.to_string()),
        (LABEL_ENVIRONMENT, task.plan.definition.environment.to_string()),
    ];
    let labels = labels.map(|(key, value)| (key.to_owned(), value)).into();
    let name = one_off(&definition.name, hook, task.release.request.id);
    engine.create(&definition, &name, image, &labels).await.sorted()
}

/// The container of `[before]`. Refuses if it is gone: what it did is not known, and a second one might do it
/// twice.
async fn the_one_off(engine: &Host, task: Task<'_>, before: &BeforeDefinition) -> Effect<ContainerInfo> {
    let found = engine.labelled(LABEL_BEFORE, &task.id()).await.sorted()?;
    found.ok_or_else(|| StepOutcome::Refused {
        failure: Failure::new(format!(
            "the container that ran {} is gone: how far it came is not known, and it is not run again",
            before.run.join(" ")
        ))
        .with_hint("see what it did, put that right by hand, and publish again"),
    })
}

/// Whether the program never ran: the engine notes a container's start before its program runs.
fn never_ran(container: &ContainerInfo) -> bool {
    container.status == "created" && container.started_at.is_none()
}

/// Until when a `[before]` may run: the margin after it is for stopping the container.
fn until(task: Task<'_>) -> Instant {
    let margin = Duration::from_millis(limits::HOOK_MARGIN_MS);
    task.deadline.checked_sub(margin).unwrap_or_else(Instant::now)
}

/// The exit code of a container, or `None` where its time was over and it was stopped.
async fn wait_for_end(engine: &Host, id: &str, until: Instant) -> Effect<Option<i64>> {
    let mut pause = LOOK_FIRST;
    loop {
        let Some(container) = engine.container_alone(id).await.sorted()? else {
            return refused("its container was removed while it ran: how far it came is not known");
        };
        if !container.running && container.status != "created" {
            return Ok(Some(container.exit_code.unwrap_or(-1)));
        }
        if Instant::now() >= until {
            engine.stop(id, STOP_TIMEOUT_S).await.sorted()?;
            return Ok(None);
        }
        sleep_until(until.min(Instant::now() + pause)).await;
        pause = LOOK_LAST.min(pause * 2);
    }
}
