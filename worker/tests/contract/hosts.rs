//! The image and the containers of one host.

use drawgate_rehearsal::world::Fault::{UnknownHalf, UnknownNotDone};
use drawgate_rehearsal::world::{Container, Which};
use drawgate_rollout::definition::RestartPolicy;
use drawgate_rollout::{LABEL_RELEASE, Phase, Step};
use drawgate_schemas::Direction;

use crate::bench::{Bench, FIRST, NAME, SECOND};
use crate::cell::Cell::{After, Cut, Never};
use crate::cell::Row;
use crate::cell::Silence::{Engine, Registry, Stop};
use crate::change::Change as Any;
use crate::outside::Query;
use crate::table::{self, NO_AWS, ONE_CALL, READS_ONLY};

/// A change from outside, to an instance, or to a container of the first one.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    /// The instance is terminated, and its host is stopped.
    Terminated(&'static str),
    /// The container that serves in this direction is removed.
    Removed(Direction),
    /// The container that serves in this direction is stopped.
    Stopped(Direction),
    /// Both containers have their names for this direction, and nothing was stopped or started yet.
    Named(Direction),
    /// Both have their names for this direction, and the container that is to go is stopped.
    NamedAndStopped(Direction),
    /// The first host has no copy of the new image any more.
    ImageRemoved,
}

impl From<Change> for Any {
    fn from(change: Change) -> Self {
        Self::Hosts(change)
    }
}

fn other(direction: Direction) -> Direction {
    match direction {
        Direction::Back => Direction::Forward,
        Direction::Forward => Direction::Back,
    }
}

impl Change {
    pub(crate) async fn in_lab(&self, bench: &Bench) {
        let docker = async |arguments: &[&str]| {
            bench.outside.docker(&bench.host(0), arguments).await;
        };
        match self {
            Self::Terminated(who) => {
                let id = bench.named(who);
                let host = bench.host(usize::from(*who == SECOND));
                bench
                    .outside
                    .call(Query::ec2("TerminateInstances").with("InstanceId.1", id))
                    .await;
                bench
                    .outside
                    .lab
                    .post(&format!("hosts/{host}/stop"), serde_json::json!({}))
                    .await;
            }
            Self::Removed(direction) => docker(&["rm", "-f", &found(bench, *direction).await]).await,
            Self::Stopped(direction) => {
                let id = found(bench, *direction).await;
                docker(&["update", "--restart", "no", &id]).await;
                docker(&["stop", "-t", "3", &id]).await;
            }
            Self::Named(direction) => name(bench, *direction).await,
            Self::NamedAndStopped(direction) => {
                name(bench, *direction).await;
                docker(&["stop", "-t", "3", &found(bench, other(*direction)).await]).await;
            }
            Self::ImageRemoved => {
                let image = format!("{}/{NAME}", bench.outside.lab.registry());
                let images = bench
                    .outside
                    .docker(&bench.host(0), &["images", "-q", "--digests", &image])
                    .await;
                for id in images.lines() {
                    // The earlier version's image is in use, and stays.
                    bench.outside.try_docker(&bench.host(0), &["rmi", id]).await;
                }
            }
        }
    }

    pub(crate) fn in_model(&self, bench: &mut Bench) {
        let (first, second) = (bench.instance(0), bench.instance(1));
        if let Self::Terminated(who) = self {
            let who = if *who == SECOND { second } else { first };
            bench.world.hosts.get_mut(&who).unwrap().member = false;
            return;
        }
        let host = bench.world.hosts.get_mut(&first).unwrap();
        let slot = |direction: Direction| match direction {
            Direction::Forward => Which::New,
            Direction::Back => Which::Old,
        };
        match self {
            Self::Terminated(_) | Self::ImageRemoved => {}
            Self::Removed(direction) => {
                let which = slot(*direction);
                if host.named == Some(which) {
                    host.named = None;
                }
                match which {
                    Which::New => host.new = None,
                    Which::Old => host.old = None,
                }
            }
            Self::Stopped(direction) => of(host, slot(*direction), |container| {
                container.running = false;
                container.restart = RestartPolicy::No;
            }),
            Self::Named(direction) | Self::NamedAndStopped(direction) => {
                let stops = matches!(self, Self::NamedAndStopped(_));
                host.named = Some(slot(*direction));
                of(host, slot(other(*direction)), |container| {
                    container.restart = RestartPolicy::No;
                    container.running &= !stops;
                });
            }
        }
    }
}

fn of(host: &mut drawgate_rehearsal::world::Host, which: Which, change: impl FnOnce(&mut Container)) {
    let container = match which {
        Which::Old => &mut host.old,
        Which::New => &mut host.new,
    };
    change(container.as_mut().unwrap());
}

