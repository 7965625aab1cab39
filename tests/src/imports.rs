//! The imports between the files of a crate, read from its sources.
//!
//! ```text
//!   source files -- tree:     modules by `mod` lines, and the names that each defines, imports, re-exports
//!                -- mentions: every path that the code of a file names, wherever it stands
//!                -- resolve:  path -> the file that defines the name, through re-exports and globs
//!                -- imports:  (file, imported file, the path that says so)
//!                -- circles:  strongly connected components of that graph
//! ```
//!
//! Counted: `use` lines at any depth, and qualified paths in code, in the tokens of macro calls and in
//! attributes (also those inside a string, as serde wants them). A name that a `mod.rs` re-exports counts as
//! an import of the file that defines it, and the re-export as an import by the `mod.rs`.
//!
//! Not counted: a `mod` line; the name of a module alone; code that is compiled for tests only; a method
//! call, because finding the file of a method needs the types.

mod circles;
mod mentions;
mod resolve;
mod tree;

use std::collections::BTreeMap;
use std::path::Path;

pub use circles::circles;

/// An import of one file of a crate by another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Import {
    /// The importing file, relative to the source folder.
    pub file: String,
    /// The imported file: the one that defines the name.
    pub imported: String,
    /// The first path that imports it, as it stands in the code.
    pub path: String,
}

/// The imports between the files of a crate, each pair of files once, sorted.
///
/// `sources` is the crate's `src`, with a `lib.rs`, a `main.rs` or programs in `bin`.
pub fn imports(sources: &Path) -> Vec<Import> {
    let tree = tree::read(sources);
    let mut found = BTreeMap::new();
    for (module, mention) in &tree.mentions {
        let file = &tree.modules[*module].file;
        for imported in resolve::files(&tree, *module, mention) {
            if imported != *file {
                found
                    .entry((file.clone(), imported))
                    .or_insert_with(|| mention.text());
            }
        }
    }
    found
        .into_iter()
        .map(|((file, imported), path)| Import { file, imported, path })
        .collect()
}

/// Every file of a crate that takes part in its ordinary build, sorted.
pub fn files(sources: &Path) -> Vec<String> {
    let mut files: Vec<String> = tree::read(sources)
        .modules
        .into_iter()
        .map(|module| module.file)
        .collect();
    files.sort();
    files.dedup();
    files
}

#[cfg(test)]
mod tests;
