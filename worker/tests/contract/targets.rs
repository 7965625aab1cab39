//! Steps that take a host out of its target groups and bring it back, and its health there.

use drawgate_rehearsal::world::Fault::{UnknownHalf, UnknownNotDone};
use drawgate_rehearsal::world::Target;
use drawgate_rollout::{Phase, Step};
use drawgate_schemas::Direction;
use serde_json::json;

use crate::bench::{Bench, FIRST, GROUP, SECOND, TARGET_GROUPS};
use crate::cell::Cell::{After, Cut, Never, Old};
use crate::cell::Row;
use crate::cell::Seen::{Before, Through};
use crate::cell::Silence::{Engine, Lost, Unheard};
use crate::change::Change as Any;
use crate::hosts;
use crate::outside::Query;
use crate::table;

const HEALTH: &str = "elasticloadbalancing:DescribeTargetHealth";
const DEREGISTER: &str = "elasticloadbalancing:DeregisterTargets";
const REGISTER: &str = "elasticloadbalancing:RegisterTargets";
const TAG: &str = "ec2:CreateTags";
const UNTAG: &str = "ec2:DeleteTags";

/// A change from outside, to a target.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    /// The first instance carries the tags for its targets.
    Tagged,
    /// The first instance carries none of these tags.
    Untagged,
    /// The first instance is deregistered from the first of the groups (1), or from both (2).
    Deregistered(usize),
    /// The first instance is registered in the first of the groups (1), or in both (2).
    Registered(usize),
    /// The load balancer has finished draining the first instance.
    Drained,
    /// Draining targets go on draining.
    HeldDraining,
    /// The load balancer finds this instance unhealthy, whatever runs there.
    FallsIll(&'static str),
}

impl From<Change> for Any {
    fn from(change: Change) -> Self {
        Self::Targets(change)
    }
}

impl Change {
    pub(crate) async fn in_lab(&self, bench: &Bench) {
        let first = bench.instance(0);
        let groups = bench.target_groups();
        match self {
            Self::Tagged => {
                let tags = TARGET_GROUPS.map(|group| format!("drawgate:target:{group}:8080"));
                let value = format!("{} {first} 8080 -", bench.id());
                let mut query = Query::ec2("CreateTags").with("ResourceId.1", &first);
                for (n, key) in tags.iter().enumerate() {
                    query = query.with(format!("Tag.{}.Key", n + 1), key);
                    query = query.with(format!("Tag.{}.Value", n + 1), &value);
                }
                bench.outside.call(query).await;
            }
            Self::Untagged => {
                let mut query = Query::ec2("DeleteTags").with("ResourceId.1", &first);
                for (n, group) in TARGET_GROUPS.iter().enumerate() {
                    query = query.with(
                        format!("Tag.{}.Key", n + 1),
                        format!("drawgate:target:{group}:8080"),
                    );
                }
                bench.outside.call(query).await;
            }
            Self::Deregistered(count) => move_to("DeregisterTargets", bench, &groups[..*count]).await,
            Self::Registered(count) => move_to("RegisterTargets", bench, &groups[..*count]).await,
            Self::Drained => bench.until_targets(&first, &["absent"; 2]).await,
            Self::HeldDraining => bench.hold_draining(true).await,
            Self::FallsIll(who) => {
                for group in TARGET_GROUPS {
                    let order = json!({"target_group": group, "target": bench.named(who), "fail": true});
                    bench.outside.lab.post("targets/fail", order).await;
                }
                bench.until_health(&[bench.named(who)], "unhealthy").await;
            }
        }
    }

    pub(crate) fn in_model(&self, bench: &mut Bench) {
        let first = bench.instance(0);
        if let Self::FallsIll(who) = self {
            let who = bench.named(who);
            return bench.world.falls_ill(&who);
        }
        let host = bench.world.hosts.get_mut(&first).unwrap();
        let mut set = |count: usize, target: Target| {
            host.target = target;
            if count > 1 {
                host.second = Some(target);
            }
        };
        match self {
            Self::Tagged => host.tagged = true,
            Self::Untagged => host.tagged = false,
            Self::Deregistered(count) => set(*count, Target::Draining),
            Self::Registered(count) => set(*count, Target::Registered),
            Self::Drained => set(2, Target::Absent),
            Self::HeldDraining | Self::FallsIll(_) => {}
        }
    }
}

async fn move_to(action: &str, bench: &Bench, groups: &[String]) {
    for arn in groups {
        let query = Query::balancer(action)
            .with("TargetGroupArn", arn)
            .with("Targets.member.1.Id", bench.instance(0))
            .with("Targets.member.1.Port", "8080");
        bench.outside.call(query).await;
    }
}

/// The row of a host's phase, on the way forward or during rollback.
fn brought(direction: Direction, phase: Phase) -> Row {
    match direction {
        Direction::Forward => Row::after(table::up_to(phase)),
        Direction::Back => Row::after(table::rolled()).rolled_back(table::back_up_to(phase)),
    }
}

