//! The properties of each step: one row per step, which all code that asks about steps reads.
//!
//! A new step gets a variant (`step.rs`), a row here, an effect (`worker/src/effects`) and an arm in the
//! model (`worker/rehearsal/src/world/effects.rs`): the compiler asks for all four.

use std::fmt;

use drawgate_schemas::{Direction, Hook, HostPhase};

use crate::journal::{Phase, Step};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Properties<'a> {
    /// What the step is about.
    pub about: About<'a>,
    /// Its name for people, without what it is about.
    pub name: &'static str,
    /// Whether it changes something of the fleet that would have to be undone.
    pub fleet: Fleet,
    /// What its calls reach.
    pub reaches: Reaches,
    /// How many calls its change is made of.
    pub calls: Calls,
    /// Whose health decides its outcome.
    pub sees: Sees,
    /// Where in a roll it belongs.
    pub way: Way,
    /// How long one attempt may take.
    pub attempt: Attempt,
    /// How long it is tried again.
    pub patience: Patience,
    /// What becomes of it when the worker is told to stop.
    pub on_shutdown: OnShutdown,
    /// What becomes of it, while it is under way, when the roll forward ends.
    pub on_rollback: OnRollback,
    /// Whether something later depends on when it was done.
    pub moment: Moment,
    /// The status events that it brings.
    pub events: StepEvents,
}

/// What a step is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About<'a> {
    /// The release as a whole.
    Release,
    /// An EC2 instance, by its id.
    Instance(&'a str),
    /// A hook, on the instance of this id: people know it by the hook's name alone.
    HookOn(&'a str),
    /// An Auto Scaling group, by its name.
    Group(&'a str),
}

/// Whether a step changes something of the fleet that would have to be undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fleet {
    /// It does not.
    Reads,
    /// It does, or may.
    Changes,
}

/// What the calls of a step reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reaches {
    /// Nothing: the step is never performed.
    Nothing,
    /// The ledger, or the fleet's lease outside it.
    Ledger,
    /// The image's registry.
    Registry,
    /// AWS, to read the state of the fleet, which may be a moment old.
    Fleet,
    /// Amazon CloudWatch, for the watched alarms.
    Alarms,
    /// AWS, to change something. AWS may carry out a call after the attempt has ended.
    Aws,
    /// An engine or a program, over a connection that ends with the attempt.
    Host,
}

/// How many calls the change of a step is made of: a worker may die between two of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Calls {
    /// One, or none.
    One,
    /// More than one.
    Several,
}

/// Whose health, as a load balancer sees it, decides what comes of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sees {
    Nobody,
    /// That of the host it is about.
    Own,
    /// That of every host.
    Everyone,
}

/// Where in a roll a step belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// In the roll forward. A definite failure rolls the release back.
    Forward,
    /// It puts something back. It gets more patience, and its failure stops nothing else.
    Restores,
    /// The same, and it ends the roll: everything beside the hosts is put back.
    Closes,
}

/// How long one attempt may take; `limits.rs` has the figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempt {
    /// One call, with a look before and after.
    Call,
    /// A few calls.
    Calls,
    /// A look at every host, and at the target groups of its VPC.
    Inspect,
    /// One wait for locks.
    Lock,
    /// `[roll] pull_timeout`.
    Pull,
    /// The canary's bake time.
    Canary,
    /// A few calls, and more for each alarm.
    Silence,
    /// `[alarms] settle`, and more for each alarm.
    Unmute,
    /// A few calls, and a look at each alarm.
    Look,
    /// One watch over alarms or hosts.
    Watch,
    /// `[alarms] bake`.
    Bake,
    /// One wait for sick hosts to become healthy.
    Floor,
    /// `[before] timeout`.
    Before,
    /// `[after] timeout`, with a pull.
    After,
    /// The deregistration delay and `[roll] drain_timeout`.
    Drain,
    /// A stop and a start.
    Swap,
    /// `[verify] timeout`.
    Verify,
    /// `[roll] healthy_timeout`.
    Health,
}

