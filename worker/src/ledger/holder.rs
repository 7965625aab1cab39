//! Whether the process that holds a lease is still there: each holder keeps a lock on a file of its own for its
//! lifetime, and the kernel gives the lock back when the process ends, however it ends. A process that is stopped
//! keeps its lock, and with it the lane until the lease expires.
//!
//! ```text
//! <ledger>.holders/<uuid>.lock
//!   can be locked by us ... its process is gone: the lane may be taken over at once, the file is removed
//!   cannot be locked ...... it lives (or is stopped): wait for the lease
//!   is not there .......... nobody knows (somebody removed it by hand): wait for the lease
//! ```

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use uuid::Uuid;

use super::file::{beside, make_directory};
use super::{LedgerError, limits};

/// This process as a holder of leases. Its lock file goes with it.
#[derive(Debug)]
pub(super) struct Holder {
    id: Uuid,
    directory: PathBuf,
    // Keeps the lock.
    file: File,
}

/// What is known of another holder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Life {
    /// Its process holds its lock.
    Alive,
    /// Its process has ended.
    Gone,
    /// There is no lock file.
    Unknown,
}

impl Holder {
    /// A new holder beside the ledger at `path`.
    pub(super) fn new(path: &Path) -> Result<Self, LedgerError> {
        let directory = beside(path, ".holders");
        make_directory(&directory)?;
        for _ in 0..limits::LOCK_FILE_TRIES {
            let id = Uuid::now_v7();
            let name = lock_file(&directory, id);
            if let Some(file) = create_locked(&name).map_err(LedgerError::file("cannot lock", &name))? {
                return Ok(Self { id, directory, file });
            }
        }
        Err(LedgerError::file("cannot keep a lock file in", &directory)(
            io::ErrorKind::WouldBlock.into(),
        ))
    }

    pub(super) fn id(&self) -> Uuid {
        self.id
    }

    /// Whether another holder's process is still there.
    pub(super) fn life_of(&self, holder: Uuid) -> Life {
        match OpenOptions::new()
            .read(true)
            .open(lock_file(&self.directory, holder))
        {
            Err(_) => Life::Unknown,
            // The lock taken here is given back when `file` goes; taking it for a moment harms nobody, because the
            // owner locks its file before its id is known to anyone.
            Ok(file) if lock(&file).is_ok_and(|locked| locked) => Life::Gone,
            Ok(_) => Life::Alive,
        }
    }

    /// Removes the lock files of processes that are gone, except those that leases still speak of.
    pub(super) fn remove_stale(&self, in_use: &[Uuid]) {
        let Ok(entries) = fs::read_dir(&self.directory) else {
            return;
        };
        for path in entries.flatten().map(|entry| entry.path()) {
            let id = path
                .file_stem()
                .and_then(|stem| stem.to_str())
                .and_then(|stem| Uuid::try_parse(stem).ok());
            if id.is_some_and(|id| id != self.id && !in_use.contains(&id)) {
                remove_if_free(&path);
            }
        }
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        // Said outright, because a child process may have been given a copy of the descriptor. The file itself stays:
        // a lease may still name it, and then its being free is what frees the lane.
        let _ = flock(&self.file, FlockOperation::Unlock);
    }
}

fn lock_file(directory: &Path, id: Uuid) -> PathBuf {
    directory.join(format!("{id}.lock"))
}

/// `None` when another process has removed the file between its creation and our lock.
fn create_locked(path: &Path) -> io::Result<Option<File>> {
    let file = OpenOptions::new()
        .create_new(true)
        .write(true)
        .mode(0o600)
        .open(path)?;
    if !lock(&file)? {
        return Ok(None);
    }
    let ours = file.metadata()?;
    match fs::metadata(path) {
        Ok(there) if there.ino() == ours.ino() && there.dev() == ours.dev() => Ok(Some(file)),
        Ok(_) => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether the lock was free.
fn lock(file: &File) -> io::Result<bool> {
    match flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(true),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}

/// Removed while locked, so that its owner (should it be about to lock it) notices.
fn remove_if_free(path: &Path) {
    if let Ok(file) = OpenOptions::new().read(true).open(path)
        && lock(&file).is_ok_and(|locked| locked)
    {
        let _ = fs::remove_file(path);
    }
}
