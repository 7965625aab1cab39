//! What a watched host says when it is asked: its container, or, where the service's own programs run, that it
//! answers at all.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use drawgate_rollout::{EngineSeen, HostPlan, Release};
use jiff::Timestamp;
use tokio::time::timeout;

use super::connections::Effects;
use super::container::new_container;
use super::outcome::{Effect, Sorted};
use super::ports::WatchedHostPort;
use super::task::Task;
use crate::host::{ContainerInfo, HostProgram};

/// How long a host may take to answer: a connection through a jump host takes a second or two. Longer, and one host
/// that hangs would keep the watch from the others.
const ANSWERS_WITHIN: Duration = Duration::from_secs(10);

impl WatchedHostPort for Effects {
    fn followed(&self, task: &Task<'_>) -> Option<Arc<Release>> {
        let followed = self.followed_release(task.release.request.id)?;
        Some(followed).filter(|followed| followed.last_entry > task.release.last_entry)
    }

    async fn engine_of(&self, task: Task<'_>, host: &HostPlan) -> EngineSeen {
        self.and_leave(host, self.ask_engine(task, host)).await
    }

    async fn last_lines(&self, task: Task<'_>, host: &HostPlan) -> Vec<String> {
        let lines = async {
            match new_container(&self.host(host), task).await {
                Ok(Some(container)) => self.logs(host, &container).await,
                _ => Vec::new(),
            }
        };
        let lines = timeout(ANSWERS_WITHIN, Box::pin(lines));
        self.and_leave(host, lines).await.unwrap_or_default()
    }
}

impl Effects {
    /// Looks at a host, and ends the connection where the look has opened it.
    async fn and_leave<T>(&self, host: &HostPlan, look: impl Future<Output = T>) -> T {
        let was_open = self.hosts.is_open(&host.instance);
        let seen = look.await;
        if !was_open {
            self.hosts.close_those(|id| id == host.instance).await;
        }
        seen
    }

    async fn ask_engine(&self, task: Task<'_>, host: &HostPlan) -> EngineSeen {
        let look = async {
            match task.plan.definition.command() {
                Some(_) => self.is_alive(host).await.map(|()| EngineSeen::Answers),
                None => {
                    let container = new_container(&self.host(host), task).await?;
                    Ok(container.map_or(EngineSeen::Replaced, |container| seen_as(task, host, &container)))
                }
            }
        };
        let answer: Result<Effect<EngineSeen>, _> = timeout(ANSWERS_WITHIN, Box::pin(look)).await;
        match answer {
            Ok(Ok(seen)) => seen,
            Ok(Err(outcome)) => {
                let what = outcome.failure().map(|failure| failure.what.clone());
                EngineSeen::Silent(what.unwrap_or_default())
            }
            Err(_) => EngineSeen::Silent(format!("nothing within {} s", ANSWERS_WITHIN.as_secs())),
        }
    }

    async fn is_alive(&self, host: &HostPlan) -> Effect<()> {
        let program = HostProgram {
            words: &["true".to_owned()],
            env: &BTreeMap::new(),
            directory: None,
            limit: ANSWERS_WITHIN,
            lock: None,
        };
        self.host(host).run_program(program).await.sorted().map(drop)
    }
}

fn seen_as(task: Task<'_>, host: &HostPlan, container: &ContainerInfo) -> EngineSeen {
    if !container.running {
        return EngineSeen::Ended {
            exit_code: container.exit_code,
            policy: container.restart_policy,
        };
    }
    let moment = |text: &str| text.parse::<Timestamp>().ok();
    let started = container.started_at.as_deref().and_then(moment);
    let by_others = started
        .zip(moment(&container.created_at))
        .is_some_and(|(started, created)| {
            task.release
                .was_started_by_others(&host.instance, created, started)
        });
    EngineSeen::Runs {
        restarts: container.restart_count,
        started_by_others: by_others,
    }
}
