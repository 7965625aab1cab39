//! Every path that the code of a module mentions.

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, ImplItem, Item, ItemMod, ItemUse, Macro, Meta, Visibility};

use super::tree::{self, Leaf, plain};

/// A path in the code of a module.
#[derive(Debug)]
pub(super) enum Mention {
    /// A leaf of a `use` line.
    Use(Leaf),
    /// `use path::*`, with all single names that the module mentions: `resolve` finds out which of them come
    /// from there.
    Glob(Leaf, Vec<String>),
    /// A path in code.
    Path(Vec<String>),
}

impl Mention {
    pub(super) fn leaf(&self) -> Option<&Leaf> {
        match self {
            Self::Use(leaf) | Self::Glob(leaf, _) => Some(leaf),
            Self::Path(_) => None,
        }
    }

    /// The path as it stands in the code.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Use(leaf) => format!("use {}", leaf.path.join("::")),
            Self::Glob(leaf, _) => format!("use {}::*", leaf.path.join("::")),
            Self::Path(path) => path.join("::"),
        }
    }
}

/// The mentions in the items of one module, without those of its submodules.
pub(super) fn of(attributes: &[Attribute], items: &[Item]) -> Vec<Mention> {
    let mut found = Found::default();
    for attribute in attributes {
        found.visit_attribute(attribute);
    }
    for item in items {
        found.visit_item(item);
    }
    let single: Vec<String> = found
        .paths
        .iter()
        .filter_map(|path| path.first())
        .cloned()
        .collect();
    let uses = found.uses.into_iter().map(|leaf| match leaf.name {
        None => Mention::Glob(leaf, single.clone()),
        Some(_) => Mention::Use(leaf),
    });
    let mut mentions: Vec<Mention> = uses.collect();
    mentions.extend(found.paths.into_iter().map(Mention::Path));
    mentions
}

#[derive(Default)]
struct Found {
    uses: Vec<Leaf>,
    paths: Vec<Vec<String>>,
}

impl Found {
    /// Paths in tokens that are not parsed: those of macro calls and of attributes.
    fn tokens(&mut self, tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let is_colon = |at: usize| matches!(tokens.get(at), Some(TokenTree::Punct(p)) if p.as_char() == ':');
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            at += 1;
            match token {
                TokenTree::Group(group) => self.tokens(group.stream()),
                TokenTree::Literal(literal) => self.text(&literal.to_string()),
                TokenTree::Ident(first) => {
                    let mut path = vec![plain(first)];
                    while is_colon(at) && is_colon(at + 1) {
                        match tokens.get(at + 2) {
                            Some(TokenTree::Ident(next)) => path.push(plain(next)),
                            _ => break,
                        }
                        at += 3;
                    }
                    self.paths.push(path);
                }
                TokenTree::Punct(_) => {}
            }
        }
    }

    /// A path in a string, as `#[serde(with = "crate::seconds")]` has one.
    fn text(&mut self, literal: &str) {
        let path = literal.trim_matches('"');
        if path.contains("::") && syn::parse_str::<syn::Path>(path).is_ok() {
            self.paths
                .push(path.split("::").map(|name| name.trim().to_owned()).collect());
        }
    }
}

impl<'ast> Visit<'ast> for Found {
    fn visit_item(&mut self, item: &'ast Item) {
        if !tree::for_tests(tree::item_attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item(&mut self, item: &'ast ImplItem) {
        let attributes: &[Attribute] = match item {
            ImplItem::Const(item) => &item.attrs,
            ImplItem::Fn(item) => &item.attrs,
            ImplItem::Type(item) => &item.attrs,
            ImplItem::Macro(item) => &item.attrs,
            _ => &[],
        };
        if !tree::for_tests(attributes) {
            visit::visit_impl_item(self, item);
        }
    }

    /// Skips the module's body, because a submodule has its own mentions.
    fn visit_item_mod(&mut self, module: &'ast ItemMod) {
        for attribute in &module.attrs {
            self.visit_attribute(attribute);
        }
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        for mut leaf in tree::leaves(&item.tree) {
            if item.leading_colon.is_some() {
                leaf.path.insert(0, String::new());
            }
            self.uses.push(leaf);
        }
    }

    /// Skips `pub(in crate::path)`, which limits visibility and imports nothing.
    fn visit_visibility(&mut self, _: &'ast Visibility) {}

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let mut names: Vec<String> = path
            .segments
            .iter()
            .map(|segment| plain(&segment.ident))
            .collect();
        if path.leading_colon.is_some() {
            names.insert(0, String::new());
        }
        self.paths.push(names);
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast Macro) {
        self.visit_path(&call.path);
        self.tokens(call.tokens.clone());
    }

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        if attribute.path().is_ident("doc") {
            return;
        }
        match &attribute.meta {
            Meta::Path(_) => {}
            Meta::List(list) => self.tokens(list.tokens.clone()),
            Meta::NameValue(value) => self.visit_expr(&value.value),
        }
    }
}
