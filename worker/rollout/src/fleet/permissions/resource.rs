//! The things that a release writes to, as IAM policies name them.

use super::write::ResourceKind;

/// Where a caller's resources are.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Account {
    /// `aws`, `aws-cn`, …
    pub partition: String,
    pub region: String,
    /// The account's twelve digits.
    pub id: String,
}

impl Account {
    /// The account of a caller by the caller's ARN.
    pub fn of(caller: &str, region: &str) -> Option<Self> {
        let parts: Vec<&str> = caller.splitn(6, ':').collect();
        match parts[..] {
            ["arn", partition, _, _, id, _] if !id.is_empty() => Some(Self {
                partition: partition.to_owned(),
                region: region.to_owned(),
                id: id.to_owned(),
            }),
            _ => None,
        }
    }

    fn arn(&self, service: &str, rest: &str) -> String {
        let Self {
            partition,
            region,
            id,
        } = self;
        format!("arn:{partition}:{service}:{region}:{id}:{rest}")
    }
}

/// One thing that a release writes to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Resource {
    pub kind: ResourceKind,
    /// What a person calls it.
    pub name: String,
    /// Its ARN, where AWS tells it; the others' ARNs are made of account and name.
    told: Option<String>,
}

impl Resource {
    /// A thing whose ARN is made of account and name.
    pub fn named(kind: ResourceKind, name: &str) -> Self {
        Self {
            kind,
            name: name.to_owned(),
            told: None,
        }
    }

    /// A thing whose ARN AWS tells.
    pub fn told(kind: ResourceKind, name: &str, arn: &str) -> Self {
        Self {
            told: Some(arn.to_owned()).filter(|arn| !arn.is_empty()),
            ..Self::named(kind, name)
        }
    }

    /// Its ARN.
    pub fn arn(&self, account: &Account) -> String {
        let name = &self.name;
        match (&self.told, self.kind) {
            (Some(arn), _) => arn.clone(),
            (None, ResourceKind::Parameter) => {
                account.arn("ssm", &format!("parameter/{}", name.trim_start_matches('/')))
            }
            (None, kind) => named_so(account, kind, name),
        }
    }

    /// What a policy names so that it is good for the releases to come: mute rules have a name of their own in
    /// each.
    pub fn granted(&self, account: &Account) -> String {
        match self.kind {
            ResourceKind::MuteRule => named_so(account, self.kind, "drawgate-*"),
            _ => self.arn(account),
        }
    }
}

/// What a policy names for all things of a kind.
pub(super) fn all_of(account: &Account, kind: ResourceKind) -> String {
    match kind {
        ResourceKind::TargetGroup => account.arn("elasticloadbalancing", "targetgroup/*"),
        ResourceKind::Parameter => account.arn("ssm", "parameter/drawgate/*"),
        kind => named_so(account, kind, "*"),
    }
}

fn named_so(account: &Account, kind: ResourceKind, name: &str) -> String {
    match kind {
        // The middle part is the group's UUID.
        ResourceKind::Group => account.arn(
            "autoscaling",
            &format!("autoScalingGroup:*:autoScalingGroupName/{name}"),
        ),
        ResourceKind::TargetGroup => account.arn("elasticloadbalancing", &format!("targetgroup/{name}/*")),
        ResourceKind::Instance => account.arn("ec2", &format!("instance/{name}")),
        ResourceKind::Alarm => account.arn("cloudwatch", &format!("alarm:{name}")),
        ResourceKind::MuteRule => account.arn("cloudwatch", &format!("alarm-mute-rule:{name}")),
        ResourceKind::Parameter => account.arn("ssm", &format!("parameter/{name}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arns_are_of_the_callers_partition_account_and_region() {
        let role = "arn:aws-cn:sts::210987654321:assumed-role/drawgate/i-1";
        let account = Account::of(role, "cn-north-1").unwrap();
        let arn = |kind, name| Resource::named(kind, name).arn(&account);
        assert_eq!(
            arn(ResourceKind::Instance, "i-7"),
            "arn:aws-cn:ec2:cn-north-1:210987654321:instance/i-7"
        );
        assert_eq!(
            arn(ResourceKind::Parameter, "/drawgate/lease/a"),
            "arn:aws-cn:ssm:cn-north-1:210987654321:parameter/drawgate/lease/a"
        );
        let told = Resource::told(ResourceKind::Alarm, "x", "arn:aws-cn:cloudwatch:r:1:alarm:x");
        assert_eq!(told.arn(&account), "arn:aws-cn:cloudwatch:r:1:alarm:x");
        assert_eq!(Account::of("nobody", "r"), None);
    }
}
