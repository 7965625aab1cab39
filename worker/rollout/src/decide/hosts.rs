//! The hosts of a roll: in which order, how many at once, and the canary before all others.

use drawgate_schemas::Direction;

use super::attempts::Todo;
use super::decision::Decision;
use super::wave::Wave;
use super::{Agenda, Part};
use crate::fleet::{HostPlan, Plan};
use crate::journal::{Record, Step};
use crate::release::path;
use crate::release::standing::{Ahead, Rank};
use crate::release::turns::{Out, Turn};

impl Agenda<'_> {
    /// Rolls the canary and watches it for a while; then rolls the others.
    pub(super) fn roll_hosts(&self, plan: &Plan) -> Part {
        let canary = plan
            .definition
            .roll
            .canary
            .filter(|_| !self.release.done(&Step::Canary));
        if let Some(canary) = canary {
            let canary = self.canary(plan, canary.instances as usize);
            self.roll_wave(plan, canary)?;
            self.must(&[Step::Canary], 1)?;
        }
        self.roll_wave(
            plan,
            Wave::forward(self.release, &self.release.turns().forward, |_| true),
        )
    }

    /// The canary, and the sick hosts, which do not count among it.
    fn canary(&self, plan: &Plan, instances: usize) -> Wave<'_, Turn> {
        let gone = |host: &&HostPlan| self.release.gone.contains(&host.instance);
        let next = |host: &&HostPlan| self.release.rolled_next.contains(&host.instance);
        let sick = plan
            .hosts
            .iter()
            .filter(|host| !gone(host) && !next(host) && !host.was_healthy())
            .count();
        let places = self.release.hosts().zip(0..);
        let first = places.filter(|(host, _)| !gone(host) && !next(host));
        let last = first.take(sick + instances).last().map(|(_, place)| place);
        Wave::forward(
            self.release,
            &self.release.turns().forward,
            move |(rank, place)| *rank == Rank::First || last.is_some_and(|last| *place <= last),
        )
    }

    /// Rolls hosts in their order, at most `max_unavailable` out at once, and with `zone_by_zone` never two
    /// zones at once.
    fn roll_wave(&self, plan: &Plan, mut wave: Wave<'_, Turn>) -> Part {
        self.answer_sick_hosts(plan, &wave)?;
        let mut todo = Todo::default();
        if wave.is_under_way {
            todo.wait();
        }
        let mut out = self.release.turns().out.clone();
        while let Some((host, status)) = wave.next(has_room(plan, &out)) {
            let direction = self.direction_of(host);
            let goes_back = direction == Direction::Back;
            // Most hosts wait for their turn: their next step is looked up when it comes.
            let waits = !status.is_out && !may_join(plan, &out, host);
            if !goes_back && waits {
                continue;
            }
            if !goes_back && status.forward == Ahead::UnderWay {
                out.add(&host.zone);
                todo.wait();
                continue;
            }
            let Some(step) = self.next_step(host, direction) else {
                if goes_back {
                    let instance = host.instance.clone();
                    return Part::Break(vec![Decision::Append(Record::TryAgain { instance })]);
                }
                continue;
            };
            if waits {
                continue;
            }
            if !status.is_out {
                out.add(&host.zone);
            }
            todo.add(self, step);
        }
        self.or_begin_rollback(todo)
    }

    /// Performs the next step of each of these hosts, in whichever direction the host goes.
    pub(super) fn advance_hosts(&self, hosts: Vec<&HostPlan>) -> Part {
        let mut todo = Todo::default();
        for host in hosts {
            if let Some(step) = self.next_step(host, self.direction_of(host)) {
                todo.add(self, step);
            }
        }
        self.or_begin_rollback(todo)
    }

    /// The direction of a host while the release rolls forward: back where it failed within the failure
    /// budget.
    fn direction_of(&self, host: &HostPlan) -> Direction {
        if self.release.to_retry.contains_key(&host.instance) {
            Direction::Back
        } else {
            Direction::Forward
        }
    }

    /// The first step of a host in one direction that is not done; `None` when all are, or when there is
    /// nothing to do.
    pub(super) fn next_step(&self, host: &HostPlan, direction: Direction) -> Option<Step> {
        path::steps(self.release, host, direction).find(|step| !self.release.done(step))
    }
}

/// Whether one more host may be out.
pub(super) fn has_room(plan: &Plan, out: &Out) -> bool {
    out.count() < plan.at_once() as usize
}

/// Whether one more host may be out together with these.
pub(super) fn may_join(plan: &Plan, out: &Out, host: &HostPlan) -> bool {
    let wrong_zone = plan.definition.roll.zone_by_zone && out.is_elsewhere(&host.zone);
    has_room(plan, out) && !wrong_zone
}
