//! Every bound of a roll that no configuration sets, with its reason.

use jiff::{SignedDuration, Timestamp};

/// One API call or engine call with its look before and after: the SDK's own time-out is 20 s, and two of them fit.
pub const CALL_MS: u64 = 60_000;

/// What a host is expected to take beside the load balancer's own waits: stop, start and verification of most services.
pub const HOST_MS: u64 = 5_000;

/// What a hook gets beyond its own time: to be stopped when that is over, and to have its last lines read.
pub const HOOK_MARGIN_MS: u64 = CALL_MS;

/// How long a step on the way forward is tried again when AWS throttles or a host is away for a moment. Longer, and
/// the fleet would stand still with scaling suspended.
pub const PATIENCE_MS: u64 = 120_000;

/// How long a step that restores is tried again. A broker or AWS region that is away for minutes must not leave
/// anything behind; after a quarter of an hour a person has to know.
pub const RESTORE_PATIENCE_MS: u64 = 15 * 60_000;

/// How long a member that joined in mid-roll is awaited, and how long the desired version is tried to be published:
/// instances boot within minutes, and turning a finished fleet back because one is slow would help nobody.
pub const BOOT_PATIENCE_MS: u64 = 10 * 60_000;

/// How long another release is waited for that has what this one needs: a whole roll of it, whose own bound is an hour.
pub const LOCK_PATIENCE_MS: u64 = 60 * 60_000;

/// One attempt at the locks waits this long. Longer would keep a rollback waiting that begins meanwhile; shorter would
/// fill the journal.
pub const LOCK_ATTEMPT_MS: u64 = 30_000;

/// How often a fleet is looked at before it is left alone: the second look is made with everything locked, another one
/// only where the fleet has grown since.
pub const LOOKS: u32 = 10;

/// A definite no during rollback is asked again this often: what was refused once (a host that boots, a name that
/// is being removed) may pass, and there is nothing else left to try.
pub const RESTORE_REFUSALS: u32 = 5;

/// One performance of a watch while nothing fires. It is begun anew then: a few entries an hour in the journal, and a watch
/// that hangs is noticed.
pub const WATCH_MS: u64 = 5 * 60_000;

/// How long a mute rule lasts from the moment it is made or its end is put off: when every worker is gone, the alarms act again
/// after a quarter of an hour at most.
pub const MUTE_MS: u64 = 15 * 60_000;
/// How often its end is put off: twice it may fail before alarms would act.
pub const RENEW_MS: u64 = 5 * 60_000;
/// Pause before that is tried again.
pub const RENEW_AGAIN_MS: u64 = 30_000;

/// Pause before a step is tried again: doubles from the first to the last.
pub const BACKOFF_FIRST_MS: u64 = 500;
/// The longest such pause: with it a fault of a minute costs at most ten more seconds.
pub const BACKOFF_LAST_MS: u64 = 10_000;

/// Longest way forward where the service's file says nothing: an hour of suspended scaling is what a team notices.
pub const MAX_ROLL_DEFAULT_MS: u64 = 3_600_000;

/// Longest pause where the service's file says nothing, for the same reason.
pub const MAX_PAUSE_DEFAULT_MS: u64 = 3_600_000;

/// How long the floor has to forbid a host's turn before sick hosts are reckoned with: the load balancer's answers may be older than
/// what was registered last, and a target that misses one check is healthy again with the next.
pub const SICK_AFTER_MS: u64 = 3_000;

/// How long sick hosts are waited for where the service's file says nothing: Auto Scaling notices one within minutes, and its
/// replacement boots within minutes.
pub const SICK_WAIT_DEFAULT_MS: u64 = 10 * 60_000;

/// Waits for sick hosts in one roll: a fleet whose hosts go on falling ill is a person's concern.
pub const SICK_WAITS: u32 = 20;

/// Hosts that may stay unhealthy with the version of before without keeping others from going back, beside those that were sick
/// before. One may be ill by itself; a
/// second one says that the version of before does not work any more, and then the hosts that serve stay as they are.
pub const SICK_ON_WAY_BACK: usize = 1;

/// One look out for sick hosts becoming healthy lasts so long: as with the watch, one that hangs is noticed.
pub const AWAIT_HEALTHY_MS: u64 = 5 * 60_000;

/// Control commands that one release takes: beyond it somebody's script goes round in circles.
pub const CONTROL_COMMANDS: usize = 100;

/// Looks at the end before an operator is called for what they show: AWS may answer with what was so a moment ago (Amazon EC2
/// API Reference, "Eventual consistency").
pub const LOOKS_AT_END: u32 = 3;

/// Between two of them, in milliseconds: answers agree within seconds, and nothing is out of service meanwhile.
pub const LOOK_AT_END_AGAIN_MS: u64 = 5_000;

/// How often what blocks a release is looked at again: so much later than it could it begins, and a thousand blocked ones cost the
/// ledger two hundred small reads a second.
pub const HELD_LOOK_MS: u64 = 5_000;

/// How soon a release that goes first looks again, where the ledger could not be asked, or has no room for a whole roll.
pub const QUEUE_LOOK_MS: u64 = 1_000;

/// Rounds in which members that joined are rolled too. Each round is a whole roll of the newcomers; a fleet that
/// grows faster than it can be rolled is a person's concern.
pub const DETECTIONS: u32 = 10;

/// Attempts of one step whatever else: a bound on the journal's length.
pub const ATTEMPTS: u32 = 200;

/// `ts` + `ms`, never beyond the end of time.
pub fn after(ts: Timestamp, ms: u64) -> Timestamp {
    let ms = i64::try_from(ms).unwrap_or(i64::MAX);
    ts.saturating_add(SignedDuration::from_millis(ms))
        .unwrap_or(Timestamp::MAX)
}

/// Milliseconds from `from` to `to`; 0 where the clock went back.
pub fn between_ms(from: Timestamp, to: Timestamp) -> u64 {
    u64::try_from(to.duration_since(from).as_millis()).unwrap_or(0)
}

/// Pause before the attempt after `attempts` failed ones.
pub fn backoff_ms(attempts: u32) -> u64 {
    let doubled = BACKOFF_FIRST_MS.saturating_mul(1 << attempts.saturating_sub(1).min(10));
    doubled.min(BACKOFF_LAST_MS)
}

/// Pause before a host is tried again that the floor keeps in service: others that are out may be so for an hour, and the number of
/// attempts is bounded.
pub(crate) fn kept_again_ms(attempts: u32) -> u64 {
    match attempts {
        0..8 => backoff_ms(attempts),
        _ => 3 * BACKOFF_LAST_MS,
    }
}
