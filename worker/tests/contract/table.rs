//! The table: every step, and how each situation is made for it. The compiler asks for a row when a step is
//! added.

use drawgate_rollout::{Phase, Step};
use drawgate_schemas::Direction;

use crate::bench::{FIRST, GROUP};
use crate::cell::Row;
use crate::{alarms, desired, fleet, hooks, hosts, lease, scaling, targets};

pub(crate) const READS_ONLY: &str = "it reads only: there is no half of it";
pub(crate) const ONE_CALL: &str = "it is one call: there is no half of it";
pub(crate) const NO_AWS: &str = "it reads nothing of AWS";
const DRIVERS: &str = "the driver takes locks, in the ledger: worker/tests/ledger/locks.rs";
const NO_STEP: &str = "a control command: it is never performed";
const SIMULATED: &str = "IAM says everything of the lab's caller: nothing is left to try";

/// A line of the table: a step in one of its variants.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Line {
    pub(crate) step: Step,
    /// Whether alarms are muted by rules; otherwise their actions are disabled.
    pub(crate) mutes: bool,
}

impl Line {
    /// The step's name in the journal, with its variant.
    pub(crate) fn name(&self) -> String {
        let seen = serde_json::to_value(&self.step).unwrap();
        let words = ["step", "phase", "direction"].map(|key| seen[key].as_str().unwrap_or_default());
        let words = words.map(|word| word.replace('_', " "));
        let by = if self.mutes { " by rule" } else { "" };
        format!("{}{by}", words.join(" ").trim_end())
    }
}

/// How the situations of a line are made.
pub(crate) fn row(line: &Line) -> Row {
    match &line.step {
        Step::Control => Row::never(NO_STEP),
        Step::ProvePermissions => Row::never(SIMULATED),
        Step::Lock => Row::never(DRIVERS),
        Step::Resolve => fleet::resolve(),
        Step::Inspect => fleet::inspect(),
        Step::DetectJoined => fleet::detect_joined(),
        Step::Confirm => fleet::confirm(),
        Step::TakeLease => lease::take(),
        Step::GiveLeaseBack => lease::give_back(),
        Step::Stage { .. } => hosts::stage(),
        Step::CleanUp { .. } => hosts::clean_up(),
        Step::CreateBefore { .. } => hooks::create_before(),
        Step::RunBefore { .. } => hooks::run_before(),
        Step::RunAfter => hooks::after(),
        Step::Suspend { .. } => scaling::suspend(),
        Step::Resume { .. } => scaling::resume(),
        Step::LetReplace { .. } => scaling::let_replace(),
        Step::SuspendAgain { .. } => scaling::suspend_again(),
        Step::AwaitFloor => targets::await_healthy(),
        Step::Canary => targets::canary(),
        Step::Silence => alarms::silence(line.mutes),
        Step::Unsilence => alarms::unsilence(line.mutes),
        Step::Renew => alarms::renew(),
        Step::Watch => alarms::watch(),
        Step::WatchHosts => targets::watch(),
        Step::Bake => alarms::bake(),
        Step::ReserveDesired => desired::reserve(),
        Step::PublishDesired => desired::publish(),
        Step::RestoreDesired => desired::unpublish(),
        Step::Host { phase, direction, .. } => phase_row(*phase, *direction),
    }
}

fn phase_row(phase: Phase, direction: Direction) -> Row {
    match phase {
        Phase::Create => hosts::create(direction),
        Phase::Deregister => targets::deregister(direction),
        Phase::Drain => targets::drain(direction),
        Phase::Swap => hosts::swap(direction),
        Phase::Verify => hosts::verify(direction),
        Phase::SetRestartPolicy => hosts::enable(direction),
        Phase::Register => targets::register(direction),
        Phase::AwaitHealthy => targets::settle(direction),
    }
}

const PHASES: [Phase; 8] = Phase::ALL;

fn first() -> String {
    FIRST.to_owned()
}

fn group() -> String {
    GROUP.to_owned()
}

fn host(phase: Phase, direction: Direction) -> Step {
    Step::Host {
        instance: first(),
        direction,
        phase,
    }
}

