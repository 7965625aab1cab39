//! Filling in requests: with the variables of each CI, and in a repository.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use clap::Parser;

use super::routes::Routes;
use super::*;
use crate::cli::{Cli, Command as Asked};
use crate::ending::Ending as _;
use crate::request::{Draft, message};

const TWO_LINES: &str = "service = \"search-api\"\nimage = \"registry.example.com/search-api:{revision}\"\n";
const ROUTES: &str = "[routes]\n\"develop\" = \"integration\"\n\"main\" = \"staging\"\n\
                      \"remote-run/{person}/*\" = \"personal-{person}\"\n";
const REVISION: &str = "4f2c91e07ab2d5c6b8f1e0d9a3c7b6f5e4d2c1b0";

fn draft(more: &[&str]) -> Draft {
    let words = [
        "drawgate",
        "publish",
        "--id",
        "01936a5e-7c2e-7d10-8a44-5c1f2e9b0d7c",
    ];
    match Cli::try_parse_from(words.iter().chain(more).copied())
        .unwrap()
        .command
    {
        Asked::Publish(args) => Draft::from(*args),
        other => unreachable!("{other:?}"),
    }
}

fn folder(file: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("drawgate.toml"), file).unwrap();
    folder
}

/// The filled request, and where its parts came from.
fn filled(file: &str, variables: &[(&str, &str)], more: &[&str]) -> Result<String, FillError> {
    let folder = folder(file);
    filled_in(folder.path(), variables, more)
}

fn filled_in(folder: &Path, variables: &[(&str, &str)], more: &[&str]) -> Result<String, FillError> {
    let variables: BTreeMap<&str, &str> = variables.iter().copied().collect();
    let mut draft = draft(more);
    let look = |name: &str| {
        let value = variables.get(name).filter(|value| !value.is_empty());
        value.map(|value| (*value).to_owned())
    };
    let (selection, sources) = fill(&mut draft, folder, &look)?;
    let request = message(&draft, &selection, draft.id.unwrap()).unwrap().request;
    let mut text = serde_json::to_string_pretty(&request).unwrap();
    for Source { part, value, by } in sources {
        let _ = write!(text, "\n{part}: {value} ({by})");
    }
    Ok(text)
}

fn refused(file: &str, variables: &[(&str, &str)], more: &[&str]) -> String {
    let error = filled(file, variables, more).unwrap_err();
    format!("{error}\nhint: {}", error.hint().unwrap_or_default())
}

