//! The bounds of the AWS adapter, each with its reason.

use std::time::Duration;

/// Longest wait for a connection. The endpoints are in the same region; a longer wait means a missing route,
/// and the action's own deadline has better uses for the time.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Longest wait for one call, connection included. Below every action's deadline, so that the core learns of
/// a lost call while it can still look again.
pub const OPERATION_TIMEOUT: Duration = Duration::from_secs(20);

/// Attempts of a call that AWS throttles, the first included. With half of all calls throttled, one in 32
/// fails for its caller, who begins the step anew.
pub const THROTTLED_ATTEMPTS: u32 = 5;

/// Longest pause before the second attempt that the SDK chooses by itself; it doubles it for each further one
/// and takes a random part of it. The limiter asks for a longer one while others are to be repeated before.
pub const THROTTLED_BACKOFF: Duration = Duration::from_millis(250);

/// Longest pause between two attempts: five attempts stay within [`OPERATION_TIMEOUT`].
pub const THROTTLED_BACKOFF_MAX: Duration = Duration::from_secs(2);

/// How near their end credentials are asked for again: the SDK's own cache does it 10 s before.
pub const CREDENTIALS_END: Duration = Duration::from_secs(60);

/// What is left of a bucket's refill after a throttled attempt: others in the account take more than was left
/// for them. Enough less to be felt, and three in a row make a third.
pub const SLOWED_TO: f64 = 0.7;

/// A bucket is slowed no more often: the attempts of one second were all sent by the same belief, and AWS
/// refills its buckets each second.
pub const SLOWED_EVERY: Duration = Duration::from_secs(1);

/// A bucket is never slower than this part of its refill: calls must still get through before their step's
/// deadline, and only calls that get through show that others take less again.
pub const SLOWEST: f64 = 0.1;

/// How long a bucket that stood still would take to its full refill. Shorter, and the worker would be
/// throttled again and again while others' storm lasts; longer, and a short storm would cost a roll minutes.
pub const RECOVERY: Duration = Duration::from_secs(30);

/// A wait for AWS's request rates that is worth a line in the log: it is longer than a call itself may take
/// without anybody wondering.
pub const WAIT_TOLD: Duration = Duration::from_secs(5);

/// A bucket's waits are told no more often, however many calls wait.
pub const WAIT_TOLD_EVERY: Duration = Duration::from_secs(60);

/// Most pages of one listing. With the page sizes below that is more than the largest quotas allow (3,000
/// target groups, 5,000 alarms of a prefix); a longer listing has a token that does not advance.
pub const PAGES: usize = 200;

/// `DescribeAutoScalingInstances` takes at most 50 instance ids.
pub const INSTANCES_PER_GROUP_QUERY: usize = 50;

/// A filter of `DescribeInstances` takes at most 200 values; half of that keeps the request small.
pub const INSTANCES_PER_QUERY: usize = 100;

/// Most instances that several waiters ask for together: twice the largest fleet, in requests of
/// [`INSTANCES_PER_QUERY`].
pub const INSTANCES_TOGETHER: usize = 1000;

/// `DescribeInstances` gives at most 1,000 per page.
pub const INSTANCES_PER_PAGE: i32 = 1000;

/// `DescribeTargetGroups` gives at most 400 per page.
pub const TARGET_GROUPS_PER_PAGE: i32 = 400;

/// `SimulatePrincipalPolicy` gives at most 1,000 results per page.
pub const SIMULATED_PER_PAGE: i32 = 1000;

/// `DescribeTags` of Elastic Load Balancing takes at most 20 ARNs.
pub const TAGGED_PER_CALL: usize = 20;

/// Most targets in one `RegisterTargets` or `DeregisterTargets`, far below what the API takes.
pub const TARGETS_PER_CALL: usize = 100;

/// Most instances in one `DeleteTags`, which takes 1,000 resources; a call that AWS refuses for one of them is
/// made again in halves.
pub const UNTAGGED_PER_CALL: usize = 100;

/// `DescribeAlarms`, `DisableAlarmActions` and `EnableAlarmActions` take at most 100 alarms.
pub const ALARMS_PER_CALL: usize = 100;

/// `DescribeInstanceRefreshes` gives the newest first, and a group has at most one refresh under way, so the
/// head of the list is enough.
pub const REFRESHES_LOOKED_AT: i32 = 10;
