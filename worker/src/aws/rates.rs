//! How many requests AWS admits: the buckets that it documents, each per account and Region, for the actions
//! that this worker calls.
//!
//! A bucket holds a token for each request that may come at once, and gets more each second until it is full.
//! The lab enforces the same table (`infra/lab/aws/rates.py`); a test compares the two for every action that
//! the worker's sources name.

/// One of AWS's buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bucket<'a> {
    /// The service, as IAM policies write it.
    pub service: &'a str,
    /// Its name within the service: the same for all actions that draw on it.
    pub name: &'a str,
    /// How many requests may come at once.
    pub size: u32,
    /// How many more each second.
    pub refill_per_s: u32,
    /// The AWS document with these figures, by its title.
    pub source: &'static str,
}

/// The buckets that a request draws on: its action's own, and the service's where there is one for all.
///
/// `action` is `service:Operation`.
pub fn of(action: &str) -> (Bucket<'_>, Option<Bucket<'_>>) {
    let (service, operation) = action.split_once(':').unwrap_or((action, ""));
    let rows = || RATES.iter().filter(move |rate| rate.covers(service, operation));
    let own = rows().find(|rate| rate.scope != Scope::Account);
    let own = own.unwrap_or(&OTHERS).bucket(service, operation);
    let account = rows().find(|rate| rate.scope == Scope::Account);
    (own, account.map(|rate| rate.bucket(service, operation)))
}

/// Which bucket an action of a row draws on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    /// One for all actions of the row.
    Shared,
    /// One of its own.
    Each,
    /// Besides its own row's, one for all actions of the service.
    Account,
}

struct Rate {
    service: &'static str,
    scope: Scope,
    /// Names as in the service's API, separated by spaces; a `*` at a name's end stands for any rest.
    operations: &'static str,
    size: u32,
    refill_per_s: u32,
    source: &'static str,
}

impl Rate {
    fn covers(&self, service: &str, operation: &str) -> bool {
        let mut patterns = self.operations.split(' ');
        service == self.service
            && patterns.any(|pattern| match pattern.strip_suffix('*') {
                Some(beginning) => operation.starts_with(beginning),
                None => operation == pattern,
            })
    }

    fn bucket<'a>(&self, service: &'a str, operation: &'a str) -> Bucket<'a> {
        let name = match self.scope {
            Scope::Shared => self.operations,
            Scope::Each => operation,
            Scope::Account => "account",
        };
        Bucket {
            service,
            name,
            size: self.size,
            refill_per_s: self.refill_per_s,
            source: self.source,
        }
    }
}

const ELB: &str = "Elastic Load Balancing User Guide, Request throttling for the Elastic Load Balancing API";
const EC2: &str = "Amazon EC2 Developer Guide, Request throttling for the Amazon EC2 API";
const CLOUDWATCH: &str = "AWS General Reference, Amazon CloudWatch endpoints and quotas";
const SSM: &str = "AWS General Reference, AWS Systems Manager endpoints and quotas";
const SECRETS_2025: &str =
    "What's New with AWS, March 2025, Secrets Manager increases its limits of requests per second";
const STS: &str = "IAM User Guide, IAM and AWS STS quotas";
const ECR: &str = "Amazon ECR User Guide, Amazon ECR service quotas";
const ASSUMPTION: &str = "assumption: AWS publishes no figure";
/// That all its actions draw on one bucket is documented (Amazon EC2 Auto Scaling API Reference, "API request
/// rate").
const AUTO_SCALING: &str = "assumption: AWS publishes no figure, only that there is one bucket";

/// A quota of so many requests per second is a bucket with one second's worth: AWS names no burst beyond it.
/// A service's first row that covers an action is the action's row.
#[rustfmt::skip]
const RATES: &[Rate] = &[
    rate("elasticloadbalancing", Scope::Account, "*", 40, 10, ELB),
    rate("elasticloadbalancing", Scope::Shared, "RegisterTargets DeregisterTargets", 20, 4, ELB),
    rate("elasticloadbalancing", Scope::Shared, "Describe*", 40, 10, ELB),
    rate("ec2", Scope::Each, "CreateTags DeleteTags", 100, 10, EC2),
    // Of requests with a filter or pages, as all of the worker's are: DescribeInstances has less without
    // either.
    rate("ec2", Scope::Each, "Describe*", 100, 20, EC2),
    rate("autoscaling", Scope::Shared, "*", 100, 10, AUTO_SCALING),
    rate("cloudwatch", Scope::Each,
         "EnableAlarmActions DisableAlarmActions PutAlarmMuteRule DeleteAlarmMuteRule", 3, 3, CLOUDWATCH),
    rate("cloudwatch", Scope::Each, "DescribeAlarms", 9, 9, CLOUDWATCH),
    rate("cloudwatch", Scope::Each, "ListTagsForResource", 10, 10, CLOUDWATCH),
    rate("cloudwatch", Scope::Each, "TagResource UntagResource GetAlarmMuteRule", 20, 20, CLOUDWATCH),
    // The default throughput, not the higher one that can be bought.
    rate("ssm", Scope::Shared, "GetParameter GetParameters GetParametersByPath", 40, 40, SSM),
    rate("ssm", Scope::Each, "PutParameter DeleteParameter", 3, 3, SSM),
    rate("sts", Scope::Shared, "GetCallerIdentity", 600, 600, STS),
    rate("secretsmanager", Scope::Each, "GetSecretValue", 10_000, 10_000, SECRETS_2025),
    rate("ecr", Scope::Each, "GetAuthorizationToken", 500, 500, ECR),
];

/// The bucket that all actions of a service share that have no row.
const OTHERS: Rate = rate("", Scope::Shared, "all others", 100, 10, ASSUMPTION);

const fn rate(
    service: &'static str,
    scope: Scope,
    operations: &'static str,
    size: u32,
    refill_per_s: u32,
    source: &'static str,
) -> Rate {
    Rate {
        service,
        scope,
        operations,
        size,
        refill_per_s,
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(action: &str) -> Bucket<'_> {
        of(action).0
    }

    #[test]
    fn actions_of_a_shared_row_draw_on_one_bucket() {
        let register = own("elasticloadbalancing:RegisterTargets");
        assert_eq!(own("elasticloadbalancing:DeregisterTargets"), register);
        assert_eq!((register.size, register.refill_per_s), (20, 4));
        assert_ne!(own("elasticloadbalancing:DescribeTargetHealth"), register);
    }

    #[test]
    fn an_action_of_an_each_row_has_a_bucket_of_its_own() {
        let (enable, disable) = (
            own("cloudwatch:EnableAlarmActions"),
            own("cloudwatch:DisableAlarmActions"),
        );
        assert_ne!(enable, disable);
        assert_eq!((enable.size, disable.size), (3, 3));
    }

    #[test]
    fn all_actions_of_the_load_balancer_draw_on_the_accounts_too() {
        let account = |action| of(action).1;
        let register = account("elasticloadbalancing:RegisterTargets").unwrap();
        assert_eq!(
            account("elasticloadbalancing:DescribeTargetHealth"),
            Some(register)
        );
        assert_eq!((register.size, register.refill_per_s), (40, 10));
        assert_eq!(account("ec2:DescribeInstances"), None);
    }

    #[test]
    fn actions_without_a_row_share_an_assumed_bucket() {
        let policy = own("ecr:GetLifecyclePolicy");
        assert_eq!((policy.size, policy.refill_per_s), (100, 10));
        assert_eq!(policy.source, ASSUMPTION);
        assert_eq!(own("ecr:DescribeImages"), policy);
        assert_ne!(own("kms:Decrypt"), policy, "another service has another");
    }
}
