//! A full disk: an open release comes to its end, and no other begins.

use std::path::{Path, PathBuf};
use std::process::Command;

use drawgate_lab::request_of;
use drawgate_rollout::Record;
use drawgate_schemas::ReleaseRequest;
use drawgate_worker::ledger::{Leap, Lease, Ledger, LedgerError};

use crate::fixtures::{accept, entry, event, lease, open, request};

/// A file system of its own, small enough to be filled; unmounted on drop.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=24m", "tmpfs"])
            .arg(folder.path())
            .status();
        assert!(
            mounted.is_ok_and(|status| status.success()),
            "a file system cannot be mounted here: run the tests in the lab, with `make test`"
        );
        Self(folder)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Fills the file system.
    fn fill(&self) {
        let _ = std::fs::write(self.filler(), vec![1_u8; 64 * 1024 * 1024]);
    }

    fn empty(&self) {
        std::fs::remove_file(self.filler()).unwrap();
    }

    fn filler(&self) -> PathBuf {
        self.path().join("filler")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.path()).status();
    }
}

/// Appends until the ledger is full; gives the number of the entry that failed, and the error.
async fn append_until_full(
    ledger: &Ledger,
    lease: &Lease,
    request: &ReleaseRequest,
    from: u64,
) -> (u64, LedgerError) {
    for n in from..100_000 {
        let events = [event(request, n)];
        let entry = entry(n, Record::TakenOver);
        if let Err(error) = ledger.append(lease, request.id, &entry, &events, None).await {
            return (n, error);
        }
    }
    panic!("the disk is not full");
}

/// With a full disk an open release goes on writing, for thousands of entries; the ledger accepts no new
/// release until there is room again.
#[tokio::test]
async fn trap_27_with_a_full_disk_an_open_release_comes_to_its_end() {
    let disk = SmallDisk::new();
    let ledger = open(&disk.path().join("ledger.db")).await;
    let first = request();
    accept(&ledger, &first).await;
    let lease = lease(&ledger).await;
    disk.fill();

    let (n, error) = append_until_full(&ledger, &lease, &first, 2).await;
    assert!(error.is_unavailable(), "{error:?}");
    ledger.renew(&lease).await.unwrap();
    let another = request_of("other");
    let refused = ledger
        .accept(&another, |_| panic!("nothing is built"), 10, Leap::Refused)
        .await
        .unwrap_err();
    assert!(
        refused.is_unavailable() && refused.to_string().contains("make room"),
        "{refused}"
    );
    assert!(ledger.ready().await.unwrap_err().is_unavailable());

    let (last, error) = append_until_full(&ledger, &lease, &first, n).await;
    assert!(last > n + 1_000, "{} entries went into the reserve", last - n);
    assert!(error.is_unavailable(), "{error:?}");
    assert_eq!(
        ledger.journal(first.id).await.unwrap().len() as u64,
        last - 1,
        "reading still works"
    );

    disk.empty();
    ledger.ready().await.unwrap();
    let events = [event(&first, last)];
    ledger
        .append(&lease, first.id, &entry(last, Record::TakenOver), &events, None)
        .await
        .unwrap();
    accept(&ledger, &another).await;
}

/// A ledger on a full disk still opens, because open releases have to be taken over.
#[tokio::test]
async fn trap_27_a_ledger_on_a_full_disk_opens_and_takes_nothing_in() {
    let disk = SmallDisk::new();
    let path = disk.path().join("ledger.db");
    let ledger = open(&path).await;
    accept(&ledger, &request()).await;
    ledger.close().await;
    drop(ledger);
    std::fs::remove_file(disk.path().join("ledger.db.reserve")).unwrap();
    // There is room for the database's own files, and not for the reserve.
    std::fs::write(disk.filler(), vec![1_u8; 20 * 1024 * 1024]).unwrap();

    let ledger = open(&path).await;
    assert_eq!(ledger.open_releases().await.unwrap().len(), 1);
    assert!(ledger.ready().await.unwrap_err().is_unavailable());
    disk.empty();
    ledger.ready().await.unwrap();
}
