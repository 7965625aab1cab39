//! What a registry may do by itself: a life-cycle rule that takes the image of the release, or the one that
//! hosts go back to.

use drawgate_schemas::ReleaseRequest;
use serde::Deserialize;

use super::finding::Finding;
use crate::fleet::ImageSnapshot;

/// A life-cycle policy as Amazon ECR has it (Amazon ECR User Guide, "Lifecycle policy properties").
#[derive(Deserialize)]
struct Policy {
    rules: Vec<Rule>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    rule_priority: u64,
    selection: Selection,
    action: Action,
}

#[derive(Deserialize)]
struct Action {
    r#type: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Selection {
    tag_status: String,
    #[serde(default)]
    tag_prefix_list: Vec<String>,
    #[serde(default)]
    tag_pattern_list: Vec<String>,
    count_type: String,
    count_number: u64,
}

/// Warns of each rule that could take an image which this release needs, now or on a rollback. Which images a
/// rule takes depends on pushes to come, so nobody can say more than that it could.
pub(super) fn rules(request: &ReleaseRequest, image: &ImageSnapshot, findings: &mut Vec<Finding>) {
    let subject = request.image.repository();
    if let Some(why) = &image.lifecycle_unread {
        findings.push(Finding::warn(
            subject,
            format!("its life-cycle rules could not be read: {why}"),
        ));
    }
    let Some(text) = &image.lifecycle else {
        return;
    };
    let Ok(policy) = serde_json::from_str::<Policy>(text) else {
        findings.push(Finding::warn(
            subject,
            "its life-cycle rules are of a kind that this version does not know",
        ));
        return;
    };
    for rule in policy.rules.iter().filter(|rule| rule.takes(request.image.tag())) {
        let what = format!(
            "life-cycle rule {} removes {}: it could take this image, or the one that hosts go back to",
            rule.rule_priority,
            rule.selection.words()
        );
        findings.push(Finding::warn(subject, what));
    }
}

impl Rule {
    /// Whether the rule could take an image with that tag, or an untagged one, because a tag that moves on
    /// leaves the previous image untagged.
    fn takes(&self, tag: Option<&str>) -> bool {
        let Selection {
            tag_status,
            tag_prefix_list,
            tag_pattern_list,
            ..
        } = &self.selection;
        let tagged = |tag: &str| {
            let prefixes = tag_prefix_list
                .iter()
                .any(|prefix| tag.starts_with(prefix.as_str()));
            prefixes || tag_pattern_list.iter().any(|pattern| matches(pattern, tag))
        };
        let selected = match tag_status.as_str() {
            "tagged" => tag.is_some_and(tagged),
            _ => true,
        };
        selected && self.action.r#type == "expire"
    }
}

impl Selection {
    fn words(&self) -> String {
        let images = match self.tag_status.as_str() {
            "untagged" => "untagged images",
            "tagged" => "images tagged like this one",
            _ => "images",
        };
        let count = self.count_number;
        match self.count_type.as_str() {
            "imageCountMoreThan" => format!("{images} beyond the newest {count}"),
            "sinceImagePushed" => format!("{images} {count} days after their push"),
            "sinceImagePulled" => format!("{images} {count} days after their last pull"),
            other => format!("{images} by {other} {count}"),
        }
    }
}

/// Whether a tag matches a pattern in which `*` stands for any text. Pieces are looked for from the left: the
/// first one at the start, the last one at the end.
fn matches(pattern: &str, tag: &str) -> bool {
    let mut pieces = pattern.split('*');
    let first = pieces.next().unwrap_or_default();
    let Some(mut rest) = tag.strip_prefix(first) else {
        return false;
    };
    let mut pieces: Vec<&str> = pieces.collect();
    let Some(last) = pieces.pop() else {
        return rest.is_empty();
    };
    for piece in pieces {
        match rest.find(piece).and_then(|at| rest.get(at + piece.len()..)) {
            Some(after) => rest = after,
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn warned(image: &str, rule: serde_json::Value) -> Vec<String> {
        let request = serde_json::from_value(json!({
            "version": 1, "id": "0190f6f0-0000-7000-8000-000000000001", "environment": "staging", "service": "api",
            "image": image, "requested_at": "2026-01-01T00:00:00Z",
        }));
        let policy = json!({"rules": [{"rulePriority": 3, "selection": rule, "action": {"type": "expire"}}]});
        let seen = ImageSnapshot {
            lifecycle: Some(policy.to_string()),
            ..ImageSnapshot::default()
        };
        let mut findings = Vec::new();
        rules(&request.unwrap(), &seen, &mut findings);
        findings.iter().map(Finding::line).collect()
    }

    fn count(mut selection: serde_json::Value) -> serde_json::Value {
        selection["countType"] = json!("imageCountMoreThan");
        selection["countNumber"] = json!(10);
        selection
    }

    #[test]
    fn trap_19_a_life_cycle_rule_that_could_take_the_image_is_told() {
        const IMAGE: &str = "registry.example.com/api:main-42";
        assert_eq!(
            warned(IMAGE, count(json!({"tagStatus": "any"}))),
            [
                "registry.example.com/api: life-cycle rule 3 removes images beyond the newest 10: it could take this image, or \
              the one that hosts go back to"
            ]
        );
        let pushed = json!({"tagStatus": "untagged", "countType": "sinceImagePushed", "countUnit": "days", "countNumber": 14});
        assert!(warned(IMAGE, pushed)[0].contains("removes untagged images 14 days after their push"));
        for (list, taken) in [
            (json!({"tagStatus": "tagged", "tagPrefixList": ["main-"]}), true),
            (
                json!({"tagStatus": "tagged", "tagPrefixList": ["feature-"]}),
                false,
            ),
            (json!({"tagStatus": "tagged", "tagPatternList": ["m*-4*"]}), true),
            (json!({"tagStatus": "tagged", "tagPatternList": ["*"]}), true),
            (
                json!({"tagStatus": "tagged", "tagPatternList": ["main-4"]}),
                false,
            ),
            (json!({"tagStatus": "tagged", "tagPatternList": ["*-43"]}), false),
        ] {
            assert_eq!(!warned(IMAGE, count(list.clone())).is_empty(), taken, "{list}");
        }
    }

    #[test]
    fn trap_19_unreadable_rules_are_told_and_refuse_nothing() {
        for image in [
            ImageSnapshot {
                lifecycle_unread: Some("no permission".to_owned()),
                ..ImageSnapshot::default()
            },
            ImageSnapshot {
                lifecycle: Some("{\"rules\": 1}".to_owned()),
                ..ImageSnapshot::default()
            },
        ] {
            let request = serde_json::from_value(json!({
                "version": 1, "id": "0190f6f0-0000-7000-8000-000000000001", "environment": "staging", "service": "api",
                "image": "registry.example.com/api:1", "requested_at": "2026-01-01T00:00:00Z",
            }));
            let mut findings = Vec::new();
            rules(&request.unwrap(), &image, &mut findings);
            assert_eq!(findings.len(), 1);
            assert_eq!(findings[0].severity, crate::preflight::Severity::Warn);
        }
    }
}
