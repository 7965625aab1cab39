//! `[before]` and `[after]`: one-off containers on the first host.

use drawgate_rehearsal::world::Fault::UnknownNotDone;
use drawgate_rehearsal::world::OneOff;
use drawgate_rollout::Step;

use crate::bench::{Bench, FIRST, NAME};
use crate::cell::Cell::{After, Cut, Never};
use crate::cell::Row;
use crate::cell::Silence::Engine;
use crate::change::Change as Any;
use crate::hosts;
use crate::table::{self, NO_AWS, ONE_CALL};

/// A change from outside, to a one-off container.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    /// The container of `[before]` is started.
    BeforeStarted,
    /// The container of `[before]` is removed.
    BeforeRemoved,
    /// An earlier attempt has left its container of `[after]`.
    AfterLeft,
}

impl From<Change> for Any {
    fn from(change: Change) -> Self {
        Self::Hooks(change)
    }
}

impl Change {
    pub(crate) async fn in_lab(&self, bench: &Bench) {
        let docker = async |arguments: &[&str]| bench.outside.docker(&bench.host(0), arguments).await;
        let before = format!("label=drawgate.before={}", bench.id());
        match self {
            Self::BeforeStarted => {
                let id = docker(&["ps", "-aq", "--filter", &before]).await;
                docker(&["start", &id]).await;
            }
            Self::BeforeRemoved => {
                let id = docker(&["ps", "-aq", "--filter", &before]).await;
                docker(&["rm", "-f", &id]).await;
            }
            Self::AfterLeft => {
                let label = format!("drawgate.after={}", bench.id());
                let image = format!("{}/{NAME}:v1", bench.outside.lab.registry());
                let name = format!("{NAME}.hook-after-{}", bench.release.request.id.short());
                docker(&["create", "--label", &label, "--name", &name, &image]).await;
            }
        }
    }

    pub(crate) fn in_model(&self, bench: &mut Bench) {
        let world = &mut bench.world;
        match self {
            Self::BeforeStarted => {
                world.one_off = Some(OneOff::Running);
                world.before_runs += 1;
            }
            Self::BeforeRemoved => world.one_off = None,
            // The model has no container of `[after]`: an attempt begins anew, whatever an earlier one has
            // left.
            Self::AfterLeft => {}
        }
    }
}

fn create_first() -> Step {
    Step::CreateBefore {
        instance: FIRST.to_owned(),
    }
}

pub(crate) fn create_before() -> Row {
    Row::after(table::with(&[hosts::stage_first()]))
        .half([Never(ONE_CALL)])
        .gone([After(vec![hosts::Change::Terminated(FIRST).into()])])
        .unknown([Cut(vec![], Engine, UnknownNotDone)])
        .stale([Never(NO_AWS)])
}

pub(crate) fn run_before() -> Row {
    Row::after(table::with(&[hosts::stage_first(), create_first()]))
        .half([After(vec![Change::BeforeStarted.into()])])
        .gone([
            After(vec![Change::BeforeRemoved.into()]),
            After(vec![hosts::Change::Terminated(FIRST).into()]),
        ])
        .unknown([Cut(vec![], Engine, UnknownNotDone)])
        .stale([Never(NO_AWS)])
}

pub(crate) fn after() -> Row {
    Row::after(table::with(&[hosts::stage_first()]))
        .half([After(vec![Change::AfterLeft.into()])])
        .gone([After(vec![hosts::Change::Terminated(FIRST).into()])])
        .unknown([Cut(vec![], Engine, UnknownNotDone)])
        .stale([Never(NO_AWS)])
}
