//! What a roll does to the world. One file per subject; every effect looks, acts, and confirms, so that doing it
//! twice is harmless, and sorts what came of it: a definite no, not yet, or not known.
//!
//! Nothing here decides what comes next: that is `drawgate_rollout::decide`.

mod alarms;
mod beside;
mod canary;
mod command;
mod confirm;
mod container;
mod healthcheck;
mod hooks;
mod inspect;
mod lease;
mod logins;
mod marks;
mod membership;
mod mute;
mod names;
mod outcome;
mod scaling;
mod secrets;
mod stage;
mod sweep;
mod targets;
mod verify;
mod wanted;
mod watch;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use drawgate_rollout::definition::{ContainerDefinition, ServiceDefinition};
use drawgate_rollout::limits::between_ms;
use drawgate_rollout::{BESIDE_WORKER, Evidence, Failure, HostPlan, Phase, Plan, Release, Step, StepOutcome};
use drawgate_schemas::{Digest, Direction, Environment, ReleaseId, Service};
use jiff::Timestamp;
use logins::Logins;
use membership::Membership;
use outcome::{Effect, refused, within};
use tokio::time::Instant;

pub use inspect::{Inspection, snapshot};
pub use lease::Tenant;
pub use marks::{LeaseHolder, Leftovers};
pub(crate) use names::labels;

use crate::aws::{Aws, HealthWatch, Instance};
use crate::clock::RollClock;
use crate::descriptors;
use crate::host::{Host, Hosts, RegistryCredentials};

/// Where registry credentials come from. Asked anew for every release: they may live for hours only.
pub trait Credentials: Send + Sync {
    /// How to log in at the registry of a repository.
    ///
    /// # Errors
    /// Says what is missing, for a person.
    fn of(&self, repository: &str) -> Result<Login, String>;
}

/// How to log in at a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Login {
    /// It needs none.
    None,
    /// With these.
    With(RegistryCredentials),
    /// With what Amazon ECR gives for the asking, in this region where it is another than ours.
    Ecr {
        /// The region.
        region: Option<String>,
    },
}

/// Where service definitions come from.
pub trait Definitions: Send + Sync {
    /// The definition in force for a target.
    ///
    /// # Errors
    /// Says which targets there are.
    fn of(&self, environment: &Environment, service: &Service) -> Result<ServiceDefinition, String>;
}

/// The hands of a worker.
#[derive(Clone)]
pub struct Effects {
    aws: Aws,
    hosts: Hosts,
    credentials: Arc<dyn Credentials>,
    definitions: Arc<dyn Definitions>,
    watches: Arc<Mutex<HashMap<Duration, HealthWatch>>>,
    logins: Arc<Logins>,
    /// The hosts of each release that is under way, by instance id: their connections are in use.
    in_use: Arc<Mutex<HashMap<ReleaseId, BTreeSet<String>>>>,
}

/// One performance of one step: what it is about, and until when.
#[derive(Clone, Copy)]
struct Task<'a> {
    release: &'a Release,
    plan: &'a Plan,
    deadline: Instant,
    clock: RollClock,
}

impl Task<'_> {
    /// How long ago a moment of the journal is, in milliseconds.
    fn since_ms(&self, at: Timestamp) -> u64 {
        between_ms(at, self.clock.now())
    }

    /// The release's id as text: what tags and labels carry.
    fn id(&self) -> String {
        self.release.request.id.to_string()
    }

    /// The bytes that every host gets.
    fn digest(&self) -> Effect<&Digest> {
        let digest = self.plan.digest.as_ref();
        digest.map_or_else(|| refused("the digest is not known"), Ok)
    }

    /// The container that every host shall run.
    fn container(&self) -> Effect<&ContainerDefinition> {
        let container = self.plan.definition.container();
        container.map_or_else(
            || refused("what runs on this service's hosts is no container"),
            Ok,
        )
    }
}

