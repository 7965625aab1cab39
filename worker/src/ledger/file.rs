//! The ledger's place on disk: private, and on a file system with reliable locks.

use std::fs::{self, DirBuilder, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::LedgerError;

/// `statfs(2)` magic numbers of file systems that another machine (or a daemon in user space) serves.
const NOT_LOCAL: [(u64, &str); 14] = [
    (0x6969, "NFS"),
    (0x517b, "SMB"),
    (0xff53_4d42, "CIFS"),
    (0xfe53_4d42, "SMB2"),
    (0x6573_5546, "FUSE"),
    (0x00c3_6400, "CephFS"),
    (0x0bd0_0bd0, "Lustre"),
    (0x0116_1970, "GFS2"),
    (0x7461_636f, "OCFS2"),
    (0x0102_1997, "9P"),
    (0x5346_414f, "AFS"),
    (0x6b41_4653, "AFS"),
    (0x7375_7245, "Coda"),
    (0x786f_4256, "a VirtualBox shared folder"),
];

/// Creates the directory (0700) and the file (0600) where they are missing, and refuses a network file
/// system.
pub(super) fn prepare(path: &Path) -> Result<(), LedgerError> {
    let directory = parent(path);
    make_directory(&directory)?;
    refuse_network(&directory)?;
    OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)
        .map_err(LedgerError::file("cannot open or create", path))?;
    Ok(())
}

/// Creates a private directory, with its parents.
pub(super) fn make_directory(directory: &Path) -> Result<(), LedgerError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .map_err(LedgerError::file("cannot create", directory))
}

/// The path with an ending appended to its last component.
pub(super) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

fn parent(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

fn refuse_network(directory: &Path) -> Result<(), LedgerError> {
    let real = fs::canonicalize(directory).map_err(LedgerError::file("cannot read", directory))?;
    let found = rustix::fs::statfs(&real)
        .map_err(|errno| LedgerError::file("cannot ask for the file system of", &real)(errno.into()))?;
    // The field's type differs between platforms, and a signed one fills the upper half of a 64-bit value.
    #[allow(clippy::unnecessary_cast)]
    let magic = found.f_type as u64 & 0xffff_ffff;
    match not_local(magic) {
        Some(kind) => Err(LedgerError::NetworkFileSystem { path: real, kind }),
        None => Ok(()),
    }
}

fn not_local(magic: u64) -> Option<&'static str> {
    NOT_LOCAL
        .iter()
        .find(|(known, _)| *known == magic)
        .map(|(_, kind)| *kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_systems_of_other_machines_are_told_from_local_ones() {
        assert_eq!(not_local(0x6969), Some("NFS"));
        assert_eq!(not_local(0xff53_4d42), Some("CIFS"));
        assert_eq!(not_local(0x6573_5546), Some("FUSE"));
        // ext4, XFS, Btrfs, tmpfs, overlay.
        for local in [0xef53, 0x5846_5342, 0x9123_683e, 0x0102_1994, 0x794c_7630] {
            assert_eq!(not_local(local), None, "{local:#x}");
        }
    }
}
