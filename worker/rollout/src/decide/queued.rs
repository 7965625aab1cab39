//! Admission: what a release waits for before it begins, and how it ends without having begun.

use jiff::Timestamp;

use super::decision::Decision;
use super::{Agenda, Part, end_untouched};
use crate::journal::{Record, Step};
use crate::limits::{self, after};
use crate::queue::gates::unproven;
use crate::queue::supersede::superseded;
use crate::queue::{QueueView, Rival};
use crate::report;

impl Agenda<'_> {
    /// Decides whether a queued release begins, waits or ends. Nothing of the fleet is looked at before it
    /// begins.
    pub(super) fn wait_in_queue(&self) -> Part {
        self.unless_superseded()?;
        self.unless_over()?;
        self.while_paused()?;
        self.may_begin()?;
        self.await_slot()
    }

    /// Ends the release, paused or not, where no command can avert its end any more: it was rejected, it has
    /// expired, or it was not approved in time. A rejected release takes no `resume`, so that a pause would
    /// hold it until the pause itself is over. What may pass by itself (a freeze, a place in the queue, a
    /// digest that is still to succeed elsewhere) ends no paused release.
    fn unless_over(&self) -> Part {
        // The tag is resolved first, as in `unless_superseded`; a cancelled release ends as cancelled.
        if self.release.cancelled.is_some() || self.any_running(|_| true) {
            return Part::Continue(());
        }
        self.unless_rejected()?;
        self.unless_expired()?;
        self.unless_approved_too_late()
    }

    /// Obeys the control commands. A pause lasts no longer than the release can wait.
    fn while_paused(&self) -> Part {
        let Part::Break(mut decisions) = self.obey_control_commands() else {
            return Part::Continue(());
        };
        let over_at = self.over_at().filter(|at| *at > self.now);
        decisions.extend(over_at.map(Decision::WakeAt));
        Part::Break(decisions)
    }

    /// When the release ends by itself if it has not begun by then.
    fn over_at(&self) -> Option<Timestamp> {
        let approval = self.release.awaited_approval().map(|awaited| awaited.until);
        let all = [self.release.request.expires_at, approval];
        all.into_iter().flatten().min()
    }

    /// Checks all that stands before the beginning, apart from other releases of the target.
    fn may_begin(&self) -> Part {
        if self.release.digest.is_none() {
            self.must(&[Step::Resolve], 1)?;
        }
        self.unless_expired()?;
        self.await_approval()?;
        self.unless_unproven()?;
        self.while_blocked()
    }

    /// Ends the release where a newer one of the target supersedes it. A newer release that may never begin
    /// supersedes nothing: then the next newest is looked at.
    fn unless_superseded(&self) -> Part {
        // A tag that is being resolved is resolved first, because no release ends while a step is under way.
        let Some(queue) = self.queue.filter(|_| !self.any_running(|_| true)) else {
            return Part::Continue(());
        };
        let mut others = queue.others.clone();
        while let Some((by, ended)) = superseded(&self.release.request, &others, queue.policies.supersede) {
            if by.has_succeeded {
                return end_untouched(ended);
            }
            match queue.rivals.get(&by.id) {
                None => return Part::Break(vec![Decision::LookAt(by.id)]),
                Some(rival) if self.could_begin(queue, rival) => return end_untouched(ended),
                Some(_) => {
                    let id = by.id;
                    others.retain(|other| other.id != id);
                }
            }
        }
        Part::Continue(())
    }

    /// Whether a rival has begun, or only other releases stand before it. A rival that is blocked or paused,
    /// or waits for its approval, supersedes nothing, because it may never begin.
    fn could_begin(&self, queue: &QueueView, rival: &Rival) -> bool {
        let Some(release) = &rival.release else {
            return false;
        };
        if release.started_at.is_some() {
            return release.ended.is_none();
        }
        if !release.is_queued() {
            // The rival was cancelled, or its tag does not exist: it ends without having begun.
            return false;
        }
        let view = queue.of_rival(rival);
        let mut release = release.clone();
        // The rival's own driver may not have recorded yet what blocks it now.
        release.blockers = view.blockers(&release.request);
        let agenda = Agenda {
            release: &release,
            queue: Some(&view),
            now: self.now,
        };
        agenda.obey_control_commands().is_continue() && agenda.may_begin().is_continue()
    }

    fn unless_expired(&self) -> Part {
        match self.release.request.expires_at {
            Some(expires_at) if expires_at <= self.now => end_untouched(report::expired(self.release)),
            _ => Part::Continue(()),
        }
    }

    fn unless_rejected(&self) -> Part {
        match &self.release.rejected {
            Some(rejected) => end_untouched(report::rejected(rejected)),
            None => Part::Continue(()),
        }
    }

    fn unless_approved_too_late(&self) -> Part {
        match self.release.awaited_approval() {
            Some(awaited) if awaited.until <= self.now => end_untouched(report::not_approved(&awaited)),
            _ => Part::Continue(()),
        }
    }

    /// Waits for the approval, and ends a release that was rejected or that was not approved in time.
    fn await_approval(&self) -> Part {
        self.unless_rejected()?;
        self.unless_approved_too_late()?;
        match self.release.awaited_approval() {
            Some(_) => Part::Break(self.over_at().map(Decision::WakeAt).into_iter().collect()),
            None => Part::Continue(()),
        }
    }

    /// Ends a release whose digest has not succeeded in the environment that this one requires.
    fn unless_unproven(&self) -> Part {
        let (request, digest) = (&self.release.request, self.release.digest.as_ref());
        let Some(queue) = self.queue.filter(|_| request.emergency.is_none()) else {
            return Part::Continue(());
        };
        match unproven(request, digest, &queue.policies.gates, queue.proven) {
            Some(ended) => end_untouched(ended),
            None => Part::Continue(()),
        }
    }

    /// The driver re-checks what blocks a release every 5 s, because a freeze may end before its time, and
    /// windows and freezes follow the machine's clock, which may be set.
    fn while_blocked(&self) -> Part {
        if let Some(queue) = self.queue {
            let blockers = queue.blockers(&self.release.request);
            if blockers != self.release.blockers {
                return Part::Break(vec![Decision::Append(Record::Blocked { blockers })]);
            }
        }
        if self.release.blockers.is_empty() {
            return Part::Continue(());
        }
        Part::Break(vec![Decision::WakeAt(after(self.now, limits::HELD_LOOK_MS))])
    }

    /// Begins the release when it goes first, none of its target has begun, and the ledger has room for a
    /// whole roll.
    fn await_slot(&self) -> Part {
        let look_again = Decision::WakeAt(after(self.now, limits::QUEUE_LOOK_MS));
        let Some(queue) = self.queue else {
            return Part::Break(vec![look_again]);
        };
        let id = self.release.request.id;
        let goes_first = queue.next.is_some_and(|next| next.id == id && !next.begun);
        Part::Break(match (goes_first, queue.has_room) {
            (true, true) => vec![Decision::Append(Record::Started)],
            (true, false) => vec![Decision::AwaitSlot, look_again],
            (false, _) => {
                let expires = self.release.request.expires_at.map(Decision::WakeAt);
                std::iter::once(Decision::AwaitSlot).chain(expires).collect()
            }
        })
    }
}
