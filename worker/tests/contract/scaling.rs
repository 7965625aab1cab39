//! Steps that suspend and resume the processes of an Auto Scaling group.

use std::collections::BTreeSet;

use drawgate_rehearsal::world::Fault::{UnknownDone, UnknownHalf};
use drawgate_rollout::Step;

use crate::bench::{Bench, GROUP};
use crate::cell::Cell::{After, Cut, Old};
use crate::cell::Row;
use crate::cell::Seen::{Through, Unconfirmed, UnconfirmedHalf};
use crate::cell::Silence::{Lost, Unheard};
use crate::change::Change as Any;
use crate::outside::Query;
use crate::table;

const DESCRIBE: &str = "autoscaling:DescribeAutoScalingGroups";
const SUSPEND: &str = "autoscaling:SuspendProcesses";
const RESUME: &str = "autoscaling:ResumeProcesses";
const TAG: &str = "autoscaling:CreateOrUpdateTags";
const UNTAG: &str = "autoscaling:DeleteTags";
/// More reads than one performance makes, so that all get the old answer.
const ALL: u32 = 9;

/// A change from outside, to the group.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    /// The group carries this release's tag, which names all processes of the plan as suspended.
    Tagged,
    /// The group carries another release's tag.
    TaggedByAnother,
    /// These processes of the group are suspended.
    Suspended(&'static [&'static str]),
    /// These processes of the group run.
    Resumed(&'static [&'static str]),
    /// All processes that this release suspends run.
    ResumedAll,
    /// The group is deleted.
    Deleted,
}

impl From<Change> for Any {
    fn from(change: Change) -> Self {
        Self::Scaling(change)
    }
}

/// The processes that this release suspends by its plan; none without a plan.
fn planned(bench: &Bench) -> Vec<String> {
    let groups = bench.release.plan.iter().flat_map(|plan| &plan.groups);
    groups
        .flat_map(|group| &group.suspend)
        .map(|process| process.as_str().to_owned())
        .collect()
}

fn processes(action: &str, names: impl IntoIterator<Item = String>) -> Query {
    let mut query = Query::autoscaling(action).with("AutoScalingGroupName", GROUP);
    for (n, name) in names.into_iter().enumerate() {
        query = query.with(format!("ScalingProcesses.member.{}", n + 1), name);
    }
    query
}

fn tag(value: &str) -> Query {
    let tag = "Tags.member.1";
    Query::autoscaling("CreateOrUpdateTags")
        .with(format!("{tag}.ResourceId"), GROUP)
        .with(format!("{tag}.ResourceType"), "auto-scaling-group")
        .with(format!("{tag}.Key"), "drawgate:suspended")
        .with(format!("{tag}.Value"), value)
        .with(format!("{tag}.PropagateAtLaunch"), "false")
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

impl Change {
    pub(crate) async fn in_lab(&self, bench: &Bench) {
        let query = match self {
            Self::Tagged => tag(&format!("{} {}", bench.id(), planned(bench).join("+"))),
            Self::TaggedByAnother => tag("0190f6f0-0000-7000-8000-0000000000ff AZRebalance"),
            Self::Suspended(names) => processes("SuspendProcesses", owned(names)),
            Self::Resumed(names) => processes("ResumeProcesses", owned(names)),
            Self::ResumedAll => processes("ResumeProcesses", planned(bench)),
            Self::Deleted => Query::autoscaling("DeleteAutoScalingGroup")
                .with("AutoScalingGroupName", GROUP)
                .with("ForceDelete", "true"),
        };
        bench.outside.call(query).await;
    }

    pub(crate) fn in_model(&self, bench: &mut Bench) {
        let (id, planned) = (bench.id(), planned(bench));
        if matches!(self, Self::Deleted) {
            bench.world.groups.remove(GROUP);
            // Deleting the group terminates its instances.
            bench
                .world
                .hosts
                .values_mut()
                .for_each(|host| host.member = false);
            return;
        }
        let group = bench.world.groups.get_mut(GROUP).unwrap();
        match self {
            Self::Tagged => {
                group.tag = Some(id);
                group.tag_says = planned.into_iter().collect();
            }
            Self::TaggedByAnother => {
                group.tag = Some("0190f6f0-0000-7000-8000-0000000000ff".to_owned());
                group.tag_says = BTreeSet::new();
            }
            Self::Suspended(names) => group.suspended.extend(owned(names)),
            Self::Resumed(names) => group.suspended.retain(|name| !names.contains(&name.as_str())),
            Self::ResumedAll => group.suspended.retain(|name| !planned.contains(name)),
            Self::Deleted => {}
        }
    }
}

fn group() -> String {
    GROUP.to_owned()
}

pub(crate) fn suspend() -> Row {
    Row::after(table::planned())
        .half([
            After(vec![Change::Tagged.into()]),
            After(vec![
                Change::Tagged.into(),
                Change::Suspended(&["HealthCheck"]).into(),
            ]),
        ])
        .gone([
            After(vec![Change::Deleted.into()]),
            After(vec![Change::TaggedByAnother.into()]),
        ])
        .unknown([
            Cut(vec![], Unheard(TAG), UnknownHalf),
            Cut(vec![], Lost(SUSPEND), UnknownHalf),
            Cut(vec![], Unheard(SUSPEND), UnknownDone),
        ])
        .stale([Old(vec![], DESCRIBE, ALL, UnconfirmedHalf)])
}

pub(crate) fn resume() -> Row {
    Row::after(table::with(&[Step::Suspend { group: group() }]))
        .half([
            After(vec![Change::Resumed(&["HealthCheck"]).into()]),
            After(vec![Change::ResumedAll.into()]),
        ])
        .gone([
            After(vec![Change::Deleted.into()]),
            After(vec![Change::TaggedByAnother.into()]),
        ])
        .unknown([
            Cut(vec![], Lost(UNTAG), UnknownHalf),
            Cut(vec![], Unheard(UNTAG), UnknownDone),
        ])
        .stale([
            Old(
                vec![Change::Resumed(&["HealthCheck"]).into()],
                DESCRIBE,
                1,
                Through,
            ),
            Old(vec![], DESCRIBE, ALL, UnconfirmedHalf),
        ])
}

pub(crate) fn let_replace() -> Row {
    Row::after(table::with(&[Step::Suspend { group: group() }]))
        .half([After(vec![Change::Resumed(&["HealthCheck"]).into()])])
        .gone([
            After(vec![Change::Deleted.into()]),
            After(vec![Change::TaggedByAnother.into()]),
        ])
        .unknown([
            Cut(vec![], Unheard(RESUME), UnknownHalf),
            Cut(vec![], Unheard(TAG), UnknownDone),
        ])
        .stale([Old(vec![], DESCRIBE, ALL, Unconfirmed)])
}

pub(crate) fn suspend_again() -> Row {
    let brought = [
        Step::Suspend { group: group() },
        Step::LetReplace { group: group() },
    ];
    Row::after(table::with(&brought))
        .half([After(vec![Change::Tagged.into()])])
        .gone([
            After(vec![Change::Deleted.into()]),
            After(vec![Change::TaggedByAnother.into()]),
        ])
        .unknown([
            Cut(vec![], Unheard(TAG), UnknownHalf),
            Cut(vec![], Unheard(SUSPEND), UnknownDone),
        ])
        .stale([Old(vec![], DESCRIBE, ALL, Unconfirmed)])
}
