//! Amazon ECR: a login that lasts for hours, asked for anew for every release.

use aws_sdk_ecr::config::Region;
use aws_smithy_types::base64;

use super::client::Aws;
use super::error::AwsError;
use crate::host::RegistryCredentials;

const LOGIN: &str = "ecr:GetAuthorizationToken";

impl Aws {
    /// A login at all ECR registries that the worker may pull from; in `region`, where that is not the worker's own. AWS accepts
    /// it for 12 hours (Amazon ECR API Reference, "GetAuthorizationToken").
    pub async fn registry_login(&self, region: Option<&str>) -> Result<RegistryCredentials, AwsError> {
        let request = self.clients.ecr().get_authorization_token();
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
    /// The life-cycle policy of an ECR repository as JSON, if it has one. Without an account the repository
    /// is the worker's account's.
    pub async fn lifecycle_policy(
        &self,
        region: Option<&str>,
        account: Option<&str>,
        repository: &str,
    ) -> Result<Option<String>, AwsError> {
        let request = self
            .clients
            .ecr()
            .get_lifecycle_policy()
            .repository_name(repository);
        let request = request.set_registry_id(account.map(str::to_owned));
        let request = request.customize().config_override(self.in_region(region));
        match Box::pin(self.read("ecr:GetLifecyclePolicy", request.send())).await {
            Err(AwsError::Refused { code, .. }) if code == NO_POLICY => Ok(None),
            answer => Ok(answer?.lifecycle_policy_text),
        }
    }

    fn in_region(&self, region: Option<&str>) -> aws_sdk_ecr::config::Builder {
        let region = region.map(|region| Region::new(region.to_owned()));
        aws_sdk_ecr::config::Builder::new()
            .region(region.or_else(|| self.clients.ecr().config().region().cloned()))
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
}
