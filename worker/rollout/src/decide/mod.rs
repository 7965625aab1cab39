//! What a roll does next. Every branch of a roll is in this folder.
//!
//! ```text
//!   Queued          resolve, approval, blocked by gates, its place in the queue
//!   Preparing       inspect -> lock -> the plan is good, or the fleet is looked at again
//!   RollingForward  lease, images -> [before] -> scaling | alarms -> hosts -> joined -> bake -> [after]
//!   RollingBack     desired version -> touched hosts
//!   Restoring       scaling -> alarms | hosts tidied up -> confirm -> lease -> the end
//! ```
//!
//! The machine asks `decide` again after every entry of the journal. `decide` begins at the top of its stage
//! each time and passes over what is done, so that a crash between any two entries changes nothing in what
//! comes next.

mod alongside;
mod attempts;
mod decision;
mod forward;
mod hosts;
mod mute;
mod prepare;
mod queued;
mod restore;
mod rollback;
mod sick;
mod wave;

use std::ops::ControlFlow;

use drawgate_schemas::Ended;
use jiff::Timestamp;

use crate::journal::Record;
use crate::queue::QueueView;
use crate::release::{Release, Stage};
use crate::report;

pub use decision::Decision;

/// What to do next. Empty while everything that can be done is under way, and after the end. A queued release
/// is judged by what is known of its queue; where nothing is known, the release does not begin.
pub fn decide(release: &Release, queue: Option<&QueueView>, now: Timestamp) -> Vec<Decision> {
    let agenda = Agenda { release, queue, now };
    let part = match release.stage() {
        Stage::Queued => agenda.wait_in_queue(),
        Stage::Preparing => agenda.prepare(),
        Stage::RollingForward => agenda.roll_forward(),
        Stage::RollingBack => agenda.roll_back(),
        Stage::Restoring => agenda.restore(),
        Stage::TakenOver => agenda.leave_alone(),
        Stage::Ended => Part::Break(Vec::new()),
    };
    match part {
        ControlFlow::Break(decisions) => agenda.with_what_goes_alongside(decisions),
        ControlFlow::Continue(()) => vec![end(report::conclude(release, now))],
    }
}

/// `Break` has what to do now; `Continue` says that this part is done.
type Part = ControlFlow<Vec<Decision>>;

struct Agenda<'a> {
    release: &'a Release,
    queue: Option<&'a QueueView>,
    now: Timestamp,
}

fn end(ended: Ended) -> Decision {
    let ended = Box::new(ended);
    Decision::Append(Record::Ended { ended })
}

/// The end of a release that touched nothing.
fn end_untouched(ended: Ended) -> Part {
    Part::Break(vec![end(ended)])
}
