//! Whether the process that has a lease is still alive. Each holder locks a file of its own for its lifetime,
//! and the kernel frees that lock when the process ends, however it ends. A suspended process keeps its lock,
//! and with it the lane until the lease expires.
//!
//! ```text
//! <ledger>.holders/<uuid>.lock
//!   can be locked by us ... its process is gone: the lane may be taken over at once, the file is removed
//!   cannot be locked ...... it lives (or is suspended): wait for the lease
//!   is missing ............ unknown (an operator removed it by hand): wait for the lease
//! ```

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use uuid::Uuid;

use super::file::{beside, make_directory};
use super::{LedgerError, limits};

/// This process as a holder of leases. Dropping it unlocks its lock file.
#[derive(Debug)]
pub(super) struct Holder {
    id: Uuid,
    directory: PathBuf,
    // The open file keeps the lock.
    file: File,
}

/// Whether another holder's process lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Life {
    /// The process has its file locked.
    Alive,
    /// The process has ended.
    Gone,
    /// The lock file is missing.
    Unknown,
}

impl Holder {
    /// A new holder, with its lock file next to the ledger at `path`.
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

    /// Whether another holder's process is still alive.
    pub(super) fn life_of(&self, holder: Uuid) -> Life {
        match OpenOptions::new()
            .read(true)
            .open(lock_file(&self.directory, holder))
        {
            Err(_) => Life::Unknown,
            // Dropping `file` frees the lock taken here. Taking it for a moment disturbs nobody, because an
            // owner locks its file before anyone knows its id.
            Ok(file) if lock(&file).is_ok_and(|locked| locked) => Life::Gone,
            Ok(_) => Life::Alive,
        }
    }

    /// Removes the lock files of ended processes, except those that a lease still names.
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
        // Unlocked explicitly, because a child process may have inherited a copy of the descriptor. The file
        // stays: a lease may still name it, and then the unlocked file is what frees the lane.
        let _ = flock(&self.file, FlockOperation::Unlock);
    }
}

fn lock_file(directory: &Path, id: Uuid) -> PathBuf {
    directory.join(format!("{id}.lock"))
}

/// `None` when another process has locked or removed the file between its creation and the lock here.
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

/// Takes the lock if it is free, and returns whether it was.
fn lock(file: &File) -> io::Result<bool> {
    match flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(true),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}

/// Removes the file under its lock, so that an owner that is about to lock it notices.
fn remove_if_free(path: &Path) {
    if let Ok(file) = OpenOptions::new().read(true).open(path)
        && lock(&file).is_ok_and(|locked| locked)
    {
        let _ = fs::remove_file(path);
    }
}
