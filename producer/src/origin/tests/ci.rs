//! What a CI's own variables give.

use super::systems::systems;
use super::{REVISION, ROUTES, TWO_LINES, filled, refused};

#[test]
fn under_each_ci_two_lines_are_enough() {
    for (name, variables) in systems() {
        // Concourse says nothing about the repository, which is a clone in its task.
        let more: &[&str] = match name {
            "concourse" => &[
                "--environment",
                "staging",
                "--revision",
                REVISION,
                "--branch",
                "main",
            ],
            _ => &["--environment", "staging"],
        };
        insta::assert_snapshot!(name, filled(TWO_LINES, &variables, more).unwrap());
    }
}

/// Which CIs have build numbers that tell the later version of two builds, and which have not.
#[test]
fn a_number_that_does_not_order_the_versions_is_no_sequence() {
    let file = format!("{TWO_LINES}{ROUTES}\"hotfix\" = \"staging\"\n");
    let sequence = |variables: &[(&str, &str)]| {
        let text = filled(&file, variables, &[]).unwrap();
        text.contains("\"sequence\": 40")
    };
    let jenkins = |branch| {
        [
            ("JENKINS_URL", "https://jenkins.example.com/"),
            ("GIT_COMMIT", REVISION),
            ("BUILD_NUMBER", "40"),
            branch,
        ]
    };
    // A multibranch pipeline counts the builds of each branch separately.
    assert!(
        sequence(&jenkins(("BRANCH_NAME", "develop"))),
        "one branch goes there"
    );
    assert!(
        !sequence(&jenkins(("BRANCH_NAME", "main"))),
        "two branches go there"
    );
    assert!(
        !sequence(&jenkins(("BRANCH_NAME", "remote-run/ben/b"))),
        "several do"
    );
    assert!(
        sequence(&jenkins(("GIT_BRANCH", "origin/main"))),
        "one job builds all"
    );
    let named = filled(
        &file,
        &jenkins(("BRANCH_NAME", "develop")),
        &["--environment", "staging"],
    )
    .unwrap();
    assert!(!named.contains("sequence"), "nobody knows: {named}");
    let circleci = |number| {
        [
            ("CIRCLECI", "true"),
            ("CIRCLE_SHA1", REVISION),
            ("CIRCLE_BRANCH", "main"),
            (number, "40"),
        ]
    };
    assert!(sequence(&circleci("CIRCLE_PIPELINE_NUMBER")));
    assert!(!sequence(&circleci("CIRCLE_BUILD_NUM")), "a job's");
}

#[test]
fn a_tag_is_no_branch() {
    let file = format!("{TWO_LINES}{ROUTES}");
    let buildkite = [
        ("BUILDKITE", "true"),
        ("BUILDKITE_COMMIT", REVISION),
        ("BUILDKITE_BRANCH", "main"),
        ("BUILDKITE_TAG", "main"),
    ];
    let jenkins = [
        ("JENKINS_URL", "https://jenkins.example.com/"),
        ("GIT_COMMIT", REVISION),
        ("BRANCH_NAME", "main"),
        ("TAG_NAME", "main"),
    ];
    for variables in [buildkite, jenkins] {
        let said = refused(&file, &variables, &[]);
        assert!(
            said.starts_with("the branch, which decides where to, is missing"),
            "{said}"
        );
    }
}
