//! One ssh process per host: the master that every command and every forward goes through.
//!
//! The worker starts it itself, because openssh's own `SessionBuilder` cannot do three things: look up host
//! keys under the instance id (`HostKeyAlias`), keep ssh's own messages for the operator, and end the master
//! with the worker. For the last, the master's session runs `cat` on a pipe from the worker: when the worker
//! dies, however it dies, the pipe closes, `cat` ends, and so does the master. A daemon (`ssh -f`) would stay
//! for ever.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use openssh::{ForwardType, Session, Socket};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

use super::limits;
use super::settings::HostSettings;
use crate::program::{Ran, tailed};

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum LaunchError {
    /// The local `ssh` could not be started.
    #[error("`ssh` could not be started")]
    Start(#[source] std::io::Error),
    /// ssh ended; these are its own messages.
    #[error("ssh said: {0}")]
    Ended(String),
    /// There was neither a connection nor an error in time.
    #[error("no SSH login within {} s; ssh said: {said}", .limit.as_secs())]
    TookTooLong { limit: Duration, said: String },
}

/// Why an action over an existing connection failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum SessionError {
    #[error("the ssh master does not answer")]
    Mux(#[source] openssh::Error),
    #[error("the ssh connection is closed")]
    Closed,
    #[error("no answer over ssh within {} s", .0.as_secs())]
    TookTooLong(Duration),
}

/// Where a forward leads on the host.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Remote {
    Unix(PathBuf),
    Loopback(u16),
}

/// What a command printed, and how it ended.
#[derive(Debug)]
pub(super) struct CommandOutput {
    pub(super) exit_code: Option<i32>,
    pub(super) stdout: String,
}

/// How a program ended that may change the host.
#[derive(Debug)]
pub(super) enum Remotely {
    Ended(Ran),
    /// The program was not begun.
    NotBegun(SessionError),
    /// The program was begun, and how it ended is not known.
    Lost(SessionError),
}

/// The exit code that a shell gives a program ended by a signal; which signal is not told.
const KILLED: i32 = 128;

/// A running connection to one host.
#[derive(Debug)]
pub(super) struct Master {
    session: Session,
    child: Mutex<Child>,
    lifeline: tokio::sync::Mutex<Lifeline>,
    commands: Semaphore,
    forwards: tokio::sync::Mutex<HashMap<Remote, PathBuf>>,
    /// How many sockets were ever asked for: gives each a new name.
    sockets: AtomicU64,
    dir: TempDir,
}

#[derive(Debug)]
struct Lifeline {
    /// `None` once the worker has closed the connection.
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    sent: u64,
}

