//! The state that a step leaves when it is broken off between its calls.

use std::collections::BTreeSet;

use drawgate_rollout::definition::RestartPolicy;
use drawgate_rollout::{Phase, Release, Step};
use drawgate_schemas::Direction;

use super::words::ours;
use crate::world::*;

impl World {
    /// Performs the first calls of a step that is made of several.
    pub(super) fn half(&mut self, release: &Release, step: &Step) {
        let commanded = self.definition.command().is_some();
        match step {
            Step::Suspend { group } => {
                let scaling = self.group(group);
                scaling.tag = Some(release.request.id.to_string());
                scaling.tag_says = ours(release, group).collect();
            }
            Step::RunBefore { .. } => self.start_before(),
            // All processes run again, the tag is still there.
            Step::Resume { group } => {
                let ours: BTreeSet<String> = ours(release, group).collect();
                self.mark_healthy();
                self.group(group)
                    .suspended
                    .retain(|process| !ours.contains(process));
            }
            // The group checks health again, and replaces no host yet.
            Step::LetReplace { group } => {
                self.group(group).suspended.remove(Process::HealthCheck.as_str());
            }
            Step::SuspendAgain { group } => self.group(group).tag_says = ours(release, group).collect(),
            // `Silence`: the alarms have the tag, and can still act. `Unsilence`: they can act again, unless
            // another release silences them, and still have the tag.
            Step::Silence if !self.mutes() => {
                self.tag_alarms(release);
            }
            Step::Unsilence if !self.mutes() => {
                for alarm in self.alarm_tags.clone() {
                    let on = !self.is_left_to_others(&alarm);
                    self.alarms.insert(alarm, on);
                }
            }
            Step::Host {
                instance,
                phase: Phase::Deregister,
                ..
            } => {
                let host = self.host(instance);
                host.tagged = true;
                if host.second.is_some() && host.target == Target::Registered {
                    host.disturbed = true;
                    host.target = Target::Draining;
                }
            }
            Step::Host {
                instance,
                phase: Phase::Register,
                ..
            } if self.in_two(instance) => {
                let host = self.host(instance);
                if host.target != Target::GroupGone {
                    host.target = Target::Registered;
                }
            }
            Step::Host {
                instance,
                phase: Phase::Swap,
                direction,
            } => {
                let host = self.host(instance);
                host.disturbed = true;
                let (leaves, comes) = match direction {
                    Direction::Forward => (&mut host.old, Which::New),
                    Direction::Back => (&mut host.new, Which::Old),
                };
                if let Some(leaves) = leaves {
                    if !commanded {
                        leaves.restart = RestartPolicy::No;
                    }
                    leaves.running = false;
                }
                host.named = Some(comes);
            }
            _ => {}
        }
    }
}
