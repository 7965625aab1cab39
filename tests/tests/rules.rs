//! `runbooks/traps.md` has every rule, and every test that it names exists; the Makefile runs every suite; the
//! names of tests are short.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use drawgate_tests::programs::repository;

/// Every Rust file under this folder, with its text.
fn sources(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            found.push((path, text));
        }
    }
    found
}

/// Collects the functions in every Rust file under this folder.
fn functions(folder: &Path, found: &mut BTreeSet<String>) {
    for (_, text) in sources(folder) {
        let names = text
            .split("fn ")
            .skip(1)
            .filter_map(|rest| rest.split('(').next());
        found.extend(names.map(str::to_owned));
    }
}

#[test]
fn each_rule_names_tests_that_are_there() {
    let mut known = BTreeSet::new();
    for folder in ["schemas", "worker", "producer", "tests"] {
        functions(&repository(folder), &mut known);
    }
    let table = std::fs::read_to_string(repository("runbooks/traps.md")).unwrap();
    let rows: Vec<&str> = table
        .lines()
        .filter(|line| line.starts_with("| ") && line.as_bytes()[2].is_ascii_digit())
        .collect();
    let numbers: Vec<u32> = rows
        .iter()
        .map(|row| row.split('|').nth(1).unwrap().trim().parse().unwrap())
        .collect();
    let in_order = numbers.windows(2).all(|pair| pair[0] < pair[1]);
    assert!(
        in_order && numbers.starts_with(&Vec::from_iter(1..=32)),
        "{numbers:?}"
    );
    let mut named = 0;
    for row in rows {
        let tests = row.split('|').nth(3).unwrap();
        let names = tests
            .split('`')
            .skip(1)
            .step_by(2)
            .filter(|name| name.contains('_') && *name != "max_pause");
        for name in names {
            assert!(known.contains(name), "{name} is no test: {row}");
            named += 1;
        }
    }
    assert!(named > 100, "{named}");
}

/// A name has fewer characters: it says what, then when, and is read at a glance.
const NAME_LIMIT: usize = 60;

/// The names of the tests in a source: of the function after each test's attribute, whatever stands between.
fn names_of_tests(text: &str) -> Vec<&str> {
    let mut names = Vec::new();
    let mut is_awaited = false;
    for line in text.lines().map(str::trim_start) {
        is_awaited |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
        if is_awaited
            && !line.starts_with(['#', '/'])
            && let Some((_, rest)) = line.split_once("fn ")
        {
            names.extend(rest.split('(').next());
            is_awaited = false;
        }
    }
    names
}

#[test]
fn a_test_has_a_name_under_60_characters() {
    let mut read = 0;
    let mut long = Vec::new();
    for (path, text) in ["schemas", "worker", "producer", "tests"]
        .into_iter()
        .flat_map(|folder| sources(&repository(folder)))
    {
        let names = names_of_tests(&text);
        read += names.len();
        let too_long = names.iter().filter(|name| name.len() >= NAME_LIMIT);
        long.extend(too_long.map(|name| format!("{}: {name}", path.display())));
    }
    // A reader that sees no tests would find no long name either.
    assert!(read > 900, "{read} tests");
    assert!(
        long.is_empty(),
        "{} long names of tests:\n{}",
        long.len(),
        long.join("\n")
    );
}

#[test]
fn the_name_of_a_test_is_found_behind_other_attributes() {
    let source = "#[test]\nfn a() {}\n\nfn helper() {}\n\n    #[tokio::test(start_paused = true)]\n    \
                  #[ignore = \"fn no\"]\n    // fn none\n    async fn b() {}\n";
    assert_eq!(names_of_tests(source), ["a", "b"]);
}

/// The Makefile runs suites by the names of their files, and tests by their own.
#[test]
fn each_suite_of_the_makefile_is_there() {
    let mut known = BTreeSet::new();
    for folder in ["worker", "tests"] {
        functions(&repository(folder), &mut known);
    }
    let makefile = std::fs::read_to_string(repository("Makefile")).unwrap();
    let words: Vec<&str> = makefile.split_whitespace().collect();
    let suites: Vec<&str> = words
        .windows(2)
        .filter(|pair| pair[0] == "--test")
        .map(|pair| pair[1])
        .collect();
    assert!(suites.len() >= 7, "{suites:?}");
    for suite in suites {
        let places = [
            format!("tests/tests/{suite}.rs"),
            format!("tests/tests/{suite}/main.rs"),
            format!("worker/tests/{suite}/main.rs"),
        ];
        assert!(
            places.iter().any(|place| repository(place).exists()),
            "there is no suite {suite}"
        );
    }
    for name in words.iter().filter(|word| word.starts_with("trap_")) {
        let begins = known.iter().any(|test| test.starts_with(name));
        assert!(begins, "there is no test {name}");
    }
}

/// The suites of a package: files, and folders with a `main.rs`.
fn suites_of(package: &str) -> Vec<String> {
    let folder = std::fs::read_dir(repository(package).join("tests"));
    let entries = folder.into_iter().flatten().map(|entry| entry.unwrap().path());
    let suites = entries.filter(|path| {
        path.join("main.rs").exists() || path.extension().is_some_and(|extension| extension == "rs")
    });
    suites
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect()
}

/// `make test` runs every suite of the workspace, and each of them once.
#[test]
fn each_suite_is_run_once_by_make() {
    let manifest = std::fs::read_to_string(repository("Cargo.toml")).unwrap();
    let members = manifest.lines().find(|line| line.starts_with("members = "));
    let mut there: Vec<String> = members
        .unwrap()
        .split('"')
        .skip(1)
        .step_by(2)
        .flat_map(suites_of)
        .collect();
    let told = Command::new("make")
        .args(["--dry-run", "unit", "e2e"])
        .env_remove("MAKEFLAGS")
        .current_dir(repository("."))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&told.stdout);
    let words = text.split_whitespace().map(|word| word.trim_matches('"'));
    let mut run: Vec<&str> = words.filter_map(|word| word.strip_prefix("--test=")).collect();
    there.sort();
    run.sort_unstable();
    assert!(there.len() > 50, "{there:?}");
    assert!(there.windows(2).all(|pair| pair[0] != pair[1]), "{there:?}");
    assert_eq!(run, there);
}