/// The variables of each CI for build 812 of `main`, by the vendor's own list.
fn systems() -> Vec<(&'static str, Vec<(&'static str, &'static str)>)> {
    vec![
        (
            "buildkite",
            vec![
                ("BUILDKITE", "true"),
                ("BUILDKITE_COMMIT", REVISION),
                ("BUILDKITE_BRANCH", "main"),
                ("BUILDKITE_BUILD_NUMBER", "812"),
                (
                    "BUILDKITE_BUILD_URL",
                    "https://buildkite.com/acme/search/builds/812",
                ),
                ("BUILDKITE_BUILD_CREATOR", "Ben"),
                ("BUILDKITE_PULL_REQUEST", "false"),
            ],
        ),
        (
            "github_actions",
            vec![
                ("GITHUB_ACTIONS", "true"),
                ("GITHUB_SHA", REVISION),
                ("GITHUB_REF", "refs/heads/main"),
                ("GITHUB_REF_NAME", "main"),
                ("GITHUB_REF_TYPE", "branch"),
                ("GITHUB_RUN_NUMBER", "812"),
                ("GITHUB_RUN_ID", "7001"),
                ("GITHUB_SERVER_URL", "https://github.com"),
                ("GITHUB_REPOSITORY", "acme/search"),
                ("GITHUB_ACTOR", "ben"),
            ],
        ),
        (
            "gitlab",
            vec![
                ("GITLAB_CI", "true"),
                ("CI_COMMIT_SHA", REVISION),
                ("CI_COMMIT_BRANCH", "main"),
                ("CI_PIPELINE_IID", "812"),
                (
                    "CI_PIPELINE_URL",
                    "https://gitlab.example.com/acme/search/-/pipelines/7001",
                ),
                ("GITLAB_USER_LOGIN", "ben"),
            ],
        ),
        (
            "teamcity",
            vec![
                ("TEAMCITY_VERSION", "2025.07"),
                ("BUILD_VCS_NUMBER", REVISION),
                ("BUILD_NUMBER", "812"),
                ("BUILD_URL", "https://teamcity.example.com/build/7001"),
                ("TEAMCITY_BUILD_BRANCH", "refs/heads/main"),
                ("TEAMCITY_BUILD_TRIGGERED_BY", "ben"),
            ],
        ),
        (
            "jenkins",
            vec![
                ("JENKINS_URL", "https://jenkins.example.com/"),
                ("GIT_COMMIT", REVISION),
                ("GIT_BRANCH", "origin/main"),
                ("BUILD_NUMBER", "812"),
                ("BUILD_URL", "https://jenkins.example.com/job/search/812/"),
                ("BUILD_USER_ID", "ben"),
            ],
        ),
        (
            "concourse",
            vec![
                ("ATC_EXTERNAL_URL", "https://ci.example.com"),
                ("BUILD_ID", "7001"),
                ("BUILD_NAME", "812"),
                ("BUILD_CREATED_BY", "ben"),
            ],
        ),
        (
            "buddy",
            vec![
                ("BUDDY", "true"),
                ("BUDDY_RUN_COMMIT", REVISION),
                ("BUDDY_RUN_BRANCH", "main"),
                ("BUDDY_RUN_ID", "812"),
                (
                    "BUDDY_RUN_URL",
                    "https://app.buddy.works/acme/search/pipelines/pipeline/1/execution/812",
                ),
                ("BUDDY_INVOKER_NAME", "Ben"),
            ],
        ),
        (
            "circleci",
            vec![
                ("CIRCLECI", "true"),
                ("CIRCLE_SHA1", REVISION),
                ("CIRCLE_BRANCH", "main"),
                ("CIRCLE_BUILD_NUM", "7001"),
                ("CIRCLE_PIPELINE_NUMBER", "812"),
                ("CIRCLE_BUILD_URL", "https://circleci.com/gh/acme/search/812"),
                ("CIRCLE_USERNAME", "ben"),
            ],
        ),
    ]
}

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

