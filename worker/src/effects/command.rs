//! The service's own programs, run in place of a container: on the host over SSH, or on the bastion.
//!
//! ```text
//!   deploy -> what runs now? -> [verify]        back: rollback -> what runs now? -> [verify]
//! ```
//! A program that was broken off is run again once its first run has ended, so it must tolerate that. A
//! failure carries the program's output; only `version` tells what the program left on the host.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use drawgate_rollout::definition::{
    CommandDefinition, CommandPlace, Probe, ServiceDefinition, Surroundings, VersionDefinition,
};
use drawgate_rollout::{
    Evidence, Failure, HostPlan, HostSnapshot, HostView, ON_BASTION, ObservedHost, StepOutcome,
};
use drawgate_schemas::Direction;
use drawgate_schemas::limits::{TEXT_CHARS, cut};
use tokio::time::{Instant, timeout_at};

use super::confirm::look_until;
use super::connections::Effects;
use super::hooks::{ROOT, last_of};
use super::inspect::address;
use super::outcome::{Effect, Sorted, either, not_yet, refused};
use super::task::Task;
use super::verify::http_probe;
use crate::aws::Instance;
use crate::host::{HostError, HostProgram, HostRan};
use crate::program::{self, Program, Ran};

/// How long `version` may take: it only tells which version runs.
const TELL: Duration = Duration::from_secs(10);

/// Bounds of one run: how long it may take, and whether it must be the only one.
#[derive(Clone, Copy)]
struct Bounds {
    limit: Duration,
    alone: Option<Duration>,
}

impl Effects {
    pub(super) async fn run_swap(
        &self,
        task: Task<'_>,
        host: &HostPlan,
        command: &CommandDefinition,
        direction: Direction,
    ) -> StepOutcome {
        either(self.try_run_swap(task, host, command, direction).await)
    }

    async fn try_run_swap(
        &self,
        task: Task<'_>,
        host: &HostPlan,
        command: &CommandDefinition,
        direction: Direction,
    ) -> Effect<StepOutcome> {
        let words = match direction {
            Direction::Forward => &command.deploy,
            Direction::Back => &command.rollback,
        };
        let limit = Duration::from_millis(command.timeout_ms);
        let bounds = Bounds {
            limit,
            alone: Some(limit),
        };
        let ran = self
            .run_for(task, host, command, words, direction, bounds)
            .await?;
        let name = words.first().map_or("", String::as_str);
        judged(name, &ran, command.timeout_ms)?;
        if let Some((version, wanted)) = is_to_be(task, host, command, direction) {
            let told = self.tell(host, command, version).await?;
            if told != wanted {
                let what = format!("{name} ended well, and what runs is {told}, not {wanted}");
                let failure = Failure::new(what).with_logs(ran.output);
                return Err(StepOutcome::Refused { failure });
            }
        }
        Ok(StepOutcome::Done {
            evidence: Evidence::Ran {
                on: host.instance.clone(),
                output: ran.output,
            },
        })
    }

    /// One look of `[verify]`.
    pub(super) async fn check(
        &self,
        task: Task<'_>,
        host: &HostPlan,
        command: &CommandDefinition,
        direction: Direction,
    ) -> Effect<StepOutcome> {
        let verify = &task.plan.definition.verify;
        let limit = Duration::from_millis(verify.timeout_ms);
        let words = match &verify.probe {
            Probe::Running | Probe::Healthcheck => return Ok(StepOutcome::already()),
            Probe::Http { path, port, status } => {
                return match http_probe(&self.host(host), path, *port, *status, limit).await {
                    None => Ok(StepOutcome::done()),
                    Some(what) => not_yet(what),
                };
            }
            Probe::Command(words) => words,
        };
        let bounds = Bounds { limit, alone: None };
        let ran = self
            .run_for(task, host, command, words, direction, bounds)
            .await?;
        let name = words.first().map_or("", String::as_str);
        match judged(name, &ran, verify.timeout_ms) {
            Ok(()) => Ok(StepOutcome::done()),
            // Not a definite no here: the next attempt may pass.
            Err(StepOutcome::Refused { failure }) => Err(StepOutcome::Transient { failure }),
            Err(other) => Err(other),
        }
    }

    /// The version that runs at the end, where the service has a `version` program.
    pub(super) async fn observe_version(&self, task: Task<'_>, host: &HostPlan, seen: &mut ObservedHost) {
        let command = task.plan.definition.command();
        let Some((command, version)) = command.and_then(|command| Some((command, command.version.as_ref()?)))
        else {
            return;
        };
        match timeout_at(look_until(task), self.tell(host, command, version)).await {
            Err(_) => seen.unseen = Some("no answer".to_owned()),
            Ok(Ok(told)) => seen.version = Some(told),
            Ok(Err(outcome)) => seen.unseen = outcome.failure().map(|failure| failure.what.clone()),
        }
    }