/// How long, from its first intent, a step is tried again; `limits.rs` has the figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// What throttling or a short absence needs.
    Usual,
    /// The same, and at least one whole attempt.
    Attempt,
    /// As many attempts as a region full of target groups needs.
    Inspect,
    /// One attempt and no more: its bound stands in the service's file.
    InFile,
    /// The number of attempts stands in `[verify]`.
    Verify,
    /// The number of attempts stands in `[after]`.
    After,
    /// A step that puts something back.
    Restore,
    /// The same, plus `[alarms] settle`.
    Unmute,
    /// A whole roll of another release.
    Lock,
    /// An instance that boots.
    Boot,
    /// The bake, and then as usual.
    Bake,
    /// Until the other hosts are healthy enough to spare one more.
    Spare,
    /// No bound of its own: another rule ends it.
    Ever,
}

/// What becomes of a step under way when the worker is told to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnShutdown {
    /// It is dropped: the next worker begins it anew.
    Drop,
    /// It changes something, and gets a moment to end.
    Finish,
}

/// What becomes of a step under way when the roll forward ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnRollback {
    /// It runs to its own end.
    Finish,
    /// A rollback stops it: it only reads.
    Stop,
    /// A rollback and a good end stop it: it only reads.
    StopAlways,
    /// A rollback drops it; its last call may be on its way.
    Drop,
    /// A rollback because of an alarm or of a watched host drops it, because the bad version serves until then.
    DropForAlarm,
}

/// Whether something later depends on when a step was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    Passes,
    Counts,
}

/// The status events that a step brings (`events/`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepEvents {
    /// Only that an attempt failed.
    Setbacks,
    /// None: another record tells of it.
    Nothing,
    /// The digest behind the tag.
    Digest,
    /// The plan, once everything in it is locked.
    Plan,
    /// That every host has the image.
    Pulled,
    /// How far a hook is.
    Hook(Hook),
    /// The processes of a group that are suspended.
    Suspended,
    /// The processes of a group that run again.
    Resumed,
    /// The processes that replace sick hosts, suspended again.
    SuspendedAgain,
    /// The same processes, resumed for a while.
    Replaces,
    /// The alarms that are silent.
    Silenced,
    /// The alarms that act again.
    Unsilenced,
    /// Only a refusal.
    Refusals,
    /// How far a host is; `None` for a phase that events do not show.
    Host(Option<HostPhase>),
    /// That the canary is well.
    Canary,
    /// The desired version that was published.
    Published,
    /// The desired version that was restored.
    Restored,
    Joined,
    /// Until when it bakes.
    Bake,
    /// Whether the tag moved meanwhile.
    TagMoved,
}

