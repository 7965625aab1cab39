//! Whose policies the calls are made with, and what these policies allow.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_iam::types::{
    ContextEntry, ContextKeyTypeEnum as Type, EvaluationResult, PolicyEvaluationDecisionType as Decision,
    ResourceSpecificResult,
};
use drawgate_rollout::{Context, Denial, Write};

use super::client::Aws;
use super::error::AwsError;
use super::limits;

/// What IAM is asked: each write on each resource, in requests with these values of condition keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Question {
    pub writes: BTreeSet<Write>,
    /// ARNs.
    pub resources: BTreeSet<String>,
    pub context: Context,
}

/// What IAM says of one write on one resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Simulated {
    pub write: Write,
    /// Its ARN.
    pub resource: String,
    /// Why it is denied; `None` where it is allowed.
    pub denial: Option<Denial>,
    /// Condition keys that the policies name, and that no value was given for.
    pub missing_keys: Vec<String>,
}

impl Aws {
    /// The ARN of the caller: a user, or a session of a role. Nobody needs a permission to ask for it.
    pub async fn caller(&self) -> Result<String, AwsError> {
        let request = self.clients.sts().get_caller_identity();
        let answer = Box::pin(self.read("sts:GetCallerIdentity", request.send())).await?;
        Ok(answer.arn.unwrap_or_default())
    }

    /// The Region that calls go to, where one is set.
    pub fn region(&self) -> Option<&str> {
        self.clients.ssm().config().region().map(AsRef::as_ref)
    }

    /// The ARN of a role, which has the role's path; a session's ARN has not.
    pub async fn role_arn(&self, name: &str) -> Result<String, AwsError> {
        let request = self.clients.iam().get_role().role_name(name);
        let answer = Box::pin(self.read("iam:GetRole", request.send())).await?;
        Ok(answer.role.map(|role| role.arn).unwrap_or_default())
    }

    /// What the policies of a user or a role allow. Reads only.
    pub async fn simulate(&self, principal: &str, question: &Question) -> Result<Vec<Simulated>, AwsError> {
        const OPERATION: &str = "iam:SimulatePrincipalPolicy";
        let writes = question.writes.iter();
        let actions: Vec<String> = writes.map(|write| write.action().to_owned()).collect();
        let resources: Vec<String> = question.resources.iter().cloned().collect();
        let mut found = Vec::new();
        let mut marker = None;
        for _ in 0..limits::PAGES {
            let request = self
                .clients
                .iam()
                .simulate_principal_policy()
                .policy_source_arn(principal)
                .set_action_names(Some(actions.clone()))
                .set_resource_arns(Some(resources.clone()))
                .set_context_entries(Some(entries(&question.context)))
                .max_items(limits::SIMULATED_PER_PAGE)
                .set_marker(marker);
            let answer = Box::pin(self.read(OPERATION, request.send())).await?;
            let results = answer.evaluation_results.unwrap_or_default();
            found.extend(results.iter().flat_map(|result| simulated(result, &resources)));
            marker = answer.marker.filter(|_| answer.is_truncated);
            if marker.is_none() {
                return Ok(found);
            }
        }
        Err(AwsError::too_long(OPERATION))
    }

    /// The tags of target groups, by ARN.
    pub async fn target_group_tags(
        &self,
        arns: &[String],
    ) -> Result<BTreeMap<String, BTreeMap<String, String>>, AwsError> {
        let mut found = BTreeMap::new();
        for chunk in arns.chunks(limits::TAGGED_PER_CALL) {
            let request = self
                .clients
                .elbv2()
                .describe_tags()
                .set_resource_arns(Some(chunk.to_vec()));
            let answer = Box::pin(self.read("elasticloadbalancing:DescribeTags", request.send())).await?;
            for described in answer.tag_descriptions.unwrap_or_default() {
                let tags = described.tags.unwrap_or_default().into_iter();
                let tags = tags.filter_map(|tag| Some((tag.key?, tag.value.unwrap_or_default())));
                found.insert(described.resource_arn.unwrap_or_default(), tags.collect());
            }
        }
        Ok(found)
    }
}

fn entries(context: &Context) -> Vec<ContextEntry> {
    let entry = |(key, values): (&String, &Vec<String>)| {
        ContextEntry::builder()
            .context_key_name(key)
            .set_context_key_values(Some(values.clone()))
            .context_key_type(type_of(key))
            .build()
    };
    context.iter().map(entry).collect()
}

/// The type of a condition key (IAM User Guide, "AWS global condition context keys").
fn type_of(key: &str) -> Type {
    match key.to_ascii_lowercase().as_str() {
        "aws:tagkeys" => Type::StringList,
        "aws:securetransport" | "aws:viaawsservice" => Type::Boolean,
        _ => Type::String,
    }
}

