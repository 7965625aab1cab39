//! Secrets Manager and Parameter Store: secret values for a container.

use std::fmt;

use super::client::Aws;
use super::error::AwsError;

/// A secret as AWS stores it.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredSecret {
    /// The secret's text, or its Base64 where it is binary.
    pub text: String,
    /// The version of this value.
    pub version: String,
}

impl fmt::Debug for StoredSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredSecret")
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

const SECRET: &str = "secretsmanager:GetSecretValue";
const PARAMETER: &str = "ssm:GetParameter";

impl Aws {
    /// A secret of Secrets Manager: the current version, or the one given.
    pub async fn secret(&self, name: &str, version: Option<&str>) -> Result<StoredSecret, AwsError> {
        let request = self
            .clients
            .secretsmanager()
            .get_secret_value()
            .secret_id(name)
            .set_version_id(version.map(str::to_owned));
        let answer = Box::pin(self.read(SECRET, request.send())).await?;
        let binary = answer.secret_binary.map(aws_smithy_types::base64::encode);
        let text = answer.secret_string.or(binary);
        match (text, answer.version_id) {
            (Some(text), Some(version)) => Ok(StoredSecret { text, version }),
            _ => Err(AwsError::Invalid {
                operation: SECRET,
                reason: "its answer holds no value",
            }),
        }
    }

    /// A parameter of Parameter Store, decrypted: the newest version, or the one given.
    pub async fn secret_parameter(
        &self,
        name: &str,
        version: Option<&str>,
    ) -> Result<StoredSecret, AwsError> {
        // "name:version" (AWS Systems Manager API Reference, "GetParameter").
        let name = version.map_or_else(|| name.to_owned(), |version| format!("{name}:{version}"));
        let request = self
            .clients
            .ssm()
            .get_parameter()
            .name(name)
            .with_decryption(true);
        let answer = Box::pin(self.read(PARAMETER, request.send())).await?;
        let parameter = answer
            .parameter
            .and_then(|parameter| Some((parameter.value?, parameter.version)));
        match parameter {
            Some((text, version)) => Ok(StoredSecret {
                text,
                version: version.to_string(),
            }),
            None => Err(AwsError::Invalid {
                operation: PARAMETER,
                reason: "its answer holds no value",
            }),
        }
    }
}
