use std::path::Path;

use super::{Import, circles, imports};

/// The pairs `file -> imported` of a crate that consists of these files.
fn pairs(files: &[(&str, &str)]) -> Vec<String> {
    read(files)
        .iter()
        .map(|import| format!("{} -> {}", import.file, import.imported))
        .collect()
}

fn read(files: &[(&str, &str)]) -> Vec<Import> {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap_or(Path::new(""))).unwrap();
        std::fs::write(path, text).unwrap();
    }
    imports(folder.path())
}

const A: (&str, &str) = ("a.rs", "pub struct A; pub fn make() -> A { A }");

#[test]
fn nested_lists_name_each_file() {
    let found = pairs(&[
        (
            "lib.rs",
            "mod a; mod b; mod user; use std::{fmt, io::{self, Read}};",
        ),
        A,
        ("b/mod.rs", "pub mod deep; pub enum B { One }"),
        ("b/deep.rs", "pub const D: u8 = 1;"),
        ("user.rs", "use crate::{a::{self, A}, b::{B as Other, deep::D}};"),
    ]);
    assert_eq!(
        found,
        ["user.rs -> a.rs", "user.rs -> b/deep.rs", "user.rs -> b/mod.rs"]
    );
}

#[test]
fn a_module_line_and_a_modules_name_import_nothing() {
    let found = pairs(&[
        ("lib.rs", "pub mod a; pub mod b;"),
        A,
        ("b.rs", "use crate::a; pub(in crate::b) fn nothing() {}"),
    ]);
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn paths_count_in_code_macros_and_attributes() {
    let users = [
        "fn f() { crate::a::make(); }",
        "fn f() { use crate::a::make as m; m(); }",
        "use crate::a; fn f() { a::make(); }",
        "use super::a as other; type T = Vec<other::A>;",
        "impl super::a::A { fn new() {} }",
        "fn f() { println!(\"{:?}\", [super::a::make()]); }",
        "#[derive(Debug)] struct S { #[serde(with = \"crate::a::make\")] s: u8 }",
        "#[derive(Debug)] struct S { #[arg(value_parser = crate::a::make)] s: u8 }",
        "mod inner { fn f() -> super::super::a::A { todo!() } }",
    ];
    for user in users {
        assert_eq!(
            pairs(&[("main.rs", "mod a; mod user;"), A, ("user.rs", user)]),
            ["user.rs -> a.rs"],
            "{user}"
        );
    }
}

#[test]
fn a_re_exported_name_is_its_definers() {
    let found = pairs(&[
        ("lib.rs", "mod room; mod user;"),
        ("room/mod.rs", "mod a; mod glob; pub use a::A; pub use glob::*;"),
        ("room/a.rs", "pub struct A;"),
        ("room/glob.rs", "pub struct G;"),
        ("user.rs", "use crate::room::A; fn f(g: super::room::G) {}"),
    ]);
    assert_eq!(
        found,
        [
            "room/mod.rs -> room/a.rs",
            "room/mod.rs -> room/glob.rs",
            "user.rs -> room/a.rs",
            "user.rs -> room/glob.rs"
        ]
    );
}

#[test]
fn a_path_leads_through_modules_and_not_through_functions() {
    let found = pairs(&[
        ("lib.rs", "mod a; mod make; pub use make::a; mod user;"),
        A,
        ("make.rs", "pub fn a() {}"),
        ("user.rs", "use crate::a::A;"),
    ]);
    assert_eq!(found, ["lib.rs -> make.rs", "user.rs -> a.rs"]);
}

#[test]
fn programs_are_read_as_crates_of_their_own() {
    let found = pairs(&[
        ("lib.rs", ""),
        ("bin/one.rs", "mod helper; fn main() { helper::help(); }"),
        ("bin/helper.rs", "pub fn help() {} fn main() {}"),
        ("bin/two/main.rs", "mod part; use part::Part; fn main() {}"),
        ("bin/two/part.rs", "pub struct Part;"),
    ]);
    assert_eq!(
        found,
        [
            "bin/one.rs -> bin/helper.rs",
            "bin/two/main.rs -> bin/two/part.rs"
        ]
    );
}

#[test]
fn a_glob_counts_for_the_names_that_are_used() {
    let found = pairs(&[
        ("lib.rs", "mod room;"),
        (
            "room/mod.rs",
            "mod a; mod b; mod user; use a::A; use b::B; struct Own;",
        ),
        ("room/a.rs", "pub struct A;"),
        ("room/b.rs", "pub struct B;"),
        ("room/user.rs", "use super::*; fn f(a: A, own: Own) {}"),
    ]);
    assert_eq!(
        found,
        [
            "room/mod.rs -> room/a.rs",
            "room/mod.rs -> room/b.rs",
            "room/user.rs -> room/a.rs",
            "room/user.rs -> room/mod.rs"
        ]
    );
}

#[test]
fn what_is_for_tests_alone_does_not_count() {
    let found = pairs(&[
        ("lib.rs", "mod a; mod user; #[cfg(test)] mod testing;"),
        A,
        ("testing/mod.rs", "mod more; use crate::a::A;"),
        ("testing/more.rs", "use crate::a::A;"),
        (
            "user.rs",
            "#[cfg(test)] mod tests { use crate::a::A; }
             #[cfg(all(test, unix))] use crate::a::A;
             #[test] fn t() { crate::a::make(); }
             struct S;
             impl S { #[cfg(test)] fn t() { crate::a::make(); } }",
        ),
    ]);
    assert!(found.is_empty(), "{found:?}");
}

#[test]
#[should_panic(expected = "no module line names")]
fn a_file_that_no_module_line_names_is_an_error() {
    pairs(&[("lib.rs", "mod a;"), A, ("lost.rs", "")]);
}

#[test]
fn a_child_and_its_parent_are_a_circle() {
    let files = [
        ("lib.rs", "mod room;"),
        (
            "room/mod.rs",
            "mod child; pub struct Shared; fn f() { child::work(); }",
        ),
        ("room/child.rs", "use super::Shared; pub fn work() {}"),
    ];
    assert_eq!(circles(&read(&files)), [["room/child.rs", "room/mod.rs"]]);
}

#[test]
fn circles_are_told_from_chains() {
    let import = |(file, imported): &(&str, &str)| Import {
        file: (*file).to_owned(),
        imported: (*imported).to_owned(),
        path: String::new(),
    };
    let found = |pairs: &[(&str, &str)]| circles(&pairs.iter().map(import).collect::<Vec<_>>());
    assert!(found(&[("a", "b"), ("b", "c"), ("a", "c")]).is_empty());
    assert_eq!(
        found(&[
            ("a", "b"),
            ("b", "c"),
            ("c", "a"),
            ("c", "x"),
            ("x", "y"),
            ("y", "x"),
            ("top", "a")
        ]),
        [vec!["a", "b", "c"], vec!["x", "y"]]
    );
}