impl Step {
    /// The row of this step.
    #[rustfmt::skip]
    pub fn properties(&self) -> Properties<'_> {
        use About::{Group, HookOn, Instance, Release};
        use Attempt as A;
        use Calls::{One, Several};
        use Fleet::{Changes, Reads};
        use Moment::{Counts, Passes};
        use OnRollback::{Drop as dropped, Finish as goes_on, Stop, StopAlways as Always};
        use OnShutdown::{Drop, Finish};
        use Patience as P;
        use Reaches::{Alarms, Aws, Fleet as State, Host, Ledger, Nothing, Registry};
        use Sees::{Everyone, Nobody};
        use Way::{Closes, Forward, Restores};
        match self {
            // about, name, events
            //     fleet    reaches   calls    sees      way       attempt     patience    shutdownrollback   moment
            Self::Resolve => row(Release, "resolve the tag", StepEvents::Digest,
                   Reads,   Registry, One,     Nobody,   Forward,  A::Calls,   P::Usual,   Drop,   goes_on,   Passes),
            Self::Control => row(Release, "a control command", StepEvents::Nothing,
                   Reads,   Nothing,  One,     Nobody,   Forward,  A::Calls,   P::Usual,   Drop,   goes_on,   Passes),
            Self::Inspect => row(Release, "inspect the fleet", StepEvents::Plan,
                   Reads,   State,    One,     Everyone, Forward,  A::Inspect, P::Inspect, Drop,   goes_on,   Passes),
            Self::Lock => row(Release, "lock what is shared", StepEvents::Plan,
                   Reads,   Ledger,   One,     Nobody,   Forward,  A::Lock,    P::Lock,    Drop,   dropped,   Passes),
            Self::TakeLease => row(Release, "take the fleet's lease", StepEvents::Setbacks,
                   Reads,   Ledger,   One,     Nobody,   Forward,  A::Calls,   P::Usual,   Drop,   goes_on,   Passes),
            Self::ProvePermissions => row(Release, "prove the permissions", StepEvents::Setbacks,
                   Reads,   Aws,      One,     Nobody,   Forward,  A::Calls,   P::Usual,   Drop,   goes_on,   Passes),
            Self::Stage { instance } => row(Instance(instance), "pull the image", StepEvents::Pulled,
                   Reads,   Host,     One,     Nobody,   Forward,  A::Pull,    P::Attempt, Drop,   goes_on,   Passes),
            Self::CreateBefore { instance } => row(Instance(instance), "create the container of [before]", StepEvents::Setbacks,
                   Changes, Host,     One,     Nobody,   Forward,  A::Calls,   P::Usual,   Finish, goes_on,   Passes),
            Self::RunBefore { instance } => row(HookOn(instance), "[before]", StepEvents::Hook(Hook::Before),
                   Changes, Host,     Several, Nobody,   Forward,  A::Before,  P::InFile,  Drop,   goes_on,   Passes),
            Self::Suspend { group } => row(Group(group), "suspend processes", StepEvents::Suspended,
                   Changes, Aws,      Several, Nobody,   Forward,  A::Calls,   P::Usual,   Finish, goes_on,   Passes),
            Self::Silence => row(Release, "silence alarms", StepEvents::Silenced,
                   Changes, Aws,      Several, Nobody,   Forward,  A::Silence, P::Attempt, Finish, goes_on,   Counts),
            Self::ReserveDesired => row(Release, "reserve the desired version's parameter", StepEvents::Setbacks,
                   Changes, Aws,      One,     Nobody,   Forward,  A::Calls,   P::Usual,   Finish, goes_on,   Passes),
            Self::Host { instance, direction, phase } => phase.properties(instance, *direction),
            Self::LetReplace { group } => row(Group(group), "let sick hosts be replaced", StepEvents::Replaces,
                   Changes, Aws,      Several, Everyone, Forward,  A::Calls,   P::Usual,   Finish, goes_on,   Passes),
            Self::AwaitFloor => row(Release, "wait for sick hosts", StepEvents::Nothing,
                   Reads,   State,    One,     Everyone, Forward,  A::Floor,   P::Ever,    Drop,   Stop,      Passes),
            Self::SuspendAgain { group } => row(Group(group), "suspend processes again", StepEvents::SuspendedAgain,
                   Changes, Aws,      Several, Nobody,   Restores, A::Calls,   P::Restore, Finish, goes_on,   Passes),
            Self::Canary => row(Release, "watch the canary", StepEvents::Canary,
                   Reads,   State,    One,     Everyone, Forward,  A::Canary,  P::Attempt, Drop,   Stop,      Passes),
            Self::PublishDesired => row(Release, "publish the desired version", StepEvents::Published,
                   Changes, Aws,      One,     Everyone, Forward,  A::Calls,   P::Boot,    Finish, goes_on,   Passes),
            Self::DetectJoined => row(Release, "look for members that joined", StepEvents::Joined,
                   Reads,   State,    One,     Nobody,   Forward,  A::Calls,   P::Boot,    Drop,   goes_on,   Passes),
            Self::RunAfter => row(Release, "[after]", StepEvents::Hook(Hook::After),
                   Changes, Host,     One,     Nobody,   Forward,  A::After,   P::After,   Drop,   goes_on,   Passes),
            Self::RestoreDesired => row(Release, "restore the earlier desired version", StepEvents::Restored,
                   Changes, Aws,      One,     Nobody,   Restores, A::Calls,   P::Restore, Finish, goes_on,   Counts),
            Self::Renew => row(Release, "keep alarms muted", StepEvents::Refusals,
                   Changes, Aws,      One,     Nobody,   Restores, A::Silence, P::Restore, Finish, goes_on,   Counts),
            Self::Watch => row(Release, "watched alarms", StepEvents::Setbacks,
                   Reads,   Alarms,   One,     Nobody,   Forward,  A::Watch,   P::Attempt, Drop,   Always,    Counts),
            Self::WatchHosts => row(Release, "watched hosts", StepEvents::Nothing,
                   Reads,   State,    One,     Everyone, Forward,  A::Watch,   P::Ever,    Drop,   Always,    Passes),
            Self::Bake => row(Release, "bake", StepEvents::Bake,
                   Reads,   Alarms,   One,     Nobody,   Forward,  A::Bake,    P::Bake,    Drop,   Stop,      Counts),
            Self::Resume { group } => row(Group(group), "resume processes", StepEvents::Resumed,
                   Changes, Aws,      Several, Everyone, Closes,   A::Calls,   P::Restore, Finish, goes_on,   Counts),
            Self::Unsilence => row(Release, "enable alarm actions", StepEvents::Unsilenced,
                   Changes, Aws,      Several, Nobody,   Closes,   A::Unmute,  P::Unmute,  Finish, goes_on,   Counts),
            Self::CleanUp { instance } => row(Instance(instance), "remove what is not needed", StepEvents::Setbacks,
                   Changes, Host,     One,     Nobody,   Closes,   A::Calls,   P::Usual,   Finish, goes_on,   Passes),
            Self::GiveLeaseBack => row(Release, "give the fleet's lease back", StepEvents::Setbacks,
                   Reads,   Ledger,   One,     Nobody,   Closes,   A::Calls,   P::Usual,   Drop,   goes_on,   Passes),
            Self::Confirm => row(Release, "look at the result", StepEvents::TagMoved,
                   Reads,   State,    One,     Everyone, Closes,   A::Look,    P::Attempt, Drop,   goes_on,   Counts),
        }
    }

    /// The instance that the step is about, if any.
    pub fn instance(&self) -> Option<&str> {
        match self.properties().about {
            About::Instance(instance) | About::HookOn(instance) => Some(instance),
            About::Release | About::Group(_) => None,
        }
    }

    /// Whether the step puts something back. Such a step gets more patience, and its failure stops nothing
    /// else.
    pub fn restores(&self) -> bool {
        self.properties().way != Way::Forward
    }

    /// Whether the step ends the roll: with it everything beside the hosts is put back.
    pub fn closes(&self) -> bool {
        self.properties().way == Way::Closes
    }

    /// Whether the step changes nothing of the fleet that would have to be undone.
    pub fn reads(&self) -> bool {
        self.properties().fleet == Fleet::Reads
    }

    /// Whether the roll itself begins with this step at the latest: from here on scaling is suspended, alarms
    /// are silent or hosts are out, which `max_roll` bounds. Pulls, the reserved parameter and `[before]` leave
    /// all that as it is.
    pub fn begins_roll(&self) -> bool {
        matches!(self, Self::Suspend { .. } | Self::Silence | Self::Host { .. })
    }

    /// The Auto Scaling group that the step is about, if any.
    pub fn group(&self) -> Option<&str> {
        match self.properties().about {
            About::Group(group) => Some(group),
            About::Release | About::Instance(_) | About::HookOn(_) => None,
        }
    }

    /// Whether the service's file sets its bound: drain and health in the roll forward, and `[before]`.
    pub fn is_bounded_wait(&self) -> bool {
        self.properties().patience == Patience::InFile
    }

    /// Whether the step watches, alongside others, for what speaks against the version.
    pub fn watches(&self) -> bool {
        matches!(self, Self::Watch | Self::WatchHosts)
    }

    /// Whether the step waits for a load balancer: for the drain, or for health.
    pub fn waits_for_balancer(&self) -> bool {
        matches!(self.properties().attempt, Attempt::Drain | Attempt::Health)
    }
}

