//! The command line: what a person or a build job may say.

mod gates;
mod replaying;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use drawgate_schemas::limits::{LONG_TEXT_CHARS, TEXT_CHARS};
use drawgate_schemas::{Digest, Environment, ImageReference, ReleaseId, Service, Text};
use jiff::SignedDuration;

use crate::env_vars::EnvVars;
use crate::limits;
use crate::origin::Order;

pub(crate) use gates::{ForgetSequenceArgs, FreezeArgs, PingArgs, PromoteArgs, ThawArgs};
pub(crate) use replaying::{
    ChosenArgs, DeadLetterCommand, DropArgs, ListArgs, ReplayArgs, ReplayLettersArgs, ShowLetterArgs,
};

const EXIT_CODES: &str = "\
Exit codes:
  0  succeeded                     5  broker or worker out of reach
  1  failed, service restored      6  gave up waiting; the release goes on
  2  wrong usage, nothing sent     7  cancelled
  3  rejected                      8  superseded by a newer release
  4  needs an operator";

const PUBLISH_EXAMPLES: &str = "\
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

const WATCH_EXAMPLES: &str = "\
Examples:
  drawgate watch 0193a5b1-7c2e-7d10-8a44-5c1f2e9b0d7c
  drawgate watch --format json ID | jq -r .event.type

Ctrl-C stops the watching, not the release.";

const STATUS_EXAMPLES: &str = "\
Examples:
  drawgate status
  drawgate status --environment production
  drawgate status --format json | jq 'select(.last.outcome == \"needs_operator\")'";

const ROLLBACK_EXAMPLES: &str = "\
Examples:
  drawgate rollback --environment production --service search-api --wait
  drawgate rollback --environment production --service search-api --to ID --yes

It is a release like any other, of that very digest: with approval, preflight, and a way back of its own.";

const SHOW_EXAMPLES: &str = "\
Examples:
  drawgate show 0193a5b1-7c2e-7d10-8a44-5c1f2e9b0d7c
  drawgate show --logs ID
  drawgate show --format json ID | jq .state";

const PAUSE_EXAMPLES: &str = "\
Examples:
  drawgate pause 0193a5b1-7c2e-7d10-8a44-5c1f2e9b0d7c --reason 'looking at the errors'
  drawgate resume ID

Paused for longer than roll.max_pause of the service's file, it goes back by itself.";

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  drawgate completions bash > /etc/bash_completion.d/drawgate
  drawgate completions zsh > \"${fpath[1]}/_drawgate\"";

const APPROVE_EXAMPLES: &str = "\
Examples:
  drawgate approve 0193a5b1-7c2e-7d10-8a44-5c1f2e9b0d7c
  drawgate reject ID --reason 'not before the holidays'

What is approved is the digest that is shown; whoever published a release does not approve it.
The service's file says who may, and how many have to: [environment.NAME] approval.";

const CANCEL_EXAMPLES: &str = "\
Examples:
  drawgate cancel 0193a5b1-7c2e-7d10-8a44-5c1f2e9b0d7c
  drawgate cancel ID --yes --reason 'wrong branch'; drawgate watch ID

Exit code 0 says that the order was taken; `drawgate watch ID` ends with 7 when all is as before.";

