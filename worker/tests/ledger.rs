//! The ledger on a real file: each message once, fenced by epochs, in order, and whole after a kill.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout
)]

#[path = "ledger/gates.rs"]
mod gates;
#[path = "ledger/lanes.rs"]
mod lanes;
#[path = "ledger/locks.rs"]
mod locks;
#[path = "ledger/sequence.rs"]
mod sequence;

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use drawgate_rollout::{Entry, Record};
use drawgate_schemas::{
    Environment, Event, Outcome, Rejection, RejectionCode, ReleaseId, ReleaseRequest, Service, StatusEvent,
    Version1,
};
use drawgate_worker::ledger::limits::RECORD_VERSION;
use drawgate_worker::ledger::{Accept, Acquired, Leap, Lease, Ledger, LedgerError};
use jiff::Timestamp;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use uuid::Uuid;

const SHORT_LEASE: Duration = Duration::from_millis(400);
const LANDING: Duration = Duration::from_millis(300);

struct Place {
    _directory: TempDir,
    path: PathBuf,
}

fn place() -> Place {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("deep/ledger.db");
    Place {
        _directory: directory,
        path,
    }
}

async fn open(path: &Path) -> Ledger {
    Ledger::open(path, "bastion-1").await.unwrap()
}

fn environment() -> Environment {
    "staging".parse().unwrap()
}

fn service() -> Service {
    "search-api".parse().unwrap()
}

fn request_of(service: &str) -> ReleaseRequest {
    ReleaseRequest {
        version: Version1,
        id: ReleaseId::try_from(Uuid::now_v7()).unwrap(),
        environment: environment(),
        service: service.parse().unwrap(),
        image: "registry.example.com/search-api:main".parse().unwrap(),
        revision: None,
        branch: None,
        sequence: None,
        build: None,
        requested_by: None,
        requested_at: Timestamp::now(),
        expires_at: None,
        reason: None,
        emergency: None,
        force: false,
        options: Default::default(),
    }
}

fn request() -> ReleaseRequest {
    request_of("search-api")
}

fn entry(n: u64, record: Record) -> Entry {
    Entry {
        n,
        at: Timestamp::now(),
        record,
    }
}

fn event(request: &ReleaseRequest, sequence: u64) -> StatusEvent {
    StatusEvent {
        about: None,
        id: Uuid::now_v7(),
        release: Some(request.id),
        sequence,
        at: Timestamp::now(),
        environment: Some(request.environment.clone()),
        service: Some(request.service.clone()),
        worker: "bastion-1".to_owned(),
        event: Event::Warning {
            text: format!("event {sequence}"),
        },
    }
}

fn rejected() -> StatusEvent {
    StatusEvent {
        release: None,
        environment: None,
        service: None,
        event: Event::Rejected {
            rejection: Rejection::new(RejectionCode::NotJson, "no"),
            body_sha256: "00".to_owned(),
        },
        ..event(&request(), 0)
    }
}

async fn accept(ledger: &Ledger, request: &ReleaseRequest) -> Accept {
    let build = |ahead| {
        let record = Record::Accepted {
            request: Box::new(request.clone()),
            ahead,
            publisher: None,
            approval: None,
        };
        (entry(1, record), vec![event(request, 1)])
    };
    ledger.accept(request, build, 1000, Leap::Refused).await.unwrap()
}

async fn lease(ledger: &Ledger) -> Lease {
    lease_of(ledger, &service()).await
}

async fn lease_of(ledger: &Ledger, service: &Service) -> Lease {
    match ledger.acquire(&environment(), service).await.unwrap() {
        Acquired::Lease(lease) => lease,
        held => panic!("not ours: {held:?}"),
    }
}

async fn is_held(ledger: &Ledger) -> bool {
    matches!(
        ledger.acquire(&environment(), &service()).await.unwrap(),
        Acquired::Held { .. }
    )
}

