//! The command line of the worker.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use drawgate_config::{duration_ms, env_vars};
use drawgate_worker::commands::doctor::DoctorArguments;
use drawgate_worker::commands::plan::PlanArguments;
use drawgate_worker::commands::rehearse::RehearseArguments;
use drawgate_worker::commands::{self, CommandError};
use drawgate_worker::{Causes, program};
use tracing_subscriber::EnvFilter;

/// Rolls fleets: consumes release messages and does what they ask, host by host.
#[derive(Parser)]
#[command(name = "drawgate-worker", version, max_term_width = 100)]
struct Cli {
    /// The worker's configuration; service files are read from `services/` beside it.
    #[arg(long, global = true, env = env_vars::DRAWGATE_CONFIG, default_value = "/etc/drawgate/worker.toml")]
    config: PathBuf,
    /// How logs are written, on stderr.
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Copy, ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

/// How data is written, on stdout.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

#[derive(Subcommand)]
enum Command {
    /// Consume release messages and roll, until SIGTERM.
    Run {
        /// Leave posting to chat to another process (`drawgate-worker notify`).
        #[arg(long)]
        without_chat: bool,
    },
    /// Post to chat what the event bus tells, until SIGTERM.
    Notify,
    /// Show what a release would do. Reads only.
    #[command(
        after_help = "Example:\n  drawgate-worker plan --environment staging --service search-api \\\n    \
                            --image registry.example.com/search-api:4f2c91e"
    )]
    Plan {
        /// Where to.
        #[arg(long)]
        environment: String,
        /// What.
        #[arg(long)]
        service: String,
        /// Which version.
        #[arg(long)]
        image: String,
        /// How the plan is written.
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Roll a simulated copy of a fleet, in virtual time: how long it takes, and what happens when. Touches nothing.
    #[command(
        after_help = "Example, without an account anywhere:\n  drawgate-worker --config infra/examples/worker.toml rehearse \\\n    \
                            --environment staging --service ingest \\\n    \
                            --snapshot infra/examples/fleet.json --fail i-000af15db55187ed0"
    )]
    Rehearse {
        /// Where to.
        #[arg(long)]
        environment: String,
        /// What.
        #[arg(long)]
        service: String,
        /// Which version; without one, some other than what runs.
        #[arg(long)]
        image: Option<String>,
        /// The fleet, or what `plan --format json` printed of it; without one, it is looked at. Reads only.
        #[arg(long, value_name = "FILE")]
        snapshot: Option<PathBuf>,
        /// An instance on which the new version does not pass its verification. Can be given again.
        #[arg(long, value_name = "INSTANCE")]
        fail: Vec<String>,
        /// When the worker is killed, from the acceptance on: "2m 30s". Can be given again.
        #[arg(long, value_name = "TIME", value_parser = duration_ms)]
        crash_at: Vec<u64>,
        /// Search every way that the roll can go when one thing comes between.
        #[arg(long, conflicts_with_all = ["fail", "crash_at"])]
        explore: bool,
        /// Seed of the runs by chance, which a search of a larger fleet is made of.
        #[arg(long, requires = "explore", default_value_t = 1)]
        seed: u64,
        /// How the rehearsal is written.
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Find what releases have left behind whose worker is gone, from what they marked it with. Reads only, without --fix.
    #[command(
        after_help = "Example, on a new bastion, when the old one is gone for good:\n  drawgate-worker doctor --fix --evict bastion-a"
    )]
    Doctor {
        /// Where; every environment that the files name, if not given.
        #[arg(long)]
        environment: Option<String>,
        /// What; every service, if not given.
        #[arg(long)]
        service: Option<String>,
        /// Lead each lost release back, as a release of this ledger.
        #[arg(long)]
        fix: bool,
        /// A worker with another ledger that is gone for good: its leases are taken away.
        #[arg(long, value_name = "WORKER", requires = "fix")]
        evict: Option<String>,
        /// A release that nothing else says is one of this service's. Can be given again.
        #[arg(long, value_name = "RELEASE", requires = "service")]
        release: Vec<String>,
        /// How the findings are written.
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Run a program until it or standard input ends. The worker supervises its own programs by it.
    #[command(hide = true)]
    Supervise {
        /// A file to be locked while it runs.
        #[arg(long)]
        lock: Option<PathBuf>,
        /// Program and arguments.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
        words: Vec<String>,
    },
    /// Check the configuration; every mistake with its file, line and fix.
    Check {
        /// How the findings are written.
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
}

/// Parses, runs, and says once what went wrong.
pub(crate) async fn main() -> ExitCode {
    let cli = Cli::parse();
    start_log(cli.log_format);
    let done = match cli.command {
        Command::Run { without_chat } => commands::run::run(&cli.config, !without_chat).await,
        Command::Notify => commands::notify::notify(&cli.config).await,
        Command::Plan {
            environment,
            service,
            image,
            format,
        } => {
            let arguments = PlanArguments {
                environment,
                service,
                image,
                json: format == Format::Json,
            };
            commands::plan::plan(&cli.config, arguments).await
        }
        Command::Rehearse {
            environment,
            service,
            image,
            snapshot,
            fail,
            crash_at,
            explore,
            seed,
            format,
        } => {
            let arguments = RehearseArguments {
                environment,
                service,
                image,
                snapshot,
                fails: fail,
                crashes_ms: crash_at,
                explore: explore.then_some(seed),
                json: format == Format::Json,
            };
            commands::rehearse::rehearse(&cli.config, arguments).await
        }
        Command::Doctor {
            environment,
            service,
            fix,
            evict,
            release,
            format,
        } => {
            let arguments = DoctorArguments {
                environment,
                service,
                fix,
                evict,
                releases: release,
                json: format == Format::Json,
            };
            commands::doctor::doctor(&cli.config, arguments).await
        }
        Command::Supervise { lock, words } => Ok(supervise(&words, lock.as_deref())),
        Command::Check { format } => commands::check::check(&cli.config, format == Format::Json),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            say(&error);
            ExitCode::from(error.exit_code())
        }
    }
}

#[expect(
    clippy::print_stderr,
    reason = "the one place where the command line says what went wrong"
)]
fn say(error: &CommandError) {
    eprintln!("error: {}", Causes(error));
    if let Some(hint) = error.hint() {
        eprintln!("hint: {hint}");
    }
}

#[expect(clippy::print_stderr, reason = "what the program prints goes here too")]
fn supervise(words: &[String], lock: Option<&Path>) -> ExitCode {
    program::supervise(words, lock).unwrap_or_else(|(error, code)| {
        let name = words.first().map_or("", String::as_str);
        eprintln!("{name} could not be started: {}", Causes(&error));
        code
    })
}

#[expect(clippy::print_stderr, reason = "there is no log yet")]
pub(crate) fn no_runtime(error: &std::io::Error) -> ExitCode {
    eprintln!("error: threads cannot be started: {}", Causes(error));
    ExitCode::FAILURE
}

/// hyper and bollard write whole requests, with credentials in them, at `debug`: they are never let below `info`,
/// whatever is asked for.
fn start_log(format: LogFormat) {
    let asked = std::env::var(env_vars::DRAWGATE_LOG).unwrap_or_else(|_| "info".to_owned());
    let mut filter = EnvFilter::try_new(&asked).unwrap_or_else(|_| EnvFilter::new("info"));
    for quiet in [
        "hyper=info",
        "hyper_util=info",
        "bollard=info",
        "h2=info",
        "aws_smithy_runtime=info",
    ] {
        if let Ok(directive) = quiet.parse() {
            filter = filter.add_directive(directive);
        }
    }
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false);
    match format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().init(),
    }
}
