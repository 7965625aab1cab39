//! The pure crates cannot do IO, because none of their dependencies can.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::process::Command;

/// Runtimes, SDKs and clients, by the first part of their names.
const IMPURE: [&str; 22] = [
    "tokio",
    "async-std",
    "async-io",
    "async-executor",
    "smol",
    "mio",
    "polling",
    "lapin",
    "amq-protocol",
    "aws-",
    "hyper",
    "reqwest",
    "h2",
    "sqlx",
    "libsqlite3",
    "bollard",
    "openssh",
    "rustix",
    "libc",
    "rustls",
    "native-tls",
    "socket2",
];

#[test]
fn pure_crates_have_no_runtime_and_no_sdk() {
    for package in ["drawgate-schemas", "drawgate-rollout", "drawgate-rehearsal"] {
        let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
        let output = Command::new(cargo)
            .args([
                "tree",
                "--locked",
                "--offline",
                "-p",
                package,
                "-e",
                "normal",
                "--prefix",
                "none",
                "-f",
                "{lib}",
            ])
            .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let text = String::from_utf8(output.stdout).unwrap().replace('_', "-");
        let names: Vec<&str> = text.lines().collect();
        assert!(names.contains(&package), "{names:?}");
        let impure: Vec<&&str> = names
            .iter()
            .filter(|name| IMPURE.iter().any(|other| name.starts_with(other)))
            .collect();
        assert!(impure.is_empty(), "{package} depends on {impure:?}");
    }
}
