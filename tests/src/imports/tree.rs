//! The modules of a crate, and the names in each.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use syn::punctuated::Punctuated;
use syn::{Attribute, Item, Meta, Token, UseTree};

use super::mentions::{self, Mention};

/// All modules of a crate, its root included, and all paths that they mention.
#[derive(Debug, Default)]
pub(super) struct Tree {
    pub(super) modules: Vec<Module>,
    pub(super) mentions: Vec<(usize, Mention)>,
    /// Paths of modules that are compiled for tests only, cut after the module's name: the file or the
    /// folder.
    for_tests: Vec<PathBuf>,
}

/// A module: a file, or an inline part of one.
#[derive(Debug)]
pub(super) struct Module {
    pub(super) file: String,
    /// The parent module; `None` for the crate's root.
    pub(super) parent: Option<usize>,
    pub(super) children: BTreeMap<String, usize>,
    /// Names of the items that the module defines.
    pub(super) items: BTreeSet<String>,
    /// Names that `use` lines import, with the path behind each.
    pub(super) names: BTreeMap<String, Vec<Vec<String>>>,
    /// Paths of `use path::*`.
    pub(super) globs: Vec<Vec<String>>,
}

/// A leaf of a `use` line: the whole path, and the name that it imports. A glob has no name.
#[derive(Debug)]
pub(super) struct Leaf {
    pub(super) path: Vec<String>,
    pub(super) name: Option<String>,
}

pub(super) fn read(sources: &Path) -> Tree {
    let mut tree = Tree::default();
    let roots = roots(sources);
    assert!(
        !roots.is_empty(),
        "no lib.rs and no program in {}",
        sources.display()
    );
    for root in roots {
        let mut reader = Reader {
            sources,
            tree: &mut tree,
        };
        reader.file(&root, root.parent().unwrap(), None);
    }
    let mut unread = source_files(sources);
    unread.retain(|path| {
        let name = path.strip_prefix(sources).unwrap().display().to_string();
        let read = tree.modules.iter().any(|module| module.file == name);
        let for_tests = |module: &PathBuf| path.starts_with(module) || path.with_extension("") == *module;
        !read && !tree.for_tests.iter().any(for_tests)
    });
    assert!(unread.is_empty(), "no module line names {unread:?}");
    tree
}

/// The files that cargo builds by itself: the library's root, and the programs in `bin`.
fn roots(sources: &Path) -> Vec<PathBuf> {
    let programs = std::fs::read_dir(sources.join("bin")).into_iter().flatten();
    let program = |path: PathBuf| match path.is_dir() {
        true => path.join("main.rs"),
        false => path,
    };
    let mut roots = vec![sources.join("lib.rs"), sources.join("main.rs")];
    roots.extend(programs.map(|entry| program(entry.unwrap().path())));
    roots.retain(|path| path.is_file() && path.extension().is_some_and(|end| end == "rs"));
    roots
}

fn source_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(source_files(&path));
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(path);
        }
    }
    found
}

struct Reader<'a> {
    sources: &'a Path,
    tree: &'a mut Tree,
}

