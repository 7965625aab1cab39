//! The journal, and the events that its entries bring.

use drawgate_rollout::{Entry, Phase, Record, Step, events_of};
use drawgate_schemas::{Direction, Event};

use super::{Halt, Sim};
use crate::mutant::Mutant;
use crate::oracle;

impl Sim {
    /// Writes an entry, and checks the rules after it.
    ///
    /// # Errors
    /// When a rule is broken, or when the worker was to be killed here.
    pub fn append(&mut self, record: Record) -> Result<(), Halt> {
        // An intent changes nothing that the rules are about, unless a mistake has the step come before it.
        let changes_nothing = self.mutant.is_none() && matches!(record, Record::Intent { .. });
        self.write(record)?;
        if !changes_nothing {
            oracle::always(&self.before, &mut self.world, self.machine.release())?;
        }
        if self.kill_at == Some(self.journal.len()) {
            Err(Halt::Killed)
        } else {
            Ok(())
        }
    }

    pub(super) fn write(&mut self, record: Record) -> Result<(), Halt> {
        if let Record::Outcome { step, .. } = &record {
            self.flights.retain(|(_, other)| other != step);
        }
        let entry = Entry {
            n: self.release().last_entry + 1,
            at: self.now,
            record,
        };
        self.machine
            .written(&entry)
            .map_err(|illegal| illegal.to_string())?;
        let events = events_of(self.machine.release(), &entry);
        self.numbered += events.len() as u64;
        self.told += events.len() as u64;
        self.note_through(&entry.record);
        if self.mutant == Some(Mutant::SendsAnEventTwice)
            && matches!(entry.record, Record::RollingBack { .. })
        {
            self.told += 1;
        }
        let ends = events
            .iter()
            .filter(|event| matches!(event, Event::Ended(_)))
            .count();
        self.told_the_end += u32::try_from(ends).unwrap_or(u32::MAX);
        if self.keeps {
            self.events.extend(events);
            self.journal.push(entry);
        }
        Ok(())
    }

    /// Notes which hosts are through on the way forward.
    fn note_through(&mut self, record: &Record) {
        match record {
            Record::Outcome {
                step:
                    Step::Host {
                        instance,
                        direction: Direction::Forward,
                        phase: Phase::AwaitHealthy,
                    },
                outcome,
            } if outcome.evidence().is_some() => {
                self.through.insert(instance.clone());
            }
            Record::TryAgain { instance } => {
                self.through.remove(instance);
            }
            _ => {}
        }
    }

    pub(super) fn write_what_is_known(&mut self) -> Result<(), Halt> {
        match self.machine.unwritten() {
            Some(record) => self.append(record),
            None => Ok(()),
        }
    }

    /// How often a step was begun.
    pub fn attempts(&self, step: &Step) -> usize {
        self.journal
            .iter()
            .filter(|entry| matches!(&entry.record, Record::Intent { step: begun } if begun == step))
            .count()
    }
}