impl Phase {
    #[rustfmt::skip]
    fn properties(self, instance: &str, direction: Direction) -> Properties<'_> {
        use Attempt as A;
        use Calls::{One, Several};
        use Fleet::Changes;
        use Moment::Passes;
        use OnRollback::{DropForAlarm as for_alarm, Finish as goes_on};
        use OnShutdown::{Drop, Finish};
        use Patience as P;
        use Reaches::{Aws, Fleet as State, Host};
        use Sees::{Everyone, Nobody, Own};
        let about = About::Instance(instance);
        let way = Way::Forward;
        let forward = match self {
            // name, events
            //     fleet    reaches   calls    sees      way       attempt     patience    shutdownrollback   moment
            Self::Create => row(about, "create the container", StepEvents::Host(None),
                   Changes, Host,     One,     Nobody,   way,      A::Call,    P::Usual,   Finish, goes_on,   Passes),
            Self::Deregister => row(about, "deregister", StepEvents::Host(Some(HostPhase::Deregistering)),
                   Changes, Aws,      Several, Everyone, way,      A::Call,    P::Spare,   Finish, goes_on,   Passes),
            Self::Drain => row(about, "drain", StepEvents::Host(Some(HostPhase::Draining)),
                   Changes, State,    One,     Nobody,   way,      A::Drain,   P::InFile,  Drop,   for_alarm, Passes),
            Self::Swap => row(about, "swap", StepEvents::Host(Some(HostPhase::Swapping)),
                   Changes, Host,     Several, Nobody,   way,      A::Swap,    P::Attempt, Finish, goes_on,   Passes),
            Self::Verify => row(about, "verify", StepEvents::Host(Some(HostPhase::Verifying)),
                   Changes, Host,     One,     Nobody,   way,      A::Verify,  P::Verify,  Drop,   goes_on,   Passes),
            Self::SetRestartPolicy => row(about, "set the restart policy", StepEvents::Host(None),
                   Changes, Host,     One,     Nobody,   way,      A::Call,    P::Usual,   Finish, goes_on,   Passes),
            Self::Register => row(about, "register", StepEvents::Host(Some(HostPhase::Registering)),
                   Changes, Aws,      One,     Nobody,   way,      A::Call,    P::Usual,   Finish, goes_on,   Passes),
            Self::AwaitHealthy => row(about, "become healthy", StepEvents::Host(Some(HostPhase::AwaitingHealthy)),
                   Changes, State,    One,     Own,      way,      A::Health,  P::InFile,  Drop,   for_alarm, Passes),
        };
        match direction {
            Direction::Forward => forward,
            // The service file's bounds are those of the roll forward; a host is rolled back with more
            // patience.
            Direction::Back => Properties {
                way: Way::Restores, patience: P::Restore, on_rollback: OnRollback::Finish, ..forward
            },
        }
    }

    /// The phase as events name it; `None` where it is too small a part of the roll.
    pub fn shown_as(self) -> Option<HostPhase> {
        match self.properties("", Direction::Forward).events {
            StepEvents::Host(shown) => shown,
            _ => None,
        }
    }
}

#[allow(clippy::too_many_arguments, reason = "the columns of a table, each of a type of its own")]
#[rustfmt::skip]
fn row<'a>(
    about: About<'a>, name: &'static str, events: StepEvents,
    fleet: Fleet, reaches: Reaches, calls: Calls, sees: Sees, way: Way,
    attempt: Attempt, patience: Patience, on_shutdown: OnShutdown, on_rollback: OnRollback, moment: Moment,
) -> Properties<'a> {
    Properties { about, name, events, fleet, reaches, calls, sees, way, attempt, patience, on_shutdown, on_rollback, moment }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.properties("", Direction::Forward).name)
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Properties { about, name, .. } = self.properties();
        match about {
            About::Release | About::HookOn(_) => f.write_str(name)?,
            About::Instance(subject) | About::Group(subject) => write!(f, "{subject}: {name}")?,
        }
        match self {
            Self::Host {
                direction: Direction::Back,
                ..
            } => f.write_str(" (rollback)"),
            _ => Ok(()),
        }
    }
}
