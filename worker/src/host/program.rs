//! Runs a service's programs on its host: as an argument list that no shell reads, ended on the host itself
//! when their time is over, and never two of one service at once.
//!
//! ```text
//!   worker -- ssh --> flock: one at a time -> timeout: ends its group -> env: folder, variables -> the program
//! ```
//!
//! A connection that breaks, or a worker that is killed, leaves a program running on the host. The repeated
//! step waits there until it has ended, and no longer than it may take: so the host needs no process of the
//! worker's.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::error::{HostError, Stage};
use super::master::Remotely;
use super::pool::Host;
use crate::program::Ran;

/// `timeout`'s exit code when the time was over (GNU coreutils manual, "timeout invocation").
const TIMED_OUT: i32 = 124;

/// `EX_TEMPFAIL` of `sysexits.h`: the exit code that `flock` is told to use when it did not get the lock.
const HELD: i32 = 75;

/// Time between SIGTERM and SIGKILL.
const KILL_AFTER: &str = "--kill-after=5s";

/// Time that an answer may take beyond the program's own: [`KILL_AFTER`], and the round trip to the host.
const MARGIN: Duration = Duration::from_secs(15);

/// One program to run on a host.
#[derive(Debug, Clone, Copy)]
pub struct HostProgram<'a> {
    /// Program and arguments.
    pub words: &'a [String],
    /// Environment variables, besides those of the login. They are visible in the host's list of processes.
    pub env: &'a BTreeMap<String, String>,
    /// Working directory; the login's home where absent.
    pub directory: Option<&'a str>,
    /// How long it may take.
    pub limit: Duration,
    /// The lock file for the time it runs, and how long to wait for the lock.
    pub lock: Option<(&'a str, Duration)>,
}

/// How a program on a host ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostRan {
    /// The program ended by itself, or because its time was over.
    Ended(Ran),
    /// The program was not begun: another one of the same service runs there.
    Held,
}

impl Host {
    /// Runs a program to its end.
    ///
    /// # Errors
    /// `Unreachable` when the program was not begun, `Unknown` when the connection was lost while it ran.
    pub async fn run_program(&self, program: HostProgram<'_>) -> Result<HostRan, HostError> {
        const OPERATION: &str = "running a program";
        let waits = program.lock.map_or(Duration::ZERO, |(_, wait)| wait);
        let link = self.link(OPERATION).await?;
        let words = words(program);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let running = link.master.run_program(&words);
        let ended = timeout(program.limit + waits + MARGIN, running).await;
        let unknown = |source| HostError::Unknown {
            host: self.label(),
            operation: OPERATION,
            source,
        };
        match ended {
            Ok(Remotely::Ended(ran)) => Ok(sorted(ran, program)),
            Ok(Remotely::NotBegun(error)) => {
                self.dropped_as_dead(&link).await;
                Err(self.unreachable(OPERATION, Stage::Command, None, Arc::new(error)))
            }
            Ok(Remotely::Lost(error)) => {
                self.dropped_as_dead(&link).await;
                Err(unknown(Arc::new(error)))
            }
            Err(elapsed) => {
                self.dropped_as_dead(&link).await;
                Err(unknown(Arc::new(elapsed)))
            }
        }
    }
}

fn sorted(ran: Ran, program: HostProgram<'_>) -> HostRan {
    match ran.exit_code {
        Some(HELD) if program.lock.is_some() && ran.output.is_empty() => HostRan::Held,
        Some(TIMED_OUT) => HostRan::Ended(Ran {
            exit_code: None,
            ..ran
        }),
        _ => HostRan::Ended(ran),
    }
}

/// The whole command line. `flock` prints nothing when another program has the lock, so an exit code of 75
/// with output is the program's own.
fn words(program: HostProgram<'_>) -> Vec<String> {
    let mut words = Vec::new();
    let mut add = |more: &[&str]| words.extend(more.iter().map(|word| (*word).to_owned()));
    if let Some((lock, wait)) = program.lock {
        let wait = format!("--wait={}", wait.as_secs());
        let held = format!("--conflict-exit-code={HELD}");
        // `--close`: a service that the program starts does not keep the lock.
        add(&["flock", "--exclusive", "--close", &wait, &held, lock]);
    }
    let limit = format!("{}s", program.limit.as_secs().max(1));
    add(&["timeout", KILL_AFTER, &limit, "env"]);
    if let Some(directory) = program.directory {
        add(&[&format!("--chdir={directory}")]);
    }
    for (name, value) in program.env {
        add(&[&format!("{name}={value}")]);
    }
    words.extend_from_slice(program.words);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program<'a>(words: &'a [String], env: &'a BTreeMap<String, String>) -> HostProgram<'a> {
        HostProgram {
            words,
            env,
            directory: Some("/srv/web"),
            limit: Duration::from_secs(600),
            lock: Some((".drawgate.staging.web.lock", Duration::from_secs(600))),
        }
    }

    #[test]
    fn the_command_line_is_one_list_of_words() {
        let env = BTreeMap::from([("DRAWGATE_TAG".to_owned(), "a b; c".to_owned())]);
        let run = ["./deploy.sh", "--tag=a b; c"].map(str::to_owned);
        let expected = [
            "flock",
            "--exclusive",
            "--close",
            "--wait=600",
            "--conflict-exit-code=75",
            ".drawgate.staging.web.lock",
            "timeout",
            "--kill-after=5s",
            "600s",
            "env",
            "--chdir=/srv/web",
            "DRAWGATE_TAG=a b; c",
            "./deploy.sh",
            "--tag=a b; c",
        ];
        assert_eq!(words(program(&run, &env)), expected);
    }

    #[test]
    fn a_held_lock_is_told_from_the_programs_own_75() {
        let (run, env) = (["x".to_owned()], BTreeMap::new());
        let ended = |code, output: &[&str]| {
            let output = output.iter().map(|line| (*line).to_owned()).collect();
            let ran = Ran {
                exit_code: Some(code),
                output,
                stdout: Vec::new(),
            };
            sorted(ran, program(&run, &env))
        };
        assert_eq!(ended(75, &[]), HostRan::Held);
        assert!(matches!(ended(75, &["no room"]), HostRan::Ended(_)));
        let HostRan::Ended(over) = ended(124, &[]) else {
            panic!("is held");
        };
        assert_eq!(over.exit_code, None);
    }
}
