//! Amazon ECR: a login that lasts for hours, asked for anew for every release.

use aws_sdk_ecr::config::Region;
use aws_smithy_types::base64;

use super::client::Aws;
use super::error::AwsError;
use crate::host::RegistryCredentials;

const LOGIN: &str = "ecr:GetAuthorizationToken";

impl Aws {
    /// A login at this account's ECR registries; in `region`, where that is not the worker's own. AWS accepts
    /// it for 12 hours (Amazon ECR API Reference, "GetAuthorizationToken").
    pub async fn registry_login(&self, region: Option<&str>) -> Result<RegistryCredentials, AwsError> {
        let request = self.ecr.get_authorization_token();
        let request = request.customize().config_override(self.in_region(region));
        let answer = Box::pin(self.read(LOGIN, request.send())).await?;
        let token = answer
            .authorization_data
            .into_iter()
            .flatten()
            .find_map(|data| data.authorization_token);
        let login = token.as_deref().and_then(login_of);
        login.ok_or(AwsError::Invalid {
            operation: LOGIN,
            reason: "its answer holds no login",
        })
    }
}

impl Aws {
    /// The life-cycle policy of an ECR repository as JSON, if it has one.
    pub async fn lifecycle_policy(
        &self,
        region: Option<&str>,
        repository: &str,
    ) -> Result<Option<String>, AwsError> {
        let request = self.ecr.get_lifecycle_policy().repository_name(repository);
        let request = request.customize().config_override(self.in_region(region));
        match Box::pin(self.read("ecr:GetLifecyclePolicy", request.send())).await {
            Err(AwsError::Refused { code, .. }) if code == NO_POLICY => Ok(None),
            answer => Ok(answer?.lifecycle_policy_text),
        }
    }

    fn in_region(&self, region: Option<&str>) -> aws_sdk_ecr::config::Builder {
        let region = region.map(|region| Region::new(region.to_owned()));
        aws_sdk_ecr::config::Builder::new().region(region.or_else(|| self.ecr.config().region().cloned()))
    }
}

const NO_POLICY: &str = "LifecyclePolicyNotFoundException";

/// Reads a token: `user:password` in Base64.
fn login_of(token: &str) -> Option<RegistryCredentials> {
    let text = String::from_utf8(base64::decode(token).ok()?).ok()?;
    let (username, password) = text.split_once(':')?;
    Some(RegistryCredentials {
        username: username.to_owned(),
        password: password.to_owned(),
    })
}

/// The region in an ECR registry's host name, `None` for another registry (Amazon ECR User Guide, "Private
/// registries"). Knows the endpoints of FIPS and of China too.
pub(crate) fn ecr_region(registry: &str) -> Option<&str> {
    let (account, rest) = registry.split_once('.')?;
    let rest = rest
        .strip_prefix("dkr.ecr.")
        .or_else(|| rest.strip_prefix("dkr.ecr-fips."))?;
    let region = rest
        .strip_suffix(".amazonaws.com.cn")
        .or_else(|| rest.strip_suffix(".amazonaws.com"))?;
    let is_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
    (is_account && !region.is_empty() && !region.contains('.')).then_some(region)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_a_login() {
        let login = login_of(&base64::encode("AWS:pass:word")).unwrap();
        assert_eq!(
            (login.username.as_str(), login.password.as_str()),
            ("AWS", "pass:word")
        );
        for bad in [
            "",
            "?",
            &base64::encode("no colon"),
            &base64::encode([0xff, b':']),
        ] {
            assert_eq!(login_of(bad), None, "{bad}");
        }
    }

    #[test]
    fn ecr_is_known_by_its_name() {
        for (registry, region) in [
            ("123456789012.dkr.ecr.us-west-2.amazonaws.com", Some("us-west-2")),
            (
                "123456789012.dkr.ecr-fips.us-gov-east-1.amazonaws.com",
                Some("us-gov-east-1"),
            ),
            (
                "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn",
                Some("cn-north-1"),
            ),
            ("1234.dkr.ecr.us-west-2.amazonaws.com", None),
            ("registry.example.com", None),
            (
                "123456789012.dkr.ecr.us-west-2.amazonaws.com.evil.example.com",
                None,
            ),
        ] {
            assert_eq!(ecr_region(registry), region, "{registry}");
        }
    }
}
