//! What a person should know of a release's end beside its leftovers, as data.

use std::fmt;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::leftover::Command;

/// One thing that a person should know of a release's end. Nothing of it makes the release a failure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Note {
    /// What it is.
    #[serde(flatten)]
    pub what: NoteKind,
    /// The command that makes up for it, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<Command>,
}

/// What a person should know of a release's end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum NoteKind {
    /// Preflight warned of something and let it pass; or drawgate 0.2.0 wrote the note, which had words only.
    Warning {
        /// The words.
        text: String,
    },
    /// Somebody suspended processes of a group while it was rolled: they stay suspended.
    SuspendedByOthers {
        /// The Auto Scaling group's name.
        group: String,
        /// The processes.
        processes: Vec<String>,
    },
    /// Somebody switched off the actions of alarms while the fleet was rolled: they stay off.
    AlarmsSwitchedOff {
        /// The alarms' names.
        alarms: Vec<String>,
    },
    /// Other releases silence these alarms still: they stay off until the last of those releases ends.
    AlarmsSilencedByOthers {
        /// The alarms' names.
        alarms: Vec<String>,
    },
    /// An instance joined after the last look for such, and runs another version.
    JoinedLate {
        /// The EC2 instance's id.
        instance: String,
        /// What it runs, as far as that was seen.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        found: Option<String>,
        /// What a person calls the version that the fleet runs.
        expected: String,
    },
    /// An instance joined after the last look for such, and still boots.
    JoinedLateBooting {
        /// The EC2 instance's id.
        instance: String,
        /// Its life-cycle state, as Auto Scaling writes it.
        state: String,
        /// What a person calls the version that the fleet runs.
        expected: String,
    },
    /// The fleet's lease could not be given back. A worker with another ledger would be refused.
    LeaseNotGivenBack {
        /// The parameter that is the lease.
        parameter: String,
    },
    /// A scheduled action of a group came due while the process that performs it was suspended.
    ScheduledActionMissed {
        /// The Auto Scaling group's name.
        group: String,
        /// The action's name.
        action: String,
        /// When it was due.
        at: Timestamp,
    },
}

impl NoteKind {
    /// Without a command.
    #[must_use]
    pub fn alone(self) -> Note {
        Note {
            what: self,
            command: None,
        }
    }

    /// With the command that makes up for it.
    #[must_use]
    pub fn with(self, command: Command) -> Note {
        Note {
            what: self,
            command: Some(command),
        }
    }
}

impl fmt::Display for NoteKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Warning { text } => f.write_str(text),
            Self::SuspendedByOthers { group, processes } => {
                let processes = processes.join(", ");
                write!(
                    f,
                    "{group}: {processes} suspended by somebody else meanwhile, left alone"
                )
            }
            Self::AlarmsSwitchedOff { alarms } => {
                let alarms = alarms.join(", ");
                write!(
                    f,
                    "alarm actions switched off by somebody else, and left so: {alarms}"
                )
            }
            Self::AlarmsSilencedByOthers { alarms } => {
                let alarms = alarms.join(", ");
                write!(
                    f,
                    "still silenced by other releases, and enabled when they end: {alarms}"
                )
            }
            Self::JoinedLate {
                instance,
                found,
                expected,
            } => {
                let runs = found.as_deref().unwrap_or("nothing that could be seen");
                write!(
                    f,
                    "{instance} joined when the others were through, and runs {runs}: publish {expected} again"
                )
            }
            Self::JoinedLateBooting {
                instance,
                state,
                expected,
            } => write!(
                f,
                "{instance} joined when the others were through, and is {state}: publish {expected} again when it is in \
                 service"
            ),
            Self::LeaseNotGivenBack { .. } => f.write_str("the fleet's lease could not be given back"),
            Self::ScheduledActionMissed { action, at, .. } => {
                write!(f, "scheduled action {action} of {at} was missed")
            }
        }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.command {
            Some(command) => write!(f, "{}: {command}", self.what),
            None => self.what.fmt(f),
        }
    }
}

impl From<String> for Note {
    fn from(text: String) -> Self {
        NoteKind::Warning { text }.alone()
    }
}
