//! The arguments of `drawgate publish`.

use std::time::Duration;

use clap::Args;
use drawgate_schemas::limits::{LONG_TEXT_CHARS, TEXT_CHARS};
use drawgate_schemas::{Environment, ImageReference, ReleaseId, Service, Text};

use crate::limits;
use crate::options::{BrokerArgs, Format, duration, seconds_of_an_hour};
use crate::request::Draft;

const EXAMPLES: &str = "\
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

/// Ask for a release: one version of one service on one environment's fleet.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
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

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};
    use crate::request::Selection;

    fn publish(words: &[&str]) -> Result<PublishArgs, clap::Error> {
        let start = [
            "drawgate",
            "publish",
            "--environment",
            "staging",
            "--service",
            "api",
        ];
        match Cli::try_parse_from(start.iter().chain(words).copied())?.command {
            Command::Publish(args) => Ok(*args),
            other => unreachable!("{other:?}"),
        }
    }

    #[test]
    fn the_command_printed_for_a_second_try_means_the_same() {
        let words = [
            "--image",
            "r.example.com/api:1",
            "--reason",
            "it's; $(late) 💧",
            "--expires-in",
            "1h30m",
            "--max-unavailable",
            "2",
            "--min-drain",
            "10s",
            "--build-url",
            "https://ci/b?x=1&y=2",
            "--wait",
        ];
        let id = "01936a5e-7c2e-7d10-8a44-5c1f2e9b0d7c".parse().unwrap();
        let command = |draft: &Draft, wait| {
            let selection = Selection {
                environment: draft.environment.clone().unwrap(),
                service: draft.service.clone().unwrap(),
                image: draft.image.clone().unwrap(),
            };
            draft.again(&selection, id, wait)
        };
        let args = publish(&words).unwrap();
        assert!(args.wait);
        let again = command(&Draft::from(args), true);
        let split = std::process::Command::new("sh")
            .args(["-c", &format!("set -- {again}; printf '%s\\n' \"$@\"")])
            .output()
            .unwrap();
        let split = String::from_utf8(split.stdout).unwrap();
        let args = match Cli::try_parse_from(split.lines()).unwrap().command {
            Command::Publish(args) => args,
            other => unreachable!("{other:?}"),
        };
        let wait = args.wait;
        let draft = Draft::from(*args);
        assert_eq!(command(&draft, wait), again);
        assert_eq!(draft.reason.unwrap().as_str(), "it's; $(late) 💧");
        assert_eq!(draft.expires_in, Some(Duration::from_secs(5400)));
    }

    #[test]
    fn a_wait_is_as_long_as_the_help_says() {
        assert_eq!(publish(&["--wait"]).unwrap().timeout, limits::WAIT);
    }

    #[test]
    fn a_wrong_argument_is_named_with_its_option() {
        let error = publish(&["--image", "api"]).unwrap_err().to_string();
        assert!(
            error.contains("--image") && error.contains("names no version"),
            "{error}"
        );
        let error = publish(&["--image", "api:1", "--timeout", "1h"])
            .unwrap_err()
            .to_string();
        assert!(error.contains("--wait"), "{error}");
    }

    #[test]
    fn no_complaint_quotes_the_address() {
        let args = publish(&["--image", "api:1", "--amqp-url", "nonsense://u:hidden@h"]).unwrap();
        assert!(!format!("{args:?}").contains("hidden"));
    }
}
