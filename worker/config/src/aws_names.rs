//! Names of AWS resources.

use super::error::Problems;
use super::limits as at;
use super::placeholders::Template;
use super::reader::Field;

/// Reads the name of an Auto Scaling group, an alarm or a target group, or its ARN.
pub(super) fn aws_name(field: &Field<'_, '_>, problems: &mut Problems<'_>) -> Option<Template> {
    let text = field.text(problems)?;
    if text.chars().count() > at::AWS_NAME_CHARS.most {
        field.invalid(
            format!(
                "is longer than AWS allows, {} characters",
                at::AWS_NAME_CHARS.most
            ),
            problems,
        );
        return None;
    }
    field.template(problems)
}
