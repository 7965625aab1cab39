//! Every bound of the configuration, with its reason. A value beyond a bound is a mistake in the file
//! (usually a wrong unit), better told at load than met in mid-roll. Which key has which bound:
//! `worker_keys.rs`, `service_keys.rs`.

use std::time::Duration;

use super::units::{Bounds, Most};

/// Size of a configuration file. A service file has 2 KiB; a file of this size is something else.
pub(super) const FILE_BYTES: u64 = 256 * 1024;

/// Service files of one worker. Each is at least one lane; more belong to another bastion.
pub(super) const SERVICE_FILES: usize = 500;

/// Environments or patterns of one service.
pub(super) const ENVIRONMENTS: Most = Most {
    most: 100,
    reason: "each is a lane of its own",
};

/// Ports, volumes, alarms, images, words of a command.
pub(super) const LIST: Most = Most {
    most: 100,
    reason: "no service in use comes near it",
};

/// Environment variables, labels, log options of one container.
pub(super) const MAP: Most = Most {
    most: 500,
    reason: "no container in use comes near it",
};

/// Tags of an EC2 instance.
pub(super) const TAGS: Most = Most {
    most: 50,
    reason: "an instance has no more (Amazon EC2 User Guide, \"Tag restrictions\")",
};
/// Characters of a tag's key.
pub(super) const TAG_KEY_CHARS: usize = 128;
/// Characters of a tag's value.
pub(super) const TAG_VALUE_CHARS: usize = 256;

/// Characters of an Auto Scaling group's name, and of an alarm's.
pub(super) const AWS_NAME_CHARS: Most = Most {
    most: 255,
    reason: "AWS allows no more",
};

/// Characters of a Parameter Store name: the ARN in front of it has at most 100.
pub(super) const PARAMETER_CHARS: Most = Most {
    most: 900,
    reason: "AWS allows 1011 with the ARN in front of it (AWS Systems Manager User Guide, \"About requirements and constraints for parameter names\")",
};

/// Levels of a Parameter Store name.
pub(super) const PARAMETER_LEVELS: usize = 15;

/// Releases that may wait in one lane.
pub(super) const WAITING: Bounds = Bounds {
    min: 1,
    max: 10_000,
    reason: "each waiting release is read at every start; a line of thousands is a loop in a CI job",
};
/// Ten builds an hour during a roll that is stuck overnight stay below it.
pub(super) const WAITING_DEFAULT: u32 = 100;

/// How much of AWS's request rates the worker may use, in thousandths.
pub(super) const AWS_SHARE: Bounds = Bounds {
    min: 50,
    max: 1_000,
    reason: "it is a part of what AWS admits for the account, 1.0 for all of it; with less than a twentieth, a roll stands still",
};
/// Half: others in the account (controllers, consoles, other tools) draw on the same buckets.
pub(super) const AWS_SHARE_DEFAULT: u16 = 500;

/// Wait for an SSH connection.
pub(super) const CONNECT_TIMEOUT: Bounds = Bounds {
    min: 1_000,
    max: 120_000,
    reason: "a connection takes a second or two, and a roll stands still while it waits for one",
};
/// The host adapter's own default.
pub(super) const CONNECT_TIMEOUT_DEFAULT_MS: u64 = 10_000;

/// Hosts out of service at once.
pub(super) const MAX_UNAVAILABLE: Bounds = Bounds {
    min: 1,
    max: 500,
    reason: "it counts hosts; a release has 500 of them at most",
};

/// Hosts of a canary.
pub(super) const CANARIES: Bounds = Bounds {
    min: 1,
    max: 500,
    reason: "it counts hosts; a release has 500 of them at most",
};
/// How long a canary is watched.
pub(super) const BAKE: Bounds = Bounds {
    min: 0,
    max: 6 * 3_600_000,
    reason: "scaling is suspended meanwhile",
};
/// Long enough for one or two periods of a metric.
pub(super) const BAKE_DEFAULT_MS: u64 = 120_000;

/// Hosts that may fail and are tried once more.
pub(super) const FAILURE_BUDGET: Bounds = Bounds {
    min: 0,
    max: 500,
    reason: "it counts hosts; a release has 500 of them at most",
};

/// Longest time that a release may roll forward.
pub(super) const MAX_ROLL: Bounds = Bounds {
    min: 60_000,
    max: 24 * 3_600_000,
    reason: "scaling is suspended meanwhile; beyond a day, roll a part of the fleet as a service of its own",
};

/// Longest wait for hosts on their way in or out before a release begins; 0 for none.
pub(super) const PREFLIGHT_WAIT: Bounds = Bounds {
    min: 0,
    max: 3_600_000,
    reason: "the target's other releases wait meanwhile; a host that is on its way for an hour is for a person to see to",
};

/// Hosts that do not answer and are left out.
pub(super) const UNREACHABLE: Bounds = Bounds {
    min: 0,
    max: 500,
    reason: "it counts hosts; a release has 500 of them at most",
};

