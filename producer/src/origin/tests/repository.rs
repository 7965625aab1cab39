//! A repository: its `drawgate.toml`, and what git says.

use std::fmt::Write as _;
use std::process::Command;

use super::{ROUTES, TWO_LINES, filled, filled_in, folder};
use crate::ending::Ending as _;
use crate::origin::{FillError, service};

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
