//! The hosts of a roll: in which order, how many at once, and the canary before all others.

use drawgate_schemas::Direction;

use super::attempts::Todo;
use super::decision::Decision;
use super::{Agenda, Part};
use crate::fleet::{HostPlan, Plan};
use crate::journal::{Record, Step};
use crate::release::path;
use crate::release::roster::{Ahead, HostStatus};

/// A host of a wave, and where it stands.
pub(super) type Member<'r> = (&'r HostPlan, HostStatus);

impl Agenda<'_> {
    /// Rolls the canary and watches it for a while; then rolls the others.
    pub(super) fn roll_hosts(&self, plan: &Plan) -> Part {
        let canary = plan
            .definition
            .roll
            .canary
            .filter(|_| !self.release.done(&Step::Canary));
        if let Some(canary) = canary {
            let gone = |host: &&HostPlan| self.release.gone.contains(&host.instance);
            let next = |host: &&HostPlan| self.release.rolled_next.contains(&host.instance);
            let sick = plan
                .hosts
                .iter()
                .filter(|host| !gone(host) && !next(host) && !host.was_healthy())
                .count();
            let others = self.release.members().filter(|(host, _)| !next(host));
            let mut first: Vec<Member<'_>> = others.take(sick + canary.instances as usize).collect();
            self.begin_with_sick(&mut first);
            self.roll_wave(plan, &first)?;
            self.must(&[Step::Canary], 1)?;
        }
        let unfinished = |(host, status): &(&HostPlan, HostStatus)| {
            status.forward != Ahead::Nothing || self.direction_of(host) == Direction::Back
        };
        let unfinished = self.release.members().filter(unfinished);
        let mut all: Vec<Member<'_>> = unfinished.collect();
        // A host that failed once comes last.
        all.sort_by_key(|(host, _)| self.release.retried.contains(&host.instance));
        self.begin_with_sick(&mut all);
        self.roll_wave(plan, &all)
    }

    /// Rolls hosts in their order, at most `max_unavailable` out at once, and with `zone_by_zone` never two
    /// zones at once.
    fn roll_wave(&self, plan: &Plan, wave: &[Member<'_>]) -> Part {
        self.answer_sick_hosts(plan, wave)?;
        let mut todo = Todo::default();
        let mut out = self.out();
        let at_once = plan.at_once() as usize;
        for (host, status) in wave {
            let direction = self.direction_of(host);
            let goes_back = direction == Direction::Back;
            // Most hosts wait for their turn: their next step is looked up when it comes.
            let waits = !status.is_out && (out.len() >= at_once || !may_join(plan, &out, host));
            if !goes_back && (waits || status.forward == Ahead::Nothing) {
                continue;
            }
            if !goes_back && status.forward == Ahead::UnderWay {
                out.extend(Some(*host).filter(|_| !status.is_out));
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
                out.push(host);
            }
            todo.add(self, step);
        }
        self.or_begin_rollback(todo)
    }

    /// The hosts that are out of service by our doing.
    pub(super) fn out(&self) -> Vec<&HostPlan> {
        let out = self.release.members().filter(|(_, status)| status.is_out);
        out.map(|(host, _)| host).collect()
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

/// Whether one more host may be out together with these.
pub(super) fn may_join(plan: &Plan, out: &[&HostPlan], host: &HostPlan) -> bool {
    let elsewhere = |other: &&HostPlan| other.zone != host.zone;
    let wrong_zone = plan.definition.roll.zone_by_zone && out.iter().any(elsewhere);
    out.len() < plan.at_once() as usize && !wrong_zone
}