/// Publishes release messages and follows releases to their end.
#[derive(Debug, Parser)]
#[command(name = "drawgate", version, after_help = EXIT_CODES, max_term_width = 100)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Ask for a release: one version of one service on one environment's fleet.
    #[command(after_help = PUBLISH_EXAMPLES)]
    Publish(Box<PublishArgs>),
    /// Show every lane: what rolls, what waits, what ended last.
    #[command(after_help = STATUS_EXAMPLES)]
    Status(StatusArgs),
    /// Say what a release waits for, and what would end the wait.
    Why(WhyArgs),
    /// Show the releases of one service on one environment, the newest first.
    History(HistoryArgs),
    /// Release once more what a release asked for that did not succeed, under a new id.
    Retry(RetryArgs),
    /// Release a release once more that has ended, whatever its outcome, or publish a message from a file.
    #[command(after_help = replaying::REPLAY_EXAMPLES)]
    Replay(ReplayArgs),
    /// Look at the messages that were refused for good; replay them, as they are or repaired, or drop them.
    #[command(subcommand, after_help = replaying::DEAD_LETTERS_EXAMPLES)]
    DeadLetters(DeadLetterCommand),
    /// Release what ran before: the last version that succeeded before the one that runs, or that of a release you name.
    #[command(after_help = ROLLBACK_EXAMPLES)]
    Rollback(RollbackArgs),
    /// Follow a release to its end.
    #[command(after_help = WATCH_EXAMPLES)]
    Watch(WatchArgs),
    /// Show a release: its request, where it stands, what happened, and its receipt.
    #[command(after_help = SHOW_EXAMPLES)]
    Show(ShowArgs),
    /// Pause a release: hosts that are out come back into service, then nothing is done until it is resumed.
    #[command(after_help = PAUSE_EXAMPLES)]
    Pause(OrderArgs),
    /// Tell a paused release to go on.
    Resume(OrderArgs),
    /// Cancel a release: what it touched goes back to what it ran before.
    #[command(after_help = CANCEL_EXAMPLES)]
    Cancel(OrderArgs),
    /// Approve a release: you agree that this very image is released.
    #[command(after_help = APPROVE_EXAMPLES)]
    Approve(ApproveArgs),
    /// Reject a release that waits for approval: it ends before anything is touched.
    Reject(OrderArgs),
    /// Release in another environment what has succeeded in one.
    #[command(after_help = gates::PROMOTE_EXAMPLES)]
    Promote(PromoteArgs),
    /// Let no release begin for a while, in one environment or in all.
    #[command(after_help = gates::FREEZE_EXAMPLES)]
    Freeze(FreezeArgs),
    /// End a freeze before its time.
    Thaw(ThawArgs),
    /// Forget the build numbers of a service on an environment: its counter has started again.
    #[command(after_help = gates::FORGET_SEQUENCE_EXAMPLES)]
    ForgetSequence(ForgetSequenceArgs),
    /// Show which workers are there, and whether they are fit.
    Ping(PingArgs),
    /// Print a script that completes commands and options in a shell.
    #[command(after_help = COMPLETIONS_EXAMPLES)]
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
}

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
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = limits::WAIT, requires = "wait")]
    pub(crate) timeout: Duration,
    /// text: for people. json: one object, or with --wait one event a line
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,

    /// The broker.
    #[command(flatten)]
    pub(crate) broker: BrokerArgs,
}

/// The arguments of `watch`.
#[derive(Debug, Args)]
pub(crate) struct WatchArgs {
    /// The release's id
    #[arg(value_name = "ID")]
    pub(crate) release: ReleaseId,
    /// Stop watching after this long; the release goes on
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = limits::WAIT)]
    pub(crate) timeout: Duration,
    /// text: for people. json: one event a line
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
    /// The broker.
    #[command(flatten)]
    pub(crate) broker: BrokerArgs,
}

/// The arguments of `status`.
#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    /// Only lanes of this environment
    #[arg(long, value_name = "NAME")]
    pub(crate) environment: Option<Environment>,
    /// Only lanes of this service
    #[arg(long, value_name = "NAME")]
    pub(crate) service: Option<Service>,
    /// text: for people. json: one object per lane and line
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
    /// The broker.
    #[command(flatten)]
    pub(crate) broker: BrokerArgs,
}

/// The arguments of `why`.
#[derive(Debug, Args)]
pub(crate) struct WhyArgs {
    /// The release's id
    #[arg(value_name = "ID")]
    pub(crate) release: ReleaseId,
    /// text: for people. json: one object
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
    /// The broker.
    #[command(flatten)]
    pub(crate) broker: BrokerArgs,
}

/// Which lane.
#[derive(Debug, Args)]
pub(crate) struct LaneArgs {
    /// Where, e.g. staging
    #[arg(long, value_name = "NAME", env = EnvVars::ENVIRONMENT)]
    pub(crate) environment: Environment,
    /// What, e.g. search-api; else as drawgate.toml says
    #[arg(long, value_name = "NAME")]
    pub(crate) service: Option<Service>,
}

/// The arguments of `history`.
#[derive(Debug, Args)]
pub(crate) struct HistoryArgs {
    /// Which lane.
    #[command(flatten)]
    pub(crate) lane: LaneArgs,
    /// So many of them
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) limit: u32,
    /// text: for people. json: one object per release and line
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
    /// The broker.
    #[command(flatten)]
    pub(crate) broker: BrokerArgs,
}

/// The arguments of `retry`.
#[derive(Debug, Args)]
pub(crate) struct RetryArgs {
    /// The release that did not succeed
    #[arg(value_name = "ID")]
    pub(crate) release: ReleaseId,
    /// Why, for the people who watch
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<Text<LONG_TEXT_CHARS>>,
    /// Follow the release to its end; the exit code says how it ended
    #[arg(long)]
    pub(crate) wait: bool,
    /// text: for people. json: one object, or with --wait one event a line
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
    /// The broker.
    #[command(flatten)]
    pub(crate) broker: BrokerArgs,
}

