//! Parameter Store: short texts that a fresh host can read.

use aws_sdk_ssm::types::{ParameterTier, ParameterType};
use drawgate_rollout::Write;
use jiff::Timestamp;

use super::client::{Aws, timestamp};
use super::error::AwsError;

/// A parameter's value, and when it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    pub value: String,
    /// Whether the parameter is encrypted: then `value` is ciphertext, and must not be written back as text.
    pub secure: bool,
    /// When the parameter was last written, by AWS's clock.
    pub modified_at: Option<Timestamp>,
}

const GET: &str = "ssm:GetParameter";

impl Aws {
    /// The parameter of that name, if it exists.
    pub async fn parameter(&self, name: &str) -> Result<Option<Parameter>, AwsError> {
        let request = self.clients.ssm().get_parameter().name(name);
        let answer = Box::pin(self.read(GET, request.send())).await;
        let answer = match answer {
            Err(AwsError::Refused { code, .. }) if code == NOT_FOUND => return Ok(None),
            answer => answer?,
        };
        Ok(answer.parameter.map(|parameter| Parameter {
            secure: parameter.r#type == Some(ParameterType::SecureString),
            modified_at: parameter.last_modified_date.as_ref().and_then(timestamp),
            value: parameter.value.unwrap_or_default(),
        }))
    }

    /// Writes a text parameter, whether it exists or not.
    pub async fn put_parameter(&self, name: &str, value: &str) -> Result<(), AwsError> {
        let request = self
            .clients
            .ssm()
            .put_parameter()
            .name(name)
            .value(value)
            .r#type(ParameterType::String)
            // AWS takes the standard tier where the value fits, and leaves an advanced parameter advanced:
            // naming the standard tier for that one would be refused (AWS Systems Manager API Reference,
            // "PutParameter").
            .tier(ParameterTier::IntelligentTiering)
            .overwrite(true);
        Box::pin(self.write(Write::PutParameter, request.send()))
            .await
            .map(drop)
    }

    /// Writes a text parameter that does not exist yet; gives `false` when it does. Of any number of callers
    /// exactly one gets `true` (AWS Systems Manager API Reference, "PutParameter", `Overwrite`).
    pub async fn create_parameter(&self, name: &str, value: &str) -> Result<bool, AwsError> {
        let request = self
            .clients
            .ssm()
            .put_parameter()
            .name(name)
            .value(value)
            .r#type(ParameterType::String)
            .overwrite(false);
        match Box::pin(self.write(Write::PutParameter, request.send())).await {
            Err(AwsError::Refused { code, .. }) if code == EXISTS => Ok(false),
            answer => answer.map(|_| true),
        }
    }

    /// Deletes a parameter. A missing parameter is no error.
    pub async fn delete_parameter(&self, name: &str) -> Result<(), AwsError> {
        let request = self.clients.ssm().delete_parameter().name(name);
        match Box::pin(self.write(Write::DeleteParameter, request.send())).await {
            Err(AwsError::Refused { code, .. }) if code == NOT_FOUND => Ok(()),
            answer => answer.map(drop),
        }
    }
}

const EXISTS: &str = "ParameterAlreadyExists";
const NOT_FOUND: &str = "ParameterNotFound";