impl Master {
    /// Connects and logs in. `known_hosts` is the value of `UserKnownHostsFile`, where it is not the
    /// `ssh_config`'s; `dir` is private to this connection.
    pub(super) async fn launch(
        settings: &HostSettings,
        known_hosts: Option<&str>,
        id: &str,
        address: &str,
        dir: TempDir,
    ) -> Result<Self, LaunchError> {
        let control = dir.path().join("ctl");
        let log = dir.path().join("log");
        let mut child = Command::new("ssh")
            .args(ssh_arguments(settings, known_hosts, id, address, &control))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // A file and not a pipe: a proxy command writes here too, and nothing has to read along.
            .stderr(File::create(&log).map_err(LaunchError::Start)?)
            .kill_on_drop(true)
            .spawn()
            .map_err(LaunchError::Start)?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(LaunchError::Ended("its pipes are missing".to_owned()));
        };
        let mut lifeline = Lifeline {
            stdin: Some(stdin),
            stdout: BufReader::new(stdout),
            sent: 0,
        };
        let limit = settings.connect_timeout + limits::LOGIN_TIMEOUT;
        match timeout(limit, lifeline.echo()).await {
            Ok(Ok(_)) => {}
            Ok(Err(_)) => return Err(LaunchError::Ended(ssh_words(&log))),
            Err(_) => {
                return Err(LaunchError::TookTooLong {
                    limit,
                    said: ssh_words(&log),
                });
            }
        }
        Ok(Self {
            // The control socket listens before the lifeline's session starts.
            session: Session::resume_mux(control.into_boxed_path(), None),
            child: Mutex::new(child),
            lifeline: tokio::sync::Mutex::new(lifeline),
            commands: Semaphore::new(limits::COMMANDS_AT_ONCE),
            forwards: tokio::sync::Mutex::default(),
            sockets: AtomicU64::new(0),
            dir,
        })
    }

    /// False once the ssh process has ended.
    pub(super) fn is_alive(&self) -> bool {
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        matches!(child.try_wait(), Ok(None))
    }

    /// Measures the round trip to the host.
    pub(super) async fn round_trip(&self) -> Result<Duration, SessionError> {
        let limit = limits::COMMAND_TIMEOUT;
        let echo = async { self.lifeline.lock().await.echo().await };
        timeout(limit, echo)
            .await
            .map_err(|_| SessionError::TookTooLong(limit))?
            .map_err(|_| SessionError::Closed)
    }

    /// A local socket that leads to `remote`; made once, then reused.
    pub(super) async fn forward(&self, remote: Remote) -> Result<PathBuf, SessionError> {
        let mut forwards = self.forwards.lock().await;
        if let Some(path) = forwards.get(&remote) {
            return Ok(path.clone());
        }
        // Every attempt gets a new name, because ssh does not bind to a path that exists.
        let path = self
            .dir
            .path()
            .join(format!("s{}", self.sockets.fetch_add(1, Ordering::Relaxed)));
        let target = match &remote {
            Remote::Unix(path) => Socket::from(path.as_path()),
            Remote::Loopback(port) => Socket::new("127.0.0.1", *port),
        };
        let request = self
            .session
            .request_port_forward(ForwardType::Local, path.as_path(), target);
        let limit = limits::FORWARD_TIMEOUT;
        timeout(limit, request)
            .await
            .map_err(|_| SessionError::TookTooLong(limit))?
            .map_err(SessionError::Mux)?;
        forwards.insert(remote, path.clone());
        Ok(path)
    }

    /// Runs a program with arguments; no shell reads any of them.
    pub(super) async fn run(&self, program: &str, arguments: &[&str]) -> Result<CommandOutput, SessionError> {
        self.run_reading(program, arguments, limits::COMMAND_OUTPUT_BYTES)
            .await
    }

    /// The same, with another bound on the output that is read.
    pub(super) async fn run_reading(
        &self,
        program: &str,
        arguments: &[&str],
        bytes: usize,
    ) -> Result<CommandOutput, SessionError> {
        let limit = limits::COMMAND_TIMEOUT;
        timeout(limit, self.run_unbounded(program, arguments, bytes))
            .await
            .unwrap_or(Err(SessionError::TookTooLong(limit)))
    }

    async fn run_unbounded(
        &self,
        program: &str,
        arguments: &[&str],
        bytes: usize,
    ) -> Result<CommandOutput, SessionError> {
        let _permit = self.commands.acquire().await.map_err(|_| SessionError::Closed)?;
        let mut command = self.session.command(program);
        command.args(arguments);
        command
            .stdin(openssh::Stdio::null())
            .stdout(openssh::Stdio::piped())
            .stderr(openssh::Stdio::null());
        let mut child = command.spawn().await.map_err(SessionError::Mux)?;
        let mut printed = Vec::new();
        if let Some(stdout) = child.stdout().take() {
            let bound = bytes as u64;
            // A broken read ends the output; the exit code tells the rest.
            let _ = stdout.take(bound).read_to_end(&mut printed).await;
        }
        let exit_code = match child.wait().await {
            Ok(status) => status.code(),
            Err(openssh::Error::RemoteProcessTerminated) if self.is_alive() => None,
            Err(error) => return Err(SessionError::Mux(error)),
        };
        Ok(CommandOutput {
            exit_code,
            stdout: String::from_utf8_lossy(&printed).into_owned(),
        })
    }

    /// Runs the program of these words to its end, however long that takes; keeps the end of its output.
    pub(super) async fn run_program(&self, words: &[&str]) -> Remotely {
        let Some((program, arguments)) = words.split_first() else {
            return Remotely::NotBegun(SessionError::Closed);
        };
        let Ok(_permit) = self.commands.acquire().await else {
            return Remotely::NotBegun(SessionError::Closed);
        };
        let mut command = self.session.command(*program);
        command
            .args(arguments)
            .stdin(openssh::Stdio::null())
            .stdout(openssh::Stdio::piped())
            .stderr(openssh::Stdio::piped());
        let mut child = match command.spawn().await {
            Ok(child) => child,
            Err(error) => return Remotely::NotBegun(SessionError::Mux(error)),
        };
        let (stdout, stderr) = (child.stdout().take(), child.stderr().take());
        let (status, printed) = tailed(child.wait(), stdout, stderr).await;
        let exit_code = match status {
            // A program ended by a signal has no exit code.
            Ok(status) => status.code().unwrap_or(KILLED),
            Err(openssh::Error::RemoteProcessTerminated) if self.is_alive() => KILLED,
            Err(error) => return Remotely::Lost(SessionError::Mux(error)),
        };
        Remotely::Ended(Ran {
            exit_code: Some(exit_code),
            output: printed.all,
            stdout: printed.stdout,
        })
    }

    /// Ends the connection: closes the lifeline, and kills the ssh process if it does not end.
    pub(super) async fn close(&self) {
        let ended = async {
            drop(self.lifeline.lock().await.stdin.take());
            while self.is_alive() {
                tokio::time::sleep(limits::CLOSE_POLL).await;
            }
        };
        if timeout(limits::CLOSE_TIMEOUT, ended).await.is_err() {
            self.kill();
        }
    }

    /// Ends the ssh process at once.
    pub(super) fn kill(&self) {
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        // The process may have ended by itself a moment ago.
        let _ = child.start_kill();
    }
}

