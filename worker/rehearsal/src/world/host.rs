//! One instance, and its containers.

use drawgate_rollout::ObservedTarget;

use super::*;

#[derive(Debug, Clone, PartialEq)]
pub struct Container {
    /// Whether it runs.
    pub running: bool,
    /// Docker's restart policy for it.
    pub restart: RestartPolicy,
    pub labels: BTreeMap<String, String>,
}

/// The state of a host in one target group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// Not in the target group.
    Absent,
    /// Deregistered, and still finishing its requests.
    Draining,
    /// In the target group.
    Registered,
    /// The target group was deleted.
    GroupGone,
}

/// Which container has the service's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// The earlier version's container.
    Old,
    New,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Host {
    /// Whether the instance is a member of the fleet; false once it was terminated.
    pub member: bool,
    pub target: Target,
    /// The target in the second target group, where there is one.
    pub second: Option<Target>,
    /// Whether the host is in no target group at all, as the hosts of some services are.
    pub targetless: bool,
    /// Whether the load balancer says `initial` of the targets: it has not checked them yet.
    pub initial: bool,
    /// Whether the application does not answer, whichever container runs.
    pub sick: bool,
    /// Whether its engine does not answer to whoever watches it. A step that needs the engine comes much later, and
    /// finds it answering.
    pub hangs: bool,
    /// How often the engine has restarted the new version's container since the host's turn.
    pub restarts: u32,
    /// Whether the new version cures the sickness.
    pub healed_by_new: bool,
    /// The container of the earlier version.
    pub old: Option<Container>,
    /// The container of the release.
    pub new: Option<Container>,
    /// Which of the two containers has the service's name.
    pub named: Option<Which>,
    /// Whether the instance carries the release's tag.
    pub tagged: bool,
    /// Whether the instance joined after `DetectJoined` had looked for such.
    pub joined_late: bool,
    /// Whether the instance joined after `Confirm`, the last look of all.
    pub joined_unseen: bool,
    /// Whether a step that changes what it serves was performed on it.
    pub disturbed: bool,
    /// Whether the group has the instance marked unhealthy, as it marks every instance that is out of
    /// service. A process that replaces unhealthy instances would terminate it.
    pub marked: bool,
    /// Whether the host was sick when it was first taken out.
    pub taken_sick: bool,
    /// Whether the host got well during restore, when no host is worked on any more.
    pub well_late: bool,
}

impl Host {
    /// How many containers of the service run.
    pub fn running(&self) -> usize {
        [&self.old, &self.new]
            .into_iter()
            .flatten()
            .filter(|container| container.running)
            .count()
    }

    /// Whether the earlier version's container runs.
    pub(crate) fn ran(&self) -> bool {
        self.old.as_ref().is_some_and(|old| old.running)
    }

    /// The host's targets, one in each target group.
    pub fn targets(&self) -> impl Iterator<Item = Target> {
        let all = std::iter::once(self.target).chain(self.second);
        all.filter(|_| !self.targetless)
    }

    /// Whether the host is registered in each of its target groups.
    pub fn registered(&self) -> bool {
        self.targets()
            .all(|target| matches!(target, Target::Registered | Target::GroupGone))
    }

    /// Whether the host is registered in any target group.
    pub fn registered_somewhere(&self) -> bool {
        self.targets().any(|target| target == Target::Registered)
    }

    pub(in crate::world) fn set_targets(&mut self, target: Target) {
        if self.targetless {
            return;
        }
        for own in std::iter::once(&mut self.target).chain(&mut self.second) {
            if *own != Target::GroupGone {
                *own = target;
            }
        }
        self.initial &= target == Target::Registered;
    }

    /// Whether the load balancer sends the host requests.
    pub fn healthy(&self) -> bool {
        self.is_well() && self.registered() && !self.initial
    }

