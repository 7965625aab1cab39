//! Which source of a part goes first, and what is said where none has it.

use super::systems::systems;
use super::{REVISION, ROUTES, TWO_LINES, filled, filled_in, refused};
use crate::ending::Ending as _;

#[test]
fn the_variable_names_the_environment_unless_it_is_empty() {
    let file = format!("{TWO_LINES}{ROUTES}");
    let (_, mut variables) = systems().remove(0);
    variables.push(("DRAWGATE_ENVIRONMENT", "production"));
    let text = filled(&file, &variables, &[]).unwrap();
    assert!(
        text.contains("environment: production (DRAWGATE_ENVIRONMENT)"),
        "{text}"
    );
    let text = filled(&file, &variables, &["--environment", "other"]).unwrap();
    assert!(text.contains("\"environment\": \"other\""), "{text}");
    variables.pop();
    variables.push(("DRAWGATE_ENVIRONMENT", "No Name"));
    let said = refused(&file, &variables, &[]);
    assert!(
        said.contains("DRAWGATE_ENVIRONMENT") && said.contains("--environment"),
        "{said}"
    );
    variables.pop();
    variables.push(("DRAWGATE_ENVIRONMENT", ""));
    let text = filled(&file, &variables, &[]).unwrap();
    assert!(text.contains("environment: staging (route"), "{text}");
}

#[test]
fn what_is_said_goes_before_what_is_found() {
    let file = format!("{TWO_LINES}{ROUTES}");
    let (_, buildkite) = systems().remove(0);
    let text = filled(
        &file,
        &buildkite,
        &[
            "--tag",
            "hotfix-1",
            "--environment",
            "production",
            "--revision",
            "abc",
        ],
    )
    .unwrap();
    for said in [
        "search-api:hotfix-1\"",
        "\"environment\": \"production\"",
        "\"revision\": \"abc\"",
    ] {
        assert!(text.contains(said), "{said}: {text}");
    }
    let whole = [
        "--environment",
        "a",
        "--service",
        "b",
        "--image",
        "c:1",
        "--tag",
        "2",
    ];
    let text = filled("no = [toml", &[], &whole).unwrap();
    assert!(
        text.contains("\"image\": \"c:2\""),
        "whoever says it all needs no file: {text}"
    );
    // Another version than the build's: the revision and the build number of the build do not apply to it.
    let text = filled(&file, &buildkite, &["--tag", "hotfix-1"]).unwrap();
    assert!(!text.contains("revision") && !text.contains("sequence"), "{text}");
    assert!(
        text.contains("\"number\": \"812\"") && text.contains("route \"main\""),
        "{text}"
    );
}

#[test]
fn what_is_missing_is_said_with_the_way_out() {
    let file = format!("{TWO_LINES}{ROUTES}");
    let branch = |name| {
        [
            ("CIRCLECI", "true"),
            ("CIRCLE_SHA1", REVISION),
            ("CIRCLE_BRANCH", name),
        ]
    };
    let all = [
        refused(TWO_LINES, &branch("main"), &[]),
        refused(&file, &branch("feature/x"), &[]),
        refused(&file, &[("CIRCLECI", "true"), ("CIRCLE_SHA1", REVISION)], &[]),
        refused(&file, &branch("remote-run/---/x"), &[]),
        refused(&file, &[("CIRCLECI", "true"), ("CIRCLE_BRANCH", "main")], &[]),
        refused(
            &file,
            &[
                ("GITHUB_ACTIONS", "true"),
                ("GITHUB_SHA", REVISION),
                ("GITHUB_REF", "refs/pull/7/merge"),
                ("GITHUB_HEAD_REF", "main"),
            ],
            &[],
        ),
        refused(
            TWO_LINES,
            &[("BUILDKITE", "true"), ("BUILDKITE_BRANCH", "a\u{7}b")],
            &[],
        ),
    ];
    insta::assert_snapshot!(all.join("\n\n"));
    let nothing = tempfile::tempdir().unwrap();
    let error = filled_in(nothing.path(), &[], &["--environment", "staging"]).unwrap_err();
    assert!(error.hint().unwrap().contains("drawgate.toml"), "{error}");
}