pub(crate) fn deregister(direction: Direction) -> Row {
    brought(direction, Phase::Deregister)
        .half([
            After(vec![Change::Tagged.into()]),
            After(vec![Change::Tagged.into(), Change::Deregistered(1).into()]),
        ])
        .gone([
            After(vec![Change::Deregistered(2).into()]),
            After(vec![hosts::Change::Terminated(FIRST).into()]),
        ])
        .unknown([
            Cut(vec![Change::Tagged.into()], Lost(TAG), UnknownNotDone),
            Cut(vec![Change::Tagged.into()], Lost(DEREGISTER), UnknownNotDone),
            Cut(
                vec![Change::HeldDraining.into()],
                Unheard(DEREGISTER),
                UnknownHalf,
            ),
        ])
        .stale([Old(
            vec![Change::HeldDraining.into(), Change::Deregistered(2).into()],
            HEALTH,
            2,
            Before,
        )])
}

pub(crate) fn drain(direction: Direction) -> Row {
    brought(direction, Phase::Drain)
        .half([
            After(vec![Change::Drained.into()]),
            After(vec![Change::Registered(2).into()]),
            After(vec![Change::Drained.into(), Change::Registered(1).into()]),
        ])
        .gone([After(vec![hosts::Change::Terminated(FIRST).into()])])
        .unknown([Cut(
            vec![Change::HeldDraining.into()],
            Lost(HEALTH),
            UnknownNotDone,
        )])
        .stale([Old(vec![Change::Drained.into()], HEALTH, 2, Through)])
}

pub(crate) fn register(direction: Direction) -> Row {
    brought(direction, Phase::Register)
        .half([After(vec![Change::Registered(1).into()])])
        .gone([After(vec![hosts::Change::Terminated(FIRST).into()])])
        .unknown([
            Cut(vec![], Lost(REGISTER), UnknownNotDone),
            Cut(vec![], Unheard(REGISTER), UnknownHalf),
        ])
        .stale([Never(
            "of what is registered it reads nothing, and membership is looked at twice",
        )])
}

pub(crate) fn settle(direction: Direction) -> Row {
    let ill = hosts::Change::Stopped(direction);
    brought(direction, Phase::AwaitHealthy)
        .half([
            After(vec![Change::Untagged.into()]),
            After(vec![Change::Deregistered(1).into()]),
            After(vec![Change::Deregistered(2).into()]),
        ])
        .gone([
            After(vec![hosts::Change::Terminated(FIRST).into()]),
            After(vec![hosts::Change::Removed(direction).into()]),
            After(vec![ill.into()]),
        ])
        .unknown([
            Cut(vec![], Lost(HEALTH), UnknownNotDone),
            Cut(vec![], Lost(UNTAG), UnknownNotDone),
        ])
        .stale([Old(vec![Change::Registered(2).into()], HEALTH, 2, Through)])
}

pub(crate) fn await_healthy() -> Row {
    let suspend = Step::Suspend {
        group: GROUP.to_owned(),
    };
    let mut row = Row::after(table::with(&[suspend]))
        .half([Never(table::READS_ONLY)])
        .gone([
            After(vec![Change::FallsIll(SECOND).into()]),
            After(vec![
                Change::FallsIll(SECOND).into(),
                hosts::Change::Terminated(SECOND).into(),
            ]),
        ])
        .unknown([Cut(vec![], Lost(HEALTH), UnknownNotDone)])
        .stale([Old(vec![Change::FallsIll(SECOND).into()], HEALTH, 2, Before)]);
    row.waits_for_sick = true;
    row
}

pub(crate) fn watch() -> Row {
    Row::after(table::rolled())
        .half([Never(table::READS_ONLY)])
        .gone([
            After(vec![hosts::Change::Terminated(FIRST).into()]),
            After(vec![hosts::Change::Removed(Direction::Forward).into()]),
            After(vec![Change::FallsIll(FIRST).into()]),
            After(vec![Change::FallsIll(SECOND).into()]),
        ])
        .unknown([
            Cut(vec![], Engine, UnknownNotDone),
            Never("its first look may be one that the step before has made: see `canary`"),
        ])
        .stale([Old(vec![Change::FallsIll(FIRST).into()], HEALTH, 9, Before)])
}

pub(crate) fn canary() -> Row {
    Row::after(table::rolled())
        .half([Never(table::READS_ONLY)])
        .gone([
            After(vec![hosts::Change::Terminated(FIRST).into()]),
            After(vec![hosts::Change::Removed(Direction::Forward).into()]),
            After(vec![Change::FallsIll(FIRST).into()]),
        ])
        .unknown([Cut(vec![], Lost(HEALTH), UnknownNotDone)])
        .stale([Old(vec![Change::FallsIll(FIRST).into()], HEALTH, 9, Before)])
}
