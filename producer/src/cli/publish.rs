//! Arguments of `publish`.

use std::time::Duration;

use clap::Args;
use drawgate_schemas::limits::{LONG_TEXT_CHARS, TEXT_CHARS};
use drawgate_schemas::{Environment, ImageReference, ReleaseId, Service, Text};

use crate::limits;
use crate::options::{BrokerArgs, Format, duration, seconds_of_an_hour};
use crate::request::Draft;

pub(super) const PUBLISH_EXAMPLES: &str = "\
Examples:
  In a CI job of a repository with a drawgate.toml:
    drawgate publish --wait

  A build job that has pushed an image, and is done:
    drawgate publish --environment staging --service search-api \\
      --image registry.example.com/search-api:4f2c91e

  The same, and the job is green only if the release is:
    drawgate publish --environment staging --service search-api \\
      --image registry.example.com/search-api:4f2c91e \\
      --revision 4f2c91e07ab2 --build-number 812 --requested-by ben --wait

  Follow it later, from anywhere:
    drawgate watch $(drawgate publish ...)

stdout has the release's id; with --wait, how it ended. stderr has the rest.";

/// The arguments of `publish`.
#[derive(Debug, Args)]
pub(crate) struct PublishArgs {
    /// Where to, e.g. staging; else as DRAWGATE_ENVIRONMENT says, else by the branch, as [routes] of drawgate.toml do
    #[arg(long, value_name = "NAME", help_heading = "Release")]
    pub(crate) environment: Option<Environment>,
    /// What, e.g. search-api; else drawgate.toml says it
    #[arg(long, value_name = "NAME", help_heading = "Release")]
    pub(crate) service: Option<Service>,
    /// Which version: REPOSITORY:TAG, or REPOSITORY@sha256:…; else drawgate.toml says it
    #[arg(long, value_name = "IMAGE", help_heading = "Release")]
    pub(crate) image: Option<ImageReference>,
    /// Another tag of the image
    #[arg(long, value_name = "TAG", help_heading = "Release")]
    pub(crate) tag: Option<String>,
    /// The commit that was built
    #[arg(long, value_name = "COMMIT", help_heading = "Release")]
    pub(crate) revision: Option<Text<TEXT_CHARS>>,
    /// The branch that was built
    #[arg(long, value_name = "BRANCH", help_heading = "Release")]
    pub(crate) branch: Option<Text<TEXT_CHARS>>,
    /// The build's place in the order of builds; a higher number is newer, one far above the last is refused
    #[arg(long, value_name = "NUMBER", help_heading = "Release")]
    pub(crate) sequence: Option<u64>,
    /// Who asks, for the people who watch
    #[arg(long, value_name = "PERSON", help_heading = "Release")]
    pub(crate) requested_by: Option<Text<TEXT_CHARS>>,
    /// Why, for the people who watch
    #[arg(long, value_name = "TEXT", help_heading = "Release")]
    pub(crate) reason: Option<Text<LONG_TEXT_CHARS>>,
    /// Release it although a later build waits or was released, although every host runs this image already, and (for those
    /// whom [orders] of worker.toml names) although its sequence leaps
    #[arg(long, help_heading = "Release")]
    pub(crate) force: bool,
    /// Past every freeze, window, approval and promotion, and why; for those whom [emergency] of worker.toml names
    #[arg(long, value_name = "WHY", help_heading = "Release")]
    pub(crate) emergency: Option<Text<LONG_TEXT_CHARS>>,
    /// Do not begin later than this from now (or from when the given --id was made), e.g. 2h
    #[arg(long, value_name = "DURATION", value_parser = duration, help_heading = "Release")]
    pub(crate) expires_in: Option<Duration>,
    /// The release's id, a UUID of version 7. The same command with the same id releases once
    #[arg(long, value_name = "UUID", help_heading = "Release")]
    pub(crate) id: Option<ReleaseId>,

    /// What built it, e.g. teamcity
    #[arg(long, value_name = "NAME", help_heading = "Build")]
    pub(crate) build_system: Option<Text<TEXT_CHARS>>,
    /// The build's number
    #[arg(long, value_name = "NUMBER", help_heading = "Build")]
    pub(crate) build_number: Option<Text<TEXT_CHARS>>,
    /// Where a person finds the build
    #[arg(long, value_name = "URL", help_heading = "Build")]
    pub(crate) build_url: Option<Text<LONG_TEXT_CHARS>>,

    /// At most this many hosts out at once
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..),
          help_heading = "More careful than the service's file")]
    pub(crate) max_unavailable: Option<u32>,
    /// How long a host must stay healthy before it counts, e.g. 30s
    #[arg(long, value_name = "DURATION", value_parser = seconds_of_an_hour,
          help_heading = "More careful than the service's file")]
    pub(crate) min_healthy_time: Option<u32>,
    /// Least time between deregistering and stopping, e.g. 10s
    #[arg(long, value_name = "DURATION", value_parser = seconds_of_an_hour,
          help_heading = "More careful than the service's file")]
    pub(crate) min_drain: Option<u32>,

    /// Follow the release to its end; the exit code says how it ended
    #[arg(long)]
    pub(crate) wait: bool,
    /// Show the message, and where each part came from; nothing is sent
    #[arg(long, conflicts_with = "wait")]
    pub(crate) dry_run: bool,
    /// Stop waiting after this long; the release goes on
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = limits::WAIT_TEXT, requires = "wait")]
    pub(crate) timeout: Duration,
    /// text: for people. json: one object, or with --wait one event a line
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,

    /// The broker.
    #[command(flatten)]
    pub(crate) broker: BrokerArgs,
}

impl From<PublishArgs> for Draft {
    fn from(args: PublishArgs) -> Self {
        Self {
            environment: args.environment,
            service: args.service,
            image: args.image,
            tag: args.tag,
            revision: args.revision,
            branch: args.branch,
            sequence: args.sequence,
            requested_by: args.requested_by,
            reason: args.reason,
            force: args.force,
            emergency: args.emergency,
            expires_in: args.expires_in,
            id: args.id,
            build_system: args.build_system,
            build_number: args.build_number,
            build_url: args.build_url,
            max_unavailable: args.max_unavailable,
            min_healthy_time_s: args.min_healthy_time,
            min_drain_s: args.min_drain,
        }
    }
}
