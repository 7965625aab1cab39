//! The command line: the commands that there are, in the order in which `drawgate help` lists them.
//!
//! What the help says of a command is the doc comment of its arguments, in the command's room.

use clap::{Parser, Subcommand};

use crate::commands;

const EXIT_CODES: &str = "\
Exit codes:
  0  succeeded                     5  broker or worker out of reach
  1  failed, service restored      6  gave up waiting; the release goes on
  2  wrong usage, nothing sent     7  cancelled
  3  rejected                      8  superseded by a newer release
  4  needs an operator";

/// Publishes release messages and follows releases to their end.
#[derive(Debug, Parser)]
#[command(name = "drawgate", version, after_help = EXIT_CODES, max_term_width = 100)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Publish(Box<commands::publish::PublishArgs>),
    Status(commands::status::StatusArgs),
    Why(commands::why::WhyArgs),
    History(commands::history::HistoryArgs),
    Retry(commands::retry::RetryArgs),
    Replay(commands::replay::ReplayArgs),
    #[command(subcommand)]
    DeadLetters(commands::dead_letters::DeadLetterCommand),
    Rollback(commands::rollback::RollbackArgs),
    Watch(commands::watch::WatchArgs),
    Show(commands::show::ShowArgs),
    Pause(commands::pause::PauseArgs),
    Resume(commands::resume::ResumeArgs),
    Cancel(commands::cancel::CancelArgs),
    Approve(commands::approve::ApproveArgs),
    Reject(commands::reject::RejectArgs),
    Promote(commands::promote::PromoteArgs),
    Freeze(commands::freeze::FreezeArgs),
    Thaw(commands::thaw::ThawArgs),
    ForgetSequence(commands::forget_sequence::ForgetSequenceArgs),
    Ping(commands::ping::PingArgs),
    Completions(commands::completions::CompletionsArgs),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

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
}