/// The arguments of `rollback`.
#[derive(Debug, Args)]
pub(crate) struct RollbackArgs {
    /// Which lane.
    #[command(flatten)]
    pub(crate) lane: LaneArgs,
    /// A release that succeeded: what it released is released again
    #[arg(long, value_name = "ID")]
    pub(crate) to: Option<ReleaseId>,
    /// Why, for the people who watch
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<Text<LONG_TEXT_CHARS>>,
    /// Past every freeze, window and approval, and why; for those whom [emergency] of worker.toml names
    #[arg(long, value_name = "WHY")]
    pub(crate) emergency: Option<Text<LONG_TEXT_CHARS>>,
    /// Do not ask whether it is meant
    #[arg(long)]
    pub(crate) yes: bool,
    /// Follow the release to its end; the exit code says how it ended
    #[arg(long)]
    pub(crate) wait: bool,
    /// text: for people. json: one object, or with --wait one event a line
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
    /// The broker.
    #[command(flatten)]
    pub(crate) broker: BrokerArgs,
}

/// The arguments of `show`.
#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// The release's id
    #[arg(value_name = "ID")]
    pub(crate) release: ReleaseId,
    /// Add the last lines of containers that failed
    #[arg(long)]
    pub(crate) logs: bool,
    /// text: for people. json: one object
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
    /// The broker.
    #[command(flatten)]
    pub(crate) broker: BrokerArgs,
}

/// The arguments of `pause`, `resume`, `cancel` and `reject`.
#[derive(Debug, Args)]
pub(crate) struct OrderArgs {
    /// The release's id
    #[arg(value_name = "ID")]
    pub(crate) release: ReleaseId,
    /// Why, for the people who watch
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<Text<LONG_TEXT_CHARS>>,
    /// Do not ask whether it is meant
    #[arg(long)]
    pub(crate) yes: bool,
    /// text: for people. json: one object
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
    /// The broker.
    #[command(flatten)]
    pub(crate) broker: BrokerArgs,
}

/// The arguments of `approve`.
#[derive(Debug, Args)]
pub(crate) struct ApproveArgs {
    /// What every order takes.
    #[command(flatten)]
    pub(crate) order: OrderArgs,
    /// Only this digest; else the one that is shown
    #[arg(long, value_name = "sha256:…")]
    pub(crate) digest: Option<Digest>,
}

/// How to reach the broker.
#[derive(Debug, Clone, Args)]
pub(crate) struct BrokerArgs {
    /// amqp://USER:PASSWORD@HOST:PORT/VHOST, amqps:// for TLS; %2f is the default virtual host
    #[arg(long, value_name = "URL", env = EnvVars::AMQP_URL, hide_env_values = true, help_heading = "Broker")]
    pub(crate) amqp_url: Option<Secret>,
    /// A file with the password, in place of one in the address
    #[arg(long, value_name = "FILE", env = EnvVars::AMQP_PASSWORD_FILE, hide_env_values = true, help_heading = "Broker")]
    pub(crate) amqp_password_file: Option<PathBuf>,
    /// A file with certificates (PEM) to trust besides the system's
    #[arg(long, value_name = "FILE", env = EnvVars::AMQP_CA_FILE, hide_env_values = true, help_heading = "Broker")]
    pub(crate) amqp_ca_file: Option<PathBuf>,
    /// How long to try for the first connection
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = limits::CONNECT_LIMIT,
          help_heading = "Broker")]
    pub(crate) connect_timeout: Duration,
}

/// For people or for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// For programs; stable.
    Json,
}

/// Text that is never printed. It is taken as it is, so that no parser quotes it in a complaint.
#[derive(Clone)]
pub(crate) struct Secret(String);

impl Secret {
    /// The text.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

/// `90s`, `15m`, `2h`, `1h30m`.
fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "must be a duration, such as 90s, 15m, 2h or 1h30m".to_owned();
    let duration: SignedDuration = text.parse().map_err(|_| wrong())?;
    let duration = Duration::try_from(duration).map_err(|_| wrong())?;
    if duration.is_zero() || duration > limits::LONGEST_OPTION {
        return Err("must be more than nothing and at most 30 days".to_owned());
    }
    Ok(duration)
}

/// A duration in whole seconds, within the wire contract's bound.
fn seconds_of_an_hour(text: &str) -> Result<u32, String> {
    let duration = duration(text)?;
    if duration.subsec_nanos() != 0 || duration.as_secs() > 3600 {
        return Err("must be whole seconds, at most 1h".to_owned());
    }
    u32::try_from(duration.as_secs()).map_err(|error| error.to_string())
}

impl PublishArgs {
    /// As if nothing was said.
    pub(crate) fn of_nothing() -> Self {
        #[derive(Parser)]
        struct Nothing {
            #[command(flatten)]
            publish: PublishArgs,
        }
        // Every one of them may be left out.
        Nothing::parse_from(["drawgate"]).publish
    }

