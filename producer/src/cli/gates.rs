//! Arguments of `freeze`, `thaw`, `forget-sequence`, `promote` and `ping`.

use clap::Args;
use drawgate_schemas::limits::LONG_TEXT_CHARS;
use drawgate_schemas::{Environment, Service, Text};
use jiff::Timestamp;
use std::time::Duration;

use crate::options::{BrokerArgs, Format, LaneArgs, duration};

pub(super) const FREEZE_EXAMPLES: &str = "\
Examples:
  drawgate freeze --environment production --for 2h --reason 'db upgrade'
  drawgate freeze --until 2026-01-02T08:00:00Z --reason 'holidays' --yes
  drawgate thaw --environment production

Releases that roll already go on to their end; those that wait begin when the freeze is over.
A worker that is away does not hear of it: look at the names of those that answer.";

pub(super) const PROMOTE_EXAMPLES: &str = "\
Examples:
  In a repository with a drawgate.toml:
    drawgate promote --from staging --to production

  From anywhere:
    drawgate promote --from staging --to production --service search-api --wait

It is a release like any other, of that very digest. An environment whose file says requires = \"staging\"
takes nothing else.";

/// The arguments of `freeze`.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("end").required(true))]
pub(crate) struct FreezeArgs {
    /// Which environment; every one where absent
    #[arg(long, value_name = "NAME")]
    pub(crate) environment: Option<Environment>,
    /// For how long from now, e.g. 2h
    #[arg(long = "for", value_name = "DURATION", value_parser = duration, group = "end")]
    pub(crate) lasting: Option<Duration>,
    /// Until when, e.g. 2026-01-02T08:00:00Z
    #[arg(long, value_name = "TIME", group = "end")]
    pub(crate) until: Option<Timestamp>,
    /// Why, for the people whose releases wait
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Text<LONG_TEXT_CHARS>,
    /// Do not ask whether it is meant
    #[arg(long)]
    pub(crate) yes: bool,
    /// text: for people. json: one object per worker and line
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
    /// The broker.
    #[command(flatten)]
    pub(crate) broker: BrokerArgs,
}

/// The arguments of `thaw`.
#[derive(Debug, Args)]
pub(crate) struct ThawArgs {
    /// Of which environment; the freeze of every one where absent
    #[arg(long, value_name = "NAME")]
    pub(crate) environment: Option<Environment>,
    /// text: for people. json: one object per worker and line
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
    /// The broker.
    #[command(flatten)]
    pub(crate) broker: BrokerArgs,
}

pub(super) const FORGET_SEQUENCE_EXAMPLES: &str = "\
Examples:
  drawgate forget-sequence --environment production --service search-api \\
    --reason 'builds come from GitHub now, which counts from 1'

A CI's counter orders the runs of one workflow. Where that is renamed, made anew or moved to another CI, it
starts again, and every build would be superseded by those of before. Releases that have succeeded by now
supersede nobody any more; one that waits or rolls counts as before. It is told on the event bus and in chat,
and drawgate history shows it. [orders] in worker.toml says who may.";

/// The arguments of `forget-sequence`.
#[derive(Debug, Args)]
pub(crate) struct ForgetSequenceArgs {
    /// Which lane.
    #[command(flatten)]
    pub(crate) lane: LaneArgs,
    /// Why, for the people who release it
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Text<LONG_TEXT_CHARS>,
    /// text: for people. json: one object per worker and line
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
    /// The broker.
    #[command(flatten)]
    pub(crate) broker: BrokerArgs,
}

/// The arguments of `promote`.
#[derive(Debug, Args)]
pub(crate) struct PromoteArgs {
    /// What, e.g. search-api; else drawgate.toml says it
    #[arg(long, value_name = "NAME")]
    pub(crate) service: Option<Service>,
    /// Where it has succeeded, e.g. staging
    #[arg(long, value_name = "NAME")]
    pub(crate) from: Environment,
    /// Where it is to go, e.g. production
    #[arg(long, value_name = "NAME")]
    pub(crate) to: Environment,
    /// Release it although a later build waits or was released there, and although every host runs it already
    #[arg(long)]
    pub(crate) force: bool,
    /// Why, for the people who watch
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<Text<LONG_TEXT_CHARS>>,
    /// Past every freeze, window and approval, and why; for those whom [emergency] of worker.toml names
    #[arg(long, value_name = "WHY")]
    pub(crate) emergency: Option<Text<LONG_TEXT_CHARS>>,
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

/// The arguments of `ping`.
#[derive(Debug, Args)]
pub(crate) struct PingArgs {
    /// text: for people. json: one object per worker and line
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
    /// The broker.
    #[command(flatten)]
    pub(crate) broker: BrokerArgs,
}
