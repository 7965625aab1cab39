//! The program, as a person or a build starts it.

use std::process::Stdio;

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;
use tokio::process::{Child, Command};

use crate::rig::PATIENCE;

pub(crate) const TARGET: [&str; 6] = [
    "--environment",
    "staging",
    "--service",
    "search-api",
    "--image",
    "registry.example.com/search-api:4f2c91e",
];

pub(crate) const ID: &str = "01936a5e-7c2e-7d10-8a44-5c1f2e9b0d7c";

pub(crate) fn publish<'a>(more: &[&'a str]) -> Vec<&'a str> {
    ["publish"]
        .into_iter()
        .chain(TARGET)
        .chain(more.iter().copied())
        .collect()
}

/// Asserts that each of `needles` stands in `text`, in this order and once.
#[track_caller]
pub(crate) fn in_order(text: &str, needles: &[&str]) {
    let mut from = 0;
    for needle in needles {
        assert_eq!(text.matches(needle).count(), 1, "{needle:?} once in:\n{text}");
        let at = text[from..].find(needle);
        from += at.unwrap_or_else(|| panic!("{needle:?} is not in its place in:\n{text}"));
    }
}

/// How a program run ended.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Starts the program. Of the test's own environment it gets only the path.
pub(crate) fn start(url: &str, args: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_drawgate"))
        .args(args)
        .env_clear()
        .env("DRAWGATE_AMQP_URL", url)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

pub(crate) async fn finish(child: &mut Child) -> Finished {
    let (mut stdout, mut stderr) = (String::new(), String::new());
    let mut out = child.stdout.take();
    let mut err = child.stderr.take().unwrap();
    let status = tokio::time::timeout(PATIENCE, async {
        let read_out = async {
            if let Some(out) = &mut out {
                out.read_to_string(&mut stdout).await.unwrap();
            }
        };
        tokio::join!(read_out, async { err.read_to_string(&mut stderr).await.unwrap() });
        child.wait().await.unwrap()
    });
    let status = status.await.expect("the program ends");
    Finished {
        code: status.code().unwrap_or(-1),
        stdout,
        stderr,
    }
}

pub(crate) async fn drawgate(url: &str, args: &[&str]) -> Finished {
    finish(&mut start(url, args)).await
}

/// Runs a command as a person would paste it into a shell.
pub(crate) async fn shell(url: &str, command: &str) -> Finished {
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_drawgate"));
    let path = format!("{}:/usr/bin:/bin", program.parent().unwrap().display());
    let mut child = Command::new("/bin/sh")
        .args(["-c", command])
        .env_clear()
        .env("PATH", path)
        .env("DRAWGATE_AMQP_URL", url)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    finish(&mut child).await
}

/// Interrupts the program, as Ctrl-C does.
pub(crate) fn interrupt(child: &Child) {
    let pid = i32::try_from(child.id().unwrap()).unwrap();
    rustix::process::kill_process(
        rustix::process::Pid::from_raw(pid).unwrap(),
        rustix::process::Signal::INT,
    )
    .unwrap();
}

pub(crate) async fn read_one_line_and_close(child: &mut Child) {
    let mut stdout = child.stdout.take().unwrap();
    let mut byte = [0];
    while byte != *b"\n" {
        stdout.read_exact(&mut byte).await.unwrap();
    }
}

pub(crate) async fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}