    async fn tell(
        &self,
        host: &HostPlan,
        command: &CommandDefinition,
        version: &VersionDefinition,
    ) -> Effect<String> {
        let ran = match &command.place {
            CommandPlace::Host { directory } => {
                let program = HostProgram {
                    words: &version.run,
                    env: &BTreeMap::new(),
                    directory: directory.as_deref(),
                    limit: TELL,
                    lock: None,
                };
                ended(self.host(host).run_program(program).await.sorted()?)?
            }
            CommandPlace::Worker(around) => tell_on_bastion(&version.run, around).await?,
        };
        told(&version.run, &ran).or_else(not_yet)
    }

    /// Runs one of the programs for a host, with the release's placeholders and variables filled in.
    async fn run_for(
        &self,
        task: Task<'_>,
        host: &HostPlan,
        command: &CommandDefinition,
        words: &[String],
        direction: Direction,
        bounds: Bounds,
    ) -> Effect<Ran> {
        let Some(values) = task.release.values_on(host) else {
            return refused("there is no plan yet");
        };
        let expected = match direction {
            Direction::Forward => wanted(task, host, command),
            Direction::Back => host.told_before.clone().unwrap_or_default(),
        };
        let values = values.with("expected", Some(&expected));
        let words = values
            .fill_all(words)
            .or_else(|missing| refused(missing.to_string()))?;
        let mut env = values.environment();
        env.extend(command.env.clone());
        let definition = &task.plan.definition;
        match &command.place {
            CommandPlace::Host { directory } => {
                let lock = lock_on_host(definition);
                let program = HostProgram {
                    words: &words,
                    env: &env,
                    directory: directory.as_deref(),
                    limit: bounds.limit,
                    lock: bounds.alone.map(|wait| (lock.as_str(), wait)),
                };
                ended(self.host(host).run_program(program).await.sorted()?)
            }
            CommandPlace::Worker(around) => {
                env.extend(self.secret_values(task).await?);
                let lock = bounds.alone.map(|_| self.hosts.lock_file(&lane(definition)));
                run_on_bastion(&words, &env, around, lock, bounds).await
            }
        }
    }

    /// What a host tells before anything is done to it; "nothing of the service runs here" is an answer too.
    pub(super) async fn told_by_host(
        &self,
        instance: &Instance,
        command: &CommandDefinition,
        definition: &ServiceDefinition,
    ) -> Result<HostView, HostError> {
        let host = self.hosts.host(&instance.id, address(instance));
        let nothing = ["true".to_owned()];
        let words = command
            .version
            .as_ref()
            .map_or(&nothing[..], |version| &version.run);
        let directory = match &command.place {
            CommandPlace::Host { directory } => directory.as_deref(),
            CommandPlace::Worker(_) => None,
        };
        let lock = lock_on_host(definition);
        let ran = host
            .run_program(HostProgram {
                words,
                env: &BTreeMap::new(),
                directory,
                limit: TELL,
                lock: Some((&lock, Duration::ZERO)),
            })
            .await?;
        Ok(match ran {
            HostRan::Held => answered(Err(HELD.to_owned())),
            HostRan::Ended(ran) if command.version.is_none() => match ran.exit_code {
                Some(0) => answered(Ok(None)),
                _ => answered(Err(format!(
                    "programs cannot be run there{}",
                    last_of(&ran.output)
                ))),
            },
            HostRan::Ended(ran) => answered(told(words, &ran).map(Some)),
        })
    }

    /// The stand-in for a host where the programs run on the bastion.
    pub(super) async fn on_bastion(&self, definition: &ServiceDefinition) -> HostSnapshot {
        HostSnapshot {
            instance: ON_BASTION.to_owned(),
            state: "running".to_owned(),
            address: String::new(),
            zone: String::new(),
            group: None,
            launched_at: None,
            targets: Vec::new(),
            view: self.told_on_bastion(definition).await,
        }
    }

    async fn told_on_bastion(&self, definition: &ServiceDefinition) -> HostView {
        let Some(command) = definition.command() else {
            return answered(Ok(None));
        };
        let (Some(version), CommandPlace::Worker(around)) = (&command.version, &command.place) else {
            return answered(Ok(None));
        };
        answered(match tell_on_bastion(&version.run, around).await {
            Ok(ran) => told(&version.run, &ran).map(Some),
            Err(outcome) => Err(outcome
                .failure()
                .map_or_else(String::new, |failure| failure.what.clone())),
        })
    }
}