/// Longest wait for a host that turned unhealthy by itself; 0 for none.
pub(super) const SICK_WAIT: Bounds = Bounds {
    min: 0,
    max: 3_600_000,
    reason: "most of scaling is suspended meanwhile; a host that is sick for an hour is for a person to see to",
};

pub(super) const MAX_PAUSE: Bounds = Bounds {
    min: 60_000,
    max: 24 * 3_600_000,
    reason: "scaling stays suspended while a roll is paused",
};

/// How many people must approve a release.
pub(super) const APPROVALS: Bounds = Bounds {
    min: 1,
    max: 10,
    reason: "leave `approval` out for none; more than ten people agree nowhere within a day",
};

/// How long a release waits for its approval.
pub(super) const APPROVED_WITHIN: Bounds = Bounds {
    min: 60_000,
    max: 7 * 24 * 3_600_000,
    reason: "releases of the same target wait behind it meanwhile",
};
/// The people who have to approve come to work within a day.
pub(super) const APPROVED_WITHIN_DEFAULT_MS: u64 = 24 * 3_600_000;

/// How long a host must stay healthy.
pub(super) const MIN_HEALTHY_TIME: Bounds = Bounds {
    min: 0,
    max: 3_600_000,
    reason: "every batch of hosts waits so long, with scaling suspended",
};
/// Long enough to see a container that dies of its first requests, short compared to a drain.
pub(super) const MIN_HEALTHY_TIME_DEFAULT_MS: u64 = 10_000;

/// Least time between deregistering and stopping.
pub(super) const MIN_DRAIN: Bounds = Bounds {
    min: 0,
    max: 3_600_000,
    reason: "it comes before the target group's own deregistration delay, which is 1h at most",
};
/// The load balancer's nodes learn of a deregistration within a few seconds.
pub(super) const MIN_DRAIN_DEFAULT_MS: u64 = 5_000;

/// Least drain behind a Network Load Balancer.
pub(super) const NLB_MIN_DRAIN: Bounds = Bounds {
    min: 0,
    max: 15 * 60_000,
    reason: "Network Load Balancers forget a deregistered target within minutes; `min_drain` is for any longer drain",
};

/// Time until a Network Load Balancer checks a registered target.
pub(super) const NLB_REGISTRATION: Bounds = Bounds {
    min: 0,
    max: 15 * 60_000,
    reason: "Network Load Balancers check a registered target within minutes; a host that starts slowly needs a longer \
             `healthy_timeout`",
};

/// Longest wait beyond the deregistration delay.
pub(super) const DRAIN_TIMEOUT: Bounds = Bounds {
    min: 1_000,
    max: 3_600_000,
    reason: "it is added to the target group's deregistration delay",
};
/// AWS reports `unused` within seconds of the delay's end; minutes mean that something is wrong.
pub(super) const DRAIN_TIMEOUT_DEFAULT_MS: u64 = 300_000;

/// Longest wait for health.
pub(super) const HEALTHY_TIMEOUT: Bounds = Bounds {
    min: 5_000,
    max: 3_600_000,
    reason: "a load balancer's health check needs 10s at least, and scaling is suspended while it waits",
};
/// Ten checks of 30 s, the load balancer's slowest default.
pub(super) const HEALTHY_TIMEOUT_DEFAULT_MS: u64 = 300_000;

/// Time between two looks at target health.
pub(super) const POLL_INTERVAL: Bounds = Bounds {
    min: 100,
    max: 60_000,
    reason: "AWS throttles whoever asks more often; more seldom only costs time",
};
/// All hosts share one look; a look per second is not throttled, and costs half a second per wait.
pub(super) const POLL_INTERVAL_DEFAULT_MS: u64 = 1_000;

/// Hosts that pull at once.
pub(super) const PULL_CONCURRENCY: Bounds = Bounds {
    min: 1,
    max: 100,
    reason: "each is a download from the registry and an SSH connection",
};
/// Easy on a self-hosted registry; ECR serves more.
pub(super) const PULL_CONCURRENCY_DEFAULT: u32 = 4;

pub(super) const PULL_TIMEOUT: Bounds = Bounds {
    min: 10_000,
    max: 7_200_000,
    reason: "a large image takes minutes; nothing is touched yet while it is pulled",
};
/// 4 GiB at 8 MiB/s.
pub(super) const PULL_TIMEOUT_DEFAULT_MS: u64 = 600_000;

/// Free space before a pull.
pub(super) const MIN_DISK_FREE: Bounds = Bounds {
    min: 0,
    max: 1 << 44,
    reason: "it is the free space on one host's disk",
};
/// An image and its unpacked layers, with room for logs.
pub(super) const MIN_DISK_FREE_DEFAULT: u64 = 2 << 30;

/// Time for muted alarms to be OK again.
pub(super) const SETTLE: Bounds = Bounds {
    min: 0,
    max: 3_600_000,
    reason: "the release stays open so long, and the next one waits",
};
/// A few periods of a usual metric.
pub(super) const SETTLE_DEFAULT_MS: u64 = 300_000;

