//! Imports between source files form no circle, so that the files can be read in some order.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::fmt::Write as _;
use std::path::Path;

use drawgate_tests::imports::{Import, circles, files, imports};

/// The folders of the crates that are read.
const CRATES: [&str; 8] = [
    "worker/src",
    "worker/config/src",
    "worker/rollout/src",
    "worker/rehearsal/src",
    "worker/amqp/src",
    "producer/src",
    "schemas/src",
    "tests/lab/src",
];

/// The layers of the core from the ground up: a file or a folder each. A file imports from its own layer and
/// from those listed before it.
const CORE: [&str; 17] = [
    "limits.rs",
    "share.rs",
    "failure.rs",
    "definition",
    "fleet",
    "mends.rs",
    "preflight",
    "journal",
    "release",
    "queue",
    "report",
    "decide",
    "estimate.rs",
    "events",
    "machine.rs",
    "recovery.rs",
    "lib.rs",
];

#[test]
fn no_file_of_the_core_imports_upward() {
    let sources = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../worker/rollout/src"));
    let layer = |file: &str| {
        let first = file.split('/').next().unwrap();
        let layer = CORE.iter().position(|layer| *layer == first);
        layer.unwrap_or_else(|| panic!("{file} is in no layer: CORE in this file lists them"))
    };
    let mut found = String::new();
    for Import { file, imported, path } in imports(sources) {
        if layer(&imported) > layer(&file) {
            let _ = writeln!(found, "    {file} imports {imported}: {path}");
        }
    }
    assert!(found.is_empty(), "these files import upward:\n{found}");
}

#[test]
fn no_source_file_is_in_a_circle() {
    let mut found = String::new();
    for folder in CRATES {
        let sources = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).join(folder);
        let imports = imports(&sources);
        // A parser that sees no imports would find no circle either.
        assert!(
            imports.len() >= files(&sources).len() - 1,
            "{folder}: {imports:?}"
        );
        for circle in circles(&imports) {
            found.push_str(&told(folder, &circle, &imports));
        }
    }
    assert!(found.is_empty(), "these files import each other:\n{found}");
}

/// Describes a circle, with every import that closes it.
fn told(folder: &str, circle: &[String], imports: &[Import]) -> String {
    let mut text = format!("{folder}: {}\n", circle.join(", "));
    for Import { file, imported, path } in imports {
        if circle.contains(file) && circle.contains(imported) {
            let _ = writeln!(text, "    {file} needs {imported}: {path}");
        }
    }
    text
}
