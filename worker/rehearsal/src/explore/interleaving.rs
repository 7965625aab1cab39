//! Interleavings: everything that a worker, a fleet and people can do to a roll at one moment.

use std::fmt;

use drawgate_rollout::{Evidence, Failure, ON_BASTION, Reaches, Release, Sees, Stage, Step, StepOutcome};
use drawgate_schemas::Control;

use crate::sim::{Halt, Sim, by_ben};
use crate::world::{Extent, Fault, LeaseOwner, World, id};

/// After a worker was killed, no worker drives the release for this time.
const AWAY_MS: u64 = 90_000;
/// A paused roll that has come to rest is resumed after this time.
const RESTS_MS: u64 = 60_000;
/// The number of the first instance that the fleet launches.
const NEWCOMER: usize = 7;

/// One event that comes between two moments of a roll.
#[derive(Debug, Clone, PartialEq)]
pub enum Interleaving {
    /// The worker is killed while each step under way has come so far; another process takes over.
    Killed(Vec<Extent>),
    /// The worker is killed as above, and meanwhile a worker with another ledger has taken the fleet.
    KilledAndLost(Vec<Extent>),
    /// An operator cancels the release.
    Cancelled,
    /// An operator pauses the release, and resumes it later.
    Paused,
    /// An operator pauses the release, and nobody resumes it.
    PausedForEver,
    /// The step that is about to end meets this fault.
    Faulty(Fault),
    /// The step that is about to end is refused, now and at every later attempt.
    RefusedForEver,
    /// The answer of the step is lost; its effect comes late, after that of the next step.
    Late,
    /// The step sees the fleet as it was before the last change.
    Stale,
    /// An instance is terminated.
    Terminated(String),
    /// An instance is launched.
    Launched,
    /// The application of an instance hangs: the engine answers, EC2 says `running`, and the load balancer
    /// says `unhealthy`.
    FallsIll(String),
    /// An instance hangs as a whole: its engine does not answer to whoever watches it, either.
    Hangs(String),
    /// The engine of an instance restarts the new version's container.
    Restarts(String),
    /// The application of a sick instance answers again.
    GetsWell(String),
    /// The watched alarm fires.
    AlarmFires,
    /// A release of another service silences the alarm that this one silences.
    OtherSilences,
    /// That release ends, and leaves the alarm.
    OtherUnsilences,
    /// The first look of the step shows what was before the last change.
    StaleLook,
    /// AWS throttles this step so many times in a row, each time after its first calls.
    Throttled(usize),
    /// Somebody deletes this target group.
    GroupDeleted(String),
    /// Somebody takes this target group out of its listener.
    GroupUnused(String),
    /// The credentials of the worker expire; others come a while later.
    CredentialsExpire,
    /// The parameter that the step creates was deleted just now.
    NameNotFree,
    /// The running minute ends before the mute rule is made: the rule begins with the next one.
    MinuteEnds,
}

impl fmt::Display for Interleaving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// The outcomes that the interleavings so far allow.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Harm {
    /// Something failed for good: the release may be rolled back.
    pub(crate) failed: bool,
    /// Something could not be restored, or the fleet is not ours any more: the release may need an operator.
    pub(crate) stuck: bool,
    /// An operator cancelled the release in time.
    pub(crate) cancelled: bool,
    /// An operator cancelled or rejected a release that was queued.
    pub(crate) told: bool,
}

