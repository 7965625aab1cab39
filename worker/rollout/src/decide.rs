//! The one function that holds all branching of a roll.
//!
//! ```text
//!   resolve -> (approval, turn) -> inspect -> lock -> forward: lease, stage -> reserve -> before -> suspend -> silence -> hosts -> publish -> sweep -> bake -> after -+
//!                           ^         |       |                                                                                                    |
//!                           +- stale -+       +-- a step failed, an alarm fired --> back: unpublish -> touched hosts ------------------------------+
//!                                                                                                                                                  v
//!                                                    restore: resume, unsilence, retire -> confirm -> lease -> end
//! ```
//!
//! It is asked again after every entry, begins at the top each time, and passes over what is done: a crash between
//! any two entries changes nothing in what comes next.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use drawgate_schemas::{Direction, Ended};
use jiff::Timestamp;

use crate::beside::{self, beside};
use crate::definition::{OnFailure, Swap};
use crate::limits::{self, after};
use crate::order;
use crate::path;
use crate::plan::{HostPlan, Plan};
use crate::record::{Cause, Failure, Record};
use crate::report;
use crate::sick::{FloorKept, Obstacle, SickWait};
use crate::state::{Release, Standing};
use crate::step::{Phase, Step};

/// What to do next.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// Append an intent, perform the step, append its outcome.
    Perform {
        /// Which step.
        step: Step,
        /// The performance ends by then; what is not known by then is unknown.
        deadline: Timestamp,
    },
    /// Append this, and decide anew.
    Append(Record),
    /// Nothing until the release's turn in its lane has come: then append `Started`.
    AwaitTurn,
    /// Nothing before that moment, unless something happens.
    WakeAt(Timestamp),
}

/// What to do next. Empty while everything that can be done is under way, and after the end.
pub fn decide(release: &Release, now: Timestamp) -> Vec<Decision> {
    if release.ended.is_some() {
        return Vec::new();
    }
    let agenda = Agenda { release, now };
    match agenda.run() {
        ControlFlow::Break(decisions) => {
            // First: nothing is touched before it is watched.
            let mut all = beside(release, now, &decisions);
            let blind = beside::is_blind(release, now);
            all.extend(
                decisions
                    .into_iter()
                    .filter(|decision| !(blind && beside::needs_sight(decision))),
            );
            all
        }
        ControlFlow::Continue(()) => {
            vec![Decision::Append(Record::Ended {
                ended: Box::new(report::conclude(release, now)),
            })]
        }
    }
}

/// `Break` holds what to do now; `Continue` says that this part is behind us.
type Part = ControlFlow<Vec<Decision>>;

struct Agenda<'a> {
    release: &'a Release,
    now: Timestamp,
}