/// All steps of a release that succeeds, in order, with a wait for sick hosts in the middle.
pub(crate) fn way_forward() -> Vec<Step> {
    let mut steps = vec![
        Step::Resolve,
        Step::Inspect,
        Step::Lock,
        Step::TakeLease,
        hosts::stage_first(),
        Step::CreateBefore { instance: first() },
        Step::RunBefore { instance: first() },
        Step::Suspend { group: group() },
        Step::Silence,
        Step::ReserveDesired,
    ];
    steps.extend(PHASES.map(|phase| host(phase, Direction::Forward)));
    steps.extend([
        Step::Canary,
        Step::LetReplace { group: group() },
        Step::AwaitFloor,
        Step::SuspendAgain { group: group() },
        Step::Watch,
        Step::WatchHosts,
        Step::PublishDesired,
        Step::DetectJoined,
        Step::Bake,
        Step::RunAfter,
        Step::Resume { group: group() },
        Step::Unsilence,
        Step::CleanUp { instance: first() },
        Step::GiveLeaseBack,
        Step::Confirm,
    ]);
    steps
}

/// The shortest way forward up to the publication of the desired version.
pub(crate) fn way_to_publish() -> Vec<Step> {
    let left_out = |step: &Step| {
        matches!(
            step,
            Step::CreateBefore { .. }
                | Step::RunBefore { .. }
                | Step::Canary
                | Step::LetReplace { .. }
                | Step::AwaitFloor
                | Step::SuspendAgain { .. }
                | Step::Watch
                | Step::WatchHosts
        )
    };
    let way = way_forward().into_iter().filter(|step| !left_out(step));
    let mut steps: Vec<Step> = way.take_while(|step| *step != Step::PublishDesired).collect();
    steps.push(Step::PublishDesired);
    steps
}

/// The steps of a rollback after the first host was rolled and the desired version published.
pub(crate) fn rollback() -> Vec<Step> {
    let mut steps = vec![Step::RestoreDesired];
    steps.extend(PHASES[1..].iter().map(|phase| host(*phase, Direction::Back)));
    steps.extend([
        Step::Resume { group: group() },
        Step::Unsilence,
        Step::CleanUp { instance: first() },
        Step::Confirm,
    ]);
    steps
}

/// Every line of the table, in the order of a release.
pub(crate) fn lines() -> Vec<Line> {
    let plain = |step: Step| Line { step, mutes: false };
    let mut lines = vec![plain(Step::Control), plain(Step::ProvePermissions)];
    lines.extend(way_forward().into_iter().map(plain));
    let back = host(Phase::Create, Direction::Back);
    for line in std::iter::once(back).chain(rollback()).map(plain) {
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    let muted = [Step::Silence, Step::Renew, Step::Unsilence];
    lines.extend(muted.map(|step| Line { step, mutes: true }));
    lines
}

/// The steps up to the digest behind the tag.
pub(crate) fn resolved() -> Vec<Step> {
    vec![Step::Resolve]
}

/// The steps up to the plan and its locks.
pub(crate) fn planned() -> Vec<Step> {
    vec![Step::Resolve, Step::Inspect, Step::Lock]
}

/// The steps up to the plan, and then these.
pub(crate) fn with(steps: &[Step]) -> Vec<Step> {
    [planned(), steps.to_vec()].concat()
}

/// The steps up to right before this phase of the first host, on the way forward.
pub(crate) fn up_to(phase: Phase) -> Vec<Step> {
    let before = PHASES.iter().take_while(|other| **other != phase);
    let mut steps = with(&[hosts::stage_first(), Step::Suspend { group: group() }]);
    steps.extend(before.map(|phase| host(*phase, Direction::Forward)));
    steps
}

/// The steps up to where the first host serves with the new version.
pub(crate) fn rolled() -> Vec<Step> {
    let mut steps = up_to(Phase::AwaitHealthy);
    steps.push(host(Phase::AwaitHealthy, Direction::Forward));
    steps
}

/// The steps of the first host's rollback, up to right before this phase.
pub(crate) fn back_up_to(phase: Phase) -> Vec<Step> {
    let before = PHASES[1..].iter().take_while(|other| **other != phase);
    before.map(|phase| host(*phase, Direction::Back)).collect()
}

/// All steps of the first host's rollback.
pub(crate) fn back_up_to_the_end() -> Vec<Step> {
    PHASES[1..]
        .iter()
        .map(|phase| host(*phase, Direction::Back))
        .collect()
}
