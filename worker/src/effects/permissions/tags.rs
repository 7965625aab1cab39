//! The tags of the things that a release writes to, where a policy tells these apart by them.

use std::collections::{BTreeMap, BTreeSet};

use drawgate_rollout::{Account, Resource, ResourceKind};

use super::super::ports::PolicyPort;
use crate::Causes;

/// Tags by ARN; `None` where they could not be read.
pub(super) type Tags = BTreeMap<String, Option<BTreeMap<String, String>>>;

/// Most alarms whose tags are read for it: each is a call.
const ALARMS: usize = 20;

/// The key of the tag that a condition key is about, if it is about a resource's tag. Auto Scaling, EC2 and Elastic
/// Load Balancing have names of their own for it beside the global one.
pub(super) fn tag_key(condition_key: &str) -> Option<&str> {
    let (name, tag) = condition_key.split_once('/')?;
    let (service, name) = name.split_once(':')?;
    let services = ["aws", "autoscaling", "ec2", "elasticloadbalancing", "ssm"];
    let known = services.iter().any(|known| service.eq_ignore_ascii_case(known));
    (known && name.eq_ignore_ascii_case("ResourceTag")).then_some(tag)
}

/// Reads the tags of these things, as far as the worker reads tags of their kind at all.
pub(super) async fn tags_of<P: PolicyPort>(
    policies: &P,
    resources: BTreeSet<&Resource>,
    account: &Account,
) -> Tags {
    let mut tags: Tags = resources.iter().map(|one| (one.arn(account), None)).collect();
    let mut by_kind: BTreeMap<ResourceKind, Vec<&Resource>> = BTreeMap::new();
    for resource in resources {
        by_kind.entry(resource.kind).or_default().push(resource);
    }
    for (kind, resources) in by_kind {
        let too_many = kind == ResourceKind::Alarm && resources.len() > ALARMS;
        if too_many {
            continue;
        }
        let named: Vec<(String, String)> = resources
            .iter()
            .map(|one| (one.name.clone(), one.arn(account)))
            .collect();
        match policies.tags(kind, &named).await {
            Ok(found) => tags.extend(found.into_iter().map(|(arn, tags)| (arn, Some(tags)))),
            Err(error) => {
                tracing::warn!(?kind, error = %Causes(&error), "tags that a policy asks for could not be read")
            }
        }
    }
    tags
}
