//! What a release leaves other than it should be, as data: what was found, what it should be, and the commands that mend it.

mod text;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

/// One thing that is not as it should be at the end of a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Leftover {
    /// The thing, with what was found of it and what it should be.
    #[serde(flatten)]
    pub what: LeftoverKind,
    /// The commands that mend it, or say more where a person has to decide, in their order. Each can be run again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub commands: Vec<Command>,
}

/// A command that mends a leftover, or says more of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Command {
    /// The instance on which it is run; absent where it runs on any machine that may call AWS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on: Option<String>,
    /// The command line for a shell.
    pub run: String,
}

/// A thing that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum LeftoverKind {
    /// A part of the fleet could not be looked at: it may be as it should be.
    Unseen {
        /// The part.
        part: Part,
        /// Why it could not be looked at, where that is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<String>,
    },
    /// Processes of an Auto Scaling group that the release suspended are suspended still.
    ProcessesSuspended {
        /// The group's name.
        group: String,
        /// The processes that should run.
        processes: Vec<String>,
    },
    /// An Auto Scaling group carries the release's suspension tag, which refuses the next release.
    SuspensionTag {
        /// The group's name.
        group: String,
    },
    /// Actions of an alarm that the release disabled are off still.
    AlarmActionsOff {
        /// The alarm's name.
        alarm: String,
    },
    /// An alarm acts again, and carries the release's tag still.
    SilencedTag {
        /// The alarm's name.
        alarm: String,
    },
    /// A mute rule of the release is there still.
    MuteRule {
        /// The rule's name.
        rule: String,
    },
    /// A target is in another state than before the release.
    Target {
        /// The target's id, as it was registered: an instance id or an address.
        id: String,
        /// The port it was registered with.
        port: u16,
        /// The target group's name.
        target_group: String,
        /// Its state, as the API writes it; `absent` where it is not registered, `not seen` where nobody knows.
        found: String,
        /// Its state before the release.
        expected: String,
    },
    /// A host runs another version than it should.
    Version {
        /// The EC2 instance's id.
        instance: String,
        /// The container's name; absent where programs of the service swap versions.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        container: Option<String>,
        /// The image, or what the service's program says that runs; absent where nothing runs or nothing could be told.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        found: Option<String>,
        /// What should run; absent where nothing ran before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expected: Option<String>,
    },
    /// A container serves, and would not start with its engine, because its restart policy is not what it was.
    RestartPolicy {
        /// The EC2 instance's id.
        instance: String,
        /// The container's name.
        container: String,
        /// The restart policy that it should have, as `docker update --restart` takes it.
        expected: String,
    },
    /// A host left the fleet while it was rolled, out of its target groups, and exists still or is back.
    LeftTheFleet {
        /// The EC2 instance's id.
        instance: String,
        /// Its state, in words.
        found: String,
    },
    /// An instance booted the version that was rolled back: nothing on it could be rolled back to.
    BootedTheFailed {
        /// The EC2 instance's id.
        instance: String,
        /// What a person calls the version it started.
        found: String,
    },
    /// An instance still boots, and may start the version that was rolled back.
    MayBootTheFailed {
        /// The EC2 instance's id.
        instance: String,
        /// Its life-cycle state, as Auto Scaling writes it.
        state: String,
        /// What a person calls the version it may start.
        version: String,
    },
    /// An instance joined the fleet, and was not rolled.
    JoinedUnrolled {
        /// The EC2 instance's id.
        instance: String,
        /// What it runs, as far as that was seen.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        found: Option<String>,
        /// What a person calls the version it should run.
        expected: String,
    },
    /// An instance joined the fleet and still boots: nobody knows what it will start.
    JoinedBooting {
        /// The EC2 instance's id.
        instance: String,
        /// Its life-cycle state, as Auto Scaling writes it.
        state: String,
        /// Why the worker stopped waiting for it.
        why: String,
        /// What a person calls the version it should run.
        expected: String,
    },
    /// The parameter of the desired version does not name this release: instances launched later start another version.
    DesiredNotPublished {
        /// The parameter's name.
        parameter: String,
        /// What a person calls the version that it names, where it names one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        found: Option<String>,
        /// What a person calls the version that it should name.
        expected: String,
    },
    /// The parameter of the desired version names this release, which was rolled back: instances launched later start it.
    DesiredNotRestored {
        /// The parameter's name.
        parameter: String,
        /// What a person calls the version that it should name; absent where the parameter should not exist.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expected: Option<String>,
    },
    /// `[before]` ran and cannot be undone, so that the roll stopped where it was: two versions serve.
    OneWay {
        /// The command line of `[before]`.
        command: String,
        /// What a person calls the new version.
        version: String,
        /// The instances that run it.
        on_new: Vec<String>,
        /// What ran before, as a person calls it.
        version_before: String,
        /// The instances that run that.
        on_old: Vec<String>,
    },
    /// Another worker, with another ledger, took the fleet: this one did nothing more to it.
    LostToAnother {
        /// Who has the fleet's lease, and since when.
        why: String,
        /// Instances that this release had touched until then.
        touched: Vec<String>,
    },
    /// A container of the release that serves nobody.
    UnusedContainer {
        /// The EC2 instance's id.
        instance: String,
        /// The container's name.
        container: String,
    },
    /// The containers of a host are between two versions, and the host is out of service.
    HalfSwapped {
        /// The EC2 instance's id.
        instance: String,
    },
    /// The doctor could not begin the recovery of a release.
    NotRecovered {
        /// Why.
        why: String,
    },
    /// A leftover that drawgate 0.2.0 or an earlier version described in words.
    Described {
        /// Its words, with the command in them.
        text: String,
    },
}