impl Effects {
    /// Hands on these connections.
    pub fn new(
        aws: Aws,
        hosts: Hosts,
        credentials: Arc<dyn Credentials>,
        definitions: Arc<dyn Definitions>,
    ) -> Self {
        Self {
            aws,
            hosts,
            credentials,
            definitions,
            watches: Arc::default(),
            logins: Arc::default(),
            in_use: Arc::default(),
        }
    }

    /// AWS calls so far, by `service:Operation`.
    pub fn aws_calls(&self) -> BTreeMap<String, u64> {
        self.aws.calls()
    }

    /// SSH connections made so far.
    pub fn ssh_connections(&self) -> u64 {
        self.hosts.connections()
    }

    /// Ends the connections that a release has left, once it is no longer driven here: whatever hosts it had looked at, but those of
    /// the releases that are under way beside it.
    pub async fn leave(&self, release: ReleaseId) {
        let in_use: BTreeSet<String> = {
            let mut in_use = self.in_use.lock().unwrap_or_else(PoisonError::into_inner);
            in_use.remove(&release);
            in_use.values().flatten().cloned().collect()
        };
        self.hosts.close_those(|id| !in_use.contains(id)).await;
    }

    fn note_in_use(&self, release: &Release) {
        let mut in_use = self.in_use.lock().unwrap_or_else(PoisonError::into_inner);
        let noted = in_use.entry(release.request.id).or_default();
        if noted.len() != release.everyone().count() {
            *noted = release.everyone().map(|host| host.instance.clone()).collect();
        }
    }

    /// Whether so many instances can be connected beside all others.
    fn fits(&self, instances: &[Instance]) -> Effect<()> {
        let ids: BTreeSet<&str> = instances.iter().map(|instance| instance.id.as_str()).collect();
        descriptors::suffice(ids.len() + self.hosts.others(&ids)).map_err(|error| StepOutcome::Refused {
            failure: Failure::new(error.to_string()).with_hint(error.hint()),
        })
    }

    /// Ends all connections.
    pub async fn close(&self) {
        self.hosts.close().await;
    }

    /// Performs a step once. Whatever is not known at the deadline is unknown.
    pub async fn perform(
        &self,
        release: &Release,
        step: &Step,
        deadline: Instant,
        clock: RollClock,
    ) -> StepOutcome {
        self.note_in_use(release);
        let performed = Box::pin(self.perform_unbounded(release, step, deadline, clock));
        within(deadline, performed).await
    }

    async fn perform_unbounded(
        &self,
        release: &Release,
        step: &Step,
        deadline: Instant,
        clock: RollClock,
    ) -> StepOutcome {
        match step {
            Step::Resolve => return Box::pin(self.resolve(release)).await,
            Step::Inspect => return Box::pin(self.inspect(release)).await,
            _ => {}
        }
        let Some(plan) = release.plan.as_deref() else {
            return StepOutcome::Refused {
                failure: Failure::new("there is no plan yet"),
            };
        };
        let task = Task {
            release,
            plan,
            deadline,
            clock,
        };
        match step {
            // Locks and lease are the ledger's: whoever drives the release takes them.
            Step::Resolve
            | Step::Order
            | Step::Inspect
            | Step::Lock
            | Step::TakeLease
            | Step::GiveLeaseBack => StepOutcome::already(),
            Step::Suspend { group } => Box::pin(self.suspend(task, group)).await,
            Step::Resume { group } => Box::pin(self.resume(task, group)).await,
            Step::LetReplace { group } => Box::pin(self.let_replace(task, group)).await,
            Step::AwaitHealthy => Box::pin(self.await_healthy(task)).await,
            Step::SuspendAgain { group } => Box::pin(self.suspend_again(task, group)).await,
            Step::Silence => Box::pin(self.silence(task)).await,
            Step::Unsilence => Box::pin(self.unsilence(task)).await,
            Step::Canary => Box::pin(self.canary(task)).await,
            Step::Reserve => Box::pin(self.reserve(task)).await,
            Step::Publish => Box::pin(self.publish(task)).await,
            Step::Unpublish => Box::pin(self.unpublish(task)).await,
            Step::Sweep => Box::pin(self.sweep(task)).await,
            Step::Renew => Box::pin(self.renew(task)).await,
            Step::Watch => Box::pin(self.watch_alarms(task)).await,
            Step::Bake => Box::pin(self.bake(task)).await,
            Step::After => Box::pin(self.after(task)).await,
            Step::Confirm => Box::pin(self.confirm(task)).await,
            Step::CreateBefore { instance } | Step::RunBefore { instance } => {
                match release.host(instance) {
                    // Not `on_member`: of a host that is gone in its middle nobody knows how far it came.
                    Some(host) => Box::pin(self.before(task, step, host)).await,
                    None => StepOutcome::Refused {
                        failure: Failure::new("not a host of this release"),
                    },
                }
            }
            Step::Stage { instance } | Step::Retire { instance } | Step::Host { instance, .. } => {
                match release.host(instance) {
                    Some(host) => self.on_member(task, step, host).await,
                    None => StepOutcome::Refused {
                        failure: Failure::new("not a host of this release"),
                    },
                }
            }
        }
    }

