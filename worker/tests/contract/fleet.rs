//! Steps that look at the whole fleet.

use drawgate_rehearsal::world::Fault::UnknownNotDone;
use drawgate_schemas::Direction;

use crate::bench::{FIRST, SECOND};
use crate::cell::Cell::{After, Cut, Never, Old};
use crate::cell::Row;
use crate::cell::Seen::{Before, Through};
use crate::cell::Silence::{Lost, Registry};
use crate::hosts::Change::{Removed, Stopped, Terminated};
use crate::scaling;
use crate::table::{self, NO_AWS, READS_ONLY};
use crate::targets;

const GROUPS: &str = "autoscaling:DescribeAutoScalingGroups";
/// More reads than one performance makes, so that all get the old answer.
const ALL: u32 = 9;

pub(crate) fn resolve() -> Row {
    Row::after(Vec::new())
        .half([Never(READS_ONLY)])
        .gone([Never(
            "the model knows no registry: there every tag stands for something",
        )])
        .unknown([Cut(vec![], Registry, UnknownNotDone)])
        .stale([Never(NO_AWS)])
}

pub(crate) fn inspect() -> Row {
    Row::after(table::resolved())
        .half([Never(READS_ONLY)])
        .gone([
            After(vec![scaling::Change::Suspended(&["HealthCheck"]).into()]),
            After(vec![Removed(Direction::Back).into()]),
            After(vec![Stopped(Direction::Back).into()]),
        ])
        .unknown([Cut(vec![], Lost(GROUPS), UnknownNotDone)])
        .stale([Old(
            vec![scaling::Change::Suspended(&["HealthCheck"]).into()],
            GROUPS,
            ALL,
            Before,
        )])
}

pub(crate) fn detect_joined() -> Row {
    Row::after(table::rolled())
        .half([Never(READS_ONLY)])
        .gone([After(vec![Terminated(SECOND).into()])])
        .unknown([Cut(vec![], Lost(GROUPS), UnknownNotDone)])
        .stale([Old(vec![], GROUPS, 1, Through)])
}

pub(crate) fn confirm() -> Row {
    Row::after(table::rolled())
        .half([Never(READS_ONLY)])
        .gone([
            After(vec![targets::Change::Tagged.into()]),
            After(vec![Terminated(FIRST).into()]),
            After(vec![Removed(Direction::Forward).into()]),
        ])
        .unknown([Cut(vec![], Lost(GROUPS), UnknownNotDone)])
        .stale([Old(
            vec![scaling::Change::Suspended(&["Terminate"]).into()],
            GROUPS,
            ALL,
            Before,
        )])
}
