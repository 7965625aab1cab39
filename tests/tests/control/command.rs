//! Gives a control command, and finds it in a journal.

use std::process::Output;

use drawgate_schemas::{Control, ReleaseId};
use drawgate_tests::Scene;
use serde_json::{Value, json};

pub(crate) async fn control(scene: &Scene, verb: &str, id: ReleaseId) -> Output {
    scene
        .drawgate(&[verb, &id.to_string(), "--yes", "--reason", "looking"])
        .await
}

pub(crate) async fn taken(scene: &Scene, verb: &str, id: ReleaseId) {
    let output = control(scene, verb, id).await;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{verb}: {said}");
    assert!(said.contains("taken by bastion-lab"), "{said}");
}

/// Asserts that the command is refused, for one of these reasons.
pub(crate) async fn not_taken(scene: &Scene, verb: &str, id: ReleaseId, reasons: &[&str]) {
    let output = control(scene, verb, id).await;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(3), "{verb}: {said}");
    assert!(reasons.iter().any(|why| said.contains(why)), "{said}");
}

/// Sends a control command; gives exit code and output.
pub(crate) async fn told(scene: &Scene, user: &str, verb: &str, id: ReleaseId) -> (i32, String) {
    let output = scene.drawgate_as(user, &[verb, &id.to_string(), "--yes"]).await;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code().unwrap(), said)
}

/// The positions of this control command in a journal.
pub(crate) fn commands(journal: &[Value], control: Control) -> Vec<usize> {
    let is = |entry: &Value| {
        entry["record"]["record"] == "control" && entry["record"]["command"]["control"] == json!(control)
    };
    let found = journal.iter().enumerate().filter(|(_, entry)| is(entry));
    found.map(|(place, _)| place).collect()
}