    /// The command that publishes the very same request again. No secret is in it: the broker's address stays in the
    /// environment.
    pub(crate) fn again(&self, order: &Order, id: ReleaseId) -> String {
        let mut words = vec!["drawgate".to_owned(), "publish".to_owned()];
        let mut option = |name: &str, value: Option<String>| {
            words.extend(value.map(|value| format!("{name} {}", quoted(&value))));
        };
        let seconds = |seconds: u32| format!("{seconds}s");
        option("--environment", Some(order.environment.to_string()));
        option("--service", Some(order.service.to_string()));
        option("--image", Some(order.image.to_string()));
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
        option("--min-healthy-time", self.min_healthy_time.map(seconds));
        option("--min-drain", self.min_drain.map(seconds));
        option("--id", Some(id.to_string()));
        if self.force {
            words.push("--force".to_owned());
        }
        if self.wait {
            words.push("--wait".to_owned());
        }
        words.join(" ")
    }
}

/// A word as a POSIX shell reads it back.
pub(crate) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+=,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;

    fn help(name: Option<&str>) -> String {
        let mut root = Cli::command().term_width(80);
        root.build();
        let command = match name {
            Some(name) => root.find_subcommand(name).unwrap().clone(),
            None => root,
        };
        command.term_width(80).render_long_help().to_string()
    }

    #[test]
    fn help_texts() {
        insta::assert_snapshot!("help", help(None));
        insta::assert_snapshot!("help_publish", help(Some("publish")));
        insta::assert_snapshot!("help_watch", help(Some("watch")));
        insta::assert_snapshot!("help_show", help(Some("show")));
        insta::assert_snapshot!("help_status", help(Some("status")));
        insta::assert_snapshot!("help_history", help(Some("history")));
        insta::assert_snapshot!("help_rollback", help(Some("rollback")));
        insta::assert_snapshot!("help_promote", help(Some("promote")));
        insta::assert_snapshot!("help_freeze", help(Some("freeze")));
        insta::assert_snapshot!("help_thaw", help(Some("thaw")));
        insta::assert_snapshot!("help_forget_sequence", help(Some("forget-sequence")));
        insta::assert_snapshot!("help_ping", help(Some("ping")));
        insta::assert_snapshot!("help_replay", help(Some("replay")));
        insta::assert_snapshot!("help_dead_letters", help(Some("dead-letters")));
        for name in ["list", "show", "replay", "drop"] {
            let mut root = Cli::command().term_width(80);
            root.build();
            let group = root.find_subcommand_mut("dead-letters").unwrap();
            let command = group.find_subcommand(name).unwrap().clone();
            let help = command.term_width(80).render_long_help().to_string();
            insta::assert_snapshot!(format!("help_dead_letters_{name}"), help);
        }
        insta::assert_snapshot!("help_pause", help(Some("pause")));
        insta::assert_snapshot!("help_cancel", help(Some("cancel")));
        insta::assert_snapshot!("help_approve", help(Some("approve")));
    }

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn completions_know_every_command() {
        let mut script = Vec::new();
        clap_complete::generate(
            clap_complete::Shell::Bash,
            &mut Cli::command(),
            "drawgate",
            &mut script,
        );
        let script = String::from_utf8(script).unwrap();
        for command in Cli::command().get_subcommands() {
            assert!(script.contains(command.get_name()), "{}", command.get_name());
        }
    }

    #[test]
    fn durations() {
        assert_eq!(duration("1h30m"), Ok(Duration::from_secs(5400)));
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        for wrong in ["", "0s", "-1s", "90", "31d", "1000h", "soon"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
        assert_eq!(seconds_of_an_hour("1h"), Ok(3600));
        assert!(seconds_of_an_hour("3601s").is_err());
        assert!(seconds_of_an_hour("1500ms").is_err());
    }

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
        let order = |args: &PublishArgs| Order {
            environment: args.environment.clone().unwrap(),
            service: args.service.clone().unwrap(),
            image: args.image.clone().unwrap(),
        };
        let args = publish(&words).unwrap();
        let again = args.again(&order(&args), id);
        let split = std::process::Command::new("sh")
            .args(["-c", &format!("set -- {again}; printf '%s\\n' \"$@\"")])
            .output()
            .unwrap();
        let split = String::from_utf8(split.stdout).unwrap();
        let args = match Cli::try_parse_from(split.lines()).unwrap().command {
            Command::Publish(args) => args,
            other => unreachable!("{other:?}"),
        };
        assert_eq!(args.again(&order(&args), id), again);
        assert_eq!(args.reason.unwrap().as_str(), "it's; $(late) 💧");
        assert_eq!(args.expires_in, Some(Duration::from_secs(5400)));
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