    /// The state of this host's target in a target group, in the API's words; `seen` is the host as it was at
    /// first.
    pub(in crate::world) fn state_in(&self, seen: &HostSnapshot, target_group: &str) -> &'static str {
        let mut targets = seen.targets.iter();
        let Some(place) = targets.position(|target| target.target_group == target_group) else {
            return "absent";
        };
        let target = if place == 0 {
            Some(self.target)
        } else {
            self.second
        };
        match target.unwrap_or(Target::Absent) {
            Target::Absent => "absent",
            Target::GroupGone => ObservedTarget::GROUP_DELETED,
            Target::Draining => "draining",
            // No listener or no zone sends this registered target anything.
            Target::Registered if seen.targets[place].state == "unused" => "unused",
            Target::Registered if self.initial => "initial",
            Target::Registered if self.is_well() => "healthy",
            Target::Registered => "unhealthy",
        }
    }

    pub(in crate::world) fn is_well(&self) -> bool {
        let sick = self.sick && !(self.healed_by_new && self.new.as_ref().is_some_and(|new| new.running));
        self.member && self.running() == 1 && !sick
    }

    /// Whether a host on the new version speaks against it, as the world has it: whoever asks its engine learns that
    /// its container restarted, or runs while the load balancer finds it unhealthy.
    pub(crate) fn speaks_against_new(&self) -> bool {
        let runs_new = self.named == Some(Which::New) && self.new.as_ref().is_some_and(|new| new.running);
        let fails = self.sick && !self.healed_by_new && self.registered() && !self.targetless;
        self.member && runs_new && !self.hangs && (self.restarts > 0 || fails)
    }

    pub(in crate::world) fn named(&self) -> Option<(Which, &Container)> {
        match self.named? {
            Which::Old => self.old.as_ref().map(|container| (Which::Old, container)),
            Which::New => self.new.as_ref().map(|container| (Which::New, container)),
        }
    }

    pub(in crate::world) fn serving(&self, direction: Direction) -> Option<&Container> {
        match direction {
            Direction::Forward => self.new.as_ref(),
            Direction::Back => self.old.as_ref(),
        }
    }
}

/// A container as another tool makes it.
pub fn old_container() -> Container {
    Container {
        running: true,
        restart: RestartPolicy::Always,
        labels: BTreeMap::new(),
    }
}

/// An instance that serves with the earlier version.
pub fn fresh_host() -> Host {
    Host {
        member: true,
        target: Target::Registered,
        second: None,
        targetless: false,
        initial: false,
        sick: false,
        hangs: false,
        restarts: 0,
        healed_by_new: false,
        old: Some(old_container()),
        new: None,
        named: Some(Which::Old),
        tagged: false,
        joined_late: false,
        joined_unseen: false,
        disturbed: false,
        marked: false,
        taken_sick: false,
        well_late: false,
    }
}

/// Whether a release rolls this instance: it runs, and its group, where it has one, says `InService`.
pub(super) fn is_rolled(fleet: &FleetSnapshot, host: &HostSnapshot) -> bool {
    let mut members = fleet.groups.iter().flat_map(|group| &group.members);
    let member = members.find(|member| member.instance == host.instance);
    host.state == "running" && member.is_none_or(|member| member.lifecycle == "InService")
}

/// The model of an instance as the snapshot shows it.
pub(super) fn copy_of(host: &HostSnapshot) -> Host {
    let old = match &host.view {
        HostView::Reached { container, .. } => container.as_ref().map(|container| Container {
            running: container.running,
            restart: container.restart,
            labels: container.labels.clone(),
        }),
        _ => Some(old_container()),
    };
    let state = |state: &str| match state {
        "draining" => Target::Draining,
        _ => Target::Registered,
    };
    let mut targets = host.targets.iter().map(|target| state(&target.state));
    Host {
        target: targets.next().unwrap_or(Target::Absent),
        second: targets.next(),
        targetless: host.targets.is_empty() && host.instance != ON_BASTION,
        sick: host.targets.iter().any(|target| target.state == "unhealthy"),
        // Otherwise every rehearsal of a release that is to cure the sickness would fail.
        healed_by_new: true,
        named: old.as_ref().map(|_| Which::Old),
        old,
        ..fresh_host()
    }
}