#[tokio::test]
async fn a_request_is_accepted_once() {
    let place = place();
    let ledger = open(&place.path).await;
    let first = request();
    assert_eq!(accept(&ledger, &first).await, Accept::New { ahead: 0 });
    assert_eq!(accept(&ledger, &first).await, Accept::Same);
    let other = ReleaseRequest {
        image: "registry.example.com/search-api:other".parse().unwrap(),
        ..first.clone()
    };
    assert_eq!(accept(&ledger, &other).await, Accept::Reused);
    let second = request();
    assert_eq!(accept(&ledger, &second).await, Accept::New { ahead: 1 });
    assert_eq!(
        accept(&ledger, &request_of("other")).await,
        Accept::New { ahead: 0 }
    );

    let journal = ledger.journal(first.id).await.unwrap();
    assert_eq!(journal.len(), 1);
    assert!(matches!(&journal[0].record, Record::Accepted { request, ahead: 0, .. } if **request == first));
    assert_eq!(
        ledger.unpublished(10).await.unwrap().len(),
        3,
        "one event each, none for the repeats"
    );
    assert_eq!(ledger.ahead_of(second.id).await.unwrap(), 1);
    assert_eq!(ledger.open_releases().await.unwrap()[1].id, second.id);
    let head = ledger.release_head(first.id).await.unwrap().unwrap();
    assert_eq!((head.service, head.outcome), (service(), None));
    assert_eq!(ledger.release_head(request().id).await.unwrap(), None);
}

#[tokio::test]
async fn a_full_lane_takes_nothing_in() {
    let place = place();
    let ledger = open(&place.path).await;
    for _ in 0..3 {
        accept(&ledger, &request()).await;
    }
    let late = request();
    let build = |_| -> (Entry, Vec<StatusEvent>) { panic!("nothing is built for a full lane") };
    // Three releases are open: one runs, two wait.
    assert_eq!(
        ledger.accept(&late, build, 2, Leap::Refused).await.unwrap(),
        Accept::LaneFull
    );
    assert_eq!(ledger.release_head(late.id).await.unwrap(), None);
    let build = |ahead| {
        (
            entry(
                1,
                Record::Accepted {
                    request: Box::new(late.clone()),
                    ahead,
                    publisher: None,
                    approval: None,
                },
            ),
            vec![],
        )
    };
    assert_eq!(
        ledger.accept(&late, build, 3, Leap::Refused).await.unwrap(),
        Accept::New { ahead: 3 }
    );
}

#[tokio::test]
async fn an_end_frees_the_lane_and_closes_the_journal() {
    let place = place();
    let ledger = open(&place.path).await;
    let (first, second) = (request(), request());
    accept(&ledger, &first).await;
    accept(&ledger, &second).await;
    let lease = lease(&ledger).await;
    let events = [event(&first, 2), event(&first, 3)];
    ledger
        .append(
            &lease,
            first.id,
            &entry(2, Record::Started),
            &events,
            Some(Outcome::RolledBack),
        )
        .await
        .unwrap();
    assert_eq!(
        ledger.release_head(first.id).await.unwrap().unwrap().outcome,
        Some(Outcome::RolledBack)
    );
    assert_eq!(ledger.ahead_of(second.id).await.unwrap(), 0);
    assert_eq!(ledger.open_releases().await.unwrap().len(), 1);
    let error = ledger
        .append(&lease, first.id, &entry(3, Record::TakenOver), &[], None)
        .await
        .unwrap_err();
    assert!(matches!(error, LedgerError::HasEnded { .. }), "{error}");
    let error = ledger
        .append(&lease, request().id, &entry(1, Record::TakenOver), &[], None)
        .await
        .unwrap_err();
    assert!(matches!(error, LedgerError::UnknownRelease { .. }), "{error}");
}

