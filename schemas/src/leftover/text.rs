//! The words for a leftover and for its commands, as a person reads them.

use std::fmt;

use super::{Command, Leftover, LeftoverKind, Part};

impl fmt::Display for Leftover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.what.fmt(f)?;
        for (index, command) in self.commands.iter().enumerate() {
            write!(f, "{}{command}", if index == 0 { ": " } else { "; " })?;
        }
        Ok(())
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.on {
            Some(instance) => write!(f, "on {instance}: {}", self.run),
            None => f.write_str(&self.run),
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fleet => f.write_str("the fleet"),
            Self::Group(name) => write!(f, "group {name}"),
            Self::Host(instance) => f.write_str(instance),
            Self::DesiredVersion(parameter) => write!(f, "the desired version in {parameter}"),
        }
    }
}

impl fmt::Display for LeftoverKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let or_nothing = |what: &Option<String>| what.clone().unwrap_or_else(|| "nothing".to_owned());
        let ids = |ids: &[String]| match ids.is_empty() {
            true => "no host".to_owned(),
            false => ids.join(", "),
        };
        match self {
            Self::Unseen { part, why: None } => write!(f, "{part} could not be seen"),
            Self::Unseen { part, why: Some(why) } => write!(f, "{part} could not be seen: {why}"),
            Self::ProcessesSuspended { group, processes } => {
                write!(f, "{} of {group} still suspended", processes.join(", "))
            }
            Self::SuspensionTag { group } => {
                write!(
                    f,
                    "group {group} carries the suspension tag of this release, which refuses the next one"
                )
            }
            Self::AlarmActionsOff { alarm } => write!(f, "actions of alarm {alarm} are not on"),
            Self::SilencedTag { alarm } => write!(f, "alarm {alarm} carries the tag of this release"),
            Self::MuteRule { rule } => write!(f, "mute rule {rule} is there still"),
            Self::Target {
                id,
                port,
                target_group,
                found,
                expected,
            } => {
                write!(
                    f,
                    "{id}:{port} is {found} in {target_group}, before it was {expected}"
                )
            }
            Self::Version {
                instance,
                container,
                found,
                expected,
            } => {
                let name = container
                    .as_ref()
                    .map_or(String::new(), |name| format!(" as {name}"));
                write!(
                    f,
                    "{instance} runs {}{name}, not {}",
                    or_nothing(found),
                    or_nothing(expected)
                )
            }
            Self::RestartPolicy {
                instance,
                container,
                expected,
            } => write!(
                f,
                "{instance}: {container} would not start with its engine, its restart policy was {expected}"
            ),
            Self::LeftTheFleet { instance, found } => write!(
                f,
                "{instance} left the fleet in mid-roll and is {found}: see which version it runs, and register it again"
            ),
            Self::BootedTheFailed { instance, found } => write!(
                f,
                "{instance} started {found} when it booted, and has nothing to be rolled back to; Auto Scaling launches \
                 another one"
            ),
            Self::MayBootTheFailed {
                instance,
                state,
                version,
            } => write!(
                f,
                "{instance} is {state}, and may start {version}: see what it starts, and terminate it if it is that"
            ),
            Self::JoinedUnrolled {
                instance,
                found,
                expected,
            } => {
                let runs = found.as_deref().unwrap_or("nothing that could be seen");
                write!(
                    f,
                    "{instance} joined, was not rolled, and runs {runs}: publish {expected} again"
                )
            }
            Self::JoinedBooting {
                instance,
                state,
                why,
                expected,
            } => write!(
                f,
                "{instance} joined and is still {state}, nobody knows what it will start ({why}): publish {expected} again \
                 when it is in service"
            ),
            Self::DesiredNotPublished {
                parameter, expected, ..
            } => write!(
                f,
                "{parameter} does not name {expected}, so that instances launched later start another version: publish it \
                 again"
            ),
            Self::DesiredNotRestored { parameter, .. } => {
                write!(
                    f,
                    "{parameter} names this release still, and instances launched later start it"
                )
            }
            Self::OneWay {
                command,
                version,
                on_new,
                version_before,
                on_old,
            } => write!(
                f,
                "[before] ({command}) ran and is not reversible, so that nothing was rolled back: on {version}: {}; on \
                 {version_before}: {}; publish a version that works, or the old one if it works with what [before] did",
                ids(on_new),
                ids(on_old),
            ),
            Self::LostToAnother { why, touched } => {
                let touched = match touched.is_empty() {
                    true => "no host had been touched".to_owned(),
                    false => format!("until then touched: {}", touched.join(", ")),
                };
                write!(
                    f,
                    "{why}: from then on this worker did nothing more to the fleet; {touched}; see with `drawgate-worker \
                     plan` how it is when the other has ended"
                )
            }
            Self::UnusedContainer { instance, container } => {
                write!(f, "{instance}: the container {container} serves nobody")
            }
            Self::HalfSwapped { instance } => {
                write!(f, "{instance}: its containers are between two versions")
            }
            Self::NotRecovered { why } => write!(f, "nothing of it was done: {why}"),
            Self::Described { text } => f.write_str(text),
        }
    }
}
