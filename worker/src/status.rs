//! The status of all lanes, as `drawgate status` asks for it.

use drawgate_rollout::{HostPlan, Release};
use drawgate_schemas::{
    Direction, EndedView, Environment, Freeze, LaneView, ReleaseId, RunningView, Service, StatusView,
    WaitingView, limits,
};

use jiff::Timestamp;

use crate::ledger::{LaneName, LaneRow, LastRow, Ledger, LedgerError};

/// One page of the ledger's lanes.
pub(crate) async fn status(
    ledger: &Ledger,
    environment: Option<&Environment>,
    service: Option<&Service>,
    after: Option<&str>,
) -> Result<StatusView, LedgerError> {
    let lanes = ledger.lanes(environment, service).await?;
    let name = |(environment, service): &LaneName| format!("{environment}/{service}");
    // Sorted by the written name, so that `after` means the same to the producer and the worker.
    let mut lanes: Vec<(String, LaneName, LaneRow)> = lanes
        .into_iter()
        .map(|(lane, row)| (name(&lane), lane, row))
        .filter(|(name, ..)| after.is_none_or(|after| name.as_str() > after))
        .collect();
    lanes.sort_by(|one, other| one.0.cmp(&other.0));
    let more = lanes.len() > limits::LANES_PER_ANSWER;
    lanes.truncate(limits::LANES_PER_ANSWER);
    let freezes = ledger.freezes(Timestamp::now()).await?;
    let mut views = Vec::new();
    for (_, (environment, service), row) in lanes {
        let covers = |freeze: &&Freeze| freeze.covers(&environment);
        let frozen = freezes.iter().filter(covers).cloned().collect();
        let view = lane(ledger, environment, service, row).await?;
        views.push(LaneView {
            freezes: frozen,
            ..view
        });
    }
    Ok(StatusView {
        lanes: views,
        more,
        freezes,
    })
}

async fn lane(
    ledger: &Ledger,
    environment: Environment,
    service: Service,
    row: LaneRow,
) -> Result<LaneView, LedgerError> {
    let mut view = LaneView {
        environment,
        service,
        running: None,
        waiting: Vec::new(),
        waiting_count: 0,
        last: row.last.map(ended),
        freezes: Vec::new(),
    };
    for id in row.open {
        let named = view.waiting.len() < limits::WAITING_NAMED;
        if view.running.is_some() && !named {
            view.waiting_count += 1;
            continue;
        }
        let Ok(release) = Release::fold(&ledger.journal(id).await?) else {
            continue;
        };
        match running(id, &release) {
            Some(running) => view.running = Some(running),
            None => {
                view.waiting_count += 1;
                view.waiting.extend(named.then(|| waiting(id, &release)));
            }
        }
    }
    Ok(view)
}

fn running(id: ReleaseId, release: &Release) -> Option<RunningView> {
    let since = release.started_at?;
    let through = |host: &&HostPlan| release.is_through(&host.instance, Direction::Forward);
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    Some(RunningView {
        release: id,
        version: release.request.version_name(),
        since,
        good: count(release.hosts().filter(through).count()),
        hosts: count(release.hosts().count()),
        rolling_back: release.is_rolling_back(),
        awaits: release
            .awaits()
            .map_or_else(Vec::new, |awaited| awaited.lines().collect()),
        left_out: release
            .left_out()
            .map(|left_out| left_out.host.instance.clone())
            .collect(),
    })
}

fn waiting(id: ReleaseId, release: &Release) -> WaitingView {
    WaitingView {
        release: id,
        version: release.request.version_name(),
        since: release.accepted_at,
        approval: release.awaited_approval(),
        blockers: release.blockers.clone(),
    }
}

fn ended(last: LastRow) -> EndedView {
    EndedView {
        release: last.id,
        version: last.request.version_name(),
        outcome: last.outcome,
        at: last.at,
    }
}

#[cfg(test)]
mod tests {
    use drawgate_rehearsal::sim::Sim;
    use drawgate_rehearsal::world::World;

    use super::*;

    /// A roll on the bastion (`kubectl`, `helm`) has no load balancer in which hosts become healthy.
    #[test]
    fn hosts_that_are_through_count_as_good() {
        for world in [World::on_bastion(), World::new(3, 1)] {
            let sim = Sim::new(world).finish();
            let release = sim.release();
            let view = running(release.request.id, release).unwrap();
            assert_eq!((view.good, view.rolling_back), (view.hosts, false));
        }
    }
}
