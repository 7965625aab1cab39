//! The roll forward, step by step.

use drawgate_schemas::limits::HOSTS;

use super::{Agenda, Part};
use crate::definition::{OnFailure, Swap};
use crate::failure::Failure;
use crate::fleet::Plan;
use crate::journal::Step;
use crate::limits;
use crate::release::StepStatus;

impl Agenda<'_> {
    /// The whole roll forward. A step that fails for good rolls the release back; a step that is done is
    /// passed over.
    pub(super) fn roll_forward(&self) -> Part {
        let Some(plan) = &self.release.plan else {
            return Part::Continue(());
        };
        self.unless_a_watch_failed()?;
        self.obey_control_commands()?;
        self.lock_joined()?;
        self.stage_images_and_take_lease(plan)?;
        self.prove_permissions(plan)?;
        self.reserve_desired_version(plan)?;
        self.run_before_hook(plan)?;
        self.suspend_scaling_and_silence_alarms(plan)?;
        self.roll_hosts(plan)?;
        self.publish_desired_version(plan)?;
        self.detect_joined(plan)?;
        self.bake(plan)?;
        self.run_after_hook(plan)?;
        self.restore()
    }

    /// Rolls the release back, as after any step, when a watch has failed: an alarm fired, or could not be read;
    /// or a host whose turn is over speaks against the version.
    fn unless_a_watch_failed(&self) -> Part {
        for watch in [Step::Watch, Step::WatchHosts] {
            if let StepStatus::Failed(_) = self.step_status(&watch) {
                return self.must(&[watch], 1);
            }
        }
        Part::Continue(())
    }

    /// Locks members that joined before anything is done to them.
    fn lock_joined(&self) -> Part {
        self.must(&[Step::Lock], 1)
    }

    /// Asks for the lease during the pulls, which touch nothing: so it costs no time.
    fn stage_images_and_take_lease(&self, plan: &Plan) -> Part {
        let limit = plan.definition.roll.pull_concurrency as usize;
        let stage = |instance: String| Step::Stage { instance };
        let stage: Vec<Step> = match &plan.definition.swap {
            Swap::Container(_) => self.next_on_hosts(limit, &self.release.turns().pull, stage),
            // The service's own programs fetch what they need.
            Swap::Command(_) => Vec::new(),
        };
        let mut todo = self.todo(&stage, limit);
        if plan.definition.lease_parameter.is_some() {
            todo.add(self, Step::TakeLease);
        }
        self.or_begin_rollback(todo)?;
        self.unless_leased_to_another()
    }

    pub(super) fn unless_leased_to_another(&self) -> Part {
        match &self.release.leased_to_another {
            Some(another) => self.begin_rollback(Step::TakeLease, another.clone()),
            None => Part::Continue(()),
        }
    }

    /// Tries what IAM could not say, once the fleet is this release's: another worker may be rolling it before.
    fn prove_permissions(&self, plan: &Plan) -> Part {
        match plan.permissions.to_try().next() {
            Some(_) => self.must(&[Step::ProvePermissions], 1),
            None => Part::Continue(()),
        }
    }

    /// Writes the parameter once before a host is touched, so that it is known whether the worker may write
    /// it at all.
    fn reserve_desired_version(&self, plan: &Plan) -> Part {
        self.must(
            &plan
                .desired
                .as_ref()
                .map_or(vec![], |_| vec![Step::ReserveDesired]),
            1,
        )
    }

    /// Runs `[before]` once per release, on one host, before scaling, alarms or hosts are touched.
    fn run_before_hook(&self, plan: &Plan) -> Part {
        let before = plan.definition.before.as_ref();
        let Some(instance) = before.and_then(|_| self.release.before_host()) else {
            return Part::Continue(());
        };
        let instance = instance.to_owned();
        self.must(
            &[Step::CreateBefore {
                instance: instance.clone(),
            }],
            1,
        )?;
        self.must(&[Step::RunBefore { instance }], 1)
    }

    /// Neither rests on the other, and no host is touched before both are done.
    fn suspend_scaling_and_silence_alarms(&self, plan: &Plan) -> Part {
        let mut todo = self.todo(&plan.for_each_group(|group| Step::Suspend { group }), 1);
        todo.add(self, Step::Silence);
        self.or_begin_rollback(todo)
    }

    /// From here on instances that boot start the new version by themselves.
    fn publish_desired_version(&self, plan: &Plan) -> Part {
        self.must(
            &plan
                .desired
                .as_ref()
                .map_or(vec![], |_| vec![Step::PublishDesired]),
            1,
        )
    }

    /// Waits for a member that joined as long as an instance takes to boot, and no longer. A good fleet stays
    /// as it is when that member does not come up, or could not be looked for: the receipt names it.
    fn detect_joined(&self, plan: &Plan) -> Part {
        if self.release.detections >= limits::DETECTIONS {
            let failure = Failure::new("members keep joining faster than they can be rolled");
            return self.begin_rollback(Step::DetectJoined, failure);
        }
        let given_up = matches!(self.step_status(&Step::DetectJoined), StepStatus::Failed(_));
        let enough = self.release.up_to_date.len() >= HOSTS;
        let passed_over = enough || (given_up && !self.release.was_refused(&Step::DetectJoined));
        if plan.definition.runs_on_bastion() || passed_over {
            return Part::Continue(());
        }
        self.must(&[Step::DetectJoined], 1)
    }

    /// Without a bake its last look is taken all the same, where there is anything to look at.
    fn bake(&self, plan: &Plan) -> Part {
        let is_watched = !plan.watched.is_empty() || self.release.watches_any_host();
        match is_watched || plan.definition.alarms.bake_ms > 0 {
            true => self.must(&[Step::Bake], 1),
            false => Part::Continue(()),
        }
    }

    /// `[after]` has the last word: its failure rolls the release back, unless the file has it only reported.
    fn run_after_hook(&self, plan: &Plan) -> Part {
        match plan.definition.after.as_ref().map(|after| after.on_failure) {
            None => Part::Continue(()),
            Some(OnFailure::RollBack) => self.must(&[Step::RunAfter], 1),
            Some(OnFailure::Report) => self.try_all(&[Step::RunAfter], 1),
        }
    }
}
