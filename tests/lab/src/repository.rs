//! Where the repository is.

use std::path::{Path, PathBuf};

/// A file of the repository.
pub fn repository(name: &str) -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).join(name)
}
