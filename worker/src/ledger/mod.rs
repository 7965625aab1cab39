//! The ledger: inbox, journal and outbox of one worker (or of several on one machine) in one SQLite file.
//!
//! ```text
//! message --accept()--> releases + journal 1 + events      one transaction, then the message is acknowledged
//! runner  --append()--> journal n + events (+ outcome)     one transaction, fenced by the lane's lease
//! runner  --lock()----> locks, all or none                 likewise; freed with the outcome
//! relay   <-unpublished()-- events --mark_published()      at least once, in order
//! ```
//!
//! Three things that do not trust one another decide which process may append: the lease's epoch in the same
//! transaction, the journal's primary key, and a file lock that dies with its process (so that a killed
//! worker's lane is free at once). No wall clock takes part.

mod accept;
mod clock;
mod error;
mod file;
mod gates;
mod holder;
mod journal;
mod lanes;
mod lease;
pub mod limits;
mod locks;
mod outbox;
mod reserve;
mod rows;
mod sequence;
mod store;

pub use accept::{Accept, Leap};
pub use error::LedgerError;
pub use journal::{OpenRelease, Reported};
pub use lanes::{LaneName, LaneRow, LastRow};
pub use lease::{Acquired, Lease};
pub use locks::{Lock, LockNote, Locking};
pub use outbox::OutboxRow;
pub use rows::ReleaseHead;
pub use sequence::{Forget, Forgot};
pub use store::Ledger;
