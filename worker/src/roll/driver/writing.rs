//! Writes a release's journal: what the machine records is in the ledger before anything rests on it.

use std::sync::Arc;

use drawgate_rollout::{Entry, Phase, Record, Step};
use drawgate_schemas::Direction;
use jiff::Timestamp;
use tokio::time::sleep;

use super::{DriveError, Driver, Halt};
use crate::ledger::{Lease, LedgerError, Reported};
use crate::roll::journal_log;
use crate::roll::limits::{LEASE_LEFT, LEDGER_RETRY};

impl Driver {
    /// Takes in the machine's record, which is written before anything else is done. A release begins only if its
    /// queue is unchanged since the last look. The intent of a step is taken in only while the lease lasts for
    /// its effect.
    pub(super) async fn append_next(&mut self, record: Record) -> Result<(), Halt> {
        match &record {
            Record::Started if !self.place.claim() => {
                self.machine.queue_changed();
                return Ok(());
            }
            Record::Intent { step } => {
                self.safe_lease().await?;
                if matches!(step, Step::Inspect | Step::DetectJoined) {
                    self.note = self.context.ledger.lock_note(self.id()).await.ok();
                }
            }
            _ => {}
        }
        let reported = self.report(record)?;
        self.take_in(&reported)?;
        self.unwritten.push(reported);
        Ok(())
    }

    /// Waits for a lease that lasts for the next effect.
    async fn safe_lease(&mut self) -> Result<Arc<Lease>, Halt> {
        loop {
            match self.lane.lease() {
                None => return Err(Halt::LostLane),
                Some(lease) if lease.remaining() > LEASE_LEFT => return Ok(lease),
                Some(_) => {
                    // What is known already does not wait for it.
                    self.write_entries().await?;
                    self.begin_what_is_ready()?;
                }
            }
            tokio::select! {
                () = self.lane.changed() => {}
                _ = self.stop.changed() => return Err(Halt::Stopped),
            }
        }
    }

    /// The journal's next entry, with its events.
    fn report(&self, record: Record) -> Result<Reported, Halt> {
        let id = self.id();
        let entry = Entry {
            n: self.machine.release().last_entry + 1,
            at: self.clock.now(),
            record,
        };
        let mut next = self.machine.release().clone();
        next.apply(&entry)
            .map_err(|source| DriveError::Journal { release: id, source })?;
        let events = crate::events::of_entry(&next, &entry, self.last_event, &self.context.worker);
        journal_log::log(id, &entry);
        Ok(Reported { entry, events })
    }

    fn take_in(&mut self, Reported { entry, events }: &Reported) -> Result<(), Halt> {
        let release = self.id();
        self.last_event += events.len() as u64;
        self.machine
            .written(entry)
            .map_err(|source| DriveError::Journal { release, source })?;
        if ends_a_turn(&entry.record) {
            self.context.effects.follow(self.machine.release().clone());
        }
        Ok(())
    }

    /// Writes what is not in the ledger yet.
    pub(super) async fn write_entries(&mut self) -> Result<(), Halt> {
        let entries = std::mem::take(&mut self.unwritten);
        match entries.is_empty() {
            true => Ok(()),
            false => self.write(&entries, None).await.map(drop),
        }
    }

    /// Writes a record at once; false, and nothing is written, when `moment` passed before that.
    pub(super) async fn append_before(&mut self, record: Record, moment: Timestamp) -> Result<bool, Halt> {
        self.write_entries().await?;
        let reported = self.report(record)?;
        let written = self.write(std::slice::from_ref(&reported), Some(moment)).await?;
        if written {
            self.take_in(&reported)?;
        }
        Ok(written)
    }

    /// Writes entries with their events in one transaction. Waits while the ledger is unavailable. False when
    /// `moment` passed before they were written.
    async fn write(&self, entries: &[Reported], moment: Option<Timestamp>) -> Result<bool, Halt> {
        let id = self.id();
        let last = entries.last().map(|reported| &reported.entry);
        let ended = last.and_then(|entry| match &entry.record {
            Record::Ended { ended } => Some(ended.outcome),
            _ => None,
        });
        let mut tried = false;
        loop {
            let Some(lease) = self.lane.lease() else {
                return Err(Halt::LostLane);
            };
            let ledger = &self.context.ledger;
            match ledger.append_all(moment, &lease, id, entries, ended).await {
                Ok(()) => break,
                Err(error) if error.is_lost_lease() => return Err(Halt::LostLane),
                Err(error) if error.is_unavailable() => {
                    let causes = crate::error_chain(&error);
                    tracing::error!(release = %id, error = causes, "the ledger is away: nothing is done until it is back");
                    tried = true;
                    sleep(LEDGER_RETRY).await;
                }
                // An earlier try had written the entries, although the disk reported a failure.
                Err(_) if tried && self.is_last(last).await => break,
                Err(LedgerError::TooLate) => return Ok(false),
                Err(error) => return Err(DriveError::from(error).into()),
            }
            if *self.stop.borrow() {
                return Err(Halt::Stopped);
            }
        }
        Ok(true)
    }

    async fn is_last(&self, entry: Option<&Entry>) -> bool {
        let journal = self.context.ledger.journal(self.id()).await;
        journal.is_ok_and(|journal| journal.last() == entry)
    }
}

/// Whether another host may be watched from this record on.
fn ends_a_turn(record: &Record) -> bool {
    let Record::Outcome { step, .. } = record else {
        return false;
    };
    let in_service = matches!(
        step,
        Step::Host {
            direction: Direction::Forward,
            phase: Phase::AwaitHealthy,
            ..
        }
    );
    in_service || *step == Step::DetectJoined
}