#[tokio::test]
async fn a_lease_is_good_for_its_own_lane_only() {
    let place = place();
    let ledger = open(&place.path).await;
    let other = request_of("other");
    accept(&ledger, &other).await;
    let lease = lease(&ledger).await;
    let error = ledger
        .append(&lease, other.id, &entry(2, Record::Started), &[], None)
        .await
        .unwrap_err();
    assert!(matches!(error, LedgerError::WrongLane { .. }), "{error}");
}

#[tokio::test]
async fn a_failed_append_leaves_nothing() {
    let place = place();
    let ledger = open(&place.path).await;
    let request = request();
    accept(&ledger, &request).await;
    let lease = lease(&ledger).await;
    // The sequence number of the second event is taken: the entry and the first event must not stay either.
    let events = [event(&request, 2), event(&request, 1)];
    let error = ledger
        .append(&lease, request.id, &entry(2, Record::Started), &events, None)
        .await
        .unwrap_err();
    assert!(!error.is_unavailable(), "a definite no: {error}");
    assert_eq!(ledger.journal(request.id).await.unwrap().len(), 1);
    assert_eq!(ledger.events(request.id, 0, 10).await.unwrap().0.len(), 1);
    // The failure leaves no open transaction on the connection: the next append works at once.
    for n in 2..10 {
        ledger
            .append(
                &lease,
                request.id,
                &entry(n, Record::TakenOver),
                &[event(&request, n)],
                None,
            )
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn of_two_writers_of_one_entry_one_wins() {
    let place = place();
    let ledger = open(&place.path).await;
    let request = request();
    accept(&ledger, &request).await;
    let lease = Arc::new(lease(&ledger).await);
    for n in 2..30 {
        let write = || {
            let (ledger, lease, id) = (ledger.clone(), Arc::clone(&lease), request.id);
            tokio::spawn(async move {
                ledger
                    .append(&lease, id, &entry(n, Record::TakenOver), &[], None)
                    .await
            })
        };
        let (one, two) = (write(), write());
        let results = [one.await.unwrap(), two.await.unwrap()];
        assert_eq!(
            results.iter().filter(|result| result.is_ok()).count(),
            1,
            "{results:?}"
        );
        assert!(
            results
                .iter()
                .any(|result| matches!(result, Err(LedgerError::NotNext { .. }))),
            "{results:?}"
        );
    }
    assert!(
        ledger
            .journal(request.id)
            .await
            .unwrap()
            .iter()
            .map(|entry| entry.n)
            .eq(1..30)
    );
}

#[tokio::test]
async fn a_holder_that_is_gone_loses_its_lane_at_once() {
    let place = place();
    let (a, b) = (open(&place.path).await, open(&place.path).await);
    let request = request();
    accept(&a, &request).await;
    let old = lease(&a).await;
    assert!(is_held(&b).await);
    // The ledger is dropped without giving the lane back, as in a crash.
    drop(a);
    let new = lease(&b).await;
    assert!(new.epoch() > old.epoch());
    for outcome in [
        b.append(&old, request.id, &entry(2, Record::Started), &[], None)
            .await,
        b.renew(&old).await,
    ] {
        assert!(outcome.unwrap_err().is_lost_lease());
    }
    b.append(&new, request.id, &entry(2, Record::TakenOver), &[], None)
        .await
        .unwrap();
}

#[tokio::test]
async fn trap_26_a_holder_that_lives_keeps_its_lane_until_what_it_began_has_landed() {
    let place = place();
    let a = Ledger::open_with_lease(&place.path, "a", SHORT_LEASE, LANDING)
        .await
        .unwrap();
    let b = Ledger::open_with_lease(&place.path, "b", SHORT_LEASE, LANDING)
        .await
        .unwrap();
    let request = request();
    accept(&a, &request).await;
    let old = lease(&a).await;
    match b.acquire(&environment(), &service()).await.unwrap() {
        Acquired::Held {
            holder,
            worker,
            expires_in,
        } => {
            assert_eq!((holder, worker.as_str()), (a.holder(), "a"));
            assert!(expires_in <= SHORT_LEASE + LANDING && expires_in > LANDING);
        }
        Acquired::Lease(_) => panic!("a lives"),
    }
    // A renewed lease outlives its first length.
    for _ in 0..4 {
        tokio::time::sleep(SHORT_LEASE / 2).await;
        a.renew(&old).await.unwrap();
        assert!(is_held(&b).await);
    }
    tokio::time::sleep(SHORT_LEASE).await;
    assert!(old.remaining().is_zero());
    // The steps that the worker had begun may still land.
    assert!(is_held(&b).await);
    tokio::time::sleep(LANDING).await;
    let new = lease(&b).await;
    assert!(a.renew(&old).await.unwrap_err().is_lost_lease());
    let lost = a
        .append(&old, request.id, &entry(2, Record::Started), &[], None)
        .await;
    assert!(lost.unwrap_err().is_lost_lease());
    // Giving back a lost lease takes nothing from the new owner.
    a.give_back(old).await.unwrap();
    b.append(&new, request.id, &entry(2, Record::Started), &[], None)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_lease_that_is_given_back_is_free_with_a_new_epoch() {
    let place = place();
    let (a, b) = (open(&place.path).await, open(&place.path).await);
    let first = lease(&a).await;
    let epoch = first.epoch();
    assert!(is_held(&a).await, "twice in one process is once too often");
    a.give_back(first).await.unwrap();
    assert_eq!(lease(&b).await.epoch(), epoch + 1);
}

#[tokio::test]
async fn a_lease_of_another_boot_has_expired() {
    let place = place();
    let (a, b) = (open(&place.path).await, open(&place.path).await);
    let _lease = lease(&a).await;
    raw(&place.path, "UPDATE lanes SET boot_id = 'another'").await;
    lease(&b).await;
}

#[tokio::test]
async fn a_lock_file_removed_by_hand_frees_nothing() {
    let place = place();
    let (a, b) = (open(&place.path).await, open(&place.path).await);
    let _lease = lease(&a).await;
    let directory = PathBuf::from(format!("{}.holders", place.path.display()));
    std::fs::remove_file(directory.join(format!("{}.lock", a.holder()))).unwrap();
    assert!(is_held(&b).await);
}

#[tokio::test]
async fn stale_lock_files_are_removed_except_those_that_leases_name() {
    let place = place();
    let directory = PathBuf::from(format!("{}.holders", place.path.display()));
    let files = || std::fs::read_dir(&directory).unwrap().count();
    drop(open(&place.path).await);
    let a = open(&place.path).await;
    assert_eq!(files(), 1, "the first one's was stale");
    let _lease = lease(&a).await;
    drop(a);
    let b = open(&place.path).await;
    assert_eq!(files(), 2, "the lease's holder is still spoken of");
    lease(&b).await;
}

#[tokio::test]
async fn two_processes_accept_each_request_once() {
    let place = place();
    let (a, b) = (open(&place.path).await, open(&place.path).await);
    let requests: Arc<Vec<ReleaseRequest>> = Arc::new((0..100).map(|_| request()).collect());
    let work = |ledger: Ledger, requests: Arc<Vec<ReleaseRequest>>| {
        tokio::spawn(async move {
            let mut new = 0;
            for request in requests.iter() {
                new += usize::from(matches!(accept(&ledger, request).await, Accept::New { .. }));
            }
            new
        })
    };
    let began = Instant::now();
    let (one, two) = (
        work(a.clone(), Arc::clone(&requests)),
        work(b, Arc::clone(&requests)),
    );
    assert_eq!(one.await.unwrap() + two.await.unwrap(), requests.len());
    println!(
        "200 requests offered, 100 accepted by two in {:?}",
        began.elapsed()
    );
    let open = a.open_releases().await.unwrap();
    assert_eq!(open.len(), requests.len());
    for (place, release) in open.iter().enumerate() {
        assert_eq!(a.ahead_of(release.id).await.unwrap() as usize, place);
        let journal = a.journal(release.id).await.unwrap();
        assert!(matches!(journal[0].record, Record::Accepted { ahead, .. } if ahead as usize == place));
    }
}

#[tokio::test]
async fn the_outbox_keeps_its_order_and_survives() {
    let place = place();
    let ledger = open(&place.path).await;
    let (one, two) = (request(), request_of("other"));
    accept(&ledger, &one).await;
    accept(&ledger, &two).await;
    let lease = lease(&ledger).await;
    for n in 2..=5 {
        ledger
            .append(
                &lease,
                one.id,
                &entry(n, Record::TakenOver),
                &[event(&one, n)],
                None,
            )
            .await
            .unwrap();
    }
    let rejection = rejected();
    ledger.put_event(&rejection).await.unwrap();
    ledger.put_event(&rejection).await.unwrap();
    tokio::time::timeout(Duration::from_secs(1), ledger.appended())
        .await
        .expect("woken");
    drop(ledger);

    let ledger = open(&place.path).await;
    let rows = ledger.unpublished(100).await.unwrap();
    let keys: Vec<&str> = rows.iter().map(|row| row.routing_key.as_str()).collect();
    let warning = "staging.search-api.warning";
    assert_eq!(
        keys,
        [
            warning,
            "staging.other.warning",
            warning,
            warning,
            warning,
            warning,
            "_._.rejected"
        ]
    );
    assert!(rows.is_sorted_by_key(|row| row.place));
    assert_eq!(rows[6].event_id, rejection.id);
    assert_eq!(
        serde_json::from_str::<StatusEvent>(&rows[6].json).unwrap(),
        rejection
    );
    ledger
        .mark_published(&[rows[0].place, rows[1].place])
        .await
        .unwrap();
    assert_eq!(ledger.unpublished(2).await.unwrap(), rows[2..4]);

    let (events, more) = ledger.events(one.id, 1, 3).await.unwrap();
    assert!(events.iter().map(|event| event.sequence).eq(2..=4) && more);
    let (events, more) = ledger.events(one.id, 4, 3).await.unwrap();
    assert!(events.iter().map(|event| event.sequence).eq(5..=5) && !more);
}

#[tokio::test]
async fn trap_31_what_a_newer_worker_wrote_is_refused() {
    let place = place();
    let ledger = open(&place.path).await;
    accept(&ledger, &request()).await;
    ledger.close().await;
    drop(ledger);
    let newer = RECORD_VERSION + 1;
    raw(
        &place.path,
        "UPDATE journal SET record_version = record_version + 1",
    )
    .await;
    let error = Ledger::open(&place.path, "w").await.unwrap_err();
    assert!(
        matches!(error, LedgerError::NewerRecords { found, known: RECORD_VERSION } if found == newer),
        "{error}"
    );
    raw(&place.path, "UPDATE journal SET record_version = 3").await;
    raw(
        &place.path,
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (9999, 'x', 1, x'00', 0)",
    )
    .await;
    let error = Ledger::open(&place.path, "w").await.unwrap_err();
    assert!(
        matches!(error, LedgerError::NewerTables { found: 9999 }),
        "{error}"
    );
}

#[tokio::test]
async fn the_ledger_is_private() {
    let place = place();
    let ledger = open(&place.path).await;
    accept(&ledger, &request()).await;
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(place.path.parent().unwrap()), 0o700);
    for file in ["ledger.db", "ledger.db-wal"] {
        assert_eq!(mode(&place.path.with_file_name(file)), 0o600, "{file}");
    }
    assert_eq!(mode(&place.path.with_file_name("ledger.db.holders")), 0o700);
}

#[tokio::test]
async fn a_locked_ledger_is_unavailable_and_not_broken() {
    let place = place();
    let ledger = open(&place.path).await;
    let mut other = connection(&place.path).await;
    sqlx::query("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
    let request = request();
    let build = |ahead| {
        (
            entry(
                1,
                Record::Accepted {
                    request: Box::new(request.clone()),
                    ahead,
                    publisher: None,
                    approval: None,
                },
            ),
            vec![],
        )
    };
    let error = ledger
        .accept(&request, build, 10, Leap::Refused)
        .await
        .unwrap_err();
    assert!(error.is_unavailable(), "{error:?}");
    assert!(ledger.probe().await.unwrap_err().is_unavailable());
    sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();
    ledger.probe().await.unwrap();
    assert_eq!(accept(&ledger, &request).await, Accept::New { ahead: 0 });
}

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
async fn trap_27_a_ledger_on_a_full_disk_is_opened_and_takes_nothing_in() {
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

const CHILD: &str = "DRAWGATE_TEST_CHILD_LEDGER";

/// No test by itself: the program that `child` runs. It takes the lane and appends until it is killed.
#[tokio::test]
async fn child_that_appends() {
    let Some(path) = std::env::var_os(CHILD).map(PathBuf::from) else {
        return;
    };
    let ledger = open(&path).await;
    let request = request();
    accept(&ledger, &request).await;
    let lease = lease(&ledger).await;
    println!("child has the lane");
    for n in 2.. {
        let events = [event(&request, n)];
        ledger
            .append(&lease, request.id, &entry(n, Record::TakenOver), &events, None)
            .await
            .unwrap();
    }
}

/// Starts a process that takes the lane and appends.
fn child(path: &Path) -> Child {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_that_appends", "--nocapture"])
        .env(CHILD, path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let said = lines
        .map_while(Result::ok)
        .any(|line| line.contains("child has the lane"));
    assert!(said, "the child ended early");
    child
}

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_raw(child.id().cast_signed()).unwrap(), signal).unwrap();
}

#[tokio::test]
async fn a_stopped_process_keeps_its_lane_and_a_killed_one_loses_it_at_once() {
    let place = place();
    let ledger = open(&place.path).await;
    let mut child = child(&place.path);
    assert!(is_held(&ledger).await);
    signal(&child, Signal::STOP);
    tokio::time::sleep(Duration::from_millis(200)).await;
    // A process that was stopped inside a transaction keeps the database locked too; then the error is
    // "unavailable".
    match ledger.acquire(&environment(), &service()).await {
        Ok(Acquired::Held { .. }) => {}
        Err(error) if error.is_unavailable() => {}
        other => panic!("{other:?}"),
    }
    signal(&child, Signal::KILL);
    child.wait().unwrap();
    let began = Instant::now();
    lease(&ledger).await;
    println!("taken over {:?} after the kill", began.elapsed());
}

#[tokio::test]
async fn after_a_kill_every_entry_has_its_event() {
    let place = place();
    let mut entries = 0;
    for round in 0..8 {
        let mut child = child(&place.path);
        tokio::time::sleep(Duration::from_millis(40 + round * 17)).await;
        signal(&child, Signal::KILL);
        child.wait().unwrap();
        let ledger = open(&place.path).await;
        let release = ledger.open_releases().await.unwrap().pop().unwrap();
        let journal = ledger.journal(release.id).await.unwrap();
        assert!(journal.iter().map(|entry| entry.n).eq(1..=journal.len() as u64));
        let (events, _) = ledger.events(release.id, 0, 100_000).await.unwrap();
        assert!(
            events
                .iter()
                .map(|event| event.sequence)
                .eq(1..=journal.len() as u64)
        );
        entries += journal.len();
        lease(&ledger).await;
    }
    println!("{entries} entries in 8 lives");
}

async fn connection(path: &Path) -> sqlx::SqliteConnection {
    use sqlx::ConnectOptions as _;
    sqlx::sqlite::SqliteConnectOptions::new()
        .filename(path)
        .connect()
        .await
        .unwrap()
}

async fn raw(path: &Path, sql: &'static str) {
    sqlx::query(sql)
        .execute(&mut connection(path).await)
        .await
        .unwrap();
}