/// Time between two looks at watched alarms.
pub(super) const WATCH_INTERVAL: Bounds = Bounds {
    min: 1_000,
    max: 60_000,
    reason: "an alarm is evaluated each 10s at most, and one that fires should be heard within the minute",
};
/// As often as CloudWatch evaluates its quickest alarms.
pub(super) const WATCH_INTERVAL_DEFAULT_MS: u64 = 10_000;

/// Watched time at the end of a roll.
pub(super) const WATCHED_BAKE: Bounds = Bounds {
    min: 0,
    max: 3_600_000,
    reason: "scaling is suspended while it lasts, and the next release waits",
};

/// A container's memory. The engine refuses less than 6 MiB.
pub(super) const MEMORY: Bounds = Bounds {
    min: 6 << 20,
    max: 1 << 44,
    reason: "the engine refuses less than 6MiB, and no host has more than 16TiB",
};

/// A container's CPUs, in billionths. The engine refuses less than a hundredth of a CPU; the largest EC2
/// instances have 896.
pub(super) const NANO_CPUS: Bounds = Bounds {
    min: 10_000_000,
    max: 1_024_000_000_000,
    reason: "it counts CPUs: 1.5 is one and a half",
};

/// Time between SIGTERM and SIGKILL.
pub(super) const STOP_TIMEOUT: Bounds = Bounds {
    min: 0,
    max: 3_600_000,
    reason: "the host is out of service so long; the drain came before it",
};
/// Docker's own default.
pub(super) const STOP_TIMEOUT_DEFAULT_S: u32 = 10;

/// Images of one repository that a host keeps besides the running one.
pub(super) const KEEP_IMAGES: Bounds = Bounds {
    min: 1,
    max: 100,
    reason: "the last good one always stays, and each takes its place on every host's disk",
};
/// Only the last good image.
pub(super) const KEEP_IMAGES_DEFAULT: u32 = 1;

/// A port of TCP.
pub(super) const PORT: Bounds = Bounds {
    min: 1,
    max: 65_535,
    reason: "it is a port",
};

/// The status of an HTTP answer.
pub(super) const STATUS: Bounds = Bounds {
    min: 100,
    max: 599,
    reason: "it is an HTTP status",
};

/// Attempts of a verification.
pub(super) const ATTEMPTS: Bounds = Bounds {
    min: 1,
    max: 1_000,
    reason: "the host is out of service while they last; raise `interval` for a slow start",
};
/// The usual number in the pipelines that were read for this.
pub(super) const ATTEMPTS_DEFAULT: u32 = 3;

/// One run of `[before]` or `[after]`.
pub(super) const HOOK_TIMEOUT: Bounds = Bounds {
    min: 1_000,
    max: 86_400_000,
    reason: "a migration may take hours; what takes longer than a day is no part of a release",
};
/// Long for a migration of a small database and for a round of browser tests.
pub(super) const HOOK_TIMEOUT_DEFAULT_MS: u64 = 600_000;

/// Attempts of `[after]`.
pub(super) const HOOK_ATTEMPTS: Bounds = Bounds {
    min: 1,
    max: 20,
    reason: "scaling is suspended while they last; a test that needs more is no test",
};

/// Time between two attempts of `[after]`.
pub(super) const HOOK_INTERVAL: Bounds = Bounds {
    min: 100,
    max: 3_600_000,
    reason: "scaling is suspended while it waits",
};
/// Pipelines usually wait a minute between attempts; ten seconds suffice for most.
pub(super) const HOOK_INTERVAL_DEFAULT_MS: u64 = 10_000;

/// Time between two attempts.
pub(super) const INTERVAL: Bounds = Bounds {
    min: 100,
    max: 600_000,
    reason: "the host is out of service while it waits",
};
/// With three attempts, 15 s for a service to come up.
pub(super) const INTERVAL_DEFAULT_MS: u64 = 5_000;

pub(super) const TIMEOUT: Bounds = Bounds {
    min: 100,
    max: 600_000,
    reason: "the host is out of service while it waits; a smoke test of 10m is a long one",
};
/// A health page answers in milliseconds.
pub(super) const TIMEOUT_DEFAULT_MS: u64 = 5_000;

/// How long the image's HEALTHCHECK may say `starting`.
pub(super) const START_TIMEOUT: Bounds = Bounds {
    min: 1_000,
    max: 3_600_000,
    reason: "the host is out of service while it waits; an hour is what a large cache takes to warm up",
};

/// How long a worker keeps a lane without renewing its lease.
pub(super) const LEASE: Bounds = Bounds {
    min: 30_000,
    max: 600_000,
    reason: "nothing is begun in its last 25 s; a worker that hangs keeps its fleets for so long",
};
/// Long enough that a renewal may fail three times; short enough that a machine that hangs frees the fleet
/// within a minute.
pub const LEASE_DEFAULT: Duration = Duration::from_secs(60);

/// Secrets of one service.
pub(super) const SECRETS: Most = Most {
    most: 50,
    reason: "each is read for every host",
};

/// Characters of a secret's name or ARN: AWS allows 512 for a secret's name and 1011 for a parameter's; an
/// ARN is some 100 longer.
pub(super) const SECRET_NAME_CHARS: usize = 1200;
