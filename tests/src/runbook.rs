//! The commands of the runbooks, read from the runbooks and run as they stand.

use tokio::process::Command;

use crate::programs::{program, repository};
use crate::scene::Scene;
use crate::wait::within;

/// The blocks marked `sh`, one after another, without their indentation.
fn commands(runbook: &str) -> String {
    let text = std::fs::read_to_string(repository("runbooks").join(runbook)).unwrap();
    let (mut script, mut indent) = (String::new(), None);
    for line in text.lines() {
        let bare = line.trim_start();
        match indent {
            None if bare == "```sh" => indent = Some(line.len() - bare.len()),
            Some(_) if bare == "```" => indent = None,
            Some(columns) => {
                script.push_str(line.get(columns..).unwrap_or_default());
                script.push('\n');
            }
            None => {}
        }
    }
    assert!(script.lines().count() > 2, "{runbook} has no commands");
    script
}

/// Runs them all in one shell that stops at the first that fails; gives what they printed.
pub async fn follow(scene: &Scene, runbook: &str, variables: &[(&str, &str)]) -> String {
    let ours = program("drawgate").parent().unwrap().to_owned();
    let aws = repository("target/lab/venv/bin");
    let path = format!(
        "{}:{}:{}",
        ours.display(),
        aws.display(),
        std::env::var("PATH").unwrap()
    );
    let mut command = Command::new("bash");
    command
        .args(["-euo", "pipefail", "-c", &commands(runbook)])
        .env("PATH", path)
        .env("DRAWGATE_AMQP_URL", scene.broker.url())
        .envs(variables.iter().copied());
    let output = within(runbook, command.output()).await.unwrap();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{runbook}: {printed}\n{error}");
    printed
}
