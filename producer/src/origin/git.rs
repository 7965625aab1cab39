//! Revision and branch of the working directory, asked from the `git` program, because it knows of worktrees,
//! submodules and odd configurations, and every machine that builds from a repository has it.

use std::path::Path;
use std::process::{Command, Stdio};

/// The commit that is checked out.
pub(super) fn revision(folder: &Path) -> Option<String> {
    git(folder, &["rev-parse", "HEAD"])
}

/// The branch that is checked out; `None` where the head is detached.
pub(super) fn branch(folder: &Path) -> Option<String> {
    git(folder, &["symbolic-ref", "--quiet", "--short", "HEAD"])
}

/// The top of the repository.
pub(super) fn top(folder: &Path) -> Option<std::path::PathBuf> {
    git(folder, &["rev-parse", "--show-toplevel"]).map(Into::into)
}

fn git(folder: &Path, arguments: &[&str]) -> Option<String> {
    let done = Command::new("git")
        .arg("-C")
        .arg(folder)
        .args(arguments)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let said = String::from_utf8(done.stdout).ok()?;
    let said = said.trim();
    (done.status.success() && !said.is_empty()).then(|| said.to_owned())
}
