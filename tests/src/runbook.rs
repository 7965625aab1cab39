//! The commands of a runbook, read from the file and run as they stand.

use std::process::Output;

use tokio::process::Command;

use crate::Scene;
use crate::programs::{program, repository};
use crate::wait::within;

/// The blocks marked `sh` of `FILE`, or of one section, `FILE#HEADING`, joined and without their indentation.
fn commands(runbook: &str) -> String {
    blocks(runbook, "sh")
}

/// The same for blocks with another mark.
pub fn blocks(runbook: &str, mark: &str) -> String {
    let (file, section) = runbook.split_once('#').unwrap_or((runbook, ""));
    let text = std::fs::read_to_string(repository("runbooks").join(file)).unwrap();
    let sections = text.split("\n## ").skip(usize::from(!section.is_empty()));
    let chosen: Vec<&str> = sections.filter(|text| text.starts_with(section)).collect();
    let (mut script, mut indent) = (String::new(), None);
    for line in chosen.iter().flat_map(|text| text.lines()) {
        let bare = line.trim_start();
        match indent {
            None if bare.strip_prefix("```") == Some(mark) => indent = Some(line.len() - bare.len()),
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

/// Runs all commands in one shell that stops at the first failure; gives what they printed.
pub async fn follow(scene: &Scene, runbook: &str, variables: &[(&str, &str)]) -> String {
    let output = shell(scene, runbook, variables).await;
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{runbook}: {printed}\n{error}");
    printed
}

/// The same without checking the exit code.
pub async fn shell(scene: &Scene, runbook: &str, variables: &[(&str, &str)]) -> Output {
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
    within(runbook, command.output()).await.unwrap()
}
