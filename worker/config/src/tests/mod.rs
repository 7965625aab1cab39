//! The configuration as a whole, read from files on disk.

mod between_files;
mod commands;
mod example;
mod keys;
mod mistakes;
mod noise;
mod reference;

use std::path::Path;

use super::Config;
use super::error::{ConfigErrors, explain};
use super::load::{Machine, load};

/// A `worker.toml` without mistakes.
pub(super) const WORKER: &str = "site = \"us-west\"\n[amqp]\nurl = \"amqp://localhost\"\n\n[groups]\nops = [\"ben\"]\n\n[orders]\nfrom = [\"ops\"]\n";

/// The head of a service file without mistakes; what a test adds begins on line 6.
pub(super) const HEAD: &str = r#"service = "api"
environments = ["staging"]
auto_scaling_group = "api-{environment}"
policy.images = ["registry.example.com/team/api"]

"#;

fn machine() -> Machine {
    Machine {
        amqp_url: None,
        hostname: Some("bastion-a\n".to_owned()),
    }
}

/// Reads these files from a folder of their own.
pub(super) fn read_files(worker: &[u8], services: &[(&str, &[u8])]) -> Result<Config, ConfigErrors> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("services")).unwrap();
    let path = folder.path().join("worker.toml");
    std::fs::write(&path, worker).unwrap();
    for (name, text) in services {
        std::fs::write(folder.path().join("services").join(name), text).unwrap();
    }
    let mut result = load(&path, machine());
    if let Err(report) = &mut result {
        // The folder's name is another one each time.
        report.file = "worker.toml".to_owned();
    }
    result
}

/// What `check` says about these files.
pub(super) fn checked(worker: &str, services: &[(&str, &str)]) -> String {
    let services: Vec<_> = services
        .iter()
        .map(|(name, text)| (*name, text.as_bytes()))
        .collect();
    let report = match read_files(worker.as_bytes(), &services) {
        Ok(config) => config.report(Path::new("worker.toml")),
        Err(report) => report,
    };
    explain(&report)
}

/// What `check` says about a service file with these lines from line 6 on.
pub(super) fn checked_service(lines: &str) -> String {
    checked(WORKER, &[("api.toml", &format!("{HEAD}{lines}"))])
}
