//! Verifies that a container does its work: by one look, or, with a HEALTHCHECK, by waiting for the engine's
//! verdict.

use std::time::Duration;

use drawgate_rollout::definition::{Probe, VerifyDefinition};
use drawgate_rollout::{Failure, HostPlan, StepOutcome};
use drawgate_schemas::Direction;
use tokio::time::{Instant, sleep};

use super::connections::Effects;
use super::names::verify_of;
use super::outcome::{Effect, Sorted, either, refused};
use super::task::Task;
use crate::host::{ContainerInfo, Host};

/// How many of a failed container's last log lines are kept.
const LOG_LINES: usize = drawgate_schemas::limits::LOG_LINES;

impl Effects {
    pub(super) async fn verify(&self, task: Task<'_>, host: &HostPlan, direction: Direction) -> StepOutcome {
        either(self.try_verify(task, host, direction).await)
    }

    async fn try_verify(&self, task: Task<'_>, host: &HostPlan, direction: Direction) -> Effect<StepOutcome> {
        if let Some(command) = task.plan.definition.command() {
            return self.check(task, host, command, direction).await;
        }
        let Some(container) = self.serving_container(task, host, direction).await? else {
            return Ok(StepOutcome::already());
        };
        if !is_to_run(host, direction) {
            return Ok(StepOutcome::already());
        }
        if direction == Direction::Back && !container.running {
            self.start_again(task, host, &container).await?;
        }
        let before = restarts_before(host, direction);
        self.runs_steadily(task, host, &container, before).await?;
        let verify = match direction {
            Direction::Forward => Some(task.plan.definition.verify.clone()),
            // The rollback verifies a container as the release that made it did. Of a container that another
            // tool made only one thing is known, that it must run; its load balancer says the rest.
            Direction::Back => verify_of(&container.labels),
        };
        let Some(verify) = verify else {
            return Ok(StepOutcome::done());
        };
        if verify.probe == Probe::Healthcheck {
            let until = Instant::now() + Duration::from_millis(verify.start_timeout_ms);
            return self.await_verdict(task, host, direction, container, until).await;
        }
        match self.probe(host, &container, &verify).await? {
            None => Ok(StepOutcome::done()),
            Some(what) => {
                let logs = self.logs(host, &container).await;
                Err(StepOutcome::Transient {
                    failure: Failure::new(what).with_logs(logs),
                })
            }
        }
    }

    /// Waits while the engine has no verdict yet: `starting` is neither a failure nor an attempt. The engine
    /// ends the wait by the image's own settings, and the service's file by `until`. Rolling forward, both
    /// that bound and `unhealthy` are definite; during rollback there is nothing else left to try.
    async fn await_verdict(
        &self,
        task: Task<'_>,
        host: &HostPlan,
        direction: Direction,
        mut container: ContainerInfo,
        until: Instant,
    ) -> Effect<StepOutcome> {
        let pause = Duration::from_millis(task.plan.definition.roll.poll_interval_ms);
        let what = loop {
            match container.health.as_deref() {
                Some("healthy") => return Ok(StepOutcome::done()),
                Some("starting") if Instant::now() < until => {}
                Some("starting") => {
                    break "the image's HEALTHCHECK still says starting, and verify.start_timeout is over"
                        .to_owned();
                }
                Some(other) => break format!("the image's HEALTHCHECK says {other}"),
                None => break "the image has no HEALTHCHECK".to_owned(),
            }
            sleep(pause).await;
            let Some(now) = self.serving_container(task, host, direction).await? else {
                return Ok(StepOutcome::already());
            };
            container = now;
            let before = restarts_before(host, direction);
            self.runs_steadily(task, host, &container, before).await?;
        };
        let logs = self.logs(host, &container).await;
        let failure = Failure::new(what).with_logs(logs);
        Err(match direction {
            Direction::Forward => StepOutcome::Refused { failure },
            Direction::Back => StepOutcome::Transient { failure },
        })
    }