impl Reader<'_> {
    /// Reads a file as a module, with all its submodules. `folder` is where their files are.
    fn file(&mut self, path: &Path, folder: &Path, parent: Option<usize>) -> usize {
        let text = std::fs::read_to_string(path).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
        let parsed = syn::parse_file(&text).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
        let name = path.strip_prefix(self.sources).unwrap().display().to_string();
        self.module(name, folder, parent, &parsed.attrs, &parsed.items)
    }

    fn module(
        &mut self,
        file: String,
        folder: &Path,
        parent: Option<usize>,
        attributes: &[Attribute],
        items: &[Item],
    ) -> usize {
        let this = self.tree.modules.len();
        self.tree.modules.push(Module {
            file: file.clone(),
            parent,
            children: BTreeMap::new(),
            items: BTreeSet::new(),
            names: BTreeMap::new(),
            globs: Vec::new(),
        });
        for item in items {
            if for_tests(item_attributes(item)) {
                if let Item::Mod(module) = item {
                    self.tree.for_tests.push(folder.join(plain(&module.ident)));
                }
                continue;
            }
            self.define(this, item);
            if let Item::Mod(module) = item {
                let name = plain(&module.ident);
                let below = folder.join(&name);
                let child = match &module.content {
                    Some((_, items)) => self.module(file.clone(), &below, Some(this), &[], items),
                    None => {
                        assert!(
                            !module
                                .attrs
                                .iter()
                                .any(|attribute| attribute.path().is_ident("path")),
                            "{file}: `#[path]` is not followed"
                        );
                        let flat = folder.join(format!("{name}.rs"));
                        let path = if flat.is_file() {
                            flat
                        } else {
                            below.join("mod.rs")
                        };
                        self.file(&path, &below, Some(this))
                    }
                };
                self.tree.modules[this].children.insert(name, child);
            }
        }
        let mentions = mentions::of(attributes, items);
        for leaf in mentions.iter().filter_map(Mention::leaf) {
            let module = &mut self.tree.modules[this];
            match &leaf.name {
                Some(name) => module
                    .names
                    .entry(name.clone())
                    .or_default()
                    .push(leaf.path.clone()),
                None => module.globs.push(leaf.path.clone()),
            }
        }
        self.tree
            .mentions
            .extend(mentions.into_iter().map(|mention| (this, mention)));
        this
    }

    fn define(&mut self, module: usize, item: &Item) {
        let name = match item {
            Item::Const(item) => &item.ident,
            Item::Enum(item) => &item.ident,
            Item::Fn(item) => &item.sig.ident,
            Item::Static(item) => &item.ident,
            Item::Struct(item) => &item.ident,
            Item::Trait(item) => &item.ident,
            Item::TraitAlias(item) => &item.ident,
            Item::Type(item) => &item.ident,
            Item::Union(item) => &item.ident,
            Item::Macro(item) => match &item.ident {
                Some(name) => name,
                None => return,
            },
            _ => return,
        };
        self.tree.modules[module].items.insert(plain(name));
    }
}

/// The leaves of a `use` line.
pub(super) fn leaves(tree: &UseTree) -> Vec<Leaf> {
    fn walk(tree: &UseTree, before: &mut Vec<String>, found: &mut Vec<Leaf>) {
        match tree {
            UseTree::Path(path) => {
                before.push(plain(&path.ident));
                walk(&path.tree, before, found);
                before.pop();
            }
            UseTree::Name(name) => leaf(before, &plain(&name.ident), &plain(&name.ident), found),
            UseTree::Rename(name) => leaf(before, &plain(&name.ident), &plain(&name.rename), found),
            UseTree::Glob(_) => found.push(Leaf {
                path: before.clone(),
                name: None,
            }),
            UseTree::Group(group) => group.items.iter().for_each(|tree| walk(tree, before, found)),
        }
    }
    fn leaf(before: &[String], last: &str, name: &str, found: &mut Vec<Leaf>) {
        let mut path = before.to_vec();
        // `use path::{self}` imports the last name of the path.
        if last != "self" {
            path.push(last.to_owned());
        }
        let name = match name {
            "self" => path.last().cloned().unwrap_or_default(),
            name => name.to_owned(),
        };
        found.push(Leaf {
            path,
            name: Some(name),
        });
    }
    let mut found = Vec::new();
    walk(tree, &mut Vec::new(), &mut found);
    found
}

/// The text of an identifier, without `r#`.
pub(super) fn plain(name: &proc_macro2::Ident) -> String {
    let text = name.to_string();
    text.strip_prefix("r#").map(str::to_owned).unwrap_or(text)
}

/// Whether these attributes mark code that is compiled for tests only.
pub(super) fn for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let of_cfg = || attribute.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated);
        attribute.path().is_ident("test")
            || (attribute.path().is_ident("cfg") && of_cfg().is_ok_and(|metas| metas.iter().any(needs_test)))
    })
}

fn needs_test(condition: &Meta) -> bool {
    match condition {
        Meta::Path(path) => path.is_ident("test"),
        Meta::List(list) if list.path.is_ident("all") => list
            .parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated)
            .is_ok_and(|metas| metas.iter().any(needs_test)),
        _ => false,
    }
}

pub(super) fn item_attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::ExternCrate(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::ForeignMod(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::TraitAlias(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Union(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}
