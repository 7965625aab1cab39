//! One instance, and what runs on it.

use super::*;

/// One container.
#[derive(Debug, Clone, PartialEq)]
pub struct Container {
    /// Whether it runs.
    pub running: bool,
    /// What Docker does when it ends.
    pub restart: RestartPolicy,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
}

/// The state of a host's one target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// Not in the target group.
    Absent,
    /// On its way out.
    Draining,
    /// In the target group.
    Registered,
}

/// Which container has the service's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// That of before.
    Old,
    /// The release's.
    New,
}

/// One instance.
#[derive(Debug, Clone, PartialEq)]
pub struct Host {
    /// Whether the group has it.
    pub member: bool,
    /// Its target.
    pub target: Target,
    /// Its target in the second target group, where there is one.
    pub second: Option<Target>,
    /// Whether it is in no target group at all, as the hosts of some services are.
    pub targetless: bool,
    /// What fate does to its health, whatever runs.
    pub sick: bool,
    /// Its sickness was the old version's.
    pub healed_by_new: bool,
    /// The container of before.
    pub old: Option<Container>,
    /// The container of the release.
    pub new: Option<Container>,
    /// Which of them has the service's name.
    pub named: Option<Which>,
    /// Whether it carries the release's tag.
    pub tagged: bool,
    /// Whether it joined after somebody had looked for such.
    pub joined_late: bool,
    /// Whether it joined after the last look at all.
    pub joined_unseen: bool,
    /// Whether a step that changes what it serves was performed on it.
    pub disturbed: bool,
    /// Whether its group has it marked unhealthy, which happens to whoever is out: whatever replaces such hosts would terminate it.
    pub marked: bool,
    /// Whether it was sick when it was taken out first.
    pub taken_sick: bool,
    /// Whether it got well when everything was being put back in order: no host is worked on any more then.
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

    /// Its targets, one in each target group.
    pub fn targets(&self) -> impl Iterator<Item = Target> {
        let all = std::iter::once(self.target).chain(self.second);
        all.filter(|_| !self.targetless)
    }

    /// Whether it is registered wherever it can be.
    pub fn registered(&self) -> bool {
        self.targets().all(|target| target == Target::Registered)
    }

    /// Whether it is registered anywhere.
    pub fn registered_somewhere(&self) -> bool {
        self.targets().any(|target| target == Target::Registered)
    }

    pub(in crate::world) fn set_targets(&mut self, target: Target) {
        if self.targetless {
            return;
        }
        self.target = target;
        self.second = self.second.map(|_| target);
    }

    /// Whether the load balancer sends it requests.
    pub fn healthy(&self) -> bool {
        self.is_well() && self.registered()
    }

    pub(in crate::world) fn is_well(&self) -> bool {
        let sick = self.sick && !(self.healed_by_new && self.new.as_ref().is_some_and(|new| new.running));
        self.member && self.running() == 1 && !sick
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

/// An instance that serves with the version of before.
pub fn fresh_host() -> Host {
    Host {
        member: true,
        target: Target::Registered,
        second: None,
        targetless: false,
        sick: false,
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

/// Whether an instance is rolled: it runs, and is in service where its group knows it.
pub(super) fn is_rolled(fleet: &FleetSnapshot, host: &HostSnapshot) -> bool {
    let mut members = fleet.groups.iter().flat_map(|group| &group.members);
    let member = members.find(|member| member.instance == host.instance);
    host.state == "running" && member.is_none_or(|member| member.lifecycle == "InService")
}

/// An instance as it was seen.
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
        // Else every rehearsal of a release that is to mend it would fail.
        healed_by_new: true,
        named: old.as_ref().map(|_| Which::Old),
        old,
        ..fresh_host()
    }
}
