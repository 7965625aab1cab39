//! Control commands: pause, resume, cancel, approve, reject. Whether a release can take one, and what it
//! changes.
//!
//! ```text
//!   forward ---- pause: hosts that are out come back into service, then nothing ---- resume ---- forward
//!           `--- cancel, or a pause beyond max_pause ---- back, as after a failure
//! ```
//! During rollback, and once every host is through, a release takes no control command: a fleet must not be
//! left half-way.

use drawgate_schemas::{Control, ControlCommand};
use jiff::Timestamp;

use super::fold::Illegal;
use super::fold::Release;
use super::stage::Stage;
use crate::failure::Failure;
use crate::journal::{Entry, StepOutcome};
use crate::limits::{self, after, between_ms};

impl Release {
    /// Whether the release can take a control command now.
    ///
    /// # Errors
    /// Says why not, for the operator who gave it.
    pub fn accepts(&self, command: &ControlCommand) -> Result<(), String> {
        if let Some(ended) = &self.ended {
            return Err(format!("it has ended: {}", ended.outcome));
        }
        if self.commands.len() >= limits::CONTROL_COMMANDS {
            return Err(format!(
                "it has taken {} commands already",
                limits::CONTROL_COMMANDS
            ));
        }
        if let Some(rejected) = &self.rejected {
            return Err(format!("it was rejected by {} already", rejected.by));
        }
        if let Some(cancelled) = &self.cancelled {
            return Err(format!("it was cancelled by {} already", cancelled.by));
        }
        if self.is_rolling_back() {
            return Err("it is rolling back already, which nothing stops".to_owned());
        }
        if self.stage() == Stage::Restoring {
            return Err("every host is through, and scaling and alarms are just being put back".to_owned());
        }
        match (command.control, &self.paused) {
            (Control::Pause, Some((paused, _))) => Err(format!("it was paused by {} already", paused.by)),
            (Control::Resume, None) => Err("it is not paused".to_owned()),
            (Control::Approve | Control::Reject, _) => self.accepts_answer(command),
            _ => Ok(()),
        }
    }

    pub(crate) fn take_command(
        &mut self,
        id: &str,
        command: &ControlCommand,
        entry: &Entry,
    ) -> Result<(), Illegal> {
        let illegal = |why| Illegal { n: entry.n, why };
        self.accepts(command).map_err(illegal)?;
        if !self.commands.insert(id.to_owned()) {
            return Err(illegal(format!("control command {id} was taken before")));
        }
        match command.control {
            Control::Pause => self.paused = Some((command.clone(), entry.at)),
            Control::Resume => self.go_on(entry.at),
            Control::Cancel => self.cancelled = Some(command.clone()),
            Control::Approve => self.approved.push(command.clone()),
            Control::Reject => self.rejected = Some(command.clone()),
        }
        Ok(())
    }

    /// Ends a pause. Nothing was tried meanwhile, so that a step that had failed gets its whole patience
    /// anew, and a wait for sick hosts is longer by the pause.
    fn go_on(&mut self, at: Timestamp) {
        let Some((_, since)) = self.paused.take() else {
            return;
        };
        self.paused_ms += between_ms(since, at);
        if let Some(wait) = &mut self.sick_wait {
            wait.until = after(wait.until, between_ms(since, at));
        }
        if let Some(awaited_since) = &mut self.awaited_since {
            *awaited_since = after(*awaited_since, between_ms(since, at));
        }
        self.steps.change_all(|_, state| {
            let waits = matches!(
                state.last,
                Some(StepOutcome::Transient { .. } | StepOutcome::Unknown { .. })
            );
            if waits {
                state.patient_from = at;
            }
        });
    }

    /// When the pause becomes too long; `None` without a pause.
    pub fn paused_until(&self) -> Option<Timestamp> {
        let (_, since) = self.paused.as_ref()?;
        let most_ms = self.plan.as_ref().map_or(limits::MAX_PAUSE_DEFAULT_MS, |plan| {
            plan.definition.roll.max_pause_ms
        });
        Some(after(*since, most_ms))
    }

    /// How long the release has been paused since its first touch. Pauses do not count toward `max_roll`, and a
    /// pause before the roll does not make it longer.
    pub(crate) fn paused_in_roll_ms(&self, now: Timestamp) -> u64 {
        self.paused_in_all_ms(now).saturating_sub(self.paused_before_ms)
    }

    /// How long the release has been paused in all.
    pub(crate) fn paused_in_all_ms(&self, now: Timestamp) -> u64 {
        let current = self
            .paused
            .as_ref()
            .map_or(0, |(_, since)| between_ms(*since, now));
        self.paused_ms + current
    }
}

/// The failure that tells of a cancelled release.
pub(crate) fn cancelled(command: &ControlCommand) -> Failure {
    Failure::new(command.told())
}

/// The failure that tells of a release that nobody resumed.
pub(crate) fn paused_too_long(command: &ControlCommand, until: Timestamp) -> Failure {
    let what = format!(
        "paused by {} and not resumed until {until:.0}, when roll.max_pause was over",
        command.by
    );
    Failure::new(what)
        .with_hint("publish it again; roll.max_pause in the service's file is how long it may be paused")
}