/// The decisions on each resource. What stands above them is the strictest of all of an action's (IAM API
/// Reference, "EvaluationResult"): it says something of a resource only where no other was asked about.
fn simulated(result: &EvaluationResult, asked: &[String]) -> Vec<Simulated> {
    let Ok(write) = Write::try_from(result.eval_action_name().to_owned()) else {
        return Vec::new();
    };
    let by_organization = result.organizations_decision_detail();
    let kept_out = by_organization.is_some_and(|detail| !detail.allowed_by_organizations);
    let of_one = |one: &ResourceSpecificResult| {
        let boundary = one.permissions_boundary_decision_detail();
        let outside = boundary.is_some_and(|detail| !detail.allowed_by_permissions_boundary);
        Simulated {
            write,
            resource: one.eval_resource_name().to_owned(),
            denial: denial(one.eval_resource_decision(), outside, kept_out),
            missing_keys: one.missing_context_values().to_vec(),
        }
    };
    let each = result.resource_specific_results();
    match (each.is_empty(), asked) {
        (true, [only]) => {
            let boundary = result.permissions_boundary_decision_detail();
            let outside = boundary.is_some_and(|detail| !detail.allowed_by_permissions_boundary);
            vec![Simulated {
                write,
                resource: only.clone(),
                denial: denial(result.eval_decision(), outside, kept_out),
                missing_keys: result.missing_context_values().to_vec(),
            }]
        }
        _ => each.iter().map(of_one).collect(),
    }
}

fn denial(decision: &Decision, outside_boundary: bool, kept_out: bool) -> Option<Denial> {
    match decision {
        Decision::Allowed => None,
        Decision::ExplicitDeny => Some(Denial::Denied),
        _ if outside_boundary => Some(Denial::Boundary),
        _ if kept_out => Some(Denial::Organization),
        _ => Some(Denial::NotAllowed),
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_iam::types::{OrganizationsDecisionDetail, PermissionsBoundaryDecisionDetail};

    use super::*;

    fn one(arn: &str, decision: Decision) -> ResourceSpecificResult {
        let one = ResourceSpecificResult::builder().eval_resource_name(arn);
        one.eval_resource_decision(decision).build().unwrap()
    }

    fn denials(result: &EvaluationResult, asked: &[&str]) -> Vec<(String, Option<Denial>)> {
        let asked: Vec<String> = asked.iter().map(|arn| (*arn).to_owned()).collect();
        let found = simulated(result, &asked).into_iter();
        found.map(|one| (one.resource, one.denial)).collect()
    }

    /// The decision of an action is the strictest of its resources', and says nothing of the others.
    #[test]
    fn each_resource_has_its_own_decision() {
        let result = EvaluationResult::builder()
            .eval_action_name("ec2:CreateTags")
            .eval_decision(Decision::ImplicitDeny);
        let both = result
            .clone()
            .resource_specific_results(one("a", Decision::Allowed))
            .resource_specific_results(one("b", Decision::ImplicitDeny));
        let expected = [("a".to_owned(), None), ("b".to_owned(), Some(Denial::NotAllowed))];
        assert_eq!(denials(&both.build().unwrap(), &["a", "b"]), expected);
        let summary = result.build().unwrap();
        assert_eq!(denials(&summary, &["a", "b"]), [], "of which of them?");
        let of_one = [("a".to_owned(), Some(Denial::NotAllowed))];
        assert_eq!(denials(&summary, &["a"]), of_one);
    }

    #[test]
    fn a_denial_names_whose_it_is() {
        let result = |decision, organization: bool, boundary: bool| {
            let organization = OrganizationsDecisionDetail::builder().allowed_by_organizations(organization);
            let boundary =
                PermissionsBoundaryDecisionDetail::builder().allowed_by_permissions_boundary(boundary);
            let result = EvaluationResult::builder()
                .eval_action_name("ec2:CreateTags")
                .eval_decision(decision)
                .organizations_decision_detail(organization.build())
                .permissions_boundary_decision_detail(boundary.build());
            denials(&result.build().unwrap(), &["a"]).remove(0).1
        };
        assert_eq!(result(Decision::Allowed, true, true), None);
        assert_eq!(result(Decision::ExplicitDeny, true, true), Some(Denial::Denied));
        assert_eq!(
            result(Decision::ImplicitDeny, true, true),
            Some(Denial::NotAllowed)
        );
        assert_eq!(
            result(Decision::ImplicitDeny, true, false),
            Some(Denial::Boundary)
        );
        assert_eq!(
            result(Decision::ImplicitDeny, false, true),
            Some(Denial::Organization)
        );
    }
}
