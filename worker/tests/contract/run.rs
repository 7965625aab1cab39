//! Performs the cells of the table, and records the differences.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use drawgate_rehearsal::world::Fault;
use drawgate_rollout::limits::HOOK_MARGIN_MS;
use drawgate_rollout::{FloorKept, Phase, Record, Step};
use futures_util::FutureExt as _;
use jiff::{SignedDuration, Timestamp};
use tokio::time::sleep;

use crate::bench::{Bench, Both, CUT, Came, LONG, Setup};
use crate::cell::{Cell, Row, Seen, Silence, Situation};
use crate::change::Change;
use crate::outside::Outside;
use crate::printed::Table;
use crate::table::{self, Line};
use crate::view;

/// After this time a look at target health is older than the poll interval.
const LOOKED_AT: Duration = Duration::from_millis(250);
/// After this time a stubborn container is killed.
const STOPPED: Duration = Duration::from_secs(5);
/// After this time the engine is stopping the container, which has not ended yet.
const WHILE_IT_STOPS: Duration = Duration::from_millis(1_500);

/// Performs every step once, and once more with `again`, on the way of whole releases.
pub(crate) async fn walks(outside: &Arc<Outside>, table: &mut Table, again: bool) {
    for line in table::lines() {
        if let Some(why) = table::row(&line).never {
            table.never(&line, Situation::Once, why);
        }
    }
    let plain = Setup::default();
    Box::pin(walk(outside, table, again, plain, &[table::way_forward()])).await;
    let ways = [table::way_to_publish(), table::rollback()];
    Box::pin(walk(outside, table, again, plain, &ways)).await;
    let muted = [Step::TakeLease, Step::Silence, Step::Renew, Step::Unsilence];
    let by_rule = Setup { mutes: true, ..plain };
    Box::pin(walk(outside, table, again, by_rule, &[table::with(&muted)])).await;
}

/// Performs the first of these ways forward; before the second the rollback begins.
async fn walk(outside: &Arc<Outside>, table: &mut Table, again: bool, setup: Setup, ways: &[Vec<Step>]) {
    let mut bench = Bench::begin(outside, setup).await;
    for (n, way) in ways.iter().enumerate() {
        if n > 0 {
            bench.roll_back();
        }
        for step in way {
            let line = Line {
                step: step.clone(),
                mutes: setup.mutes && matches!(step, Step::Silence | Step::Renew | Step::Unsilence),
            };
            if table::row(&line).never.is_some() {
                bench.bring(step).await;
                continue;
            }
            let step = bench.here(step);
            if step == Step::AwaitFloor {
                wait_for_sick(&mut bench);
            }
            let differs = compare(&mut bench, &step, limit(&step)).await;
            table.note(&line, Situation::Once, "", differs);
            if again {
                // The worker does not ask again for target health that it saw within a poll interval.
                sleep(LOOKED_AT).await;
                let differs = compare(&mut bench, &step, limit(&step)).await;
                table.note(&line, Situation::Repeated, "", differs);
            }
            if matches!(step, Step::SuspendAgain { .. }) {
                bench.note(Record::SickWaitOver);
            }
        }
    }
    table.note_rules(std::mem::take(&mut bench.world.broken));
    bench.end().await;
}

/// Performs every other cell of these lines, each on fresh fleets.
pub(crate) async fn cells(outside: &Arc<Outside>, table: &mut Table, wanted: impl Fn(&Line) -> bool) {
    for line in table::lines().into_iter().filter(wanted) {
        let row = table::row(&line);
        for situation in Situation::ALL {
            for cell in row.cells(situation) {
                if let Cell::Never(why) = cell {
                    table.never(&line, situation, why);
                    continue;
                }
                // A cell that panics must not end the others.
                let one = AssertUnwindSafe(Box::pin(one(outside, &row, &line, &cell))).catch_unwind();
                let differs = one
                    .await
                    .unwrap_or_else(|_| vec!["it could not be made, see above".to_owned()]);
                table.note(&line, situation, &format!("{cell:?}"), differs);
            }
        }
    }
}

async fn one(outside: &Arc<Outside>, row: &Row, line: &Line, cell: &Cell) -> Vec<String> {
    let mut bench = Bench::begin(outside, row.setup).await;
    for step in &row.brought {
        let step = bench.here(step);
        Box::pin(bench.bring(&step)).await;
    }
    if let Some(back) = &row.rolled_back {
        bench.roll_back();
        for step in back {
            let step = bench.here(step);
            Box::pin(bench.bring(&step)).await;
        }
    }
    if row.waits_for_sick {
        wait_for_sick(&mut bench);
    }
    let step = bench.here(&line.step);
    let differs = match cell {
        Cell::Never(_) => Vec::new(),
        Cell::After(changes) => {
            make(&mut bench, changes).await;
            compare(&mut bench, &step, limit(&step)).await
        }
        Cell::Cut(changes, silence, fault) => {
            make(&mut bench, changes).await;
            cut(&mut bench, &step, *silence, *fault).await
        }
        Cell::Old(changes, action, count, seen) => {
            old(&mut bench, &step, changes, (action, *count), *seen).await
        }
    };
    bench.end().await;
    differs
}