impl Agenda<'_> {
    fn run(&self) -> Part {
        if self.release.turned_back.is_none() {
            self.unless_an_alarm_fires()?;
            self.unless_ordered()?;
            self.prepare()?;
        }
        let Some(plan) = &self.release.plan else {
            if self.any_running(|_| true) {
                return Part::Break(Vec::new());
            }
            // Without a plan nothing was touched: there is nothing to restore.
            return Part::Continue(());
        };
        if self.release.lost_to_another().is_some() {
            return self.leave_alone();
        }
        if self.release.turned_back.is_none() {
            self.forward(plan)?;
        }
        // Whether it has turned back or reached its end: from here on no alarm turns it back.
        if let Some(stopped) = beside::stop(self.release) {
            return Part::Break(vec![Decision::Append(stopped)]);
        }
        if self.release.turned_back.is_some() {
            self.back(plan)?;
        }
        self.restore(plan)
    }

    /// Before anything is touched.
    fn prepare(&self) -> Part {
        if self.release.digest.is_none() {
            self.must(&[Step::Resolve], 1)?;
        }
        if self.release.started_at.is_none() {
            if self
                .release
                .request
                .expires_at
                .is_some_and(|expires_at| expires_at <= self.now)
            {
                return end(report::expired(self.release));
            }
            self.approved()?;
            self.let_go()?;
            return Part::Break(vec![Decision::AwaitTurn]);
        }
        self.inspect_locked()
    }

    /// Nothing is begun that somebody rejected, or that still waits for somebody's approval.
    fn approved(&self) -> Part {
        if let Some(rejected) = &self.release.rejected {
            return end(report::rejected(rejected));
        }
        let Some(awaited) = self.release.awaited_approval() else {
            return Part::Continue(());
        };
        if awaited.until <= self.now {
            return end(report::not_approved(&awaited));
        }
        let expires = self.release.request.expires_at;
        let until = expires.map_or(awaited.until, |expires| expires.min(awaited.until));
        Part::Break(vec![Decision::WakeAt(until)])
    }

    /// What holds it is looked at again by whoever drives it: it may end before its time, and windows and freezes go by the machine's clock,
    /// which may be set.
    fn let_go(&self) -> Part {
        if self.release.holds.is_empty() {
            return Part::Continue(());
        }
        Part::Break(vec![Decision::WakeAt(after(self.now, limits::HELD_LOOK_MS))])
    }

    /// A plan is good when it was made while everything in it was ours alone. What preflight has against a fleet is
    /// judged then too: it may have been another release's doing.
    fn inspect_locked(&self) -> Part {
        let is_seen = self.release.plan.is_some() || self.release.unfit.is_some();
        if !is_seen && self.release.looks >= limits::LOOKS {
            let failure = Failure::new("the fleet changes faster than it can be locked");
            return self.turn_back(Step::Inspect, failure);
        }
        self.must(&[Step::Inspect], 1)?;
        self.must(&[Step::Lock], 1)?;
        let unfit = self.release.unfit.as_ref().map(|unfit| unfit.failure.clone());
        match unfit.or_else(|| self.release.lacks_approval()) {
            Some(failure) => self.turn_back(Step::Inspect, failure),
            None => self.unless_there_already(),
        }
    }

    /// Every host serves these very bytes, and nobody insists: nothing is touched.
    fn unless_there_already(&self) -> Part {
        match &self.release.plan {
            Some(plan)
                if plan.is_there_already()
                    && !self.release.request.force
                    && !self.release.changed_anything() =>
            {
                end(report::there_already(plan))
            }
            _ => Part::Continue(()),
        }
    }

    /// A person's orders come before whatever would be begun next.
    fn unless_ordered(&self) -> Part {
        if let Some(cancelled) = &self.release.cancelled {
            return self.turn_back(Step::Order, order::cancelled(cancelled));
        }
        let (Some((paused, _)), Some(until)) = (&self.release.paused, self.release.paused_until()) else {
            return Part::Continue(());
        };
        if until <= self.now {
            return self.turn_back(Step::Order, order::paused_too_long(paused, until));
        }
        // A host that is out serves nobody: it comes back into service first.
        let out: Vec<&HostPlan> = self.members().filter(|host| self.release.is_out(host)).collect();
        if self.release.leased && !out.is_empty() {
            // Whoever took it up does not know yet whose the fleet is.
            self.must(&[Step::TakeLease], 1)?;
            if let Some(another) = &self.release.leased_to_another {
                return self.turn_back(Step::TakeLease, another.clone());
            }
        }
        let mut todo = Todo::default();
        for host in out {
            if let Some(step) = self.next_step(host, self.direction_of(host)) {
                todo.add(self, step);
            }
        }
        self.or_turn_back(todo)?;
        Part::Break(vec![Decision::WakeAt(until)])
    }

    /// Where a host is on its way to while the roll leads forward.
    fn direction_of(&self, host: &HostPlan) -> Direction {
        if self.release.set_aside.contains_key(&host.instance) {
            Direction::Back
        } else {
            Direction::Forward
        }
    }

    /// What goes on beside the way forward turns it back as any step does.
    fn unless_an_alarm_fires(&self) -> Part {
        let mut todo = Todo::default();
        if matches!(self.standing(&Step::Watch), Standing::Failed(_)) {
            todo.add(self, Step::Watch);
        }
        self.or_turn_back(todo)
    }

    /// Another worker has the fleet: whatever we did now would be done to its roll. What is under way comes to its end.
    fn leave_alone(&self) -> Part {
        if let Some(stopped) = beside::stop(self.release) {
            return Part::Break(vec![Decision::Append(stopped)]);
        }
        if self.any_running(|_| true) {
            return Part::Break(Vec::new());
        }
        Part::Continue(())
    }

    fn forward(&self, plan: &Plan) -> Part {
        let stage_on = |host: &HostPlan| Step::Stage {
            instance: host.instance.clone(),
        };
        let stage: Vec<Step> = match &plan.definition.swap {
            Swap::Container(_) => self.members().map(stage_on).collect(),
            // Their programs fetch what they need.
            Swap::Command(_) => Vec::new(),
        };
        let mut first = self.todo(&stage, plan.definition.roll.pull_concurrency as usize);
        // A roll that is being put back in order has had its good end: no answer about the lease takes that back.
        if self.release.steps.keys().any(beside::ends_the_way) {
            self.lease_again()?;
        } else if plan.definition.lease_parameter.is_some() {
            // Beside the pulls, which touch nothing: it costs no time.
            first.add(self, Step::TakeLease);
        }
        self.or_turn_back(first)?;
        if let Some(another) = &self.release.leased_to_another {
            return self.turn_back(Step::TakeLease, another.clone());
        }
        self.wanted(plan, Step::Reserve)?;
        self.before(plan)?;
        let suspend: Vec<Step> = each_group(plan, |group| Step::Suspend { group });
        self.must(&suspend, 1)?;
        self.must(&[Step::Silence], 1)?;
        self.hosts_forward(plan)?;
        self.wanted(plan, Step::Publish)?;
        if self.release.sweeps >= limits::SWEEPS {
            let failure = Failure::new("members keep joining faster than they can be rolled");
            return self.turn_back(Step::Sweep, failure);
        }
        if !plan.definition.is_beside_worker() {
            self.sweep()?;
        }
        if !plan.watched.is_empty() || plan.definition.alarms.bake_ms > 0 {
            self.must(&[Step::Bake], 1)?;
        }
        self.after(plan)
    }

    fn wanted(&self, plan: &Plan, step: Step) -> Part {
        match plan.wanted {
            Some(_) => self.must(&[step], 1),
            None => Part::Continue(()),
        }
    }

    /// Whoever joined is awaited for its time and no longer. A fleet that is good stays as it is when one that joined
    /// does not come up, or could not be looked for: the receipt names it.
    fn sweep(&self) -> Part {
        let given_up = matches!(self.standing(&Step::Sweep), Standing::Failed(_));
        let enough = self.release.adopted.len() >= drawgate_schemas::limits::HOSTS;
        if enough || (given_up && !self.release.was_refused(&Step::Sweep)) {
            return Part::Continue(());
        }
        self.must(&[Step::Sweep], 1)
    }

    /// Once per release, on one host, before anything is touched.
    fn before(&self, plan: &Plan) -> Part {
        let host = self
            .release
            .before_host()
            .filter(|_| plan.definition.before.is_some());
        let Some(instance) = host.map(str::to_owned) else {
            return Part::Continue(());
        };
        let create = Step::CreateBefore {
            instance: instance.clone(),
        };
        self.must(&[create], 1)?;
        self.must(&[Step::RunBefore { instance }], 1)
    }

    /// Has the last word, unless its failure is only to be reported.
    fn after(&self, plan: &Plan) -> Part {
        match plan.definition.after.as_ref().map(|after| after.on_failure) {
            None => Part::Continue(()),
            Some(OnFailure::RollBack) => self.must(&[Step::After], 1),
            Some(OnFailure::Report) => self.try_all(&[Step::After], 1),
        }
    }

    /// First the canary, which is watched for a while; then the others.
    fn hosts_forward(&self, plan: &Plan) -> Part {
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
            let others = self.members().filter(|host| !next(host));
            let mut first: Vec<&HostPlan> = others.take(sick + canary.instances as usize).collect();
            self.begin_with_sick(&mut first);
            self.hosts_of_wave(plan, &first)?;
            self.must(&[Step::Canary], 1)?;
        }
        let mut all: Vec<&HostPlan> = self.members().collect();
        // What failed once comes last.
        all.sort_by_key(|host| self.release.retried.contains(&host.instance));
        self.begin_with_sick(&mut all);
        self.hosts_of_wave(plan, &all)
    }

    /// Hosts in their order, at most `max_unavailable` out at once, and no two zones where that is wanted.
    fn hosts_of_wave(&self, plan: &Plan, wave: &[&HostPlan]) -> Part {
        self.sick(plan, wave)?;
        let mut todo = Todo::default();
        let mut out: Vec<&HostPlan> = self.members().filter(|host| self.release.is_out(host)).collect();
        for host in wave {
            let direction = self.direction_of(host);
            let Some(step) = self.next_step(host, direction) else {
                if direction == Direction::Back {
                    let instance = host.instance.clone();
                    return Part::Break(vec![Decision::Append(Record::TryAgain { instance })]);
                }
                continue;
            };
            if !self.release.is_out(host) {
                if !may_join(plan, &out, host) {
                    continue;
                }
                out.push(host);
            }
            todo.add(self, step);
        }
        self.or_turn_back(todo)
    }

    /// Hosts that turned unhealthy by themselves before their turn.
    fn rolled_next(&self) -> impl Iterator<Item = &HostPlan> {
        self.members()
            .filter(|host| self.release.rolled_next.contains(&host.instance))
    }

    /// They come first, and do not count among the canary: taking them out costs nothing.
    fn begin_with_sick<'w>(&'w self, wave: &mut Vec<&'w HostPlan>) {
        wave.retain(|host| !self.release.rolled_next.contains(&host.instance));
        wave.splice(0..0, self.rolled_next());
    }

    /// What is done about sick hosts, where they keep the next host in service.
    fn sick(&self, plan: &Plan, wave: &[&HostPlan]) -> Part {
        if let Some(wait) = &self.release.sick_wait {
            return self.wait_for_sick(wait);
        }
        let kept = |host: &&HostPlan| {
            let kept = self.release.kept_for_long(&host.instance)?;
            Some((host.instance.clone(), kept.clone()))
        };
        let Some((instance, kept)) = wave.iter().find_map(kept) else {
            return Part::Continue(());
        };
        let untouched = |host: &&HostPlan| {
            kept.sick.contains(&host.instance)
                && !self.release.touched(&host.instance)
                && host.instance != instance
        };
        let next: BTreeSet<String> = self
            .members()
            .filter(untouched)
            .map(|host| host.instance.clone())
            .collect();
        if !next.is_subset(&self.release.rolled_next) {
            let (instances, kept) = (next, kept);
            return Part::Break(vec![Decision::Append(Record::RolledNext { instances, kept })]);
        }
        // Where they have their turn now, or somebody else comes back, the floor is asked again afterwards.
        if !next.is_empty() || self.members().any(|host| self.release.is_out(host)) {
            return Part::Continue(());
        }
        let wait_ms = plan.definition.roll.sick_wait_ms;
        let why = match wait_ms {
            0 => "roll.sick_wait is 0",
            _ if self.release.sick_waits >= limits::SICK_WAITS => "hosts keep falling ill",
            _ => {
                let until = after(self.now, wait_ms);
                let begun = Record::SickWaitBegun {
                    instance,
                    kept,
                    until,
                };
                return Part::Break(vec![Decision::Append(begun)]);
            }
        };
        self.turn_back(Step::AwaitHealthy, self.release.sick_for_too_long(&kept, why))
    }

    /// Nothing is out: sick hosts may be replaced meanwhile, and nothing is taken out before that is suspended again.
    fn wait_for_sick(&self, wait: &SickWait) -> Part {
        let each = |step: fn(String) -> Step| self.release.groups_of(&wait.kept.sick).into_iter().map(step);
        if !self.release.done(&Step::AwaitHealthy) {
            let time_is_up = self.time_is_up().filter(|at| *at < wait.until);
            let until = time_is_up.unwrap_or(wait.until);
            if until <= self.now && self.standing(&Step::AwaitHealthy) != Standing::Running {
                let why = match time_is_up {
                    None => format!(
                        "waited {} s for it",
                        limits::between_ms(wait.since, self.now) / 1000
                    ),
                    Some(at) => format!("waited for until {at:.0}, when roll.max_roll was over"),
                };
                let kept = self.last_kept(wait);
                return self.turn_back(Step::AwaitHealthy, self.release.sick_for_too_long(kept, &why));
            }
            // Whether they can be replaced or not, they may get well by themselves.
            let replace: Vec<Step> = each(|group| Step::LetReplace { group }).collect();
            self.try_all(&replace, 1)?;
            self.must(&[Step::AwaitHealthy], 1)?;
        }
        let again: Vec<Step> = each(|group| Step::SuspendAgain { group })
            .filter(|step| self.was_let(step))
            .collect();
        self.must(&again, 1)?;
        Part::Break(vec![Decision::Append(Record::SickWaitOver)])
    }

    /// What kept the host in service at the last look.
    fn last_kept<'w>(&'w self, wait: &'w SickWait) -> &'w FloorKept {
        let state = self.release.steps.get(&Step::AwaitHealthy);
        match state.and_then(|state| state.obstacle.as_ref()) {
            Some(Obstacle::Floor(kept)) => kept,
            _ => &wait.kept,
        }
    }

    /// Whether sick hosts may have been let be replaced in the group that is to be suspended again.
    fn was_let(&self, suspend_again: &Step) -> bool {
        match suspend_again {
            Step::SuspendAgain { group } => self.release.begun(&Step::LetReplace { group: group.clone() }),
            _ => false,
        }
    }

    /// Hosts that were touched go back: those that are out already first, then the others, at most `max_unavailable`
    /// out at once. A host that cannot go back stops no other that is out, but it goes on taking its place among those
    /// that may be out: the floor holds on the way back too. The receipt names every host that was not brought back.
    fn back(&self, plan: &Plan) -> Part {
        if self.any_running(|step| !step.restores()) {
            return Part::Break(Vec::new());
        }
        self.lease_again()?;
        // Scaling runs again: a host that had no place among those out gets none now, when one that could not go back is gone.
        if self.release.steps.keys().any(beside::ends_the_way) {
            return Part::Continue(());
        }
        let mut todo = Todo::default();
        // What boots meanwhile must not start what is being taken back. Hosts wait for the first try and no longer: they
        // run what failed, and Parameter Store may be away.
        if self.release.begun(&Step::Reserve) && !self.release.keeps_the_new() {
            todo.add(self, Step::Unpublish);
            let state = self.release.steps.get(&Step::Unpublish);
            if state.is_none_or(|state| state.attempts <= 1 && state.last.is_none()) {
                return todo.or_go_on();
            }
        }
        let touched = || self.members().filter(|host| self.release.touched(&host.instance));
        let is_out = |host: &&HostPlan| path::is_out(self.release, host);
        let goes = |host: &HostPlan| self.next_step(host, Direction::Back).is_some();
        if touched().any(goes) {
            self.suspended_again(plan)?;
        }
        let mut out: Vec<&HostPlan> = touched().filter(is_out).collect();
        let mut passed_over = limits::SICK_ON_WAY_BACK;
        out.retain(|host| {
            // One that was sick before its turn says nothing against the version of before.
            let was_sick = self.release.rolled_next.contains(&host.instance) || self.is_known_sick(host);
            let passes = self.release.is_sick_on_its_way_back(host) && (was_sick || passed_over > 0);
            passed_over -= usize::from(passes && !was_sick);
            !passes
        });
        let mut order: Vec<&HostPlan> = touched().collect();
        order.sort_by_key(|host| (!is_out(host), self.is_known_sick(host)));
        for host in order {
            let Some(step) = self.next_step(host, Direction::Back) else {
                continue;
            };
            if !is_out(&host) {
                // One that the floor keeps in service takes nobody's place while it waits, or when it has waited in vain.
                let waits = match self.standing(&step) {
                    Standing::Again { at } => at > self.now,
                    Standing::Failed(_) => true,
                    _ => false,
                };
                if !waits && !may_join(plan, &out, host) {
                    continue;
                }
                out.extend(Some(host).filter(|_| !waits));
            }
            todo.add(self, step);
        }
        todo.or_go_on()
    }

    /// A host that is sick by itself takes its time to come back, or does not: it goes last.
    fn is_known_sick(&self, host: &HostPlan) -> bool {
        let wait = self.release.sick_wait.as_ref();
        wait.is_some_and(|wait| self.last_kept(wait).sick.contains(&host.instance))
    }

    /// No host is taken out while others may be replaced. Where that cannot be suspended again, going back is worth more than waiting.
    fn suspended_again(&self, plan: &Plan) -> Part {
        let let_replace = plan
            .groups
            .iter()
            .filter(|group| self.release.may_replace(&group.name));
        let again: Vec<Step> = let_replace
            .map(|group| Step::SuspendAgain {
                group: group.name.clone(),
            })
            .collect();
        self.try_all(&again, 1)
    }

    /// Whoever takes up a way back, or a roll that is being put back in order, asks once whose the fleet is now. No answer stops nothing: the lane is ours.
    fn lease_again(&self) -> Part {
        if !self.release.leased {
            return Part::Continue(());
        }
        match self.standing(&Step::TakeLease) {
            Standing::Fresh | Standing::Running => self.try_all(&[Step::TakeLease], 1),
            Standing::Done | Standing::Again { .. } | Standing::Failed(_) => Part::Continue(()),
        }
    }

    /// Everything that was changed beside the hosts; each part whatever became of the others.
    fn restore(&self, plan: &Plan) -> Part {
        let begun = |step: &Step| self.release.begun(step);
        let resume = each_group(plan, |group| Step::Suspend { group })
            .into_iter()
            .filter(begun)
            .filter_map(undo);
        let unsilence = std::iter::once(Step::Silence).filter(begun).filter_map(undo);
        let retire = self
            .members()
            .filter(|host| self.was_created(host) || self.release.begun(&create_before(host)))
            .map(|host| Step::Retire {
                instance: host.instance.clone(),
            });
        let limit = plan.definition.roll.pull_concurrency as usize;
        let (resume, unsilence): (Vec<Step>, Vec<Step>) = (resume.collect(), unsilence.collect());
        let unpublish = Some(Step::Unpublish).filter(begun);
        if self.any_running(|step| matches!(step, Step::SuspendAgain { .. })) {
            return Part::Break(Vec::new());
        }
        self.try_all(&resume, limit)?;
        // A rule whose end is being put off at the moment of its deletion would be made again.
        if self.standing(&Step::Renew) == Standing::Running {
            return Part::Break(Vec::new());
        }
        for steps in [unsilence.clone(), retire.collect(), vec![Step::Confirm]] {
            self.try_all(&steps, limit)?;
        }
        let undone: Vec<Step> = unpublish.into_iter().chain(resume).chain(unsilence).collect();
        self.unless_it_was_stale(&undone)?;
        let lease = Some(Step::GiveLeaseBack).filter(|_| self.release.leased);
        self.try_all(&lease.into_iter().collect::<Vec<_>>(), 1)
    }

    /// What is as it should be is believed at once. What is not is put back once more and looked at again: AWS may have answered
    /// with what was so a moment ago, and a call that nobody heard of in time may have come after what undid it.
    fn unless_it_was_stale(&self, undone: &[Step]) -> Part {
        let confirmed = self.release.steps.get(&Step::Confirm);
        let Some(confirmed) = confirmed.filter(|_| self.release.done(&Step::Confirm)) else {
            return Part::Continue(());
        };
        if self.release.looks_at_end >= limits::LOOKS_AT_END || !report::is_anything_left(self.release) {
            return Part::Continue(());
        }
        let at = after(confirmed.last_at, limits::LOOK_AT_END_AGAIN_MS);
        if at > self.now {
            return Part::Break(vec![Decision::WakeAt(at)]);
        }
        let again = undone.iter().filter(|step| self.release.done(step));
        let again = again.filter(|step| self.release.steps[step].last_at <= confirmed.last_at);
        let again: Vec<Decision> = again.map(|step| self.perform(step.clone())).collect();
        Part::Break(if !again.is_empty() {
            again
        } else {
            vec![self.perform(Step::Confirm)]
        })
    }

    /// Whether a container was created there, or may have been.
    fn was_created(&self, host: &HostPlan) -> bool {
        let creates = |step: &Step| {
            matches!(
                step,
                Step::Host {
                    phase: Phase::Create,
                    ..
                }
            )
        };
        path::steps(self.release, host, Direction::Forward)
            .filter(creates)
            .any(|create| self.release.begun(&create) || self.release.retried.contains(&host.instance))
    }

    /// The hosts that are still members.
    fn members(&self) -> impl Iterator<Item = &HostPlan> {
        self.release
            .hosts()
            .filter(|host| !self.release.gone.contains(&host.instance))
    }

    /// The first step of a host that has no good end yet; `None` when all have, or when it failed on the way back.
    fn next_step(&self, host: &HostPlan, direction: Direction) -> Option<Step> {
        path::steps(self.release, host, direction).find(|step| !self.release.done(step))
    }

    /// These steps, at most `limit` at once; when one fails for good, the roll turns back.
    fn must(&self, steps: &[Step], limit: usize) -> Part {
        self.or_turn_back(self.todo(steps, limit))
    }

    /// These steps, at most `limit` at once; one that fails for good is passed over, and the receipt names it.
    fn try_all(&self, steps: &[Step], limit: usize) -> Part {
        self.todo(steps, limit).or_go_on()
    }

    fn todo(&self, steps: &[Step], limit: usize) -> Todo {
        let mut todo = Todo::default();
        let running = steps
            .iter()
            .filter(|step| self.standing(step) == Standing::Running)
            .count();
        let mut room = limit.max(1).saturating_sub(running);
        for step in steps.iter().filter(|step| !self.release.done(step)) {
            let begins = !matches!(self.standing(step), Standing::Running | Standing::Failed(_));
            if begins && room == 0 {
                todo.waiting = true;
                continue;
            }
            room -= usize::from(begins);
            todo.add(self, step.clone());
        }
        todo
    }

    fn standing(&self, step: &Step) -> Standing<'_> {
        self.release.standing(step, self.now)
    }

    fn any_running(&self, which: impl Fn(&Step) -> bool) -> bool {
        self.release
            .steps
            .iter()
            .any(|(step, state)| state.last.is_none() && which(step))
    }

    fn or_turn_back(&self, todo: Todo) -> Part {
        let failed = todo.failed.clone().or_else(|| self.overdue(&todo));
        let Some((step, failure)) = failed else {
            return todo.or_go_on();
        };
        let attempts = self.release.steps.get(&step).map_or(0, |state| state.attempts);
        let may_try_again = self.may_try_again(&step);
        let cause = Cause {
            step,
            failure,
            attempts,
        };
        Part::Break(vec![Decision::Append(if may_try_again {
            Record::SetAside { cause }
        } else {
            Record::TurnedBack { cause }
        })])
    }

    /// Whether the failure of this step is within the failure budget. A canary's is not: it is there to fail for all.
    fn may_try_again(&self, step: &Step) -> bool {
        let (
            Some(plan),
            Step::Host {
                instance,
                direction: Direction::Forward,
                ..
            },
        ) = (&self.release.plan, step)
        else {
            return false;
        };
        let roll = &plan.definition.roll;
        let spent = self.release.set_aside.len() + self.release.retried.len();
        let of_canary = roll.canary.is_some() && !self.release.begun(&Step::Canary);
        let in_time = self.time_is_up().is_none_or(|at| self.now < at);
        spent < roll.failure_budget as usize
            && !self.release.retried.contains(instance)
            && !of_canary
            && in_time
    }

    /// Past `max_roll` nothing new is begun on the way forward.
    fn overdue(&self, todo: &Todo) -> Option<(Step, Failure)> {
        let at = self.time_is_up().filter(|at| *at <= self.now)?;
        let step = todo.next.clone()?;
        let what = format!("not begun or not done at {at}, when roll.max_roll was over");
        let hint = "raise roll.max_roll in the service's file, or let more hosts out at once";
        Some((step, Failure::new(what).with_hint(hint)))
    }

    /// When the way forward has to have come to its end. The wait for locks has a bound of its own.
    fn time_is_up(&self) -> Option<Timestamp> {
        let plan = self.release.plan.as_ref()?;
        let most_ms = plan.definition.roll.max_roll_ms + self.release.paused_in_all_ms(self.now);
        Some(after(self.release.locked_at?, most_ms))
    }

    fn turn_back(&self, step: Step, failure: Failure) -> Part {
        let attempts = self.release.steps.get(&step).map_or(0, |state| state.attempts);
        let cause = Cause {
            step,
            failure,
            attempts,
        };
        Part::Break(vec![Decision::Append(Record::TurnedBack { cause })])
    }

    fn perform(&self, step: Step) -> Decision {
        let mut deadline = after(self.now, limits::attempt_ms(&step, self.release));
        // Past max_roll the way back goes on, and so does putting back what is to be as before, with what is asked on them.
        let ended = self.release.steps.keys().any(beside::ends_the_way);
        let forward = self.release.turned_back.is_none() && !step.restores() && !ended;
        if let Some(at) = self.time_is_up().filter(|_| forward) {
            deadline = deadline.min(at);
        }
        if let (Step::AwaitHealthy, Some(wait)) = (&step, &self.release.sick_wait) {
            deadline = deadline.min(wait.until);
        }
        if let (true, Some(state)) = (limits::is_bounded_wait(&step), self.release.steps.get(&step)) {
            // A second attempt gets what the first has left of the service file's bound.
            deadline = deadline.min(after(
                state.patient_from,
                limits::patience_ms(&step, self.release),
            ));
        }
        Decision::Perform { step, deadline }
    }
}

