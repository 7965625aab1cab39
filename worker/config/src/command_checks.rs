//! Checks that the other sections of a service file fit its `[command]`: nothing there is silently ignored.

use std::ops::Range;

use drawgate_rollout::definition::{Place, Probe, RollPolicy};

use super::command_section::Command;
use super::error::Problems;
use super::hooks_section::After;
use super::placeholders::Template;
use super::reader::Located;
use super::roll_section::Roll;
use super::verify_section::Verify;

/// The other sections of the file.
pub(super) struct Beside<'a> {
    pub(super) roll: Option<(Range<usize>, &'a Roll)>,
    pub(super) verify: &'a Verify,
    pub(super) wanted: Option<&'a Located<Template>>,
    pub(super) before: bool,
    pub(super) after: Option<&'a After>,
}

impl Beside<'_> {
    /// Notes a mistake for each section or key that does not fit these programs.
    pub(super) fn fit(&self, command: &Command, problems: &mut Problems<'_>) {
        let here = command.place_span.clone();
        if let Some(wanted) = self.wanted {
            let hint = "remove it: new instances have to start the right version by themselves, or are rolled when they join";
            problems
                .error(
                    wanted.span.clone(),
                    "`wanted_parameter` is for services that are a container",
                )
                .hint(hint);
        }
        if self.before {
            let hint = "let `deploy` do it, or run it in the CI job before `drawgate publish`";
            problems
                .error(
                    here.clone(),
                    "[before] runs in a container of the release's image, and [command] has none",
                )
                .hint(hint);
        }
        if self
            .after
            .is_some_and(|after| matches!(after.place(), Place::Container { .. }))
        {
            let hint = "write run_on = \"worker\" in [after]";
            problems
                .error(
                    here.clone(),
                    "[after] in a container runs beside the service's own, and [command] has none",
                )
                .hint(hint);
        }
        let probe = &self.verify.value.probe;
        if *probe == Probe::Healthcheck {
            let hint = "write command = [\"./check.sh\", \"{expected}\"]";
            problems
                .error(
                    self.verify.span.clone(),
                    "a HEALTHCHECK is a container's, and [command] has none",
                )
                .hint(hint);
        }
        if command.runs_on_bastion() {
            self.fit_on_bastion(problems);
        }
    }

    fn fit_on_bastion(&self, problems: &mut Problems<'_>) {
        if matches!(self.verify.value.probe, Probe::Http { .. }) {
            let hint = "write command = [\"curl\", \"--fail\", \"--silent\", \"https://…\"]";
            problems
                .error(
                    self.verify.span.clone(),
                    "`http` asks each host, and with run_on = \"worker\" there is none",
                )
                .hint(hint);
        }
        let Some((span, roll)) = &self.roll else { return };
        let said = RollPolicy {
            max_roll_ms: Roll::default().policy.max_roll_ms,
            max_pause_ms: Roll::default().policy.max_pause_ms,
            ..roll.policy.clone()
        };
        if said != Roll::default().policy {
            let hint = "keep only max_roll and max_pause; how many at once, and for how long, is for the cluster's own settings to say";
            problems
                .error(
                    span.clone(),
                    "[roll] is about hosts, and with run_on = \"worker\" there is none",
                )
                .hint(hint);
        }
    }
}
