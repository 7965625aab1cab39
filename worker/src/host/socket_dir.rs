//! The private directory for sockets. The process that made it has a lock on it; the next process removes
//! what a killed one left behind.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use tempfile::TempDir;

use super::limits;

const PREFIX: &str = "dg-";

/// A directory that is removed with its process, or, if that was killed, by the next one.
#[derive(Debug)]
pub(super) struct SocketDir {
    dir: TempDir,
    /// The open directory keeps the lock.
    _lock: File,
}

impl SocketDir {
    /// Makes a directory in `parent`, and removes those of processes that are gone.
    pub(super) fn new(parent: &Path) -> io::Result<Self> {
        remove_stale(parent);
        let dir = tempfile::Builder::new()
            .prefix(PREFIX)
            .permissions(fs::Permissions::from_mode(0o700))
            .tempdir_in(parent)?;
        let lock = File::open(dir.path())?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive)?;
        Ok(Self { dir, _lock: lock })
    }

    pub(super) fn path(&self) -> &Path {
        self.dir.path()
    }
}

/// Removes directories that this user's workers made, that are not locked, and that are old enough: the maker
/// of a young one may be about to lock it. A directory that cannot be removed does no harm.
fn remove_stale(parent: &Path) {
    let Ok(entries) = fs::read_dir(parent) else { return };
    for entry in entries.flatten().take(limits::STALE_SOCKET_DIRS) {
        let ours = entry
            .file_name()
            .to_str()
            .is_some_and(|name| name.starts_with(PREFIX));
        if ours && is_stale(&entry.path()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn is_stale(path: &Path) -> bool {
    let Ok(there) = fs::symlink_metadata(path) else {
        return false;
    };
    let old = there
        .modified()
        .is_ok_and(|at| at.elapsed().is_ok_and(|age| age > limits::SOCKET_DIR_YOUTH));
    let own = there.is_dir() && there.uid() == rustix::process::getuid().as_raw();
    old && own
        && File::open(path).is_ok_and(|dir| flock(&dir, FlockOperation::NonBlockingLockExclusive).is_ok())
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;

    fn aged(path: &Path) {
        let old = SystemTime::now() - Duration::from_secs(3600);
        File::open(path).unwrap().set_modified(old).unwrap();
    }

    #[test]
    fn what_a_killed_process_left_is_removed_and_what_lives_is_not() {
        let parent = tempfile::tempdir().unwrap();
        let alive = SocketDir::new(parent.path()).unwrap();
        let left = parent.path().join("dg-left");
        let foreign = parent.path().join("other");
        for dir in [&left, &foreign] {
            fs::create_dir(dir).unwrap();
            fs::write(dir.join("ctl"), "").unwrap();
            aged(dir);
        }
        aged(alive.path());
        let next = SocketDir::new(parent.path()).unwrap();
        assert!(alive.path().exists() && next.path().exists() && foreign.exists());
        assert!(!left.exists());
    }

    #[test]
    fn a_directory_that_was_made_just_now_is_left_alone() {
        let parent = tempfile::tempdir().unwrap();
        let young = parent.path().join("dg-young");
        fs::create_dir(&young).unwrap();
        let _next = SocketDir::new(parent.path()).unwrap();
        assert!(young.exists());
    }
}
