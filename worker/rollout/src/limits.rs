//! Every bound of a roll that no configuration sets, with its reason.

use jiff::{SignedDuration, Timestamp};

/// One API call or engine call with its look before and after: the SDK's own time-out is 20 s, and two of
/// them fit.
pub const CALL_MS: u64 = 60_000;

/// One look at the whole fleet before it is touched. AWS lets an account have 3,000 target groups in a region,
/// and a VPC may have all of them: at half of the account's rate (Elastic Load Balancing, "Request throttling")
/// they are asked in ten minutes. Nothing is touched meanwhile.
pub const INSPECT_MS: u64 = 10 * 60_000;

/// How long such a look is tried again: where other calls of the worker, or other users of the account, take a part
/// of that rate, ten minutes are not enough, and the next look goes on where the last one was.
pub const INSPECT_PATIENCE_MS: u64 = 3 * INSPECT_MS;

/// What one alarm adds to an attempt that silences alarms: CloudWatch takes at most 20 `TagResource` and 10
/// `ListTagsForResource` a second (Amazon CloudWatch User Guide, "CloudWatch service quotas"), and half of that is
/// ours where `[aws] share` is 0.5. A tag is 100 ms then, and a look at the tags of an alarm that is off 200 ms;
/// `DescribeAlarms` and `DisableAlarmActions` take a hundred alarms in one call.
pub const SILENCE_ALARM_MS: u64 = 350;

/// What one alarm adds to an attempt that leaves alarms: at most four looks at its tags, a tag and its removal, at
/// the same rates. An alarm that nobody shares is looked at twice.
pub const UNSILENCE_ALARM_MS: u64 = 4 * 200 + 2 * 100 + 50;

/// What one alarm adds to the last look: its tags are looked at where its actions are off.
pub const LOOK_AT_ALARM_MS: u64 = 200;

/// Hosts that the last look sees within the time of its calls, eight at a time.
pub const LOOKED_AT_IN_CALLS: usize = 100;

/// What each further host adds to the last look. Beyond the connections that are kept, a host is logged in to first:
/// that takes seconds through a jump host, through SSM, or from a bastion that is busy with it, and 20 s at most where
/// nobody answers. Eight at a time, logins of 8 s fit.
pub const LOOK_AT_HOST_MS: u64 = 1_000;

/// What one mute rule adds to an attempt that writes or deletes mute rules: one `PutAlarmMuteRule` or
/// `DeleteAlarmMuteRule`, of three a second, and up to six `GetAlarmMuteRule`, of twenty a second; half of both.
pub const MUTE_RULE_MS: u64 = 700 + 6 * 100;

/// A new mute rule may begin with the next minute only, and is waited for.
pub const MUTE_BEGINS_MS: u64 = 60_000;

/// What a host is expected to take beside the load balancer's own waits: stop, start and first verification of a
/// container whose image is there, and what the worker needs between them. `make bench` prints a plan's time beside that
/// of its roll.
pub const HOST_MS: u64 = 2_000;

/// What a hook gets beyond its own time, so that it can be stopped at its end and its last lines read.
pub const HOOK_MARGIN_MS: u64 = CALL_MS;

/// How long a step of the roll forward is tried again when AWS throttles or a host is away for a moment.
/// Longer, and the fleet would stand still with scaling suspended.
pub const PATIENCE_MS: u64 = 120_000;

/// How long a step that restores is tried again. A broker or AWS region that is away for minutes must not
/// leave anything behind; after a quarter of an hour a person has to know.
pub const RESTORE_PATIENCE_MS: u64 = 15 * 60_000;

/// How long a step waits for credentials that AWS accepts: nothing can be done without them, a rollback neither,
/// which would be as patient.
pub const CREDENTIALS_MS: u64 = RESTORE_PATIENCE_MS;

/// How long the roll waits for a member that joined in mid-roll, and how long it tries to publish the desired
/// version: instances boot within minutes, and rolling a finished fleet back because one is slow would help
/// nobody.
pub const BOOT_PATIENCE_MS: u64 = 10 * 60_000;

/// How long preflight waits for hosts on their way in or out where the service's file says nothing: as long as
/// an instance may take to boot.
pub const PREFLIGHT_WAIT_DEFAULT_MS: u64 = BOOT_PATIENCE_MS;

/// Pause between two looks of preflight at a fleet whose hosts it waits for: a look asks AWS a dozen times and
/// opens a connection to each host, and instances take minutes.
pub const PREFLIGHT_AGAIN_MS: u64 = 15_000;

/// How long a new instance gets to answer over SSH, to start its container, and to join its target groups by
/// itself.
pub const BOOT_MS: u64 = 3 * 60_000;

/// How long a release waits for another one that has what it needs: a whole roll of it, whose own bound is an
/// hour.
pub const LOCK_PATIENCE_MS: u64 = 60 * 60_000;

/// How long one attempt at the locks waits. Longer would delay a rollback that begins meanwhile; shorter
/// would fill the journal.
pub const LOCK_ATTEMPT_MS: u64 = 30_000;

