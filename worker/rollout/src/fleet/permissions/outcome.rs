//! What is known of the permissions before a release begins.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::need::Need;
use super::resource::{Account, all_of};
use super::write::{Trial, Write};

/// Resources that are named one by one; of more, a policy names all of their kind.
const NAMED: usize = 3;

/// What IAM says of one write on one thing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Answer {
    Allowed,
    Denied(Denial),
    /// It cannot say, and why not.
    Unknown(String),
}

/// Why a write is denied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Denial {
    /// No policy of the caller allows it.
    NotAllowed,
    /// A policy of the caller denies it.
    Denied,
    /// The caller's permissions boundary does not allow it.
    Boundary,
    /// A policy of the organization does not allow it.
    Organization,
}

impl Denial {
    /// Why, for a person.
    pub fn why(self) -> &'static str {
        match self {
            Self::NotAllowed => "no policy allows it",
            Self::Denied => "a policy denies it",
            Self::Boundary => "the permissions boundary does not allow it",
            Self::Organization => "a policy of the organization does not allow it",
        }
    }
}

/// What is known of the permissions that a release may need, before anything is touched.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Permissions {
    /// The caller whose policies IAM has, by its ARN; `None` where it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<String>,
    /// How many writes, each on one thing, are allowed.
    pub proved: usize,
    /// Writes that are not allowed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<Missing>,
    /// Writes of which IAM could not say it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unproved: Vec<Unproved>,
}

/// A write that is not allowed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missing {
    pub action: Write,
    pub denial: Denial,
    /// The first things that it is not allowed on, by ARN.
    pub on: Vec<String>,
    /// How many more there are.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub more: usize,
    /// What a statement that allows it has to name.
    pub grant: Vec<String>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

impl Missing {
    /// The statement that allows it.
    pub fn statement(&self) -> String {
        let statement = serde_json::json!({
            "Effect": "Allow", "Action": self.action.action(), "Resource": self.grant,
        });
        statement.to_string()
    }
}

/// A write of which IAM could not say whether it is allowed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unproved {
    pub action: Write,
    /// On how many things.
    pub count: usize,
    /// Why not.
    pub why: String,
}

impl Permissions {
    /// What these answers come to.
    pub fn of(principal: Option<String>, account: Option<&Account>, answers: Vec<(Need, Answer)>) -> Self {
        let mut permissions = Self {
            principal,
            ..Self::default()
        };
        let mut missing: BTreeMap<(Write, Denial), Vec<Need>> = BTreeMap::new();
        let mut unproved: BTreeMap<(Write, String), usize> = BTreeMap::new();
        for (need, answer) in answers {
            match answer {
                Answer::Allowed => permissions.proved += 1,
                Answer::Denied(denial) => missing.entry((need.write, denial)).or_default().push(need),
                Answer::Unknown(why) => *unproved.entry((need.write, why)).or_default() += 1,
            }
        }
        let missing = missing.into_iter();
        permissions.missing = missing
            .map(|((action, denial), needs)| missing_of(action, denial, &needs, account))
            .collect();
        let unproved = unproved.into_iter();
        permissions.unproved = unproved
            .map(|((action, why), count)| Unproved { action, count, why })
            .collect();
        permissions
    }

    /// Writes that are still to be proved by a call, once the release has the fleet.
    pub fn to_try(&self) -> impl Iterator<Item = Write> {
        let unproved = self.unproved.iter().map(|unproved| unproved.action);
        unproved.filter(|write| matches!(write.trial(), Trial::DryRun | Trial::Harmless))
    }
}

fn missing_of(action: Write, denial: Denial, needs: &[Need], account: Option<&Account>) -> Missing {
    let arn = |need: &Need| account.map_or_else(|| need.on.name.clone(), |account| need.on.arn(account));
    let mut on: Vec<String> = needs.iter().map(arn).collect();
    on.dedup();
    let mut grant: Vec<String> = match account {
        Some(account) if on.len() > NAMED => needs.iter().map(|need| all_of(account, need.on.kind)).collect(),
        Some(account) => needs.iter().map(|need| need.on.granted(account)).collect(),
        None => on.clone(),
    };
    grant.sort();
    grant.dedup();
    let more = on.len().saturating_sub(NAMED);
    on.truncate(NAMED);
    Missing {
        action,
        denial,
        on,
        more,
        grant,
    }
}
