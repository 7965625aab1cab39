//! Source files can be read in some order: none needs another one that needs it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::fmt::Write as _;
use std::path::Path;

use drawgate_tests::imports::{Import, circles, files, imports};

/// The crates that are read, by their folders.
const CRATES: [&str; 3] = ["worker/src", "producer/src", "schemas/src"];

#[test]
fn no_source_file_is_in_a_circle() {
    let mut found = String::new();
    for folder in CRATES {
        let sources = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).join(folder);
        let imports = imports(&sources);
        // A reader that sees nothing would find no circle either.
        assert!(imports.len() > files(&sources).len(), "{folder}: {imports:?}");
        for circle in circles(&imports) {
            found.push_str(&told(folder, &circle, &imports));
        }
    }
    assert!(found.is_empty(), "these files import each other:\n{found}");
}

/// A circle, with every import that closes it.
fn told(folder: &str, circle: &[String], imports: &[Import]) -> String {
    let mut text = format!("{folder}: {}\n", circle.join(", "));
    for Import { file, imported, path } in imports {
        if circle.contains(file) && circle.contains(imported) {
            let _ = writeln!(text, "    {file} needs {imported}: {path}");
        }
    }
    text
}
