//! Mistakes made on purpose. The search has to find each of them, because an oracle that sees nothing is
//! worth nothing.
//!
//! The mistakes are made around the roll's code and in the model's effects, never in the code that is
//! released.

use std::fmt;
use std::sync::Arc;

use drawgate_rollout::{
    Decision, Phase, QueueView, Queued, Record, Release, Step, StepOutcome, conclude, decide,
};
use drawgate_schemas::Direction;
use jiff::Timestamp;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mutant {
    /// Leaves one process suspended.
    ForgetsOneProcess,
    /// Resumes every suspended process, as `ResumeProcesses` without a list does.
    ResumesEverything,
    /// Begins a step before its intent is written.
    ActsBeforeTheIntent,
    /// Registers the target at another port than the earlier one.
    RegistersWithoutThePort,
    /// Takes a draining target for a registered one.
    TakesDrainingForRegistered,
    /// Does not wait for the drain.
    SkipsTheDrain,
    /// Starts the new container while the old one runs.
    LeavesTheOldRunning,
    /// Rolls back a host that was never touched.
    RollsBackAnUntouchedHost,
    /// Takes all hosts out at once.
    IgnoresTheFloor,
    /// Goes on with a fleet whose lease another worker has.
    GoesOnWithoutTheLease,
    /// Never finds the instances that joined.
    MissesANewcomer,
    /// Sends the same event twice.
    SendsAnEventTwice,
    /// Leaves an alarm's actions off.
    ForgetsAnAlarm,
    /// Enables the actions of alarms that were off before the release.
    EnablesEveryAlarm,
    /// Enables the actions of alarms that another release silences still.
    EnablesWhatAnotherHolds,
    /// Leaves the actions of alarms off that another release silenced at first, although that one has left.
    LeavesOffAsLastOut,
    /// Leaves the failed version in the parameter, so that new instances boot it.
    ForgetsToUnpublish,
    /// Resumes scaling while hosts are still rolled back.
    ResumesScalingFirst,
    /// Begins hosts while the release is paused.
    WorksWhilePaused,
    /// Goes on after a cancel.
    IgnoresACancel,
    /// Takes "unknown" for "failed".
    TakesUnknownForFailed,
    /// Takes a step that was under way at a crash for done.
    TakesOpenForDone,
    /// Runs `[before]`, the migration, again after a crash.
    RunsBeforeAgain,
    /// Ends the release without the last look at the fleet.
    EndsWithoutLooking,
    /// Does not wait for the canary.
    IgnoresTheCanary,
    /// Keeps an absolute floor during rollback: as many healthy hosts as at the start, however many are sick
    /// by now.
    KeepsTheFloorOfTheStart,
    /// Keeps no floor during rollback.
    TakesTheLastHealthy,
    /// Reckons with a host that cannot go back, so that the floor keeps all others from it.
    StopsAtASickHost,
    /// Leaves the processes that replace hosts running after the wait for sick hosts.
    ForgetsToSuspendAgain,
    /// Lets the group replace hosts before the healthy ones are marked healthy.
    ReplacesBeforeMarking,
    /// Leaves on the group a tag that names processes as suspended which run while sick hosts are waited for.
    LeavesTheTagInTheWait,
    /// Rolls back because of a host that is sick by itself: it runs the version of before, or does not answer at all.
    TakesBystandersForEvidence,
    /// Goes on although a host that was rolled speaks against the version.
    GoesOnAfterEvidence,
    /// Watches no host after its turn.
    ForgetsRolledHosts,
    /// Believes a first look that shows processes suspended, which the release before has resumed since.
    BelievesAStaleSuspension,
    /// Refuses a group because of a tag that the release before has removed since.
    RefusesOnAStaleTag,
    /// Enables the actions of an alarm although a release has come since the look.
    BelievesAStaleHolder,
    /// Takes throttling for a definite no.
    TakesThrottlingForRefusal,
    /// Begins a throttled step from its beginning each time.
    LosesWhatWasDone,
    /// Takes it for a definite no that a name is not free again yet.
    TakesTooManyUpdatesForRefusal,
    /// Takes expired credentials for a definite no.
    GivesUpOnExpiredCredentials,
    /// Registers a host in no group when one of its groups was deleted.
    StopsAtADeletedGroup,
    /// Waits for the health of targets whose group was deleted.
    WaitsForADeletedGroup,
    /// Waits for the health of targets whose group no load balancer uses any more.
    WaitsForAnUnusedGroup,
    /// Takes a new target, which is `initial`, for a healthy one.
    TakesInitialForHealthy,
    /// Takes alarms for muted whose rule begins with the next minute.
    BelievesInARuleToCome,
    /// Begins a release in a freeze.
    BeginsInAFreeze,
    /// Begins a release while another one is ahead of it in the queue.
    BeginsOutOfTurn,
    /// Begins a release without its approval.
    BeginsUnapproved,
    /// Rolls an earlier build after a later one.
    IgnoresLaterBuilds,
    /// Lets a release that may never begin supersede another one.
    LetsTheBlockedSupersede,
}