    /// A host that does not answer may be gone: then nothing of it is missed, and nobody waits for it.
    async fn on_member(&self, task: Task<'_>, step: &Step, host: &HostPlan) -> StepOutcome {
        let outcome = Box::pin(self.on_host(task, step, host)).await;
        if outcome.failure().is_none() || host.instance == BESIDE_WORKER {
            return outcome;
        }
        match Box::pin(self.membership(&host.instance, host.group.as_deref())).await {
            Ok(Membership::Gone { why, .. }) => {
                self.hosts.close_those(|id| id == host.instance).await;
                StepOutcome::Done {
                    evidence: Evidence::Gone { why },
                }
            }
            _ => outcome,
        }
    }

    async fn on_host(&self, task: Task<'_>, step: &Step, host: &HostPlan) -> StepOutcome {
        let Step::Host { direction, phase, .. } = step else {
            return match step {
                Step::Stage { .. } => Box::pin(self.stage(task, host)).await,
                _ => Box::pin(self.retire(task, host)).await,
            };
        };
        if let (Phase::Swap, Some(command)) = (phase, task.plan.definition.command()) {
            return Box::pin(self.run_swap(task, host, command, *direction)).await;
        }
        match (phase, direction) {
            (Phase::Create, _) => Box::pin(self.create(task, host)).await,
            (Phase::Deregister, direction) => Box::pin(self.deregister(task, host, *direction)).await,
            (Phase::Drain, direction) => Box::pin(self.drain(task, host, *direction)).await,
            (Phase::Swap, Direction::Forward) => Box::pin(self.swap_forward(task, host)).await,
            (Phase::Swap, Direction::Back) => Box::pin(self.swap_back(task, host)).await,
            (Phase::Verify, direction) => Box::pin(self.verify(task, host, *direction)).await,
            (Phase::Enable, direction) => Box::pin(self.enable(task, host, *direction)).await,
            (Phase::Register, _) => Box::pin(self.register(host)).await,
            (Phase::Settle, direction) => Box::pin(self.settle(task, host, *direction)).await,
        }
    }

    fn host(&self, host: &HostPlan) -> Host {
        self.hosts.host(&host.instance, &host.address)
    }

    /// The shared look at target health: at most one call per target group and interval, whoever asks.
    fn watch(&self, definition: &ServiceDefinition) -> HealthWatch {
        let interval = Duration::from_millis(definition.roll.poll_interval_ms);
        let mut watches = self.watches.lock().unwrap_or_else(PoisonError::into_inner);
        watches
            .entry(interval)
            .or_insert_with(|| HealthWatch::new(self.aws.clone(), interval))
            .clone()
    }
}
