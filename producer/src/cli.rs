//! The command line: what a person or a build job may say.

mod control;
mod gates;
mod publish;
mod questions;
mod replaying;

use clap::{Parser, Subcommand};

pub(crate) use control::{ApproveArgs, ControlArgs};
pub(crate) use gates::{ForgetSequenceArgs, FreezeArgs, PingArgs, PromoteArgs, ThawArgs};
pub(crate) use publish::PublishArgs;
pub(crate) use questions::{HistoryArgs, ShowArgs, StatusArgs, WatchArgs, WhyArgs};
pub(crate) use replaying::{
    ChosenArgs, DeadLetterCommand, DropArgs, ListArgs, ReplayArgs, ReplayLettersArgs, RetryArgs,
    RollbackArgs, ShowLetterArgs,
};

const EXIT_CODES: &str = "\
Exit codes:
  0  succeeded                     5  broker or worker out of reach
  1  failed, service restored      6  gave up waiting; the release goes on
  2  wrong usage, nothing sent     7  cancelled
  3  rejected                      8  superseded by a newer release
  4  needs an operator";

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  drawgate completions bash > /etc/bash_completion.d/drawgate
  drawgate completions zsh > \"${fpath[1]}/_drawgate\"";

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
    #[command(after_help = publish::PUBLISH_EXAMPLES)]
    Publish(Box<PublishArgs>),
    /// Show every lane: what rolls, what waits, what ended last.
    #[command(after_help = questions::STATUS_EXAMPLES)]
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
    #[command(after_help = replaying::ROLLBACK_EXAMPLES)]
    Rollback(RollbackArgs),
    /// Follow a release to its end.
    #[command(after_help = questions::WATCH_EXAMPLES)]
    Watch(WatchArgs),
    /// Show a release: its request, where it stands, what happened, and its receipt.
    #[command(after_help = questions::SHOW_EXAMPLES)]
    Show(ShowArgs),
    /// Pause a release: hosts that are out come back into service, then nothing is done until it is resumed.
    #[command(after_help = control::PAUSE_EXAMPLES)]
    Pause(ControlArgs),
    /// Tell a paused release to go on.
    Resume(ControlArgs),
    /// Cancel a release: what it touched goes back to what it ran before.
    #[command(after_help = control::CANCEL_EXAMPLES)]
    Cancel(ControlArgs),
    /// Approve a release: you agree that this very image is released.
    #[command(after_help = control::APPROVE_EXAMPLES)]
    Approve(ApproveArgs),
    /// Reject a release that waits for approval: it ends before anything is touched.
    Reject(ControlArgs),
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use clap::{CommandFactory, Parser};

    use super::*;
    use crate::limits;
    use crate::request::{Draft, Selection};

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
