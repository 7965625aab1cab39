//! The approval that a release needs before it begins: who may give it, how many have to, and until when.
//!
//! Only names that the broker vouches for are compared, never what a message says of itself: the publisher of
//! a release cannot approve it. An approval is for a digest: a tag that moves takes no approval with it.

use drawgate_schemas::{AwaitedApproval, ControlCommand};
use jiff::Timestamp;

use super::fold::Release;
use crate::definition::Approval;
use crate::failure::Failure;
use crate::journal::Step;
use crate::limits::after;

impl Release {
    /// The people who have approved, of those who may.
    fn approvals<'r>(&'r self, approval: &'r Approval) -> impl Iterator<Item = &'r str> {
        let approved = self.approved.iter().map(|command| command.by.as_str());
        approved.filter(|by| approval.people.contains(*by) && self.publisher.as_deref() != Some(*by))
    }

    fn is_approved(&self, approval: &Approval) -> bool {
        self.approvals(approval).count() >= approval.count as usize
    }

    /// The approval that this release still waits for before it begins, once its digest is known.
    pub fn awaited_approval(&self) -> Option<AwaitedApproval> {
        let approval = self.approval.as_ref()?;
        if !self.is_queued() || !self.is_resolved() || self.is_approved(approval) {
            return None;
        }
        Some(AwaitedApproval {
            from: approval.from.clone(),
            count: approval.count,
            given: self.approvals(approval).map(str::to_owned).collect(),
            publisher: self.publisher.clone().unwrap_or_default(),
            until: self.approval_until()?,
        })
    }

    /// The moment past which an approval comes too late.
    pub(crate) fn approval_until(&self) -> Option<Timestamp> {
        let approval = self.approval.as_ref()?;
        Some(after(self.accepted_at, approval.within_ms))
    }

    /// Whether the release's digest is known, or known not to be needed.
    pub fn is_resolved(&self) -> bool {
        self.digest.is_some() || self.done(&Step::Resolve)
    }

    /// Whether this approval or rejection can be taken.
    pub(crate) fn accepts_answer(&self, command: &ControlCommand) -> Result<(), String> {
        let Some(approval) = &self.approval else {
            return Err("it needs no approval".to_owned());
        };
        let by = &command.by;
        if !self.is_queued() {
            return Err("it has begun already".to_owned());
        }
        if !self.is_resolved() {
            return Err("its tag is just being looked up: ask again in a moment".to_owned());
        }
        if !approval.people.contains(by) {
            return Err(format!("{by} may not: that is for {}", approval.from.join(", ")));
        }
        if command.control == drawgate_schemas::Control::Reject {
            return Ok(());
        }
        if self.publisher.as_ref() == Some(by) {
            return Err(format!("{by} published it: somebody else has to approve it"));
        }
        if command.digest != self.digest {
            let of = |digest: &Option<drawgate_schemas::Digest>| match digest {
                Some(digest) => digest.to_string(),
                None => "no digest".to_owned(),
            };
            let (asked, is) = (of(&command.digest), of(&self.digest));
            return Err(format!("the approval is for {asked}, and the release for {is}"));
        }
        if self.approvals(approval).any(|other| other == by) {
            return Err(format!("{by} has approved it already"));
        }
        Ok(())
    }

    /// The failure when the service's file asks for more approval now than it did when the release was
    /// accepted.
    pub(crate) fn lacks_approval(&self) -> Option<Failure> {
        if self.request.emergency.is_some() {
            return None;
        }
        let now = self.plan.as_ref()?.definition.approval.as_ref()?;
        if self.is_approved(now) {
            return None;
        }
        let what = format!(
            "the service's file asks for {} approval by {} by now, and it has {}",
            now.count,
            now.from.join(", "),
            self.approvals(now).count()
        );
        Some(Failure::new(what).with_hint("publish it again"))
    }
}
