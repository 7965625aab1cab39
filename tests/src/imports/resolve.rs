//! Resolves a path to the files that define the name.

use std::collections::BTreeSet;

use super::mentions::Mention;
use super::tree::Tree;

/// Most re-exports that one name may pass through; this bound ends a circle of globs.
const DEPTH: usize = 16;

/// What a name stands for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Target {
    Module(usize),
    /// An item of this crate, in this file.
    Item(String),
    Foreign,
}

/// The files that a mention imports.
pub(super) fn files(tree: &Tree, module: usize, mention: &Mention) -> BTreeSet<String> {
    let targets = match mention {
        Mention::Use(leaf) => walk(tree, module, &leaf.path, true, DEPTH),
        Mention::Path(path) if path.len() > 1 => walk(tree, module, path, false, DEPTH),
        Mention::Path(_) => BTreeSet::new(),
        Mention::Glob(leaf, names) => walk(tree, module, &leaf.path, true, DEPTH)
            .into_iter()
            .flat_map(|target| of_glob(tree, target, names))
            .collect(),
    };
    targets
        .into_iter()
        .filter_map(|target| match target {
            Target::Item(file) => Some(file),
            // A module's name alone imports nothing: each use of its contents is a path of its own.
            Target::Module(_) | Target::Foreign => None,
        })
        .collect()
}

/// The names that a glob imports, of those that its module mentions. A glob that imports none of them
/// re-exports names for other modules: it counts as an import of the file that it names.
fn of_glob(tree: &Tree, target: Target, names: &[String]) -> BTreeSet<Target> {
    let Target::Module(from) = target else {
        return BTreeSet::from([target]);
    };
    let used: BTreeSet<Target> = names
        .iter()
        .flat_map(|name| lookup(tree, from, name, DEPTH))
        .filter(|target| !matches!(target, Target::Foreign))
        .collect();
    if used.is_empty() {
        return BTreeSet::from([Target::Item(tree.modules[from].file.clone())]);
    }
    used
}

/// Follows a path from the module where it stands. `of_use` says that it is the path of a `use` line, which
/// never begins with a name that the line itself imports.
fn walk(tree: &Tree, module: usize, path: &[String], of_use: bool, depth: usize) -> BTreeSet<Target> {
    let Some((first, mut rest)) = path.split_first() else {
        return BTreeSet::new();
    };
    let mut at = BTreeSet::new();
    match first.as_str() {
        "crate" => {
            at.insert(Target::Module(root(tree, module)));
        }
        "self" => {
            at.insert(Target::Module(module));
        }
        "super" => {
            let mut above = tree.modules[module].parent.unwrap_or(module);
            while let Some(("super", more)) = rest.split_first().map(|(name, more)| (name.as_str(), more)) {
                above = tree.modules[above].parent.unwrap_or(above);
                rest = more;
            }
            at.insert(Target::Module(above));
        }
        "" => {
            at.insert(Target::Foreign);
        }
        // `use jiff::fmt` names the crate, although the line itself imports nothing called `jiff`.
        name if of_use && names_itself(tree, module, name, path) => {
            at.insert(Target::Foreign);
        }
        name => at = lookup(tree, module, name, depth),
    }
    for name in rest {
        // A function may share a module's name: a path leads through the module.
        if at.iter().any(|target| matches!(target, Target::Module(_))) {
            at.retain(|target| matches!(target, Target::Module(_)));
        }
        at = at
            .into_iter()
            .flat_map(|target| match target {
                Target::Module(module) => {
                    let found = lookup(tree, module, name, depth);
                    // A name that cannot be found, as one that a macro defines, counts as the module's own.
                    if found.is_empty() {
                        BTreeSet::from([Target::Item(tree.modules[module].file.clone())])
                    } else {
                        found
                    }
                }
                other => BTreeSet::from([other]),
            })
            .collect();
    }
    at
}

/// Whether a `use` line imports the very name that its path begins with: `use jiff;`, `use jiff::{self}`.
fn names_itself(tree: &Tree, module: usize, name: &str, path: &[String]) -> bool {
    let module = &tree.modules[module];
    path.len() == 1
        && module
            .names
            .get(name)
            .is_some_and(|paths| paths.iter().any(|other| other == path))
        && !module.children.contains_key(name)
        && !module.items.contains(name)
}

/// The meaning of a name in a module: a child, an item, an import, or a name from a glob.
fn lookup(tree: &Tree, module: usize, name: &str, depth: usize) -> BTreeSet<Target> {
    let Some(depth) = depth.checked_sub(1) else {
        return BTreeSet::new();
    };
    let here = &tree.modules[module];
    let mut found = BTreeSet::new();
    found.extend(here.children.get(name).map(|child| Target::Module(*child)));
    if here.items.contains(name) {
        found.insert(Target::Item(here.file.clone()));
    }
    for path in here.names.get(name).into_iter().flatten() {
        found.extend(walk(tree, module, path, true, depth));
    }
    if found.is_empty() {
        for glob in &here.globs {
            for target in walk(tree, module, glob, true, depth) {
                if let Target::Module(from) = target {
                    found.extend(lookup(tree, from, name, depth));
                }
            }
        }
    }
    found
}

fn root(tree: &Tree, mut module: usize) -> usize {
    while let Some(parent) = tree.modules[module].parent {
        module = parent;
    }
    module
}
