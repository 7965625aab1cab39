//! Programs on the bastion: run from an argument list, never by a shell; of the worker's own environment they
//! get only the named variables.
//!
//! ```text
//! worker --- pipe (lifeline) ---> drawgate-worker supervise ---> the program, in a process group of its own
//! ```
//!
//! A program must end with the attempt that began it, also when the worker is killed: two `helm upgrade` side
//! by side are worse than none. So a small supervising process runs it, whose standard input is a pipe from
//! the worker. When the pipe closes, because the worker closes it or dies, the supervisor ends the whole
//! group.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::process::CommandExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{ExitCode, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::Command;
use tokio::time::{Instant, timeout, timeout_at};

use crate::sanitize::{LOG_LINES, sanitized_lines};

/// The running binary, even when its file has been replaced.
pub const SELF: &str = "/proc/self/exe";

/// Variables of the worker's environment that every program gets: hardly any program runs without them.
const ALWAYS_PASSED: [&str; 8] = [
    "PATH",
    "HOME",
    "USER",
    "LANG",
    "LC_ALL",
    "TZ",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
];

/// Time between SIGTERM and SIGKILL: `helm` and `kubectl` record their end in less.
const TERM_GRACE: Duration = Duration::from_secs(5);

/// How long to wait for another program of the same service: one that a killed worker left behind is ended
/// within [`TERM_GRACE`].
pub const LOCK_WAIT: Duration = Duration::from_secs(10);

/// Bytes kept of a program's output, from its end: 50 lines of 500 characters, four bytes each at most.
const OUTPUT_BYTES: usize = 100 * 1024;

/// How long to wait for output after the program's end: a process that has left the group and keeps the pipe
/// open is not waited for.
const OUTPUT_AFTER_END: Duration = Duration::from_secs(2);

/// One program to run.
#[derive(Debug, Clone, Copy)]
pub struct Program<'a> {
    /// Program and arguments.
    pub words: &'a [String],
    /// Its environment variables.
    pub env: &'a BTreeMap<String, String>,
    /// Names of variables to pass on from the worker's environment.
    pub pass_env: &'a [String],
    /// Its working directory.
    pub directory: &'a str,
    /// When the program is ended.
    pub until: Instant,
    /// The lock file for the time it runs: it makes the program wait for that of a worker killed a moment
    /// ago.
    pub lock: Option<&'a Path>,
}

/// How a program ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    /// Exit code, or 128 and the signal's number where a signal ended the program; `None` where its time was
    /// over.
    pub exit_code: Option<i32>,
    /// Its last lines, standard output and error together.
    pub output: Vec<String>,
    /// The last lines of standard output alone.
    pub stdout: Vec<String>,
}