#[test]
fn routes_say_where_a_branch_goes() {
    let file = format!("{TWO_LINES}{ROUTES}");
    for (name, variables) in systems().into_iter().filter(|(name, _)| *name != "concourse") {
        let text = filled(&file, &variables, &[]).unwrap();
        assert!(
            text.contains("environment: staging (route \"main\")"),
            "{name}: {text}"
        );
    }
    let mine = [
        ("CIRCLECI", "true"),
        ("CIRCLE_SHA1", REVISION),
        ("CIRCLE_BRANCH", "remote-run/Ben.K/faster"),
    ];
    let text = filled(&file, &mine, &[]).unwrap();
    assert!(text.contains("\"environment\": \"personal-ben-k\""), "{text}");
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

#[test]
fn a_mistake_in_the_file_is_told_with_its_line() {
    let mut told = String::new();
    for file in [
        "service = \"Search API\"\nimage = \"a:1\"\n",
        "service = \"a\"\nimage = \"registry.example.com/a:{sha}\"\n",
        "service = \"a\"\nimage = \"https://a\"\n",
        "service = \"a\"\nimage = \"a\"\nenvironment = \"x\"\n",
        "service = \"a\"\nimage = \"a\"\n[routes]\n\"x/{who}\" = \"personal-{person}\"\n",
        "service = \"a\"\nimage = \"a\"\n[routes]\n\"x/{who\" = \"y\"\n",
        "service = \"a\n",
    ] {
        let error = filled(file, &[], &[]).unwrap_err().to_string();
        let (_, problem) = error.split_once("drawgate.toml: ").unwrap();
        let _ = writeln!(told, "{problem}\n");
    }
    insta::assert_snapshot!(told);
}

#[test]
fn the_narrowest_route_wins_and_two_alike_are_refused() {
    let routes: Routes = toml::from_str(
        "\"*\" = \"integration\"\n\"release/*\" = \"staging\"\n\"release/{train}/hotfix\" = \"hotfix-{train}\"\n\
         \"a*\" = \"one\"\n\"*b\" = \"two\"\n",
    )
    .unwrap();
    let way = |branch: &str| routes.way(branch).map(|way| way.unwrap().environment.to_string());
    assert_eq!(way("feature/x").unwrap(), "integration");
    assert_eq!(way("release/7").unwrap(), "staging");
    assert_eq!(way("release/7.1/hotfix").unwrap(), "hotfix-7-1");
    assert!(way("axb").unwrap_err().contains("both match"));
    let few: Routes = toml::from_str("\"main\" = \"staging\"\n\"x.y\" = \"z\"\n").unwrap();
    for other in ["maine", "amain", "xay", ""] {
        assert_eq!(few.way(other), Ok(None), "{other}");
    }
}

/// Outside of CI a file is found from a folder deep in its repository, and not from above the repository's
/// top.
#[test]
fn in_a_repository_git_says_revision_and_branch() {
    let place = folder("service = \"other\"\nimage = \"other:1\"\n");
    let top = place.path().join("search");
    let deep = top.join("src/deep");
    std::fs::create_dir_all(&deep).unwrap();
    let git = |arguments: &[&str]| {
        let done = Command::new("git")
            .arg("-C")
            .arg(&top)
            .args(["-c", "user.name=t", "-c", "user.email=t@example.com"])
            .args(arguments)
            .output()
            .unwrap();
        assert!(
            done.status.success(),
            "git {arguments:?}: {}",
            String::from_utf8_lossy(&done.stderr)
        );
        String::from_utf8(done.stdout).unwrap().trim().to_owned()
    };
    git(&["init", "-q", "-b", "develop"]);
    git(&["commit", "-q", "--allow-empty", "-m", "one"]);
    let revision = git(&["rev-parse", "HEAD"]);
    let error = filled_in(&deep, &[], &["--environment", "x"]).unwrap_err();
    assert!(
        matches!(error, FillError::Missing { .. }),
        "the file above the repository was read: {error}"
    );

    let file = format!(
        "{}{ROUTES}",
        TWO_LINES.replace("{revision}", "{branch}-{short_revision}")
    );
    std::fs::write(top.join("drawgate.toml"), file).unwrap();
    let text = filled_in(&deep, &[], &[]).unwrap();
    let short: String = revision.chars().take(7).collect();
    for said in [
        format!("revision: {revision} (git)"),
        "environment: integration (route \"develop\")".to_owned(),
        format!("search-api:develop-{short}\""),
    ] {
        assert!(text.contains(&said), "{said}: {text}");
    }
    git(&["checkout", "-q", "--detach"]);
    let error = filled_in(&deep, &[], &[]).unwrap_err();
    assert!(error.to_string().contains("branch"), "{error}");
}

#[test]
fn a_service_is_the_one_that_is_named_or_the_repositorys() {
    let folder = tempfile::tempdir().unwrap();
    let named: drawgate_schemas::Service = "named".parse().unwrap();
    let missing = service(None, folder.path()).unwrap_err();
    assert!(missing.hint().unwrap().contains("say --service"), "{missing}");
    std::fs::write(folder.path().join("drawgate.toml"), TWO_LINES).unwrap();
    assert_eq!(service(None, folder.path()).unwrap().as_str(), "search-api");
    assert_eq!(service(Some(&named), folder.path()).unwrap(), named);
}
