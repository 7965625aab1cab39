//! Amazon ECR's registries, by their host names.

/// A private registry of Amazon ECR.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EcrRegistry<'a> {
    /// The account that has the registry.
    pub account: &'a str,
    pub region: &'a str,
}

/// What stands between the account and the region, where the name is of IPv4 alone; the second of FIPS.
const IPV4: [&str; 2] = ["dkr.ecr.", "dkr.ecr-fips."];

/// What stands behind the region then, for each of AWS's partitions.
const IPV4_DOMAINS: [&str; 7] = [
    ".amazonaws.com",
    ".amazonaws.com.cn",
    ".amazonaws.eu",
    ".c2s.ic.gov",
    ".sc2s.sgov.gov",
    ".cloud.adc-e.uk",
    ".csp.hci.ic.gov",
];

/// The same for names of IPv4 and IPv6.
const DUAL_STACK: [&str; 2] = ["dkr-ecr.", "dkr-ecr-fips."];

const DUAL_STACK_DOMAINS: [&str; 7] = [
    ".on.aws",
    ".on.amazonwebservices.com.cn",
    ".on.amazonwebservices.eu",
    ".on.aws.ic.gov",
    ".on.aws.scloud",
    ".on.cloud-aws.adc-e.uk",
    ".on.aws.hci.ic.gov",
];

/// Amazon ECR Public, where everybody may pull without a login. Its logins are another service's, which is in
/// `us-east-1` alone (Amazon ECR Public User Guide, "Registry authentication").
const PUBLIC: [&str; 2] = ["public.ecr.aws", "ecr-public.aws.com"];

impl<'a> EcrRegistry<'a> {
    /// The registry of that host name; `None` for any other host, also for one that only resembles it, because
    /// a login is sent there (Amazon ECR User Guide, "Making requests to Amazon ECR registries").
    pub fn of(host: &'a str) -> Option<Self> {
        let (account, rest) = host.split_once('.')?;
        let region = between(rest, &IPV4, &IPV4_DOMAINS)
            .or_else(|| between(rest, &DUAL_STACK, &DUAL_STACK_DOMAINS))?;
        let is_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
        let is_region = !region.is_empty()
            && region
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        (is_account && is_region).then_some(Self { account, region })
    }
}

/// Whether the host is Amazon ECR Public's.
pub(super) fn is_public(host: &str) -> bool {
    PUBLIC.contains(&host)
}

fn between<'a>(text: &'a str, starts: &[&str], ends: &[&str]) -> Option<&'a str> {
    let rest = starts.iter().find_map(|start| text.strip_prefix(start))?;
    ends.iter().find_map(|end| rest.strip_suffix(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_is_known_by_each_of_its_names() {
        for (host, region) in [
            ("123456789012.dkr.ecr.us-west-2.amazonaws.com", "us-west-2"),
            (
                "123456789012.dkr.ecr-fips.us-gov-east-1.amazonaws.com",
                "us-gov-east-1",
            ),
            ("123456789012.dkr-ecr.us-west-2.on.aws", "us-west-2"),
            ("123456789012.dkr-ecr-fips.us-east-1.on.aws", "us-east-1"),
            ("123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn", "cn-north-1"),
            (
                "123456789012.dkr-ecr.cn-north-1.on.amazonwebservices.com.cn",
                "cn-north-1",
            ),
            (
                "123456789012.dkr.ecr.eusc-de-east-1.amazonaws.eu",
                "eusc-de-east-1",
            ),
            (
                "123456789012.dkr-ecr.eusc-de-east-1.on.amazonwebservices.eu",
                "eusc-de-east-1",
            ),
            ("123456789012.dkr.ecr.us-iso-east-1.c2s.ic.gov", "us-iso-east-1"),
            (
                "123456789012.dkr.ecr.us-isob-east-1.sc2s.sgov.gov",
                "us-isob-east-1",
            ),
            (
                "123456789012.dkr.ecr.eu-isoe-west-1.cloud.adc-e.uk",
                "eu-isoe-west-1",
            ),
            (
                "123456789012.dkr.ecr.us-isof-south-1.csp.hci.ic.gov",
                "us-isof-south-1",
            ),
        ] {
            let account = "123456789012";
            assert_eq!(
                EcrRegistry::of(host),
                Some(EcrRegistry { account, region }),
                "{host}"
            );
        }
    }

    #[test]
    fn what_only_resembles_a_registry_is_none() {
        for host in [
            "1234.dkr.ecr.us-west-2.amazonaws.com",
            "1234567890123.dkr.ecr.us-west-2.amazonaws.com",
            "a23456789012.dkr.ecr.us-west-2.amazonaws.com",
            "123456789012.dkr.ecr.us-west-2.amazonaws.com.evil.example.com",
            "123456789012.dkr.ecr.us-west-2.evil.amazonaws.com",
            "123456789012.dkr.ecr.us-west-2.notamazonaws.com",
            "123456789012.dkr.ecr.us-west-2amazonaws.com",
            "123456789012.dkr-ecr.us-west-2.on.aws.evil.example.com",
            "123456789012.dkr-ecr.us-west-2.not-on.aws",
            "123456789012.dkr-ecr.us-west-2.amazonaws.com",
            "123456789012.dkr.ecr.us-west-2.on.aws",
            "123456789012.lambda-url.us-west-2.on.aws",
            "123456789012.dkr.ecr..amazonaws.com",
            "123456789012.dkr.ecr.amazonaws.com",
            "evil.123456789012.dkr.ecr.us-west-2.amazonaws.com",
            "123456789012.dkr.ecr.us-west-2.amazonaws.com:443",
            "public.ecr.aws",
            "ecr-public.aws.com",
            "registry.example.com",
            "",
        ] {
            assert_eq!(EcrRegistry::of(host), None, "{host}");
        }
    }
}