/// Runs a program to its end, or until its time is over. Dropping the future ends the program too.
///
/// # Errors
/// When `holder`, the worker's own binary, could not be started.
pub async fn run(holder: &Path, program: Program<'_>) -> std::io::Result<Ran> {
    let passed = ALWAYS_PASSED
        .into_iter()
        .chain(program.pass_env.iter().map(String::as_str))
        .filter_map(|name| Some((name, std::env::var_os(name)?)));
    let lock = program.lock.map(|path| [OsStr::new("--lock"), path.as_os_str()]);
    let mut child = Command::new(holder)
        .arg0("drawgate-worker")
        .arg("supervise")
        .args(lock.into_iter().flatten())
        .arg("--")
        .args(program.words)
        .env_clear()
        .envs(passed)
        .envs(program.env)
        .current_dir(program.directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // A process group of its own: signals from the worker's terminal do not reach it.
        .process_group(0)
        .spawn()?;
    let lifeline = child.stdin.take();
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let wait = async {
        match timeout_at(program.until, child.wait()).await {
            Ok(status) => status.map(|status| status.code()),
            Err(_) => {
                drop(lifeline);
                // The supervisor ends it within the grace; the worker does not wait longer, even if it does
                // not end.
                let _ = timeout(TERM_GRACE + OUTPUT_AFTER_END, child.wait()).await;
                Ok(None)
            }
        }
    };
    let (exit_code, printed) = tailed(wait, stdout, stderr).await;
    Ok(Ran {
        exit_code: exit_code?,
        output: printed.all,
        stdout: printed.stdout,
    })
}

/// The last lines of what a program printed.
pub(crate) struct Printed {
    /// Standard output and error together.
    pub(crate) all: Vec<String>,
    /// Standard output alone.
    pub(crate) stdout: Vec<String>,
}

/// Reads output while it waits for an end; gives the last lines.
pub(crate) async fn tailed<T>(
    wait: impl Future<Output = T>,
    stdout: Option<impl AsyncRead + Unpin>,
    stderr: Option<impl AsyncRead + Unpin>,
) -> (T, Printed) {
    let (all, out) = (Tail::default(), Tail::default());
    let reading = async {
        let (to_both, to_one) = ([&all, &out], [&all]);
        tokio::join!(keep_tail(stdout, &to_both), keep_tail(stderr, &to_one));
    };
    tokio::pin!(reading, wait);
    let mut read = false;
    let ended = loop {
        tokio::select! {
            ended = &mut wait => break ended,
            () = &mut reading, if !read => read = true,
        }
    };
    if !read {
        let _ = timeout(OUTPUT_AFTER_END, &mut reading).await;
    }
    let lines = async |tail: &Tail| sanitized_lines(&String::from_utf8_lossy(&tail.lock().await), LOG_LINES);
    let printed = Printed {
        all: lines(&all).await,
        stdout: lines(&out).await,
    };
    (ended, printed)
}

/// The last bytes of a stream.
type Tail = tokio::sync::Mutex<Vec<u8>>;

/// Reads to the end and keeps the last bytes.
async fn keep_tail(stream: Option<impl AsyncRead + Unpin>, tails: &[&Tail]) {
    let Some(mut stream) = stream else { return };
    let mut piece = vec![0; 8 * 1024];
    // A stream that breaks counts as ended: the exit code tells the rest.
    while let Ok(read @ 1..) = stream.read(&mut piece).await {
        for tail in tails {
            let mut tail = tail.lock().await;
            tail.extend_from_slice(piece.get(..read).unwrap_or_default());
            let surplus = tail.len().saturating_sub(OUTPUT_BYTES);
            tail.drain(..surplus);
        }
    }
}

/// `drawgate-worker supervise`: runs a program until it ends or standard input closes, and then ends its
/// group. While it runs, `lock` is locked.
///
/// # Errors
/// When the program cannot be started; the exit code is then 127, as in a shell.
pub fn supervise(words: &[String], lock: Option<&Path>) -> Result<ExitCode, (std::io::Error, ExitCode)> {
    let cannot = |error| (error, ExitCode::from(127));
    let (program, arguments) = words
        .split_first()
        .ok_or_else(|| cannot(std::io::ErrorKind::InvalidInput.into()))?;
    let group = Arc::new(Mutex::new(None));
    end_with_stdin(Arc::clone(&group));
    let _held = lock.map(held).transpose().map_err(cannot)?;
    let mut child = {
        let mut group = group.lock().unwrap_or_else(PoisonError::into_inner);
        let child = std::process::Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .process_group(0)
            .spawn()
            .map_err(cannot)?;
        *group = Some(Pid::from_child(&child));
        child
    };
    let pid = Pid::from_child(&child);
    let status = child.wait().map_err(cannot)?;
    // Processes that the program left behind in its group end with it.
    let _ = kill_process_group(pid, Signal::KILL);
    let code = status
        .code()
        .or_else(|| Some(128 + status.signal()?))
        .unwrap_or(1);
    Ok(ExitCode::from(u8::try_from(code).unwrap_or(1)))
}

/// Ends the group when standard input closes; a program that has not been started by then never is.
#[expect(
    clippy::disallowed_methods,
    reason = "this process holds nothing but the lock, which ends with it"
)]
fn end_with_stdin(group: Arc<Mutex<Option<Pid>>>) {
    std::thread::spawn(move || {
        let mut nothing = [0; 64];
        while let Ok(1..) = std::io::stdin().read(&mut nothing) {}
        // The lock is kept until the exit, so that the main thread, about to start the program, waits for it
        // and never does.
        let begun = group.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(group) = *begun else {
            std::process::exit(1);
        };
        // Ignores an error: a group that is gone is the aim.
        let _ = kill_process_group(group, Signal::TERM);
        std::thread::sleep(TERM_GRACE);
        let _ = kill_process_group(group, Signal::KILL);
    });
}

/// Takes the lock, and waits for it as long as standard input is open. Rust opens files close-on-exec, so no
/// child keeps the lock.
fn held(path: &Path) -> std::io::Result<File> {
    let file = File::options().create(true).append(true).open(path)?;
    file.lock()?;
    Ok(file)
}
