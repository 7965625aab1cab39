//! The parts of a request before it is whole: from the command line, or from an earlier release.

use std::time::Duration;

use drawgate_schemas::limits::{LONG_TEXT_CHARS, TEXT_CHARS};
use drawgate_schemas::{Environment, ImageReference, ReleaseId, Service, Text};

use super::shell::quoted;

/// The target and the image of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Selection {
    pub(crate) environment: Environment,
    pub(crate) service: Service,
    pub(crate) image: ImageReference,
}

/// Every part of a request. An open part is filled in from the repository and the CI, or stays absent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Draft {
    pub(crate) environment: Option<Environment>,
    pub(crate) service: Option<Service>,
    pub(crate) image: Option<ImageReference>,
    /// Another tag for the image.
    pub(crate) tag: Option<String>,
    /// The commit that was built.
    pub(crate) revision: Option<Text<TEXT_CHARS>>,
    /// The branch that was built.
    pub(crate) branch: Option<Text<TEXT_CHARS>>,
    /// The build's place in the order of builds.
    pub(crate) sequence: Option<u64>,
    pub(crate) requested_by: Option<Text<TEXT_CHARS>>,
    /// Why the release is asked for.
    pub(crate) reason: Option<Text<LONG_TEXT_CHARS>>,
    /// Whether the release may go although a later build waits or was released.
    pub(crate) force: bool,
    /// Why the release passes every gate; absent where it does not.
    pub(crate) emergency: Option<Text<LONG_TEXT_CHARS>>,
    /// How long the release may wait to begin, counted from the time in its id.
    pub(crate) expires_in: Option<Duration>,
    /// The release's id; a new one is made where this is open.
    pub(crate) id: Option<ReleaseId>,
    /// The CI that ran the build.
    pub(crate) build_system: Option<Text<TEXT_CHARS>>,
    /// The build's number.
    pub(crate) build_number: Option<Text<TEXT_CHARS>>,
    /// Address at which a person finds the build.
    pub(crate) build_url: Option<Text<LONG_TEXT_CHARS>>,
    /// Most hosts that may be out at once.
    pub(crate) max_unavailable: Option<u32>,
    /// Seconds for which a host must stay healthy before it counts.
    pub(crate) min_healthy_time_s: Option<u32>,
    /// Least seconds between deregistering a host and stopping its container.
    pub(crate) min_drain_s: Option<u32>,
}

impl Draft {
    /// The command that publishes exactly this request again. It has no secret: the broker's address stays in
    /// the environment.
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
