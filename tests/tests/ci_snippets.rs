//! The steps in `infra/ci`: the command of each, with the variables of its CI, makes the intended message.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::path::Path;
use std::process::{Command, Output};

use drawgate_tests::programs::{program, repository};
use serde_json::Value;

const DRAWGATE_TOML: &str = "service = \"search-api\"\nimage = \"registry.example.com/search-api:{short_revision}\"\n\
                             [routes]\n\"develop\" = \"integration\"\n\"main\" = \"staging\"\n";

/// Each file with the fewest variables that its CI sets for a build of `main`; the clone supplies the rest.
const SNIPPETS: [(&str, &[(&str, &str)]); 8] = [
    (
        "buildkite.yml",
        &[
            ("BUILDKITE", "true"),
            ("BUILDKITE_BRANCH", "main"),
            ("BUILDKITE_BUILD_NUMBER", "812"),
        ],
    ),
    (
        "github-actions.yml",
        &[
            ("GITHUB_ACTIONS", "true"),
            ("GITHUB_REF_NAME", "main"),
            ("GITHUB_RUN_NUMBER", "812"),
        ],
    ),
    (
        "gitlab.yml",
        &[
            ("GITLAB_CI", "true"),
            ("CI_COMMIT_BRANCH", "main"),
            ("CI_PIPELINE_IID", "812"),
        ],
    ),
    (
        "teamcity.kts",
        &[
            ("TEAMCITY_VERSION", "2025.07"),
            ("TEAMCITY_BUILD_BRANCH", "main"),
            ("BUILD_NUMBER", "812"),
        ],
    ),
    (
        "Jenkinsfile",
        &[
            ("JENKINS_URL", "https://j"),
            ("BRANCH_NAME", "main"),
            ("BUILD_NUMBER", "812"),
        ],
    ),
    ("concourse.yml", &[]),
    (
        "buddy.yml",
        &[
            ("BUDDY", "true"),
            ("BUDDY_RUN_BRANCH", "main"),
            ("BUDDY_RUN_ID", "812"),
        ],
    ),
    (
        "circleci.yml",
        &[
            ("CIRCLECI", "true"),
            ("CIRCLE_BRANCH", "main"),
            ("CIRCLE_PIPELINE_NUMBER", "812"),
        ],
    ),
];

fn run(command: &mut Command) -> Output {
    let done = command.output().unwrap();
    assert!(
        done.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&done.stderr)
    );
    done
}

/// Makes a clone as a CI does: one commit, and no branch checked out.
fn clone(folder: &Path) {
    std::fs::write(folder.join("drawgate.toml"), DRAWGATE_TOML).unwrap();
    for arguments in [
        &["init", "-q"][..],
        &["add", "."],
        &[
            "-c",
            "user.name=t",
            "-c",
            "user.email=t@example.com",
            "commit",
            "-q",
            "-m",
            "one",
        ],
        &["checkout", "-q", "--detach"],
    ] {
        run(Command::new("git").arg("-C").arg(folder).args(arguments));
    }
}

/// The one command of a file, as its CI would pass it to a shell.
fn command_of(text: &str) -> String {
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| line.contains("drawgate publish"))
        .collect();
    let [line] = lines.as_slice() else {
        panic!("one line with a command, not {lines:?}");
    };
    let (_, after) = line.split_once("drawgate publish").unwrap();
    let end = after.find(['"', '\'']).unwrap_or(after.len());
    format!("drawgate publish{}", &after[..end])
}

#[test]
fn the_command_of_each_step_makes_the_message() {
    let folder = tempfile::tempdir().unwrap();
    clone(folder.path());
    let program = program("drawgate");
    for (name, variables) in SNIPPETS {
        let text = std::fs::read_to_string(repository("infra/ci").join(name)).unwrap();
        let command = command_of(&text);
        assert!(command.ends_with(" --wait"), "{name}: {command}");
        let path = format!("{}:/usr/bin:/bin", program.parent().unwrap().display());
        let done = run(Command::new("sh")
            .args(["-c", &command.replace(" --wait", " --dry-run")])
            .current_dir(folder.path())
            .env_clear()
            .env("PATH", path)
            .envs(variables.iter().copied()));
        let message: Value =
            serde_json::from_slice(&done.stdout).unwrap_or_else(|_| panic!("{name}: {done:?}"));
        assert_eq!(message["environment"], "staging", "{name}");
        assert_eq!(message["branch"], "main", "{name}");
        let revision = message["revision"].as_str().unwrap();
        assert_eq!(
            message["image"],
            format!("registry.example.com/search-api:{}", &revision[..7]),
            "{name}"
        );
        let numbered = !variables.is_empty();
        assert_eq!(message["sequence"] == 812, numbered, "{name}: {message}");
    }
}

#[test]
fn those_that_are_yaml_are_yaml() {
    let python = repository("target/lab/venv/bin/python");
    for (name, _) in SNIPPETS.iter().filter(|(name, _)| name.ends_with(".yml")) {
        let path = repository("infra/ci").join(name);
        let read = "import sys, yaml; assert isinstance(yaml.safe_load(open(sys.argv[1])), (dict, list))";
        run(Command::new(&python).args(["-c", read]).arg(path));
    }
}
