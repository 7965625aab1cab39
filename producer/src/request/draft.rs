//! What a request is made of, before it is whole: from the command line, or from a release before.

use std::time::Duration;

use drawgate_schemas::limits::{LONG_TEXT_CHARS, TEXT_CHARS};
use drawgate_schemas::{Environment, ImageReference, ReleaseId, Service, Text};

use super::shell::quoted;

/// What is released, and where to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Selection {
    /// Where to.
    pub(crate) environment: Environment,
    /// What.
    pub(crate) service: Service,
    /// Which version.
    pub(crate) image: ImageReference,
}

/// Everything that can be said of a request. What is left open is filled in from the repository and the CI, or stays away.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Draft {
    /// Where to.
    pub(crate) environment: Option<Environment>,
    /// What.
    pub(crate) service: Option<Service>,
    /// Which version.
    pub(crate) image: Option<ImageReference>,
    /// Another tag of the image.
    pub(crate) tag: Option<String>,
    /// The commit that was built.
    pub(crate) revision: Option<Text<TEXT_CHARS>>,
    /// The branch that was built.
    pub(crate) branch: Option<Text<TEXT_CHARS>>,
    /// The build's place in the order of builds.
    pub(crate) sequence: Option<u64>,
    /// Who asks.
    pub(crate) requested_by: Option<Text<TEXT_CHARS>>,
    /// Why it is asked for.
    pub(crate) reason: Option<Text<LONG_TEXT_CHARS>>,
    /// Released although a later build waits or was released.
    pub(crate) force: bool,
    /// Why it passes every gate, where it does.
    pub(crate) emergency: Option<Text<LONG_TEXT_CHARS>>,
    /// The time until it is not begun any more, from when its id was made.
    pub(crate) expires_in: Option<Duration>,
    /// The release's id; a new one where it is left open.
    pub(crate) id: Option<ReleaseId>,
    /// What built it.
    pub(crate) build_system: Option<Text<TEXT_CHARS>>,
    /// The build's number.
    pub(crate) build_number: Option<Text<TEXT_CHARS>>,
    /// Where a person finds the build.
    pub(crate) build_url: Option<Text<LONG_TEXT_CHARS>>,
    /// Hosts out at once, at most.
    pub(crate) max_unavailable: Option<u32>,
    /// How long a host must stay healthy before it counts.
    pub(crate) min_healthy_time_s: Option<u32>,
    /// Least time between deregistering and stopping.
    pub(crate) min_drain_s: Option<u32>,
}

impl Draft {
    /// The command that publishes the very same request again. No secret is in it: the broker's address stays in the
    /// environment.
    pub(crate) fn again(&self, selection: &Selection, id: ReleaseId, wait: bool) -> String {
        let mut words = vec!["drawgate".to_owned(), "publish".to_owned()];
        let mut option = |name: &str, value: Option<String>| {
            words.extend(value.map(|value| format!("{name} {}", quoted(&value))));
        };
        let seconds = |seconds: u32| format!("{seconds}s");
        option("--environment", Some(selection.environment.to_string()));
        option("--service", Some(selection.service.to_string()));
        option("--image", Some(selection.image.to_string()));
        option("--revision", self.revision.as_ref().map(ToString::to_string));
        option("--branch", self.branch.as_ref().map(ToString::to_string));
        option("--sequence", self.sequence.map(|number| number.to_string()));
        option(
            "--build-system",
            self.build_system.as_ref().map(ToString::to_string),
        );
        option(
            "--build-number",
            self.build_number.as_ref().map(ToString::to_string),
        );
        option("--build-url", self.build_url.as_ref().map(ToString::to_string));
        option(
            "--requested-by",
            self.requested_by.as_ref().map(ToString::to_string),
        );
        option("--reason", self.reason.as_ref().map(ToString::to_string));
        option("--emergency", self.emergency.as_ref().map(ToString::to_string));
        let expires_in = self.expires_in.map(|time| format!("{}ms", time.as_millis()));
        option("--expires-in", expires_in);
        option("--max-unavailable", self.max_unavailable.map(|n| n.to_string()));
        option("--min-healthy-time", self.min_healthy_time_s.map(seconds));
        option("--min-drain", self.min_drain_s.map(seconds));
        option("--id", Some(id.to_string()));
        if self.force {
            words.push("--force".to_owned());
        }
        if wait {
            words.push("--wait".to_owned());
        }
        words.join(" ")
    }
}