/// The end of a release that touched nothing.
fn end(ended: Ended) -> Part {
    let ended = Box::new(ended);
    Part::Break(vec![Decision::Append(Record::Ended { ended })])
}

/// What is still to be done of a list of steps.
#[derive(Default)]
struct Todo {
    decisions: Vec<Decision>,
    waiting: bool,
    /// The first step that is to be begun, now or later.
    next: Option<Step>,
    failed: Option<(Step, Failure)>,
}

impl Todo {
    fn add(&mut self, agenda: &Agenda<'_>, step: Step) {
        let standing = agenda.standing(&step);
        if matches!(standing, Standing::Fresh | Standing::Again { .. }) {
            self.next.get_or_insert_with(|| step.clone());
        }
        match standing {
            Standing::Done => {}
            Standing::Running => self.waiting = true,
            Standing::Fresh => self.decisions.push(agenda.perform(step)),
            Standing::Again { at } if at <= agenda.now => self.decisions.push(agenda.perform(step)),
            Standing::Again { at } => self.decisions.push(Decision::WakeAt(at)),
            Standing::Failed(failure) => {
                let failure = failure.clone();
                self.failed.get_or_insert((step, failure));
            }
        }
    }

    fn or_go_on(self) -> Part {
        if self.decisions.is_empty() && !self.waiting {
            Part::Continue(())
        } else {
            Part::Break(self.decisions)
        }
    }
}

/// Whether one more host may be out beside these.
fn may_join(plan: &Plan, out: &[&HostPlan], host: &HostPlan) -> bool {
    let elsewhere = |other: &&HostPlan| other.zone != host.zone;
    let wrong_zone = plan.definition.roll.zone_by_zone && out.iter().any(elsewhere);
    out.len() < plan.at_once() as usize && !wrong_zone
}

fn each_group(plan: &Plan, step: impl Fn(String) -> Step) -> Vec<Step> {
    plan.groups
        .iter()
        .filter(|group| !group.suspend.is_empty())
        .map(|group| step(group.name.clone()))
        .collect()
}

fn create_before(host: &HostPlan) -> Step {
    Step::CreateBefore {
        instance: host.instance.clone(),
    }
}

/// The step that undoes another one.
fn undo(step: Step) -> Option<Step> {
    match step {
        Step::Suspend { group } => Some(Step::Resume { group }),
        Step::Silence => Some(Step::Unsilence),
        _ => None,
    }
}