/// The step's time limit. A wait whose end does not come reports, a little before the limit, what it saw.
fn limit(step: &Step) -> Duration {
    match step {
        // An instance counts as gone at a second look, 3 s later, in each of its target groups.
        Step::AwaitFloor => Duration::from_secs(12),
        // The worker does not begin `[before]` within this margin of its deadline, because `[before]` must
        // not run twice.
        Step::RunBefore { .. } => LONG + Duration::from_millis(HOOK_MARGIN_MS),
        _ => LONG,
    }
}

async fn make(bench: &mut Bench, changes: &[Change]) {
    for change in changes {
        Box::pin(change.make(bench)).await;
    }
    // The worker does not ask again for target health that it saw within a poll interval.
    sleep(LOOKED_AT).await;
}

/// Performs the step on both fleets, and compares outcomes and states.
async fn compare(bench: &mut Bench, step: &Step, limit: Duration) -> Vec<String> {
    let outcome = Box::pin(bench.perform(step, limit)).await;
    differences(bench, &outcome).await
}

async fn differences(bench: &Bench, outcome: &Both<Came>) -> Vec<String> {
    let mut differs = Vec::new();
    let (model, lab) = (view::outcome(&outcome.model), view::outcome(&outcome.lab));
    if model != lab {
        let (of_model, of_lab) = (view::why(&outcome.model), view::why(&outcome.lab));
        differs.push(format!("outcome: model {model}{of_model}, lab {lab}{of_lab}"));
    }
    differs.extend(bench.differences().await);
    differs
}

/// Cuts the step while no answer comes, and performs it once more when answers come again.
async fn cut(bench: &mut Bench, step: &Step, silence: Silence, fault: Fault) -> Vec<String> {
    fall_silent(bench, silence).await;
    bench.world.faults.push((step.clone(), fault, 1));
    let cut_after = match silence {
        Silence::Stop => WHILE_IT_STOPS,
        _ => CUT,
    };
    let outcome = bench.perform(step, cut_after).await;
    speak_again(bench, silence).await;
    let mut differs: Vec<String> = differences(bench, &outcome).await;
    differs.extend(once_more(bench, step).await);
    differs
}

async fn fall_silent(bench: &Bench, silence: Silence) {
    match silence {
        Silence::Lost(action) => bench.outside.fault(action, "timeout", 1).await,
        Silence::Unheard(action) => bench.outside.fault(action, "timeout_after_act", 1).await,
        Silence::Engine => bench.outside.signal_engine(&bench.host(0), "STOP").await,
        Silence::Registry => bench.outside.signal_registry("STOP").await,
        Silence::Stop => {}
    }
}

async fn speak_again(bench: &Bench, silence: Silence) {
    match silence {
        Silence::Lost(_) | Silence::Unheard(_) => bench.outside.clear_faults().await,
        Silence::Engine => bench.outside.signal_engine(&bench.host(0), "CONT").await,
        Silence::Registry => bench.outside.signal_registry("CONT").await,
        Silence::Stop => sleep(STOPPED).await,
    }
}

/// Performs the step while AWS answers as before the changes, and once more with current answers.
async fn old(
    bench: &mut Bench,
    step: &Step,
    changes: &[Change],
    reads: (&str, u32),
    seen: Seen,
) -> Vec<String> {
    let before = bench.world.clone();
    bench.outside.fault(reads.0, "stale", reads.1).await;
    make(bench, changes).await;
    match seen {
        Seen::Through => {}
        Seen::Before => bench.world = before.clone(),
        Seen::Unconfirmed => bench.world.faults.push((step.clone(), Fault::Unconfirmed, 1)),
        Seen::UnconfirmedHalf => bench.world.faults.push((step.clone(), Fault::UnconfirmedHalf, 1)),
    }
    let outcome = bench.perform(step, limit(step)).await;
    bench.outside.clear_faults().await;
    if seen == Seen::Before && step.reads() {
        // The step saw the earlier fleet and has changed nothing: the model goes on from the fleet with the
        // changes.
        bench.world = before;
        for change in changes {
            change.in_model(bench);
        }
    }
    let mut differs = differences(bench, &outcome).await;
    differs.extend(once_more(bench, step).await);
    differs
}

/// Performs the step once more, undisturbed, and compares.
async fn once_more(bench: &mut Bench, step: &Step) -> Vec<String> {
    if let Step::Host {
        phase: Phase::Drain, ..
    } = step
    {
        bench.hold_draining(false).await;
    }
    sleep(LOOKED_AT).await;
    let differs = compare(bench, step, limit(step)).await;
    let differs = differs.into_iter();
    differs
        .map(|what| format!("performed once more: {what}"))
        .collect()
}

/// Records that the next host waits for sick hosts.
fn wait_for_sick(bench: &mut Bench) {
    let target_group = bench.target_groups()[0].clone();
    let kept = FloorKept {
        target_group,
        zone: None,
        healthy: 1,
        floor: 1,
        sick: [bench.instance(1)].into(),
    };
    let until = Timestamp::now() + SignedDuration::from_mins(5);
    bench.note(Record::SickWaitBegun {
        instance: bench.instance(0),
        kept,
        until,
    });
}
