//! The step that is being performed.

use std::time::Duration;

use drawgate_rollout::definition::{ContainerDefinition, FleetSelector};
use drawgate_rollout::limits::between_ms;
use drawgate_rollout::{Plan, Release};
use drawgate_schemas::Digest;
use jiff::Timestamp;
use tokio::time::Instant;

use super::outcome::{Effect, refused};
use crate::clock::RollClock;

/// A waiting attempt ends this much before its deadline, so that its last observation can be told.
pub(super) const LAST_WORDS: Duration = Duration::from_millis(500);

/// One attempt at one step: its release and plan, and its deadline.
#[derive(Clone, Copy)]
pub(super) struct Task<'a> {
    pub(super) release: &'a Release,
    pub(super) plan: &'a Plan,
    pub(super) deadline: Instant,
    pub(super) clock: RollClock,
}

impl<'a> Task<'a> {
    /// The Auto Scaling group that is the fleet, where one is.
    pub(super) fn fleets_group(&self) -> Option<&'a str> {
        match &self.plan.definition.fleet {
            FleetSelector::AutoScalingGroup(name) => Some(name),
            FleetSelector::Tags(_) | FleetSelector::Bastion => None,
        }
    }

    /// How long ago a moment of the journal is, in milliseconds.
    pub(super) fn since_ms(&self, at: Timestamp) -> u64 {
        between_ms(at, self.clock.now())
    }

    /// The time between two looks of a wait.
    pub(super) fn poll(&self) -> Duration {
        Duration::from_millis(self.plan.definition.roll.poll_interval_ms)
    }

    /// The release's id as text: what tags and labels carry.
    pub(super) fn id(&self) -> String {
        self.release.request.id.to_string()
    }

    /// The digest that every host gets.
    pub(super) fn digest(&self) -> Effect<&Digest> {
        let digest = self.plan.digest.as_ref();
        digest.map_or_else(|| refused("the digest is not known"), Ok)
    }

    /// The container that every host must run.
    pub(super) fn container(&self) -> Effect<&ContainerDefinition> {
        let container = self.plan.definition.container();
        container.map_or_else(
            || refused("what runs on this service's hosts is no container"),
            Ok,
        )
    }
}