impl Mutant {
    /// The mistakes that the search of a roll has to find.
    pub const OF_A_ROLL: [Self; 34] = [
        Self::ForgetsOneProcess,
        Self::ResumesEverything,
        Self::ActsBeforeTheIntent,
        Self::RegistersWithoutThePort,
        Self::TakesDrainingForRegistered,
        Self::SkipsTheDrain,
        Self::LeavesTheOldRunning,
        Self::RollsBackAnUntouchedHost,
        Self::IgnoresTheFloor,
        Self::GoesOnWithoutTheLease,
        Self::MissesANewcomer,
        Self::SendsAnEventTwice,
        Self::ForgetsAnAlarm,
        Self::EnablesEveryAlarm,
        Self::EnablesWhatAnotherHolds,
        Self::LeavesOffAsLastOut,
        Self::ForgetsToUnpublish,
        Self::ResumesScalingFirst,
        Self::WorksWhilePaused,
        Self::IgnoresACancel,
        Self::TakesUnknownForFailed,
        Self::TakesOpenForDone,
        Self::RunsBeforeAgain,
        Self::EndsWithoutLooking,
        Self::IgnoresTheCanary,
        Self::KeepsTheFloorOfTheStart,
        Self::TakesTheLastHealthy,
        Self::StopsAtASickHost,
        Self::ForgetsToSuspendAgain,
        Self::ReplacesBeforeMarking,
        Self::LeavesTheTagInTheWait,
        Self::TakesBystandersForEvidence,
        Self::GoesOnAfterEvidence,
        Self::ForgetsRolledHosts,
    ];

    /// The mistakes about AWS that the search of a roll has to find, in the fleets of [`crate::explore::aws_fleets`].
    pub const OF_AWS: [Self; 11] = [
        Self::BelievesAStaleSuspension,
        Self::RefusesOnAStaleTag,
        Self::TakesThrottlingForRefusal,
        Self::LosesWhatWasDone,
        Self::TakesTooManyUpdatesForRefusal,
        Self::GivesUpOnExpiredCredentials,
        Self::StopsAtADeletedGroup,
        Self::WaitsForADeletedGroup,
        Self::WaitsForAnUnusedGroup,
        Self::TakesInitialForHealthy,
        Self::BelievesInARuleToCome,
    ];

    /// The mistakes that the search of two services which share alarms has to find.
    pub const OF_SHARED_ALARMS: [Self; 1] = [Self::BelievesAStaleHolder];

    /// The mistakes that the search of a queue has to find.
    pub const OF_A_QUEUE: [Self; 5] = [
        Self::BeginsInAFreeze,
        Self::BeginsOutOfTurn,
        Self::BeginsUnapproved,
        Self::IgnoresLaterBuilds,
        Self::LetsTheBlockedSupersede,
    ];

    /// The decisions of a roll with this mistake.
    pub(crate) fn decide(
        self,
        release: &Release,
        queue: Option<&QueueView>,
        now: Timestamp,
    ) -> Vec<Decision> {
        match self {
            Self::RollsBackAnUntouchedHost => untouched_back(release, queue, now),
            Self::ResumesScalingFirst => resume_first(release, queue, now),
            Self::EndsWithoutLooking => unseen(release, queue, now),
            _ => decide(&self.seen(release), self.looked_at(release, queue).as_ref(), now),
        }
    }

