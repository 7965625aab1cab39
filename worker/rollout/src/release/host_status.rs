//! Where each host of a release stands, kept up with each entry.

use std::collections::BTreeMap;
use std::sync::Arc;

use drawgate_schemas::Direction;

use super::fold::Release;
use super::path;
use super::roster::Roster;
use super::standing::{Ahead, HostStatus, Rank};
use super::steps::lookups;
use super::turns::Turns;
use crate::fleet::HostPlan;
use crate::journal::{Phase, Record, Step};

/// A host, and where it stands.
pub(crate) type Member<'r> = (&'r HostPlan, HostStatus);

impl Release {
    /// A host of that id.
    pub fn host(&self, instance: &str) -> Option<&HostPlan> {
        let is_it = |host: &&HostPlan| host.instance == instance;
        let place = self.roster.places.get(instance);
        let known = place.and_then(|place| self.host_at(*place)).filter(is_it);
        known.or_else(|| self.hosts().find(is_it))
    }

    fn host_at(&self, place: usize) -> Option<&HostPlan> {
        let planned = self.plan.as_ref().map_or(&[][..], |plan| &plan.hosts);
        planned
            .get(place)
            .or_else(|| self.joined.get(place - planned.len()))
    }

    /// Every host in the order of the roll, with where it stands.
    pub(crate) fn statuses(&self) -> impl Iterator<Item = Member<'_>> {
        let known = |place: usize| self.roster.statuses.get(place).copied();
        let status = move |place, host| known(place).unwrap_or_else(|| self.status(host));
        let hosts = self.hosts().enumerate();
        hosts.map(move |(place, host)| (host, status(place, host)))
    }

    /// The hosts by what is next of them.
    pub(crate) fn turns(&self) -> &Turns {
        &self.roster.turns
    }

    /// The hosts that are out of service by our doing, in the order of the roll.
    pub fn hosts_out(&self) -> impl Iterator<Item = &HostPlan> {
        let out = self.roster.turns.out_places.iter();
        out.filter_map(|place| self.member_at(*place).map(|(host, _)| host))
    }

    /// The host in this place, and where it stands.
    pub(crate) fn member_at(&self, place: usize) -> Option<Member<'_>> {
        lookups::count();
        Some((self.host_at(place)?, *self.roster.statuses.get(place)?))
    }

    /// The same without those that have left the fleet.
    pub(crate) fn members(&self) -> impl Iterator<Item = Member<'_>> {
        self.statuses()
            .filter(|(host, _)| !self.gone.contains(&host.instance))
    }

    /// Takes in what an entry has changed.
    pub(super) fn follow(&mut self, record: &Record) {
        match record {
            Record::TakenOver | Record::SickWaitOver => self.look_at_all(),
            // Where it cannot be undone, hosts stay on the new version.
            Record::Outcome {
                step: Step::RunBefore { .. },
                ..
            } => self.look_at_all(),
            Record::Outcome {
                step: Step::Inspect | Step::Lock | Step::DetectJoined,
                ..
            } => self.call_the_roll(),
            Record::Intent { step } | Record::Outcome { step, .. } => {
                if let Step::CreateBefore { instance } = step {
                    self.roster.before.get_or_insert_with(|| instance.clone());
                }
                self.look_at(step.instance());
            }
            Record::RetryLater { cause } => self.look_at(cause.step.instance()),
            Record::RolledNext { instances, .. } => {
                for instance in instances {
                    self.look_at(Some(instance.as_str()));
                }
            }
            Record::TryAgain { instance } => self.look_at(Some(instance.as_str())),
            _ => {}
        }
    }

    /// Lists the hosts anew, because they may be others than before.
    fn call_the_roll(&mut self) {
        let places = self.hosts().map(|host| host.instance.clone()).zip(0..);
        let places: BTreeMap<String, usize> = places.collect();
        if places != *self.roster.places {
            self.roster.places = Arc::new(places);
        }
        let locks = self.locks();
        if locks != *self.roster.locks {
            self.roster.locks = Arc::new(locks);
        }
        self.look_at_all();
    }

    /// Looks at every host anew.
    pub(super) fn look_at_all(&mut self) {
        let mut turns = Turns::default();
        let mut statuses = Vec::new();
        for (host, place) in self.hosts().zip(0..) {
            let status = self.status(host);
            turns.change(place, &host.zone, status, true);
            statuses.push(status);
        }
        (self.roster.statuses, self.roster.turns) = (statuses, turns);
    }

    fn look_at(&mut self, instance: Option<&str>) {
        let Some(place) = instance.and_then(|instance| self.roster.places.get(instance).copied()) else {
            return;
        };
        let Some(host) = self.host_at(place) else { return };
        let (zone, status) = (host.zone.clone(), self.status(host));
        let Roster { statuses, turns, .. } = &mut self.roster;
        let Some(known) = statuses.get_mut(place).filter(|known| **known != status) else {
            return;
        };
        turns.change(place, &zone, *known, false);
        turns.change(place, &zone, status, true);
        *known = status;
    }

    fn status(&self, host: &HostPlan) -> HostStatus {
        let instance = &host.instance;
        let through = |direction| self.is_through(instance, direction);
        let way = |direction| {
            let next = path::steps(self, host, direction).find(|step| !self.done(step));
            next.map_or(Ahead::Nothing, |step| self.ahead(&step))
        };
        let pull = Step::Stage {
            instance: instance.clone(),
        };
        let clean_up = Step::CleanUp {
            instance: instance.clone(),
        };
        let back = way(Direction::Back);
        HostStatus {
            is_member: !self.gone.contains(instance),
            rank: match () {
                () if self.rolled_next.contains(instance) => Rank::First,
                () if self.retried.contains(instance) => Rank::Last,
                () => Rank::InOrder,
            },
            is_retried_later: self.to_retry.contains_key(instance),
            forward: way(Direction::Forward),
            back,
            is_touched: self.touched(instance),
            is_out: path::is_out(self, host),
            is_kept: self.kept_in(instance, Direction::Forward).is_some(),
            is_kept_back: self.kept_in(instance, Direction::Back).is_some(),
            is_stuck_back: back == Ahead::Again || self.is_sick_on_its_rollback(host),
            is_through: [through(Direction::Forward), through(Direction::Back)],
            pull: self.ahead(&pull),
            clean_up: match self.needs_clean_up(host) {
                true => self.ahead(&clean_up),
                false => Ahead::Nothing,
            },
        }
    }

    fn ahead(&self, step: &Step) -> Ahead {
        match self.steps.get(step) {
            None => Ahead::Fresh,
            Some(state) if state.last.is_none() => Ahead::UnderWay,
            Some(_) if self.done(step) => Ahead::Nothing,
            Some(_) => Ahead::Again,
        }
    }

    /// Whether anything was put on a host that has to be removed at the end, or may have been.
    fn needs_clean_up(&self, host: &HostPlan) -> bool {
        let instance = &host.instance;
        let create = Step::on_host(instance, Direction::Forward, Phase::Create);
        let created = path::phases(self, host, Direction::Forward).contains(&Phase::Create)
            && (self.begun(&create) || self.retried.contains(instance));
        created
            || self.begun(&Step::CreateBefore {
                instance: instance.clone(),
            })
    }
}
