//! Control commands in virtual time.

use drawgate_rollout::Judged;
use drawgate_schemas::ControlCommand;

use super::{Halt, Sim};

impl Sim {
    /// Gives a control command. Says whether it was taken.
    pub(crate) fn give(&mut self, command: ControlCommand) -> Result<bool, Halt> {
        let before = self.release().commands.len();
        self.command(command)?;
        self.not_taken.clear();
        Ok(self.release().commands.len() > before)
    }

    pub(super) fn give_commands(&mut self) -> Result<(), Halt> {
        while let Some((at, _)) = self.commands.first() {
            if self.journal.len() < *at {
                break;
            }
            let (_, command) = self.commands.remove(0);
            self.command(command)?;
        }
        Ok(())
    }

    pub(super) fn command(&mut self, command: ControlCommand) -> Result<(), Halt> {
        self.waits = None;
        let id = format!("command {}", self.release().last_entry);
        match self.machine.judge(&id, command) {
            Judged::Take(record) => self.append(record),
            Judged::Refused(why) => {
                self.not_taken.push(why);
                Ok(())
            }
            Judged::Known => Ok(()),
        }
    }
}
