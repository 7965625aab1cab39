//! Disk space that is reserved while there is some, and given up when there is none.
//!
//! ```text
//!   room     reserve kept       everything is taken in
//!   full     reserve given up   releases that are open write on, to their end; nothing new is taken in or begun
//!   room     reserve kept again
//! ```
//!
//! "Intent before effect" with a full disk would forbid putting a fleet back in order. What a release writes is some
//! hundred kilobytes, so the reserve lasts for every lane that may be open.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, fallocate};

use super::{LedgerError, file, limits};

#[derive(Debug)]
pub(super) struct Reserve {
    path: PathBuf,
}

impl Reserve {
    /// The reserve of the ledger at this path; nothing is reserved yet.
    pub(super) fn of(ledger: &Path) -> Self {
        Self {
            path: file::beside(ledger, ".reserve"),
        }
    }

    /// Sees to it that the space is reserved.
    ///
    /// # Errors
    /// [`LedgerError::NoRoom`] when the disk does not have it.
    pub(super) fn keep(&self) -> Result<(), LedgerError> {
        let kept = fs::metadata(&self.path).is_ok_and(|found| found.len() == limits::RESERVE_BYTES);
        if kept {
            return Ok(());
        }
        self.fill().map_err(|source| {
            // A part of it would be taken for the whole by nobody, and would only be in the way.
            let _ = fs::remove_file(&self.path);
            LedgerError::NoRoom {
                bytes: limits::RESERVE_BYTES,
                path: self.path.clone(),
                source,
            }
        })
    }

    fn fill(&self) -> io::Result<()> {
        let mut file = OpenOptions::new()
            .create(true)
            .write(true)
            .truncate(true)
            .mode(0o600)
            .open(&self.path)?;
        match fallocate(&file, FallocateFlags::empty(), 0, limits::RESERVE_BYTES) {
            Ok(()) => Ok(()),
            // Not every file system can: then it is written.
            Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => write_zeros(&mut file),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Gives the space up; false when there was none left to give.
    pub(super) fn spend(&self) -> bool {
        fs::remove_file(&self.path).is_ok()
    }
}

fn write_zeros(file: &mut File) -> io::Result<()> {
    let block = [0_u8; 64 * 1024];
    let blocks = limits::RESERVE_BYTES / block.len() as u64;
    for _ in 0..blocks {
        file.write_all(&block)?;
    }
    file.sync_all()
}