impl Interleaving {
    /// The group of interleavings that this one is counted with, in words.
    pub fn family(&self) -> &'static str {
        match self {
            Self::Killed(_) => "the worker is killed",
            Self::KilledAndLost(_) => "its fleet is taken by another worker",
            Self::Cancelled => "cancelled",
            Self::Paused => "paused, and resumed",
            Self::PausedForEver => "paused for ever",
            Self::Faulty(Fault::Refused | Fault::RefusedHalf) => "a step is refused once",
            Self::StaleLook | Self::Faulty(Fault::Unconfirmed | Fault::UnconfirmedHalf) => {
                "a look is older than the last change"
            }
            Self::Throttled(_) => "AWS throttles in bursts",
            Self::GroupDeleted(_) => "a target group is deleted",
            Self::GroupUnused(_) => "a target group loses its listener",
            Self::CredentialsExpire => "the credentials expire",
            Self::NameNotFree => "a parameter's name is not free yet",
            Self::MinuteEnds => "a mute rule begins with the next minute",
            Self::Faulty(_) => "a step fails, or its answer is lost",
            Self::RefusedForEver => "a step is refused for ever",
            Self::Late => "a call takes effect late",
            Self::Stale => "AWS answers with what was before",
            Self::Terminated(_) => "an instance is terminated",
            Self::Launched => "an instance is launched",
            Self::FallsIll(_) => "a host falls ill by itself",
            Self::Hangs(_) => "a host hangs as a whole",
            Self::Restarts(_) => "a container restarts after its host's turn",
            Self::GetsWell(_) => "a host gets well by itself",
            Self::AlarmFires => "a watched alarm fires",
            Self::OtherSilences => "another service silences the same alarm",
            Self::OtherUnsilences => "another service leaves the same alarm",
        }
    }

    /// Whether this interleaving can come now. Kills come after an entry, all others when a step ends.
    pub(super) fn can_come(&self, sim: &Sim, ends: bool) -> bool {
        match self {
            Self::Killed(extents) | Self::KilledAndLost(extents) => {
                !ends && extents.len() == sim.flights.len()
            }
            Self::Cancelled
            | Self::Paused
            | Self::PausedForEver
            | Self::Faulty(_)
            | Self::RefusedForEver
            | Self::Late
            | Self::Stale
            | Self::Terminated(_)
            | Self::Launched
            | Self::FallsIll(_)
            | Self::Hangs(_)
            | Self::Restarts(_)
            | Self::GetsWell(_)
            | Self::AlarmFires
            | Self::OtherSilences
            | Self::OtherUnsilences
            | Self::StaleLook
            | Self::Throttled(_)
            | Self::GroupDeleted(_)
            | Self::GroupUnused(_)
            | Self::CredentialsExpire
            | Self::NameNotFree
            | Self::MinuteEnds => ends,
        }
    }

    /// All interleavings that may come right after an entry was written.
    pub(super) fn after_an_entry(sim: &Sim) -> Vec<Self> {
        let mut all = Vec::new();
        for extents in sim.world.combinations(sim.flights.iter().map(|(_, step)| step)) {
            if sim.world.definition.lease_parameter.is_some() {
                all.push(Self::KilledAndLost(extents.clone()));
            }
            all.push(Self::Killed(extents));
        }
        all
    }

    /// All interleavings that may come when this step is about to end.
    pub(crate) fn at_the_end_of(sim: &Sim, step: &Step) -> Vec<Self> {
        use Fault::{Refused, RefusedHalf, Transient, UnknownDone, UnknownHalf, UnknownNotDone};
        let mut all = vec![
            Self::Cancelled,
            Self::Paused,
            Self::PausedForEver,
            Self::Faulty(Transient),
            Self::Faulty(UnknownNotDone),
            Self::Faulty(UnknownDone),
            Self::Launched,
        ];
        if !matches!(step, Step::Watch | Step::WatchHosts | Step::Lock) {
            all.extend([Self::Faulty(Refused), Self::RefusedForEver]);
        }
        if sim.world.extents(step).contains(&Extent::Half) {
            all.extend([Self::Faulty(UnknownHalf), Self::Faulty(RefusedHalf)]);
        }
        if step.properties().reaches == Reaches::Aws {
            all.push(Self::Late);
        }
        // The watch over hosts looks twice, further apart than answers are old.
        let may_be_old = step.properties().reaches == Reaches::Fleet && *step != Step::WatchHosts;
        if may_be_old && sim.previous.is_some() {
            all.push(Self::Stale);
        }
        if !sim.world.definition.alarms.watch.is_empty() && sim.world.firing.is_empty() {
            all.push(Self::AlarmFires);
        }
        if sim.world.shares_alarms && sees_alarms(step) {
            all.push(match sim.world.alarms_of_others.is_empty() {
                true => Self::OtherSilences,
                false => Self::OtherUnsilences,
            });
        }
        let members = || sim.world.hosts.iter().filter(|(_, host)| host.member);
        all.extend(members().map(|(instance, _)| Self::Terminated(instance.clone())));
        let seen = members().filter(|(instance, host)| !host.targetless && sees_health(step, instance));
        all.extend(seen.map(|(instance, host)| match host.sick {
            false => Self::FallsIll(instance.clone()),
            true => Self::GetsWell(instance.clone()),
        }));
        all.extend(Self::of_watched_hosts(sim, step));
        all
    }

    /// What may happen to hosts under a watch, at any moment of it.
    fn of_watched_hosts(sim: &Sim, step: &Step) -> Vec<Self> {
        if !sim.flights.iter().any(|(_, other)| *other == Step::WatchHosts) {
            return Vec::new();
        }
        let watched = sim.release().watched_hosts().map(|host| &host.instance);
        let there = watched.filter_map(|instance| Some((instance, sim.world.hosts.get(instance)?)));
        let mut all = Vec::new();
        for (instance, host) in there.filter(|(_, host)| host.member && !host.targetless) {
            all.push(Self::Restarts(instance.clone()));
            match host.sick {
                false => all.push(Self::Hangs(instance.clone())),
                true if !sees_health(step, instance) => all.push(Self::GetsWell(instance.clone())),
                true => {}
            }
            if !host.sick && !sees_health(step, instance) {
                all.push(Self::FallsIll(instance.clone()));
            }
        }
        all
    }

    /// Applies the interleaving after an entry. Says whether it could come there.
    pub(super) fn comes(&self, sim: &mut Sim, harm: &mut Harm) -> Result<bool, Halt> {
        match self {
            Self::Killed(extents) => sim.crash(extents, AWAY_MS).map(|()| true),
            Self::KilledAndLost(extents) => {
                harm.failed = true;
                harm.stuck = true;
                sim.crash(extents, AWAY_MS)?;
                sim.world.lease_owner = Some(LeaseOwner::Another);
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// Applies the interleaving at the end of a step. Says whether it could come there.
    pub(crate) fn comes_at(&self, sim: &mut Sim, index: usize, harm: &mut Harm) -> Result<bool, Halt> {
        let Some((_, step)) = sim.flights.get(index).cloned() else {
            return Ok(false);
        };
        match self {
            // The command is taken first; the step ends right after it.
            Self::Cancelled => {
                let taken = sim.give(by_ben(Control::Cancel))?;
                harm.cancelled |= taken;
                return Ok(taken);
            }
            Self::Paused => {
                sim.rests_ms = Some(RESTS_MS);
                return sim.give(by_ben(Control::Pause));
            }
            Self::PausedForEver => {
                harm.failed = true;
                sim.rests_ms = None;
                return sim.give(by_ben(Control::Pause));
            }
            Self::Faulty(fault) => {
                // The canary step gets no second attempt: its time is over by then.
                harm.failed |= matches!(fault, Fault::Refused | Fault::RefusedHalf) || step == Step::Canary;
                sim.world.faults.push((step, *fault, 1));
            }
            Self::RefusedForEver => {
                harm.failed = true;
                harm.stuck |= step.restores();
                sim.world.faults.push((step, Fault::Refused, usize::MAX));
            }
            Self::Late => return late(sim, index).map(|()| true),
            Self::Stale => return stale(sim, index).map(|()| true),
            Self::Launched => {
                // A new instance that has started the new version by itself has no earlier version to roll
                // back to.
                harm.stuck |= sim.world.boots;
                let newcomer = (NEWCOMER..).map(id).find(|id| !sim.world.hosts.contains_key(id));
                sim.world.arrivals.extend(newcomer.map(|id| (step, id)));
            }
            Self::Terminated(instance) => {
                // Where no other host is left, the rollback would take the last one out of service.
                harm.failed = true;
                harm.stuck = true;
                sim.world.departures.push((step, instance.clone()));
            }
            Self::FallsIll(instance) => {
                harm.failed = true;
                // An operator is needed at the end if the host is still sick then.
                harm.stuck = true;
                sim.world.falls_ill(instance);
            }
            Self::Hangs(instance) => {
                harm.failed = true;
                harm.stuck = true;
                sim.world.hangs(instance);
            }
            Self::Restarts(instance) => {
                harm.failed = true;
                sim.world.restarts(instance);
            }
            Self::GetsWell(instance) => {
                let late = sim.release().stage() == Stage::Restoring;
                sim.world.gets_well(instance, late);
            }
            Self::AlarmFires => {
                harm.failed = true;
                let watched = sim.world.watched_alarm().unwrap_or_default();
                sim.world.fires.push((step, watched));
            }
            Self::StaleLook => {
                return sim
                    .land_as(index, |world, release, step| {
                        world.perform_on_a_stale_look(release, step)
                    })
                    .map(|()| true);
            }
            Self::Throttled(burst) => sim.world.faults.push((step, Fault::Throttled, *burst)),
            Self::GroupDeleted(arn) => sim.world.delete_group(arn),
            Self::GroupUnused(arn) => sim.world.leave_listener(arn),
            Self::CredentialsExpire => sim.world.credentials_expire(),
            Self::NameNotFree => sim.world.names_are_deleted(),
            Self::MinuteEnds => sim.world.minute_ends(),
            Self::OtherSilences => sim.world.other_silences(),
            Self::OtherUnsilences => sim.world.other_unsilences(),
            _ => {}
        }
        sim.land(index)?;
        // The planned events have come with this step, so none may come with a later one.
        sim.world.arrivals.clear();
        sim.world.departures.clear();
        sim.world.fires.clear();
        sim.world.faults.retain(|(_, _, times)| *times > 0);
        Ok(true)
    }
}

/// Whether the outcome of this step depends on the health of that host. A change of health at any other
/// moment makes no difference before the next such step ends, so the change right at that end stands for all
/// the moments before it.
fn sees_health(step: &Step, instance: &str) -> bool {
    match step.properties().sees {
        Sees::Nobody => false,
        Sees::Own => step.instance() == Some(instance),
        Sees::Everyone => instance != ON_BASTION,
    }
}

/// Whether the step looks at alarms that are to be silenced. What others do to them at any other moment makes no
/// difference before the next such step ends.
fn sees_alarms(step: &Step) -> bool {
    matches!(
        step,
        Step::Inspect | Step::Silence | Step::Unsilence | Step::Confirm
    )
}

fn unknown() -> StepOutcome {
    StepOutcome::Unknown {
        failure: Failure::new("no answer in time"),
    }
}

fn late(sim: &mut Sim, index: usize) -> Result<(), Halt> {
    let (release, step) = (sim.release().clone(), sim.flights[index].1.clone());
    sim.land_as(index, |_, _, _| unknown())?;
    sim.late = Some(Box::new((release, step)));
    Ok(())
}

/// Ends the step with an old answer: it reads the fleet as it was before the last change, and writes to the
/// present one.
fn stale(sim: &mut Sim, index: usize) -> Result<(), Halt> {
    let Some(previous) = sim.previous.clone() else {
        return sim.land(index);
    };
    sim.land_as(index, move |world, release, step| {
        seen_before(&previous, world, release, step)
    })
}

fn seen_before(previous: &World, world: &mut World, release: &Release, step: &Step) -> StepOutcome {
    let mut then = previous.clone();
    then.performed.clone_from(&world.performed);
    let seen = then.perform(release, step);
    match (&seen, step) {
        // The old answer said that the work was done already; this step has to make it so now.
        (
            StepOutcome::Done {
                evidence: Evidence::Nothing,
            }
            | StepOutcome::AlreadyDone { .. },
            Step::Host { .. },
        ) => world.perform(release, step),
        _ => {
            world.noted.clone_from(&then.noted);
            world.performed.push(step.clone());
            if *step == Step::DetectJoined {
                // An old answer cannot contain the instances that joined since.
                world
                    .hosts
                    .values_mut()
                    .for_each(|host| host.joined_late = !host.disturbed);
            }
            if *step == Step::Confirm {
                world
                    .hosts
                    .values_mut()
                    .for_each(|host| host.joined_unseen = !host.disturbed);
            }
            seen
        }
    }
}
