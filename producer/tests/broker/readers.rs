//! Readers of the output that go away.

use drawgate_schemas::Outcome;

use crate::program::{finish, publish, read_one_line_and_close, start};
use crate::rig::Rig;
use crate::story::story;
use crate::worker::Worker;

/// A reader that stops early, as `head` does, is no error and causes no panic.
#[test]
fn a_reader_that_has_enough_is_no_error() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let ended = std::process::Command::new(env!("CARGO_BIN_EXE_drawgate"))
        .args(["completions", "bash"])
        .stdout(writer)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    assert_eq!((ended.status.code(), &*said), (Some(0), ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_goes_away_ends_the_watching_and_is_no_panic() {
    let Some(rig) = Rig::new("pipe").await else { return };
    let mut worker = Worker::start(&rig, "search-api").await;
    let mut running = start(&rig.url, &publish(&["--wait", "--format", "json"]));
    let request = worker.accept().await;
    let story = story(&request, Outcome::Succeeded);
    worker.say(story[0].clone()).await;
    read_one_line_and_close(&mut running).await;
    for event in &story[1..] {
        worker.say(event.clone()).await;
    }
    let ended = finish(&mut running).await;
    assert_eq!(ended.code, 6, "{}", ended.stderr);
    assert!(
        ended.stderr.contains("stdout cannot be written to"),
        "{}",
        ended.stderr
    );
    assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
}