/// The key under which a service's programs run one at a time, in each environment: two services may share a
/// host.
fn lane(definition: &ServiceDefinition) -> String {
    format!("{}.{}", definition.environment, definition.service)
}

/// The lock file on a host while a program runs, in the login's home.
fn lock_on_host(definition: &ServiceDefinition) -> String {
    format!(".drawgate.{}.lock", lane(definition))
}

fn ended(ran: HostRan) -> Effect<Ran> {
    match ran {
        HostRan::Ended(ran) => Ok(ran),
        HostRan::Held => not_yet(HELD),
    }
}

/// The failure of a program that could not start because another one is running.
const HELD: &str =
    "a program of this service is under way there, of a release that was broken off or by hand";

fn answered(told: Result<Option<String>, String>) -> HostView {
    match told {
        Ok(version) => HostView::Answered {
            version,
            untold: None,
        },
        Err(why) => HostView::Answered {
            version: None,
            untold: Some(why),
        },
    }
}

async fn tell_on_bastion(words: &[String], around: &Surroundings) -> Effect<Ran> {
    let bounds = Bounds {
        limit: TELL,
        alone: None,
    };
    run_on_bastion(words, &BTreeMap::new(), around, None, bounds).await
}

async fn run_on_bastion(
    words: &[String],
    env: &BTreeMap<String, String>,
    around: &Surroundings,
    lock: Option<PathBuf>,
    bounds: Bounds,
) -> Effect<Ran> {
    let program = Program {
        words,
        env,
        pass_env: &around.pass_env,
        directory: around.directory.as_deref().unwrap_or(ROOT),
        until: Instant::now() + bounds.limit + bounds.alone.map_or(Duration::ZERO, |_| program::LOCK_WAIT),
        lock: lock.as_deref(),
    };
    let name = words.first().map_or("", String::as_str);
    program::run(Path::new(program::SELF), program)
        .await
        .or_else(|error| refused(format!("{name} could not be started: {error}")))
}

/// Judges how a program ended: anything but exit code 0 is a definite no.
fn judged(name: &str, ran: &Ran, timeout_ms: u64) -> Effect<()> {
    let (what, hint) = match ran.exit_code {
        Some(0) => return Ok(()),
        None => (format!("{name} did not end within {} s", timeout_ms / 1000), None),
        Some(code @ (126 | 127)) => (
            format!(
                "{name} could not be started, exit code {code}{}",
                last_of(&ran.output)
            ),
            Some("see that it is there, may be executed, and stands in the service's file with its path"),
        ),
        Some(code) => (
            format!("{name} ended with exit code {code}{}", last_of(&ran.output)),
            None,
        ),
    };
    let failure = Failure::new(what).with_logs(ran.output.clone());
    Err(StepOutcome::Refused {
        failure: match hint {
            Some(hint) => failure.with_hint(hint),
            None => failure,
        },
    })
}

/// The version that a program printed: its one line.
fn told(words: &[String], ran: &Ran) -> Result<String, String> {
    let name = words.first().map_or("", String::as_str);
    if let Err(outcome) = judged(name, ran, u64::try_from(TELL.as_millis()).unwrap_or(u64::MAX)) {
        let what = outcome.failure().map(|failure| failure.what.clone());
        return Err(what.unwrap_or_default());
    }
    let mut lines = ran
        .stdout
        .iter()
        .map(|line| line.trim())
        .filter(|line| !line.is_empty());
    match (lines.next(), lines.next()) {
        (Some(line), None) if line.chars().count() <= TEXT_CHARS => Ok(line.to_owned()),
        (None, _) => Err(format!("{name} printed nothing")),
        (Some(line), _) => Err(format!(
            "{name} printed more than one short line, beginning with {:?}",
            cut(line, 80)
        )),
    }
}

/// What `version` must print after a successful swap, where the service has one.
fn is_to_be<'a>(
    task: Task<'_>,
    host: &HostPlan,
    command: &'a CommandDefinition,
    direction: Direction,
) -> Option<(&'a VersionDefinition, String)> {
    let version = command.version.as_ref()?;
    version.is.as_ref()?;
    let wanted = match direction {
        Direction::Forward => wanted(task, host, command),
        Direction::Back => host.told_before.clone()?,
    };
    Some((version, wanted))
}

/// The desired version as `version` prints it (`is`), or else the name that people use for it.
fn wanted(task: Task<'_>, host: &HostPlan, command: &CommandDefinition) -> String {
    let is = command.version.as_ref().and_then(|version| version.is.as_ref());
    let values = task.release.values_on(host);
    let filled = is.zip(values).and_then(|(is, values)| values.fill(is).ok());
    filled.unwrap_or_else(|| task.plan.version_name.clone())
}
