//! From the writes that a release may need to as few questions as possible.

use std::collections::{BTreeMap, BTreeSet};

use drawgate_rollout::{Account, Context, Need, ResourceKind, Write};

use crate::aws::Question;

/// Most answers of one question: a page of `SimulatePrincipalPolicy`.
const ANSWERS: usize = 1000;

/// Most ARNs in one question. AWS names no bound; this keeps the request below 32 KB.
const RESOURCES: usize = 200;

/// Questions about these writes, all in requests with these values of condition keys. IAM weighs each write of a
/// question on each of its resources, so that kinds of resources are asked about together while they are few.
pub(super) fn questions<'n>(
    needs: impl IntoIterator<Item = &'n Need>,
    account: &Account,
    context: &Context,
) -> Vec<Question> {
    let mut kinds: BTreeMap<ResourceKind, (BTreeSet<Write>, BTreeSet<String>)> = BTreeMap::new();
    for need in needs {
        let (writes, resources) = kinds.entry(need.on.kind).or_default();
        writes.insert(need.write);
        resources.insert(need.on.arn(account));
    }
    let mut questions: Vec<Question> = Vec::new();
    for (writes, resources) in kinds.into_values() {
        let resources: Vec<String> = resources.into_iter().collect();
        for chunk in resources.chunks(RESOURCES) {
            let question = Question {
                writes: writes.clone(),
                resources: chunk.iter().cloned().collect(),
                context: context.clone(),
            };
            match questions.iter_mut().find(|other| fit(other, &question)) {
                Some(other) => {
                    other.writes.extend(question.writes);
                    other.resources.extend(question.resources);
                }
                None => questions.push(question),
            }
        }
    }
    questions
}

fn fit(one: &Question, other: &Question) -> bool {
    let writes = one.writes.union(&other.writes).count();
    let resources = one.resources.union(&other.resources).count();
    resources <= RESOURCES && writes * resources <= ANSWERS
}
