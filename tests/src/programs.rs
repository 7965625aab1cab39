//! Where the programs under test and the lab's tools are.

use std::path::{Path, PathBuf};

pub use drawgate_lab::repository;

/// The path of `drawgate` or `drawgate-worker`: in `DRAWGATE_BIN_DIR`, or near the running executable.
pub fn program(name: &str) -> PathBuf {
    let given = std::env::var_os("DRAWGATE_BIN_DIR").map(PathBuf::from);
    let own = std::env::current_exe().unwrap();
    // A test's executable is in target/debug/deps, the programs are one folder up.
    let beside = own.ancestors().skip(1).take(2).map(Path::to_owned);
    let found = given
        .into_iter()
        .chain(beside)
        .map(|folder| folder.join(name))
        .find(|path| path.is_file());
    found.unwrap_or_else(|| panic!("{name} is not built: cargo build --bins, or run with `make test`"))
}

/// A file of the lab, such as `load`.
pub fn lab_tool(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../infra/lab")
        .join(name)
}