impl Lifeline {
    /// Sends a line and waits until it comes back; all lines before that are a banner.
    async fn echo(&mut self) -> std::io::Result<Duration> {
        self.sent += 1;
        let line = format!("drawgate {}\n", self.sent);
        let begun = Instant::now();
        let stdin = self.stdin.as_mut().ok_or(ErrorKind::BrokenPipe)?;
        stdin.write_all(line.as_bytes()).await?;
        stdin.flush().await?;
        let mut passed_over = 0;
        while passed_over < limits::COMMAND_OUTPUT_BYTES {
            let mut heard = Vec::new();
            let bound = limits::COMMAND_OUTPUT_BYTES as u64;
            let read = (&mut self.stdout)
                .take(bound)
                .read_until(b'\n', &mut heard)
                .await?;
            if heard == line.as_bytes() {
                return Ok(begun.elapsed());
            }
            if read == 0 {
                break;
            }
            passed_over += read;
        }
        Err(ErrorKind::UnexpectedEof.into())
    }
}

/// The whole command line of a master. Options given here win over every `ssh_config`.
fn ssh_arguments(
    settings: &HostSettings,
    known_hosts: Option<&str>,
    id: &str,
    address: &str,
    control: &Path,
) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = ["-M", "-T", "-a", "-x", "-S"].map(OsString::from).into();
    arguments.push(control.into());
    let mut option = |text: String| arguments.extend(["-o".into(), text.into()]);
    // The master ends with its lifeline, not later.
    option("ControlPersist=no".to_owned());
    option("BatchMode=yes".to_owned());
    option(format!("StrictHostKeyChecking={}", settings.host_keys.as_str()));
    if let Some(files) = known_hosts {
        option(format!("UserKnownHostsFile={files}"));
    }
    option(format!("HostKeyAlias={id}"));
    // Addresses are reused: the key last seen at this one says nothing.
    option("CheckHostIP=no".to_owned());
    if !settings.connect_by_instance_id {
        option(format!("HostName={address}"));
    }
    option(format!(
        "ConnectTimeout={}",
        settings.connect_timeout.as_secs().max(1)
    ));
    option(format!(
        "ServerAliveInterval={}",
        limits::ALIVE_INTERVAL.as_secs()
    ));
    option("ServerAliveCountMax=3".to_owned());
    // The worker does not want what an operator has configured for work at a terminal.
    option("ClearAllForwardings=yes".to_owned());
    option("RemoteCommand=none".to_owned());
    option("PermitLocalCommand=no".to_owned());
    option("StreamLocalBindMask=0177".to_owned());
    option("LogLevel=ERROR".to_owned());
    if let Some(config) = &settings.config_file {
        arguments.extend(["-F".into(), config.into()]);
    }
    if let Some(user) = &settings.user {
        arguments.extend(["-l".into(), user.into()]);
    }
    if let Some(port) = settings.port {
        arguments.extend(["-p".into(), port.to_string().into()]);
    }
    if let Some(key) = &settings.keyfile {
        arguments.extend(["-o".into(), "IdentitiesOnly=yes".into(), "-i".into(), key.into()]);
    }
    arguments.extend(["--".into(), id.into(), "cat".into()]);
    arguments
}

