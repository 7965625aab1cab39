//! Asks IAM what a principal's policies allow.
//!
//! ```text
//!   every write on every resource, with the keys that each request has     one call, as a rule
//!     -> policies that name no other key have answered
//!     -> the others once more, with the values of the keys they name       one call for each set of values
//! ```
//! IAM says itself which keys its policies name. Tags are read only where they are among these, because most
//! policies name none, and a fleet of hosts has as many sets of tags as hosts.

use std::collections::{BTreeMap, BTreeSet};

use drawgate_rollout::{Account, Answer, Context, Need, Write};

use super::super::ports::PolicyPort;
use super::questions::questions;
use super::tags::{Tags, tag_key, tags_of};
use crate::aws::{AwsError, Simulated};

/// Most sets of values that are asked about. More, and a policy tells nearly every resource from the others.
const VALUES: usize = 8;

pub(super) struct Simulation<'a, P> {
    pub(super) policies: &'a P,
    /// ARN of the user or role.
    pub(super) principal: String,
    pub(super) account: &'a Account,
}

/// What IAM said, by write and ARN.
type Said = BTreeMap<(Write, String), Simulated>;

impl<P: PolicyPort> Simulation<'_, P> {
    /// What IAM says of each write.
    pub(super) async fn answers(&self, needs: &[Need]) -> Result<Vec<(Need, Answer)>, AwsError> {
        let said = self.ask(needs, &self.of_every_request()).await?;
        let mut answers = Vec::new();
        let mut open: Vec<(&Need, &Simulated)> = Vec::new();
        for need in needs {
            match said.get(&(need.write, need.on.arn(self.account))) {
                None => answers.push((need.clone(), Answer::Unknown("IAM gave no answer".to_owned()))),
                Some(said) if said.missing_keys.is_empty() => answers.push((need.clone(), decided(said))),
                Some(said) => open.push((need, said)),
            }
        }
        if !open.is_empty() {
            self.ask_again(&open, &mut answers).await?;
        }
        Ok(answers)
    }

    async fn ask(&self, needs: impl IntoIterator<Item = &Need>, context: &Context) -> Result<Said, AwsError> {
        let mut said = Said::new();
        for question in questions(needs, self.account, context) {
            let answers = self.policies.simulate(&self.principal, &question).await?;
            said.extend(
                answers
                    .into_iter()
                    .map(|one| ((one.write, one.resource.clone()), one)),
            );
        }
        Ok(said)
    }

    /// Asks once more, with the values of the keys that the policies name.
    async fn ask_again(
        &self,
        open: &[(&Need, &Simulated)],
        answers: &mut Vec<(Need, Answer)>,
    ) -> Result<(), AwsError> {
        let on_tags = open
            .iter()
            .filter(|(_, said)| said.missing_keys.iter().any(|key| tag_key(key).is_some()));
        let tagged: BTreeSet<_> = on_tags.map(|(need, _)| &need.on).collect();
        let tags = tags_of(self.policies, tagged, self.account).await;
        let mut by_values: BTreeMap<Context, Vec<&Need>> = BTreeMap::new();
        for (need, said) in open {
            let values = said.missing_keys.iter();
            let values = values.filter_map(|key| Some((key.clone(), self.value(need, key, &tags)?)));
            by_values.entry(values.collect()).or_default().push(need);
        }
        for (n, (values, needs)) in by_values.into_iter().enumerate() {
            if n >= VALUES {
                let why = "the policies tell too many of its things apart by their tags";
                let unknown = needs
                    .into_iter()
                    .map(|need| (need.clone(), Answer::Unknown(why.to_owned())));
                answers.extend(unknown);
                continue;
            }
            let context: Context = self.of_every_request().into_iter().chain(values).collect();
            let said = self.ask(needs.iter().copied(), &context).await?;
            for need in needs {
                let said = said.get(&(need.write, need.on.arn(self.account)));
                answers.push((need.clone(), self.last_word(need, said, &context, &tags)));
            }
        }
        Ok(())
    }

    /// The answer, unless it depends on what only the request itself will show: the address it comes from, …
    fn last_word(&self, need: &Need, said: Option<&Simulated>, asked: &Context, tags: &Tags) -> Answer {
        let Some(said) = said else {
            return Answer::Unknown("IAM gave no answer".to_owned());
        };
        let open = said.missing_keys.iter().filter(|key| {
            let given = asked.keys().any(|given| given.eq_ignore_ascii_case(key));
            !given && !self.is_without(need, key, tags)
        });
        let open: Vec<&str> = open.map(String::as_str).collect();
        match open.is_empty() {
            true => decided(said),
            false => Answer::Unknown(format!(
                "the policies ask for {}, which a simulation does not know",
                open.join(", ")
            )),
        }
    }

    /// The condition keys that each request has (IAM User Guide, "AWS global condition context keys").
    fn of_every_request(&self) -> Context {
        let Account { region, id, .. } = self.account;
        let keys = [
            ("aws:PrincipalAccount", id.as_str()),
            ("aws:PrincipalArn", self.principal.as_str()),
            ("aws:RequestedRegion", region.as_str()),
            ("aws:ResourceAccount", id.as_str()),
            ("aws:SecureTransport", "true"),
            ("aws:ViaAWSService", "false"),
        ];
        keys.map(|(key, value)| (key.to_owned(), vec![value.to_owned()]))
            .into()
    }

    fn value(&self, need: &Need, key: &str, tags: &Tags) -> Option<Vec<String>> {
        if let Some(tag) = tag_key(key) {
            let tags = tags.get(&need.on.arn(self.account))?.as_ref()?;
            let mut tags = tags.iter();
            let (_, value) = tags.find(|(other, _)| other.eq_ignore_ascii_case(tag))?;
            return Some(vec![value.clone()]);
        }
        let mut given = need.context.iter();
        let (_, values) = given.find(|(other, _)| other.eq_ignore_ascii_case(key))?;
        Some(values.clone())
    }

    /// Whether the request is known to have no value for a key.
    fn is_without(&self, need: &Need, key: &str, tags: &Tags) -> bool {
        if tag_key(key).is_some() {
            let read = tags.get(&need.on.arn(self.account)).is_some_and(Option::is_some);
            return read && self.value(need, key, tags).is_none();
        }
        let key = key.to_ascii_lowercase();
        let is_of_request =
            key.starts_with("aws:requesttag/") || key == "aws:tagkeys" || key == "ssm:overwrite";
        is_of_request && self.value(need, &key, tags).is_none()
    }
}

fn decided(said: &Simulated) -> Answer {
    said.denial.map_or(Answer::Allowed, Answer::Denied)
}
