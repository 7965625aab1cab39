//! The boot of a fresh host: runs `infra/aws/boot` as root in the host's own namespaces, as cloud-init would.

use std::process::Output;

use tokio::process::Command;

use crate::lab::Lab;
use crate::programs::repository;
use crate::wait::within;

/// The output of a boot script, and its exit code.
#[derive(Debug)]
pub struct Boot {
    pub code: Option<i32>,
    /// Its output.
    pub said: String,
}

impl From<Output> for Boot {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            said: String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned(),
        }
    }
}

impl Lab {
    /// Runs the boot script on a host. `more` are additional variables of its environment, `NAME=value`.
    pub async fn boot(&self, host: &str, parameter: &str, more: &[&str]) -> Boot {
        let folder = self.folder().display();
        let venv = repository("target/lab/venv/bin");
        let mut command = Command::new("nsenter");
        command
            .args(["--mount", "--uts", "--ipc", "--net", "--pid", "--target"])
            .arg(self.first_process(host).to_string())
            .args(["--wd=/", "--", "env"])
            .arg(format!("PATH={}:/usr/sbin:/usr/bin:/sbin:/bin", venv.display()))
            .arg(format!("DOCKER_CONFIG={folder}/docker"))
            .args(more)
            .arg(repository("infra/aws/boot"))
            .arg(parameter);
        command.kill_on_drop(true);
        within(&format!("boot on {host}"), command.output())
            .await
            .unwrap()
            .into()
    }

    /// Kills all processes of a host; its address refuses connections from then on.
    pub async fn kill_host(&self, host: &str) {
        let pid = std::fs::read_to_string(self.folder().join("pids").join(host)).unwrap();
        let done = Command::new("kill")
            .args(["-9", pid.trim()])
            .status()
            .await
            .unwrap();
        assert!(done.success(), "kill of {host}: {done}");
    }

    /// The first process in a host's own namespaces: the child of the process that made them.
    fn first_process(&self, host: &str) -> u32 {
        let outer = std::fs::read_to_string(self.folder().join("pids").join(host)).unwrap();
        let outer = outer.trim();
        let children = std::fs::read_to_string(format!("/proc/{outer}/task/{outer}/children")).unwrap();
        let first = children.split_whitespace().next();
        first.expect("a host that runs").parse().unwrap()
    }

    /// Runs the AWS command line, which has to succeed; gives what it printed.
    pub async fn aws(&self, arguments: &[&str]) -> String {
        let done = Command::new(repository("target/lab/venv/bin/aws"))
            .args(arguments)
            .output()
            .await
            .unwrap();
        let error = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(done.status.success(), "aws {}: {error}", arguments.join(" "));
        String::from_utf8_lossy(&done.stdout).trim().to_owned()
    }

    /// The value of a parameter; `None` where the parameter does not exist.
    pub async fn parameter(&self, name: &str) -> Option<String> {
        let query = format!("Parameters[?Name=='{name}'].Value | [0]");
        let answer = self
            .aws(&[
                "ssm",
                "get-parameters",
                "--names",
                name,
                "--query",
                &query,
                "--output",
                "text",
            ])
            .await;
        Some(answer).filter(|value| value != "None")
    }

    /// Creates or overwrites a text parameter.
    pub async fn put_parameter(&self, name: &str, value: &str) {
        let arguments = [
            "ssm",
            "put-parameter",
            "--overwrite",
            "--type",
            "String",
            "--name",
            name,
            "--value",
            value,
        ];
        self.aws(&arguments).await;
    }

    /// Deletes a parameter.
    pub async fn delete_parameter(&self, name: &str) {
        self.aws(&["ssm", "delete-parameter", "--name", name]).await;
    }
}