/// The command with which an operator can try the connection by hand.
pub(super) fn ssh_by_hand(
    settings: &HostSettings,
    known_hosts: Option<&str>,
    id: &str,
    address: &str,
) -> String {
    let mut words = vec!["ssh".to_owned()];
    words.extend(
        settings
            .config_file
            .iter()
            .map(|config| format!("-F {}", config.display())),
    );
    words.push(format!("-o HostKeyAlias={id}"));
    if !settings.connect_by_instance_id {
        words.push(format!("-o HostName={address}"));
    }
    words.push(format!(
        "-o StrictHostKeyChecking={}",
        settings.host_keys.as_str()
    ));
    words.extend(known_hosts.map(|files| format!("-o 'UserKnownHostsFile={files}'")));
    words.extend(settings.user.iter().map(|user| format!("-l {user}")));
    words.extend(settings.port.iter().map(|port| format!("-p {port}")));
    words.extend(settings.keyfile.iter().map(|key| format!("-i {}", key.display())));
    words.push(format!("{id} true"));
    words.join(" ")
}

/// ssh's first lines, which say why it failed.
fn ssh_words(log: &Path) -> String {
    let mut said = Vec::new();
    if let Ok(file) = File::open(log) {
        let bound = limits::SSH_LOG_BYTES as u64;
        // A log that cannot be read counts as empty.
        let _ = file.take(bound).read_to_end(&mut said);
    }
    let said = String::from_utf8_lossy(&said);
    let lines: Vec<&str> = said
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    if lines.is_empty() {
        "nothing".to_owned()
    } else {
        lines.join("; ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::HostKeys;

    fn words(settings: &HostSettings, known_hosts: Option<&str>) -> Vec<String> {
        let arguments = ssh_arguments(settings, known_hosts, "i-1", "10.0.0.7", Path::new("/run/d/ctl"));
        arguments
            .into_iter()
            .map(|word| word.into_string().unwrap())
            .collect()
    }

    #[test]
    fn trap_25_keys_are_strict_and_looked_up_under_the_instance_id() {
        let settings = HostSettings {
            config_file: Some("/etc/drawgate/ssh".into()),
            ..HostSettings::default()
        };
        let expected = "-M -T -a -x -S /run/d/ctl -o ControlPersist=no -o BatchMode=yes \
                        -o StrictHostKeyChecking=yes -o HostKeyAlias=i-1 -o CheckHostIP=no -o HostName=10.0.0.7 \
                        -o ConnectTimeout=10 -o ServerAliveInterval=5 -o ServerAliveCountMax=3 \
                        -o ClearAllForwardings=yes -o RemoteCommand=none -o PermitLocalCommand=no \
                        -o StreamLocalBindMask=0177 -o LogLevel=ERROR -F /etc/drawgate/ssh -- i-1 cat";
        assert_eq!(words(&settings, None).join(" "), expected);
    }

    #[test]
    fn every_setting_arrives() {
        let settings = HostSettings {
            user: Some("deploy".into()),
            port: Some(2222),
            keyfile: Some("/k".into()),
            host_keys: HostKeys::AcceptNew,
            connect_by_instance_id: true,
            ..HostSettings::default()
        };
        let line = words(&settings, Some("\"/k\" /etc/k")).join(" ");
        assert!(
            line.ends_with("-l deploy -p 2222 -o IdentitiesOnly=yes -i /k -- i-1 cat"),
            "{line}"
        );
        assert!(
            line.contains("-o StrictHostKeyChecking=accept-new -o UserKnownHostsFile=\"/k\" /etc/k -o")
                && !line.contains("HostName"),
            "{line}"
        );
    }

    #[test]
    fn the_command_by_hand_is_the_same_connection() {
        let settings = HostSettings {
            config_file: Some("/c".into()),
            ..HostSettings::default()
        };
        assert_eq!(
            ssh_by_hand(&settings, None, "i-1", "10.0.0.7"),
            "ssh -F /c -o HostKeyAlias=i-1 -o HostName=10.0.0.7 -o StrictHostKeyChecking=yes i-1 true"
        );
        let accepting = HostSettings {
            host_keys: HostKeys::AcceptNew,
            ..settings
        };
        assert_eq!(
            ssh_by_hand(&accepting, Some("\"/k\" /etc/k"), "i-1", "10.0.0.7"),
            "ssh -F /c -o HostKeyAlias=i-1 -o HostName=10.0.0.7 -o StrictHostKeyChecking=accept-new \
             -o 'UserKnownHostsFile=\"/k\" /etc/k' i-1 true"
        );
    }
}
