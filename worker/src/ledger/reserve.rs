//! Disk space that is reserved while there is room, and given up when the disk is full.
//!
//! ```text
//!   room     reserve kept       every release is accepted
//!   full     reserve given up   open releases keep writing to their end; none is accepted or begun
//!   room     reserve kept again
//! ```
//!
//! "Intent before effect" on a full disk would forbid putting a fleet back in order. A release writes some
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
    /// The reserve of the ledger at this path. Nothing is reserved yet.
    pub(super) fn of(ledger: &Path) -> Self {
        Self {
            path: file::beside(ledger, ".reserve"),
        }
    }

    /// Ensures that the space is reserved.
    ///
    /// # Errors
    /// [`LedgerError::NoRoom`] when the disk lacks the space.
    pub(super) fn keep(&self) -> Result<(), LedgerError> {
        let kept = fs::metadata(&self.path).is_ok_and(|found| found.len() == limits::RESERVE_BYTES);
        if kept {
            return Ok(());
        }
        self.fill().map_err(|source| {
            // A partial reserve would never count as one, and would only take up space.
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
            // A file system without `fallocate` gets zeros written instead.
            Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => write_zeros(&mut file),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Gives the space up; false when there was no reserve left.
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
