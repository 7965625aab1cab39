//! Programs on the bastion: their environment and arguments, the output that is kept, and that none outlives
//! its attempt.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use drawgate_worker::program::{Program, Ran, run};
use tokio::time::Instant;

const HOLDER: &str = env!("CARGO_BIN_EXE_drawgate-worker");

/// A command that runs a script with one argument, as a service's file would have it.
fn words(script: &str, argument: &str) -> Vec<String> {
    ["/bin/sh", "-c", script, "script", argument]
        .map(str::to_owned)
        .into()
}

async fn run_for(words: &[String], env: &BTreeMap<String, String>, limit: Duration) -> Ran {
    let program = Program {
        words,
        env,
        pass_env: &[],
        directory: "/tmp",
        until: Instant::now() + limit,
        lock: None,
    };
    run(Path::new(HOLDER), program).await.unwrap()
}

async fn run_script(script: &str, argument: &str) -> Ran {
    run_for(
        &words(script, argument),
        &BTreeMap::new(),
        Duration::from_secs(20),
    )
    .await
}

/// Waits until a process is gone.
async fn gone(pid: &str) {
    let path = PathBuf::from(format!("/proc/{pid}"));
    let until = Instant::now() + Duration::from_secs(10);
    while path.exists() {
        assert!(Instant::now() < until, "{pid} is still there");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Waits until a script has written its process id.
async fn pid_in(file: &Path) -> String {
    let until = Instant::now() + Duration::from_secs(10);
    loop {
        match std::fs::read_to_string(file) {
            Ok(text) if text.ends_with('\n') => return text.trim().to_owned(),
            _ => assert!(Instant::now() < until, "the script did not start"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn its_end_and_its_last_lines_are_told() {
    let ran = run_script("echo one; echo \"got $1\" >&2; exit 3", "--tag=a; rm -rf /").await;
    assert_eq!(ran.exit_code, Some(3));
    let mut output = ran.output;
    output.sort();
    assert_eq!(output, ["got --tag=a; rm -rf /", "one"]);
    let long = run_script("seq 1 30000", "").await;
    assert_eq!(
        (long.output.len(), long.output.last().map(String::as_str)),
        (50, Some("30000"))
    );
    assert_eq!(run_script("kill -9 $$", "").await.exit_code, Some(137));
}

#[tokio::test]
async fn it_gets_its_own_environment_and_no_secrets_of_the_worker() {
    // The test's own environment stands for the worker's: cargo puts many variables into it.
    assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some());
    let env = BTreeMap::from([("DRAWGATE_TAG".to_owned(), "main-42".to_owned())]);
    let ran = run_for(&words("pwd; env | sort", ""), &env, Duration::from_secs(20)).await;
    assert_eq!(ran.output[0], "/tmp");
    assert!(
        ran.output.contains(&"DRAWGATE_TAG=main-42".to_owned()),
        "{:?}",
        ran.output
    );
    assert!(ran.output.iter().any(|line| line.starts_with("PATH=")));
    assert!(
        !ran.output.iter().any(|line| line.starts_with("CARGO")),
        "{:?}",
        ran.output
    );
}

#[tokio::test]
async fn a_program_that_is_not_there_is_told() {
    let ran = run_for(
        &["/no/such/program".to_owned()],
        &BTreeMap::new(),
        Duration::from_secs(20),
    )
    .await;
    assert_eq!(ran.exit_code, Some(127));
    assert!(
        ran.output[0].starts_with("/no/such/program could not be started: No such file"),
        "{:?}",
        ran.output
    );
}

#[tokio::test]
async fn a_program_whose_time_is_over_ends_with_all_it_started() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pid");
    let script = "sleep 600 & echo $! >\"$1\"; echo working; wait";
    let words = words(script, file.to_str().unwrap());
    let ran = run_for(&words, &BTreeMap::new(), Duration::from_millis(700)).await;
    assert_eq!((ran.exit_code, ran.output), (None, vec!["working".to_owned()]));
    gone(&pid_in(&file).await).await;
}

#[tokio::test]
async fn a_program_ends_with_its_attempt() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pid");
    let words = words("echo $$ >\"$1\"; exec sleep 600", file.to_str().unwrap());
    let (env, limit) = (BTreeMap::new(), Duration::from_secs(600));
    let attempt = run_for(&words, &env, limit);
    let pid = tokio::select! {
        pid = pid_in(&file) => pid,
        ran = attempt => panic!("ended: {ran:?}"),
    };
    gone(&pid).await;
}

#[tokio::test]
async fn what_a_program_leaves_behind_ends_with_it() {
    let ran = run_script("sleep 600 & echo $!", "").await;
    assert_eq!(ran.exit_code, Some(0));
    gone(&ran.output[0]).await;
}
