//! The rollback to the previous version.

use drawgate_schemas::Direction;

use super::attempts::Todo;
use super::hosts::{Member, may_join};
use super::{Agenda, Part};
use crate::fleet::{HostPlan, Plan};
use crate::journal::Step;
use crate::limits;
use crate::release::StepStatus;
use crate::release::roster::Ahead;

impl Agenda<'_> {
    /// The whole rollback. A step that fails for good stops no other: the receipt names what was not brought
    /// back.
    pub(super) fn roll_back(&self) -> Part {
        self.stop_what_nobody_needs()?;
        self.wait_for_running(|step| !step.restores())?;
        let Some(plan) = &self.release.plan else {
            // Without a plan nothing was touched: there is nothing to restore.
            return self.wait_for_running(|_| true);
        };
        self.ask_for_lease_again()?;
        self.unpublish_desired_version()?;
        self.suspend_scaling_again(plan)?;
        self.roll_hosts_back(plan)?;
        self.restore()
    }

    /// Restores the desired version first, because an instance that boots meanwhile must not start the
    /// version that is being rolled back. Hosts wait for the first attempt only: they run the failed version,
    /// and Parameter Store may be away.
    fn unpublish_desired_version(&self) -> Part {
        let state = self.release.steps.get(&Step::RestoreDesired);
        let is_first = state.is_none_or(|state| state.attempts <= 1 && state.last.is_none());
        match self.is_to_be_unpublished() && is_first {
            true => self.try_all(&[Step::RestoreDesired], 1),
            false => Part::Continue(()),
        }
    }

    fn is_to_be_unpublished(&self) -> bool {
        self.release.begun(&Step::ReserveDesired) && !self.release.desired_stays_on_new_version()
    }

    /// Suspends scaling again before a host is taken out, so that sick hosts are not replaced then. Where
    /// scaling cannot be suspended, the rollback goes on, because it is worth more than waiting.
    fn suspend_scaling_again(&self, plan: &Plan) -> Part {
        if self.touched().all(|(_, status)| status.back == Ahead::Nothing) {
            return Part::Continue(());
        }
        let mut again = plan.for_each_group(|group| Step::SuspendAgain { group });
        again.retain(|step| step.group().is_some_and(|group| self.release.may_replace(group)));
        self.try_all(&again, 1)
    }

    /// Rolls touched hosts back: those that are out first, then the others, at most `max_unavailable` out at
    /// once. A host that cannot go back stops no other that is out. Where few are lost so, they keep no other from
    /// going back either: the floor, which applies during rollback too, is reckoned without them.
    fn roll_hosts_back(&self, plan: &Plan) -> Part {
        let mut todo = Todo::default();
        if self.is_to_be_unpublished() {
            todo.add(self, Step::RestoreDesired);
        }
        let mut out = self.out_with_a_place();
        let at_once = plan.at_once() as usize;
        let goes = |(_, status): &Member<'_>| status.back != Ahead::Nothing;
        let mut hosts: Vec<Member<'_>> = self.touched().filter(goes).collect();
        let is_out = |(host, status): &Member<'_>| status.is_out && !self.is_kept_back(host);
        hosts.sort_by_key(|member| (!is_out(member), self.is_known_sick(member.0)));
        for (host, status) in hosts {
            let is_out = is_out(&(host, status));
            if status.back == Ahead::Fresh && !is_out && out.len() >= at_once {
                continue;
            }
            if status.back == Ahead::UnderWay && is_out {
                todo.wait();
                continue;
            }
            let Some(step) = self.next_step(host, Direction::Back) else {
                continue;
            };
            if !is_out {
                // A host that the floor keeps in service does not count as out while it waits, or when it has
                // waited in vain.
                let waits = match self.step_status(&step) {
                    StepStatus::Again { at } => at > self.now,
                    StepStatus::Failed(_) => true,
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

    /// Whether the floor keeps a host in service that was registered again when the rollback began. It serves with
    /// the failed version until another one serves, so that one must not wait for it.
    fn is_kept_back(&self, host: &HostPlan) -> bool {
        self.release.kept_in(&host.instance, Direction::Back).is_some()
    }

    fn touched(&self) -> impl Iterator<Item = Member<'_>> {
        self.release.members().filter(|(_, status)| status.is_touched)
    }

    /// The hosts that are out and count toward `max_unavailable`. A host that cannot go back does not count where it
    /// was sick before it was rolled, or where few cannot: neither says anything against the previous version.
    fn out_with_a_place(&self) -> Vec<&HostPlan> {
        let mut passed_over = limits::lost_during_rollback(self.release.hosts().count());
        let out = self.touched().filter(|(_, status)| status.is_out);
        let mut out: Vec<&HostPlan> = out.map(|(host, _)| host).collect();
        out.retain(|host| !self.is_kept_back(host));
        out.retain(|host| {
            let was_sick = self.release.rolled_next.contains(&host.instance) || self.is_known_sick(host);
            let passes =
                self.release.is_lost_on_its_rollback(host, self.now) && (was_sick || passed_over > 0);
            passed_over -= usize::from(passes && !was_sick);
            !passes
        });
        out
    }
}
