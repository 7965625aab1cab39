//! Parameter Store: short texts that a fresh host can read.

use aws_sdk_ssm::types::{ParameterTier, ParameterType};
use jiff::Timestamp;

use super::client::{Aws, timestamp};
use super::error::AwsError;

/// A parameter as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// Its value.
    pub value: String,
    /// Whether it is encrypted: then `value` is ciphertext, and must not be written back as text.
    pub secure: bool,
    /// When it was last written, by AWS's clock.
    pub modified_at: Option<Timestamp>,
}

const GET: &str = "ssm:GetParameter";
const DELETE: &str = "ssm:DeleteParameter";

impl Aws {
    /// The parameter of that name, if there is one.
    pub async fn parameter(&self, name: &str) -> Result<Option<Parameter>, AwsError> {
        let request = self.ssm.get_parameter().name(name);
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

    /// Writes a text parameter, new or not.
    pub async fn put_parameter(&self, name: &str, value: &str) -> Result<(), AwsError> {
        let request = self
            .ssm
            .put_parameter()
            .name(name)
            .value(value)
            .r#type(ParameterType::String)
            // Standard wherever the value fits, and an advanced parameter stays one: naming the standard tier for it
            // would be refused (AWS Systems Manager API Reference, "PutParameter").
            .tier(ParameterTier::IntelligentTiering)
            .overwrite(true);
        Box::pin(self.write("ssm:PutParameter", request.send()))
            .await
            .map(drop)
    }

    /// Writes a text parameter that is not there yet. `false` when there is one: of any number of callers one is told
    /// `true` (AWS Systems Manager API Reference, "PutParameter", `Overwrite`).
    pub async fn create_parameter(&self, name: &str, value: &str) -> Result<bool, AwsError> {
        let request = self
            .ssm
            .put_parameter()
            .name(name)
            .value(value)
            .r#type(ParameterType::String)
            .overwrite(false);
        match Box::pin(self.write("ssm:PutParameter", request.send())).await {
            Err(AwsError::Refused { code, .. }) if code == EXISTS => Ok(false),
            answer => answer.map(|_| true),
        }
    }

    /// Deletes a parameter. One that is not there is no error.
    pub async fn delete_parameter(&self, name: &str) -> Result<(), AwsError> {
        let request = self.ssm.delete_parameter().name(name);
        match Box::pin(self.write(DELETE, request.send())).await {
            Err(AwsError::Refused { code, .. }) if code == NOT_FOUND => Ok(()),
            answer => answer.map(drop),
        }
    }
}

const EXISTS: &str = "ParameterAlreadyExists";
const NOT_FOUND: &str = "ParameterNotFound";
