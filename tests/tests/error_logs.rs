//! Every error in a log line is logged with its causes, because `%error` would show only the top of the
//! chain.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::collections::BTreeSet;
use std::path::Path;

use drawgate_tests::imports::files;
use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};

/// Macros that log, or print to stderr for people.
const MACROS: [&str; 8] = [
    "trace", "debug", "info", "warn", "error", "event", "eprintln", "eprint",
];
/// The producer's functions that print to stderr.
const FUNCTIONS: [&str; 2] = ["narrate", "note"];
/// Names that walk the chain of causes.
const CHAINS: [&str; 2] = ["Causes", "error_chain"];
/// Names that count as errors, in addition to those that an `Err(…)` pattern binds.
const NAMES: [&str; 3] = ["error", "err", "cause"];

#[test]
fn logged_errors_have_their_causes() {
    let mut found = Vec::new();
    for folder in ["worker/src", "worker/config/src", "producer/src"] {
        let sources = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).join(folder);
        for file in files(&sources) {
            let text = std::fs::read_to_string(sources.join(&file)).unwrap();
            let bare = bare_errors(&text).into_iter();
            found.extend(bare.map(|error| format!("{folder}/{file}: {error}")));
        }
    }
    assert!(
        found.is_empty(),
        "logged without the causes; write `error = %Causes(&error)`:\n{}",
        found.join("\n")
    );
}

#[test]
fn every_bare_form_is_found() {
    for log in [
        "tracing::warn!(%error, \"gone\")",
        "tracing::warn!(?error, \"gone\")",
        "tracing::warn!(reason = %error, \"gone\")",
        "tracing::warn!(error = error.to_string(), \"gone\")",
        "tracing::warn!(\"gone: {error}\")",
        "tracing::warn!(\"gone: {error:?}\")",
        "tracing::warn!(\"gone: {}\", error)",
        "eprintln!(\"gone: {error}\")",
        "printer::narrate(&format!(\"gone: {error}\"))",
        "narrator.note(&view::clean(&format!(\"gone: {error}\")))",
        "if let Err(why) = tried { warn!(%why, \"gone\") }",
        "tried.unwrap_or_else(|error: io::Error| warn!(%error))",
        "match tried { Some(Err(why)) => tracing::warn!(\"gone: {why}\"), _ => {} }",
    ] {
        let text = format!("fn f() {{ {log} }}");
        assert_eq!(bare_errors(&text).len(), 1, "{log}");
    }
}

#[test]
fn a_chain_and_other_values_are_let_pass() {
    for log in [
        "tracing::warn!(error = %Causes(&error), \"gone\")",
        "tracing::warn!(\"gone: {}\", crate::error_chain(&error))",
        "tracing::warn!(hint = error.hint(), what = %failure.error, \"an error\")",
        "tracing::warn!(%why, \"gone\")",
        "printer::narrate(&format!(\"gone: {}\", Causes(&error)))",
        "return Err(format!(\"gone: {error}\"))",
    ] {
        let text = format!("fn f() {{ {log} }}");
        assert_eq!(bare_errors(&text), Vec::<String>::new(), "{log}");
    }
}

/// The errors that this source logs without their causes, each as `name in macro`.
fn bare_errors(source: &str) -> Vec<String> {
    let file = syn::parse_file(source).unwrap();
    let mut logs = Logs {
        errors: BTreeSet::new(),
        told: None,
        found: Vec::new(),
    };
    logs.visit_file(&file);
    logs.found
}

/// The names of errors in a function: those that its `Err(…)` patterns bind.
struct Names(BTreeSet<String>);

impl Names {
    fn of(block: &syn::Block) -> BTreeSet<String> {
        let mut names = Self(NAMES.iter().map(ToString::to_string).collect());
        names.visit_block(block);
        names.0
    }
}

