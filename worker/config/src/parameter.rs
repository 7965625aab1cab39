//! Names in AWS Systems Manager Parameter Store ("About requirements and constraints for parameter names").

use super::error::Problems;
use super::limits as at;
use super::placeholders::Template;
use super::reader::{Field, Located};

/// Reads the name of a parameter: a path, because permissions are given by path.
pub(super) fn name(field: &Field<'_, '_>, problems: &mut Problems<'_>) -> Option<Located<Template>> {
    let template = field.template(problems)?;
    let name = template.example();
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | '/');
    let reserved = ["/aws", "/ssm"];
    let lower = name.to_ascii_lowercase();
    let wrong = if !name.starts_with('/') {
        Some("is no path")
    } else if !name.chars().all(allowed) || name.ends_with('/') || name.contains("//") {
        Some("is no parameter's name: letters, digits, `_`, `.`, `-` and `/`")
    } else if name.len() > at::PARAMETER_CHARS.most || name.matches('/').count() > at::PARAMETER_LEVELS {
        Some("is longer than AWS allows")
    } else if reserved.iter().any(|prefix| lower.starts_with(prefix)) {
        Some("begins with a word that AWS keeps for itself")
    } else {
        None
    };
    if let Some(wrong) = wrong {
        field.invalid_hint(wrong, format!("write it as {}", field.example_value()), problems);
        return None;
    }
    Some(Located {
        value: template,
        span: field.span.clone(),
    })
}