    /// Asks once; gives what was wrong, in words, or `None`.
    async fn probe(
        &self,
        host: &HostPlan,
        container: &ContainerInfo,
        verify: &VerifyDefinition,
    ) -> Effect<Option<String>> {
        let engine = self.host(host);
        let timeout = Duration::from_millis(verify.timeout_ms);
        Ok(match &verify.probe {
            // Not asked here: `await_verdict` waits for the engine's own verdict.
            Probe::Running | Probe::Healthcheck => None,
            Probe::Http { path, port, status } => http_probe(&engine, path, *port, *status, timeout).await,
            Probe::Command(command) => {
                let result = engine.exec(&container.id, command, timeout).await.sorted()?;
                (result.exit_code != Some(0)).then(|| {
                    let tail = drawgate_schemas::limits::cut(result.output_tail.trim(), 200);
                    let code = result.exit_code.map_or("no".to_owned(), |code| code.to_string());
                    format!("{} ended with exit code {code}: {tail:?}", command.join(" "))
                })
            }
        })
    }

    /// Checks that the container runs, and that the engine has not had to restart it: a container that
    /// restarts again and again looks "running" at most moments. A container that ended does not come back,
    /// so that is definite.
    async fn runs_steadily(
        &self,
        task: Task<'_>,
        host: &HostPlan,
        container: &ContainerInfo,
        restarts_before: u64,
    ) -> Effect<()> {
        let what = if container.restart_count > restarts_before {
            format!(
                "the container restarts again and again ({} times so far)",
                container.restart_count
            )
        } else if container.running {
            return Ok(());
        } else {
            let code = container
                .exit_code
                .map_or_else(String::new, |code| format!(" with exit code {code}"));
            format!("the container {} ended{code}", task.plan.definition.runs_as())
        };
        let logs = self.logs(host, container).await;
        Err(StepOutcome::Refused {
            failure: Failure::new(what).with_logs(logs),
        })
    }

    /// During rollback a host may have been rebooted after the swap. Its container has no restart policy
    /// until it is verified, so it is started here again, as often as a refusal is retried. The next look
    /// judges it.
    async fn start_again(&self, task: Task<'_>, host: &HostPlan, container: &ContainerInfo) -> Effect<()> {
        self.host(host).start(&container.id).await.sorted()?;
        let name = task.plan.definition.runs_as();
        refused(format!("the container {name} had ended, and was started again"))
    }

    /// Checks, while a host becomes healthy, that its container goes on running. `seen` is the restart count
    /// at the first look: a container that restarts slowly is up at most moments, but its count rises from
    /// one look to another.
    pub(super) async fn still_serves(
        &self,
        task: Task<'_>,
        host: &HostPlan,
        direction: Direction,
        seen: &mut Option<u64>,
    ) -> Effect<()> {
        if task.plan.definition.command().is_some() || !is_to_run(host, direction) {
            return Ok(());
        }
        let Some(container) = self.serving_container(task, host, direction).await? else {
            return Ok(());
        };
        let before = restarts_before(host, direction);
        let first = *seen.get_or_insert(container.restart_count);
        self.runs_steadily(task, host, &container, before.min(first))
            .await
    }

    /// The container's last lines, or none where they cannot be had: the failure is told without them too.
    pub(super) async fn logs(&self, host: &HostPlan, container: &ContainerInfo) -> Vec<String> {
        self.host(host)
            .logs(&container.id, LOG_LINES)
            .await
            .unwrap_or_default()
    }
}

/// Asks once over the SSH connection; gives what was wrong, in words, or `None`.
pub(super) async fn http_probe(
    host: &Host,
    path: &str,
    port: u16,
    status: u16,
    timeout: Duration,
) -> Option<String> {
    match host.http_get(port, path, timeout).await {
        Ok(answer) if answer.status == status => None,
        Ok(answer) => {
            let body = drawgate_schemas::limits::cut(answer.body_start.trim(), 200);
            Some(format!("GET {path} {}, wanted {status}: {body:?}", answer.status))
        }
        Err(error) => Some(format!("GET {path}: {}", super::outcome::chain(&error))),
    }
}

/// How often the engine may have restarted a container by itself before this look: never, for the new one.
/// The old one keeps the count it had when the plan was made, or begins at 0 once it has been stopped and
/// started.
fn restarts_before(host: &HostPlan, direction: Direction) -> u64 {
    match direction {
        Direction::Forward => 0,
        Direction::Back => host.before.as_ref().map_or(0, |before| before.restarts),
    }
}

/// Whether the container must run: during rollback, a host that ran nothing before must run nothing.
fn is_to_run(host: &HostPlan, direction: Direction) -> bool {
    direction == Direction::Forward || host.before.as_ref().is_some_and(|before| before.running)
}