    /// The queue as a worker with this mistake sees it.
    fn looked_at(self, release: &Release, queue: Option<&QueueView>) -> Option<QueueView> {
        let mut queue = queue?.clone();
        match self {
            Self::BeginsInAFreeze => queue.freezes.clear(),
            Self::BeginsOutOfTurn => {
                queue.next = queue.next.map(|next| Queued {
                    id: release.request.id,
                    begun: false,
                    ..next
                });
            }
            Self::IgnoresLaterBuilds => queue.others.clear(),
            Self::LetsTheBlockedSupersede => {
                queue
                    .others
                    .iter_mut()
                    .for_each(|other| other.has_succeeded = true);
            }
            _ => {}
        }
        Some(queue)
    }

    /// The release as a worker with this mistake sees it.
    fn seen(self, release: &Release) -> Release {
        let mut seen = release.clone();
        match self {
            Self::IgnoresTheFloor => {
                if let Some(plan) = &mut seen.plan {
                    Arc::make_mut(plan).definition.roll.max_unavailable = 99.into();
                }
            }
            Self::IgnoresTheCanary => {
                if let Some(plan) = &mut seen.plan {
                    Arc::make_mut(plan).definition.roll.canary = None;
                }
            }
            Self::ForgetsRolledHosts => {
                if let Some(plan) = &mut seen.plan {
                    Arc::make_mut(plan).definition.roll.watch_hosts = false;
                }
            }
            Self::GoesOnAfterEvidence => {
                let refused = |outcome: &StepOutcome| matches!(outcome, StepOutcome::Refused { .. });
                seen.steps.change(&Step::WatchHosts, |state| {
                    if state.last.as_ref().is_some_and(refused) {
                        state.last = Some(StepOutcome::done());
                    }
                });
            }
            Self::GoesOnWithoutTheLease => seen.leased_to_another = None,
            Self::WorksWhilePaused => seen.paused = None,
            Self::BeginsUnapproved => seen.approval = None,
            Self::IgnoresACancel => seen.cancelled = None,
            _ => {}
        }
        seen
    }
}

impl fmt::Display for Mutant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

fn perform(step: Step, now: Timestamp) -> Decision {
    let deadline = drawgate_rollout::limits::after(now, 60_000);
    Decision::Perform { step, deadline }
}

fn untouched_back(release: &Release, queue: Option<&QueueView>, now: Timestamp) -> Vec<Decision> {
    let mut decisions = decide(release, queue, now);
    let untouched = release.hosts().find(|host| !release.touched(&host.instance));
    if let (Some(_), Some(host)) = (&release.rolling_back, untouched) {
        let step = Step::Host {
            instance: host.instance.clone(),
            direction: Direction::Back,
            phase: Phase::Swap,
        };
        let ends = |decision: &Decision| matches!(decision, Decision::Append(Record::Ended { .. }));
        if !release.begun(&step) && !decisions.iter().any(ends) {
            decisions.push(perform(step, now));
        }
    }
    decisions
}

fn resume_first(release: &Release, queue: Option<&QueueView>, now: Timestamp) -> Vec<Decision> {
    let suspended = release.steps.keys().find_map(|step| match step {
        Step::Suspend { group } => Some(group.clone()),
        _ => None,
    });
    if let (Some(_), Some(group)) = (&release.rolling_back, suspended) {
        let step = Step::Resume { group };
        if !release.begun(&step) {
            return vec![perform(step, now)];
        }
    }
    decide(release, queue, now)
}

fn unseen(release: &Release, queue: Option<&QueueView>, now: Timestamp) -> Vec<Decision> {
    let decisions = decide(release, queue, now);
    let looks = |decision: &Decision| {
        matches!(
            decision,
            Decision::Perform {
                step: Step::Confirm,
                ..
            }
        )
    };
    if decisions.iter().any(looks) {
        let ended = Box::new(conclude(release, now));
        return vec![Decision::Append(Record::Ended { ended })];
    }
    decisions
}