/// The id of the container that serves in this direction, whatever its name is.
async fn found(bench: &Bench, direction: Direction) -> String {
    match direction {
        Direction::Back => {
            let first = bench.release.host(&bench.instance(0));
            let before = first.and_then(|host| host.before.as_ref());
            before.map_or_else(|| NAME.to_owned(), |before| before.id.clone())
        }
        Direction::Forward => {
            let label = format!("label={LABEL_RELEASE}={}", bench.id());
            bench
                .outside
                .docker(&bench.host(0), &["ps", "-aq", "--no-trunc", "--filter", &label])
                .await
        }
    }
}

/// Renames the containers as a swap does: the one that serves gets the service's name.
async fn name(bench: &Bench, direction: Direction) {
    let (comes, goes) = (
        found(bench, direction).await,
        found(bench, other(direction)).await,
    );
    let short = bench.release.request.id.short();
    let aside = match direction {
        Direction::Forward => format!("{NAME}.before-{short}"),
        Direction::Back => format!("{NAME}.drawgate-{short}"),
    };
    let docker = async |arguments: &[&str]| {
        bench.outside.docker(&bench.host(0), arguments).await;
    };
    docker(&["update", "--restart", "no", &goes]).await;
    docker(&["rename", &goes, &aside]).await;
    docker(&["rename", &comes, NAME]).await;
}

fn brought(direction: Direction, phase: Phase) -> Row {
    match direction {
        Direction::Forward => Row::after(table::up_to(phase)),
        Direction::Back => Row::after(table::rolled()).rolled_back(table::back_up_to(phase)),
    }
}

pub(crate) fn stage() -> Row {
    Row::after(table::planned())
        .half([Never(
            "the engine keeps layers to itself: half a pull looks like none",
        )])
        .gone([After(vec![Change::Terminated(FIRST).into()])])
        .unknown([Cut(vec![Change::ImageRemoved.into()], Registry, UnknownNotDone)])
        .stale([Never(NO_AWS)])
}

pub(crate) fn create(direction: Direction) -> Row {
    if direction == Direction::Back {
        return Row::never("no host creates a container rolling back: the one of before was kept");
    }
    brought(direction, Phase::Create)
        .half([Never(ONE_CALL)])
        .gone([
            After(vec![Change::Terminated(FIRST).into()]),
            After(vec![Change::ImageRemoved.into()]),
        ])
        .unknown([Cut(vec![], Engine, UnknownNotDone)])
        .stale([Never(NO_AWS)])
}

pub(crate) fn swap(direction: Direction) -> Row {
    let row = brought(direction, Phase::Swap)
        .half([
            After(vec![Change::Named(direction).into()]),
            After(vec![Change::NamedAndStopped(direction).into()]),
        ])
        .gone([
            After(vec![Change::Terminated(FIRST).into()]),
            After(vec![Change::Removed(Direction::Forward).into()]),
            After(vec![Change::Removed(Direction::Back).into()]),
        ])
        .stale([Never(NO_AWS)]);
    match direction {
        Direction::Forward => row
            .unknown([
                Cut(vec![], Engine, UnknownNotDone),
                Cut(vec![], Stop, UnknownHalf),
            ])
            .stubborn(),
        Direction::Back => row.unknown([Cut(vec![], Engine, UnknownNotDone)]),
    }
}

pub(crate) fn verify(direction: Direction) -> Row {
    brought(direction, Phase::Verify)
        .half([Never(READS_ONLY)])
        .gone([
            After(vec![Change::Terminated(FIRST).into()]),
            After(vec![Change::Removed(direction).into()]),
            After(vec![Change::Stopped(direction).into()]),
        ])
        .unknown([Cut(vec![], Engine, UnknownNotDone)])
        .stale([Never(NO_AWS)])
}

pub(crate) fn enable(direction: Direction) -> Row {
    brought(direction, Phase::SetRestartPolicy)
        .half([Never(ONE_CALL)])
        .gone([
            After(vec![Change::Terminated(FIRST).into()]),
            After(vec![Change::Removed(direction).into()]),
        ])
        .unknown([Cut(vec![], Engine, UnknownNotDone)])
        .stale([Never(NO_AWS)])
}

pub(crate) fn clean_up() -> Row {
    Row::after(table::rolled())
        .rolled_back(table::back_up_to_the_end())
        .half([Never(ONE_CALL)])
        .gone([
            After(vec![Change::Terminated(FIRST).into()]),
            After(vec![Change::Removed(Direction::Forward).into()]),
        ])
        .unknown([Cut(vec![], Engine, UnknownNotDone)])
        .stale([Never(NO_AWS)])
}

/// The step that pulls the image onto the first host.
pub(crate) fn stage_first() -> Step {
    Step::Stage {
        instance: FIRST.to_owned(),
    }
}