/// A part of a fleet that is looked at at the end of a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", content = "name", rename_all = "snake_case")]
pub enum Part {
    /// All of it.
    Fleet,
    /// An Auto Scaling group, by its name.
    Group(String),
    /// An EC2 instance, by its id.
    Host(String),
    /// The desired version, by the parameter's name.
    DesiredVersion(String),
}

impl Command {
    /// A command for any machine that may call AWS.
    pub fn anywhere(run: impl Into<String>) -> Self {
        Self {
            on: None,
            run: run.into(),
        }
    }

    /// A command for a shell on one instance.
    pub fn on(instance: &str, run: impl Into<String>) -> Self {
        Self {
            on: Some(instance.to_owned()),
            run: run.into(),
        }
    }
}

impl LeftoverKind {
    /// With the commands that mend it.
    #[must_use]
    pub fn mended_by(self, commands: Vec<Command>) -> Leftover {
        Leftover { what: self, commands }
    }

    /// With no command: its text says what to do.
    #[must_use]
    pub fn for_a_person(self) -> Leftover {
        self.mended_by(Vec::new())
    }

    /// The instance it is about, if it is about one.
    pub fn instance(&self) -> Option<&str> {
        match self {
            Self::Unseen {
                part: Part::Host(instance),
                ..
            }
            | Self::Version { instance, .. }
            | Self::RestartPolicy { instance, .. }
            | Self::LeftTheFleet { instance, .. }
            | Self::BootedTheFailed { instance, .. }
            | Self::MayBootTheFailed { instance, .. }
            | Self::JoinedUnrolled { instance, .. }
            | Self::JoinedBooting { instance, .. }
            | Self::UnusedContainer { instance, .. }
            | Self::HalfSwapped { instance } => Some(instance),
            Self::Target { id, .. } => Some(id),
            Self::Unseen { .. }
            | Self::ProcessesSuspended { .. }
            | Self::SuspensionTag { .. }
            | Self::AlarmActionsOff { .. }
            | Self::SilencedTag { .. }
            | Self::MuteRule { .. }
            | Self::DesiredNotPublished { .. }
            | Self::DesiredNotRestored { .. }
            | Self::OneWay { .. }
            | Self::LostToAnother { .. }
            | Self::NotRecovered { .. }
            | Self::Described { .. } => None,
        }
    }
}

impl From<String> for Leftover {
    fn from(text: String) -> Self {
        LeftoverKind::Described { text }.for_a_person()
    }
}

/// Leftovers or notes as they are written now, and as drawgate 0.2.0 wrote them: a line of text each.
pub(crate) fn of_any_version<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + From<String>,
{
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either<T> {
        Typed(T),
        Described(String),
    }
    let all = Vec::<Either<T>>::deserialize(deserializer)?;
    let typed = all.into_iter().map(|each| match each {
        Either::Typed(typed) => typed,
        Either::Described(text) => text.into(),
    });
    Ok(typed.collect())
}