impl<'ast> Visit<'ast> for Names {
    fn visit_pat_tuple_struct(&mut self, pattern: &'ast syn::PatTupleStruct) {
        if pattern
            .path
            .segments
            .last()
            .is_some_and(|last| last.ident == "Err")
            && let Some(syn::Pat::Ident(name)) = pattern.elems.first()
        {
            self.0.insert(name.ident.to_string());
        }
        visit::visit_pat_tuple_struct(self, pattern);
    }
}

struct Logs {
    /// The names of errors in the function that is being read.
    errors: BTreeSet<String>,
    /// The call whose arguments are being read, where it is one that logs or prints.
    told: Option<String>,
    found: Vec<String>,
}

impl Logs {
    fn tokens(&mut self, by: &str, tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let sign = |at: Option<usize>, sign: char| {
            let token = at.and_then(|at| tokens.get(at));
            matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == sign)
        };
        for (at, token) in tokens.iter().enumerate() {
            match token {
                TokenTree::Group(group) => {
                    let before = at.checked_sub(1).and_then(|before| tokens.get(before));
                    let chain = matches!(before, Some(TokenTree::Ident(name)) if CHAINS.iter().any(|chain| name == chain));
                    if !chain {
                        self.tokens(by, group.stream());
                    }
                }
                TokenTree::Ident(name) if self.errors.contains(&name.to_string()) => {
                    let of_another = sign(at.checked_sub(1), '.');
                    let a_field = sign(Some(at + 1), '=') || sign(Some(at + 1), '!');
                    let method = sign(Some(at + 1), '.').then(|| tokens.get(at + 2)).flatten();
                    let asked = method.is_some_and(|method| method.to_string() != "to_string");
                    if !of_another && !a_field && !asked {
                        self.found.push(format!("{name} in {by}"));
                    }
                }
                TokenTree::Literal(literal) => {
                    let text = literal.to_string();
                    for name in &self.errors {
                        if text.contains(&format!("{{{name}}}")) || text.contains(&format!("{{{name}:")) {
                            self.found.push(format!("{name} in {by}"));
                        }
                    }
                }
                _ => {}
            }
        }
    }
}

impl<'ast> Visit<'ast> for Logs {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        let is_for_tests = |attributes: &[syn::Attribute]| {
            attributes.iter().any(|attribute| {
                attribute.path().is_ident("cfg")
                    && matches!(&attribute.meta, syn::Meta::List(list) if list.tokens.to_string() == "test")
            })
        };
        match item {
            syn::Item::Mod(module) if is_for_tests(&module.attrs) => {}
            _ => visit::visit_item(self, item),
        }
    }

    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        let around = std::mem::replace(&mut self.errors, Names::of(&function.block));
        visit::visit_item_fn(self, function);
        self.errors = around;
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        let around = std::mem::replace(&mut self.errors, Names::of(&function.block));
        visit::visit_impl_item_fn(self, function);
        self.errors = around;
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        let name = call
            .path
            .segments
            .last()
            .map_or_else(String::new, |last| last.ident.to_string());
        if MACROS.contains(&name.as_str()) {
            self.tokens(&name, call.tokens.clone());
        } else if let Some(told) = self.told.clone() {
            self.tokens(&told, call.tokens.clone());
        }
    }

    fn visit_expr_call(&mut self, call: &'ast syn::ExprCall) {
        let name = match &*call.func {
            syn::Expr::Path(path) => path.path.segments.last().map(|last| last.ident.to_string()),
            _ => None,
        };
        let tells = name.filter(|name| FUNCTIONS.contains(&name.as_str()));
        let before = self.told.clone();
        self.told = tells.or(self.told.take());
        visit::visit_expr_call(self, call);
        self.told = before;
    }

    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        let name = call.method.to_string();
        self.visit_expr(&call.receiver);
        let before = self.told.clone();
        self.told = FUNCTIONS
            .contains(&name.as_str())
            .then_some(name)
            .or(self.told.take());
        call.args.iter().for_each(|argument| self.visit_expr(argument));
        self.told = before;
    }
}
