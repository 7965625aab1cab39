//! What every effect needs: the connections to AWS and to the hosts, and the sources of definitions and
//! credentials.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use drawgate_rollout::definition::ServiceDefinition;
use drawgate_rollout::{Failure, HostPlan, Release, Share, StepOutcome};
use drawgate_schemas::ReleaseId;

use super::login_cache::Logins;
use super::outcome::Effect;
use super::permissions::Known;
use super::platforms::Platforms;
use super::sources::{Credentials, Definitions};
use crate::aws::{Aws, HealthWatch, Instance, SharedCalls};
use crate::descriptors::{self, Wanted};
use crate::host::{Host, Hosts};

/// Performs a worker's effects; clones share the same connections.
#[derive(Clone)]
pub struct Effects {
    pub(super) aws: Aws,
    /// The calls that hosts of a wave make together.
    pub(super) shared: SharedCalls,
    pub(super) hosts: Hosts,
    pub(super) credentials: Arc<dyn Credentials>,
    pub(super) definitions: Arc<dyn Definitions>,
    watches: Arc<Mutex<HashMap<Duration, HealthWatch>>>,
    pub(super) logins: Arc<Logins>,
    pub(super) platforms: Arc<Platforms>,
    /// What IAM said a moment ago.
    pub(super) known: Known,
    /// Hosts in use by each release under way, by instance id: their connections stay open.
    in_use: Arc<Mutex<HashMap<ReleaseId, BTreeSet<String>>>>,
    /// Releases as their drivers last told them, for steps that last while others end.
    followed: Arc<Mutex<HashMap<ReleaseId, Arc<Release>>>>,
}

impl Effects {
    /// Builds the effects from these connections and sources.
    pub fn new(
        aws: Aws,
        hosts: Hosts,
        credentials: Arc<dyn Credentials>,
        definitions: Arc<dyn Definitions>,
    ) -> Self {
        Self {
            shared: SharedCalls::new(aws.clone()),
            aws,
            hosts,
            credentials,
            definitions,
            watches: Arc::default(),
            logins: Arc::default(),
            platforms: Arc::default(),
            known: Known::default(),
            in_use: Arc::default(),
            followed: Arc::default(),
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

    /// Takes in a release as it stands. A watch that is under way sees the hosts whose turn has ended since.
    pub fn follow(&self, release: Release) {
        let mut followed = self.followed.lock().unwrap_or_else(PoisonError::into_inner);
        followed.insert(release.request.id, Arc::new(release));
    }

    fn unfollow(&self, release: ReleaseId) {
        let mut followed = self.followed.lock().unwrap_or_else(PoisonError::into_inner);
        followed.remove(&release);
    }

    pub(super) fn followed_release(&self, release: ReleaseId) -> Option<Arc<Release>> {
        let followed = self.followed.lock().unwrap_or_else(PoisonError::into_inner);
        followed.get(&release).cloned()
    }

    /// Closes the connections of a release that this worker no longer drives: those to every host it looked
    /// at, except hosts that other releases under way use.
    pub async fn leave(&self, release: ReleaseId) {
        self.unfollow(release);
        let in_use: BTreeSet<String> = {
            let mut in_use = self.in_use.lock().unwrap_or_else(PoisonError::into_inner);
            in_use.remove(&release);
            in_use.values().flatten().cloned().collect()
        };
        self.hosts.close_those(|id| !in_use.contains(id)).await;
    }

    pub(super) fn note_in_use(&self, release: &Release) {
        let mut in_use = self.in_use.lock().unwrap_or_else(PoisonError::into_inner);
        let noted = in_use.entry(release.request.id).or_default();
        if noted.len() != release.head_count() {
            *noted = release.everyone().map(|host| host.instance.clone()).collect();
        }
    }

    /// Checks that the file descriptors suffice for connections to these instances besides all others, `at_once` of
    /// them worked on at once.
    pub(super) fn fits(&self, instances: &[Instance], at_once: Share) -> Effect<()> {
        let ids: BTreeSet<&str> = instances.iter().map(|instance| instance.id.as_str()).collect();
        let wanted = Wanted {
            hosts: ids.len(),
            at_once: at_once.of(u32::try_from(ids.len()).unwrap_or(u32::MAX)) as usize,
            others: self.hosts.others(&ids),
        };
        descriptors::suffice(wanted).map_err(|error| StepOutcome::Refused {
            failure: Failure::new(error.to_string()).with_hint(error.hint()),
        })
    }

    /// Ends all connections.
    pub async fn close(&self) {
        self.hosts.close().await;
    }

    pub(super) fn host(&self, host: &HostPlan) -> Host {
        self.hosts.host(&host.instance, &host.address)
    }

    /// The shared look at target health: at most one call per target group and interval, however many steps
    /// ask.
    pub(super) fn watch(&self, definition: &ServiceDefinition) -> HealthWatch {
        let interval = Duration::from_millis(definition.roll.poll_interval_ms);
        let mut watches = self.watches.lock().unwrap_or_else(PoisonError::into_inner);
        watches
            .entry(interval)
            .or_insert_with(|| HealthWatch::new(self.aws.clone(), interval))
            .clone()
    }
}
