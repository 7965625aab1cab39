//! The boot of a fresh host: runs `infra/aws/boot` as root in the host's own namespaces, as cloud-init would.

use std::process::Output;

use tokio::process::Command;

use super::api::Lab;
use crate::repository;
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

    /// The first process in a host's own namespaces: the child of the process that made them.
    fn first_process(&self, host: &str) -> u32 {
        let outer = self.pid(host);
        let children = std::fs::read_to_string(format!("/proc/{outer}/task/{outer}/children")).unwrap();
        let first = children.split_whitespace().next();
        first.expect("a host that runs").parse().unwrap()
    }
}