/// How often the fleet is inspected before the release gives up: the second look is made with everything
/// locked, another one only where the fleet has grown since.
pub const LOOKS: u32 = 10;

/// How many refusals a step that restores meets before it has failed: what was refused once (a host that
/// boots, a name that is being removed) may pass, and there is nothing else left to try.
pub const RESTORE_REFUSALS: u32 = 5;

/// How long one performance of a watch lasts while no alarm fires. It then begins anew: that costs a few
/// entries an hour in the journal, and a watch that hangs is noticed.
pub const WATCH_MS: u64 = 5 * 60_000;

/// How long a mute rule lasts from the moment it is made or renewed: when every worker is gone, the alarms
/// act again after a quarter of an hour at most.
pub const MUTE_MS: u64 = 15 * 60_000;
/// How often mute rules are renewed: two renewals may fail before alarms would act.
pub const RENEW_MS: u64 = 5 * 60_000;
/// Pause before a failed renewal is tried again.
pub const RENEW_AGAIN_MS: u64 = 30_000;

/// First pause before a step is tried again: it doubles up to the longest.
pub const BACKOFF_FIRST_MS: u64 = 500;
/// The longest such pause: with it a fault of a minute costs at most ten more seconds.
pub const BACKOFF_LAST_MS: u64 = 10_000;

/// Longest roll forward where the service's file says nothing: an hour of suspended scaling is what a team
/// notices.
pub const MAX_ROLL_DEFAULT_MS: u64 = 3_600_000;

/// Longest pause where the service's file says nothing, for the same reason.
pub const MAX_PAUSE_DEFAULT_MS: u64 = 3_600_000;

/// The least drain behind a load balancer that passes connections, where the service's file says nothing. Its
/// nodes go on opening connections to a deregistered target for two minutes and more, whatever the
/// deregistration delay is, and deregistering takes three minutes to be complete as a rule.
pub const NLB_MIN_DRAIN_DEFAULT_MS: u64 = 180_000;

/// How long such a load balancer may take until it checks a registered target for the first time, where the
/// service's file says nothing: "a few minutes" (Elastic Load Balancing, "Health checks for Network Load
/// Balancer target groups"), three to five as people measure it.
pub const NLB_REGISTRATION_DEFAULT_MS: u64 = 300_000;

/// How long the floor has to forbid taking a host out before the roll reckons with sick hosts: the load
/// balancer's answers may be older than the last registration, and a target that misses one check is healthy
/// again with the next.
pub const SICK_AFTER_MS: u64 = 3_000;

/// How long the roll waits for sick hosts where the service's file says nothing: Auto Scaling notices one
/// within minutes, and its replacement boots within minutes.
pub const SICK_WAIT_DEFAULT_MS: u64 = 10 * 60_000;

/// How many waits for sick hosts one roll makes: a fleet whose hosts go on falling ill is a person's concern.
pub const SICK_WAITS: u32 = 20;

/// How many hosts of a fleet may fail to go back without keeping others from it, beside those that were sick
/// before: one in twenty, and one at least. So many may be ill by themselves; more say that the previous version
/// does not work any more, and then the hosts that serve stay as they are.
pub fn lost_during_rollback(hosts: usize) -> usize {
    const ONE_IN: usize = 20;
    (hosts / ONE_IN).max(1)
}

/// How long one wait for sick hosts to become healthy lasts: as with the watch, a wait that hangs is noticed.
pub const AWAIT_HEALTHY_MS: u64 = 5 * 60_000;

/// How many control commands one release takes: more of them come from a script that goes round in circles.
pub const CONTROL_COMMANDS: usize = 100;

/// How many last looks are made before an operator is called for what they show: AWS may answer with an
/// earlier state (Amazon EC2 API Reference, "Eventual consistency").
pub const LOOKS_AT_END: u32 = 3;

/// Pause between two last looks, in milliseconds: answers agree within seconds, and nothing is out of service
/// meanwhile.
pub const LOOK_AT_END_AGAIN_MS: u64 = 5_000;

/// How often the driver re-checks what blocks a release: the release begins so much later than it could, and
/// a thousand blocked releases cost the ledger two hundred small reads a second.
pub const HELD_LOOK_MS: u64 = 5_000;

/// How soon a release that goes first looks again where the ledger could not be asked, or has no room for a
/// whole roll.
pub const QUEUE_LOOK_MS: u64 = 1_000;

/// Rounds in which members that joined are rolled too. Each round is a whole roll of the newcomers; a fleet
/// that grows faster than it can be rolled is a person's concern.
pub const DETECTIONS: u32 = 10;

/// How many attempts one step gets, whatever its patience: a bound on the journal's length.
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

/// Pause before a host that the floor keeps in service is tried again: other hosts may be out for an hour,
/// and the number of attempts is bounded.
pub(crate) fn kept_again_ms(attempts: u32) -> u64 {
    match attempts {
        0..8 => backoff_ms(attempts),
        _ => 3 * BACKOFF_LAST_MS,
    }
}
