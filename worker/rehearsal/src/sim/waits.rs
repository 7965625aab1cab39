//! What the machine waits for: its queue, the first step that ends, and the moments at which it wakes by itself.

use drawgate_rollout::{Queued, Step, Waits, limits};
use drawgate_schemas::Control;
use jiff::Timestamp;

use super::{Halt, Next, Sim, by_ben};
use crate::check::ensure;
use crate::time::start;

impl Sim {
    pub(crate) fn look_at_queue(&mut self) {
        let mut queue = self.queue.clone();
        queue.at = self.now;
        if self.slot_at() <= self.now {
            let id = self.release().request.id;
            queue.next = Some(Queued {
                id,
                emergency: false,
                begun: false,
            });
        }
        self.machine.queue_is(Some(queue));
    }

    fn slot_at(&self) -> Timestamp {
        limits::after(start(), self.queue_ms)
    }

    /// The moment at which a paused roll that has come to rest is resumed.
    fn goes_on_at(&self, wake: Option<Timestamp>) -> Option<Timestamp> {
        let (_, since) = self.release().paused.as_ref()?;
        let rests = self
            .flights
            .iter()
            .all(|(_, step)| step.watches() || *step == Step::Renew);
        // A queued release rests from the moment it is paused, and may have its own end to wake for.
        let idle = wake.is_none() || wake == self.release().paused_until() || self.release().is_queued();
        let at = limits::after(*since, self.rests_ms.filter(|_| rests && idle)?);
        Some(at.max(self.now))
    }

    /// Wakes the machine, because something that it waits for has changed.
    pub(crate) fn wake(&mut self) {
        self.waits = None;
    }

    /// The moment at which the machine wakes by itself.
    pub(crate) fn wakes_at(&self, waits: Waits) -> Option<Timestamp> {
        let turn = Some(self.slot_at()).filter(|at| self.release().is_queued() && *at > self.now);
        let all = [waits.until, self.goes_on_at(waits.until), turn];
        all.into_iter().flatten().min()
    }

    pub(super) fn await_something(&mut self, waits: Waits) -> Result<Next, Halt> {
        let wake = self.wakes_at(waits);
        match (self.lands_first(), wake) {
            (Some((index, ends)), wake) if wake.is_none_or(|wake| ends <= wake) => {
                self.now = self.now.max(ends);
                Ok(Next::Lands(index))
            }
            (_, Some(wake)) => self.sleep(wake).map(|()| Next::Slept),
            (_, None) => Err(Halt::Broken("waits for nothing".to_owned())),
        }
    }

    pub(crate) fn sleep(&mut self, until: Timestamp) -> Result<(), Halt> {
        let waits = self.waits.take();
        self.now = self.now.max(until);
        let goes_on = waits.and_then(|waits| self.goes_on_at(waits.until));
        if goes_on.is_some_and(|at| at <= self.now) {
            let out = self.release().hosts().find(|host| self.release().is_out(host));
            let out = out.map(|host| &host.instance);
            ensure(out.is_none(), || format!("{out:?} is out while it is paused"))?;
            return self.command(by_ben(Control::Resume));
        }
        Ok(())
    }
}
