//! The rules of a queue, checked after every entry. The oracle looks at which release has begun and which may
//! begin, and knows nothing of how `decide` comes to its decisions.

use drawgate_rollout::{Record, Supersede};
use drawgate_schemas::Outcome;

use super::members::{Lane, Member};
use crate::check::ensure;

/// Checks that only one release of a lane rolls at a time.
///
/// # Errors
/// When two do.
pub(super) fn one_at_a_time(lane: &Lane) -> Result<(), String> {
    let rolling = |member: &&Member| member.is_open() && member.release().started_at.is_some();
    ensure(lane.members.iter().filter(rolling).count() <= 1, || {
        "two releases of one target roll at once".to_owned()
    })
}

/// Checks an entry of this release against the state of the lane at that moment.
///
/// # Errors
/// The rule that does not hold.
pub(super) fn after_entry(lane: &Lane, n: usize) -> Result<(), String> {
    let Some(last) = lane.members[n].sim.journal.last() else {
        return Ok(());
    };
    match &last.record {
        Record::Started => began(lane, n).map_err(|what| format!("release {} begins {what}", n + 1)),
        Record::Ended { ended } if ended.outcome == Outcome::Superseded => {
            let newer = lane.members.iter().enumerate();
            let mut newer = newer.filter(|(other, _)| *other != n && is_newer(lane, *other, n));
            ensure(newer.any(|(_, newer)| takes_its_place(lane, newer)), || {
                format!("release {} is superseded by one that may never begin", n + 1)
            })
        }
        _ => Ok(()),
    }
}

fn began(lane: &Lane, n: usize) -> Result<(), String> {
    let member = &lane.members[n];
    let emergency = member.asked.emergency;
    ensure(emergency || lane.frozen().is_empty(), || "in a freeze".to_owned())?;
    ensure(emergency || is_approved(member), || {
        "without its approval".to_owned()
    })?;
    for (other, waiting) in lane.members.iter().enumerate() {
        if other == n {
            continue;
        }
        let waits = waiting.is_open() && waiting.release().started_at.is_none();
        let goes_first = match (waiting.asked.emergency, emergency) {
            (true, false) => true,
            (false, true) => false,
            _ => other < n,
        };
        ensure(!(waits && goes_first), || format!("before release {}", other + 1))?;
        let older = waiting.has_succeeded() && is_newer(lane, other, n);
        ensure(!older || emergency, || {
            format!("after release {}, which is newer", other + 1)
        })?;
    }
    Ok(())
}

fn is_approved(member: &Member) -> bool {
    let given = member.release().approved.iter();
    let mut given = given.filter(|approved| approved.by != "ci");
    !member.asked.approval || given.next().is_some()
}

/// Whether one release is of a later build than another; where builds have no sequence and arrival counts,
/// whether it came later.
fn is_newer(lane: &Lane, one: usize, than: usize) -> bool {
    match (
        lane.members[one].asked.sequence,
        lane.members[than].asked.sequence,
    ) {
        (Some(one), Some(than)) => one > than,
        _ => lane.supersede == Supersede::ByArrival && one > than,
    }
}

/// Whether the release may supersede another: it rolls, has succeeded, or nothing but its place in the queue
/// keeps it from beginning.
fn takes_its_place(lane: &Lane, member: &Member) -> bool {
    let release = member.release();
    if !member.is_open() {
        return member.has_succeeded();
    }
    let free = member.asked.emergency || (lane.frozen().is_empty() && is_approved(member));
    let told = release.paused.is_some() || release.cancelled.is_some() || release.rejected.is_some();
    release.started_at.is_some() || (free && !told)
}
