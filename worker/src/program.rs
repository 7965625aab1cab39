//! Programs beside the worker: an argument list, never a shell; of the worker's own environment only what is named.
//!
//! ```text
//! worker --- pipe (lifeline) ---> drawgate-worker hold ---> the program, in a process group of its own
//! ```
//!
//! A program must end with the attempt that began it, also when the worker is killed: two `helm upgrade` side by side are
//! worse than none. So it is held by a small process of ours, whose standard input is a pipe from the worker. When
//! that closes, by order or by the worker's death, the whole group is ended.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::os::unix::process::CommandExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::Command;
use tokio::time::{Instant, timeout, timeout_at};

use crate::shown::{LOG_LINES, shown_lines};

/// The running binary, also when its file was replaced meanwhile.
pub const SELF: &str = "/proc/self/exe";

/// Variables of the worker's environment that every program gets: without them hardly one runs.
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

/// Between SIGTERM and SIGKILL: `helm` and `kubectl` note their end in less.
const TERM_GRACE: Duration = Duration::from_secs(5);

/// What is kept of a program's output, from its end: 50 lines of 500 characters, four bytes each at most.
const OUTPUT_BYTES: usize = 100 * 1024;

/// How long output is waited for after the end: whoever has left the group and holds the pipe is not waited for.
const OUTPUT_AFTER_END: Duration = Duration::from_secs(2);

/// One program to run.
#[derive(Debug, Clone, Copy)]
pub struct Program<'a> {
    /// Program and arguments.
    pub words: &'a [String],
    /// Its environment variables.
    pub env: &'a BTreeMap<String, String>,
    /// Names of variables that it gets from the worker's environment.
    pub pass_env: &'a [String],
    /// Its working directory.
    pub directory: &'a str,
    /// When it is ended.
    pub until: Instant,
}

/// How a program ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    /// Its exit code, 128 and the signal's number where a signal ended it; `None` where its time was over.
    pub exit_code: Option<i32>,
    /// Its last lines, standard output and error together.
    pub output: Vec<String>,
}

/// Runs a program to its end, or until its time is over. Dropped, it ends too.
///
/// # Errors
/// When `holder`, this program's own binary, could not be started.
pub async fn run(holder: &Path, program: Program<'_>) -> std::io::Result<Ran> {
    let passed = ALWAYS_PASSED
        .into_iter()
        .chain(program.pass_env.iter().map(String::as_str))
        .filter_map(|name| Some((name, std::env::var_os(name)?)));
    let mut child = Command::new(holder)
        .arg0("drawgate-worker")
        .args(["hold", "--"])
        .args(program.words)
        .env_clear()
        .envs(passed)
        .envs(program.env)
        .current_dir(program.directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // Its own group: what a terminal sends to the worker is not for it.
        .process_group(0)
        .spawn()?;
    let lifeline = child.stdin.take();
    let tail = tokio::sync::Mutex::new(Vec::new());
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let reading = async {
        tokio::join!(keep_tail(stdout, &tail), keep_tail(stderr, &tail));
    };
    tokio::pin!(reading);
    let mut read = false;
    let ended = {
        let wait = async {
            loop {
                tokio::select! {
                    status = child.wait() => break status,
                    () = &mut reading, if !read => read = true,
                }
            }
        };
        timeout_at(program.until, wait).await
    };
    let exit_code = match ended {
        Ok(status) => status?.code(),
        Err(_) => {
            drop(lifeline);
            // It is ended by its holder within the grace; whatever happens, that is not waited for longer.
            let _ = timeout(TERM_GRACE + OUTPUT_AFTER_END, child.wait()).await;
            None
        }
    };
    if !read {
        let _ = timeout(OUTPUT_AFTER_END, &mut reading).await;
    }
    let tail = tail.lock().await;
    Ok(Ran {
        exit_code,
        output: shown_lines(&String::from_utf8_lossy(&tail), LOG_LINES),
    })
}

/// Reads to the end and keeps the last bytes.
async fn keep_tail(stream: Option<impl AsyncRead + Unpin>, tail: &tokio::sync::Mutex<Vec<u8>>) {
    let Some(mut stream) = stream else { return };
    let mut piece = vec![0; 8 * 1024];
    // A stream that breaks has ended too: the exit code tells the rest.
    while let Ok(read @ 1..) = stream.read(&mut piece).await {
        let mut tail = tail.lock().await;
        tail.extend_from_slice(piece.get(..read).unwrap_or_default());
        let surplus = tail.len().saturating_sub(OUTPUT_BYTES);
        tail.drain(..surplus);
    }
}

/// `drawgate-worker hold`: runs a program until it ends, or until standard input does; then its group is ended.
///
/// # Errors
/// When the program cannot be started; the exit code is then 127, as a shell has it.
pub fn hold(words: &[String]) -> Result<ExitCode, (std::io::Error, ExitCode)> {
    let cannot = |error| (error, ExitCode::from(127));
    let (program, arguments) = words
        .split_first()
        .ok_or_else(|| cannot(std::io::ErrorKind::InvalidInput.into()))?;
    let mut child = std::process::Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .process_group(0)
        .spawn()
        .map_err(cannot)?;
    let group = Pid::from_child(&child);
    std::thread::spawn(move || {
        let mut nothing = [0; 64];
        while let Ok(1..) = std::io::stdin().read(&mut nothing) {}
        // A group that is gone is what is wanted.
        let _ = kill_process_group(group, Signal::TERM);
        std::thread::sleep(TERM_GRACE);
        let _ = kill_process_group(group, Signal::KILL);
    });
    let status = child.wait().map_err(cannot)?;
    // What it left behind in its group ends with it.
    let _ = kill_process_group(group, Signal::KILL);
    let code = status
        .code()
        .or_else(|| Some(128 + status.signal()?))
        .unwrap_or(1);
    Ok(ExitCode::from(u8::try_from(code).unwrap_or(1)))
}
