//! Permissions: what a release may need is proved before its first host is touched.
//!
//! ```text
//!   preflight    Plan::needs -> caller -> simulation -> Permissions    reads only: `plan` does no more
//!   in the roll  Permissions::to_try -> trials                         behind the lease, before the first host
//! ```
//! What IAM cannot say is not a failure: it is tried where a call can do no harm, and told where none can.

mod known;
mod principal;
mod questions;
mod simulation;
mod tags;
#[cfg(test)]
mod tests;
mod trials;

use std::time::Duration;

use drawgate_rollout::{Account, Answer, Need, Permissions, Plan};
use drawgate_schemas::ReleaseId;
use tokio::time::timeout;

use self::principal::Principal;
use self::simulation::Simulation;
use super::connections::Effects;
use super::outcome::chain;
use super::ports::PolicyPort;
use crate::aws::AwsError;

pub(super) use known::Known;

/// Longest wait for IAM. It answers in less than a second; from a subnet without a way to it there is no answer at
/// all, and a release must not wait for that as long as for a call that it needs.
const PATIENCE: Duration = Duration::from_secs(8);

impl Effects {
    /// What IAM says of the writes that a plan may need. Reads only. What could not be asked is not proved.
    pub(super) async fn permissions(&self, plan: &Plan, release: ReleaseId) -> Permissions {
        let needs = plan.needs(release);
        if needs.is_empty() {
            return Permissions::default();
        }
        if let Some(why) = self.known.silent() {
            return unproved(None, needs, &why);
        }
        let region = self.aws.region().unwrap_or_default();
        let inquiry = Inquiry {
            policies: &self.aws,
            known: &self.known,
            region,
        };
        let why = match timeout(PATIENCE, Box::pin(inquiry.answers(&needs))).await {
            Ok(Ok(permissions)) => return permissions,
            Ok(Err(said)) => said,
            Err(_) => format!("IAM did not answer within {} s", PATIENCE.as_secs()),
        };
        tracing::warn!(why, "the permissions of a release could not be simulated");
        self.known.is_silent(&why);
        let caller = self.known.caller();
        unproved(caller, needs, &why)
    }
}

fn unproved(caller: Option<String>, needs: Vec<Need>, why: &str) -> Permissions {
    let answers = needs
        .into_iter()
        .map(|need| (need, Answer::Unknown(why.to_owned())));
    Permissions::of(caller, None, answers.collect())
}

/// Asks IAM about one release.
struct Inquiry<'a, P> {
    policies: &'a P,
    known: &'a Known,
    region: &'a str,
}

impl<P: PolicyPort> Inquiry<'_, P> {
    /// What IAM says, or why it could not be asked.
    async fn answers(&self, needs: &[Need]) -> Result<Permissions, String> {
        let caller = match self.known.caller() {
            Some(caller) => caller,
            None => {
                let caller = self.policies.caller().await.map_err(|error| chain(&error))?;
                self.known.is_caller(&caller);
                caller
            }
        };
        let Some(account) = Account::of(&caller, self.region) else {
            return Err(format!("the caller {caller} is of no account"));
        };
        let principal = Principal::of(&caller, &account)?;
        if self.known.allows(&caller, needs, &account) {
            let answers = needs.iter().map(|need| (need.clone(), Answer::Allowed));
            return Ok(Permissions::of(Some(caller), Some(&account), answers.collect()));
        }
        let (principal, answers) = self.simulate(&principal, &account, needs).await?;
        let permissions = Permissions::of(Some(principal), Some(&account), answers);
        if permissions.proved == needs.len() {
            self.known.has_allowed(&caller, needs, &account);
        }
        Ok(permissions)
    }

    /// The answers, and the principal whose policies IAM has. Where a role's session is the caller, the role's
    /// path is not known until the role itself is asked for.
    async fn simulate(
        &self,
        principal: &Principal,
        account: &Account,
        needs: &[Need],
    ) -> Result<(String, Vec<(Need, Answer)>), String> {
        let simulation = |arn: String| Simulation {
            policies: self.policies,
            principal: arn,
            account,
        };
        let first = simulation(principal.arn.clone());
        let refused = match first.answers(needs).await {
            Ok(answers) => return Ok((first.principal, answers)),
            Err(error) => error,
        };
        let known_elsewhere = refused.is_denied() || refused.code() == Some("NoSuchEntity");
        if let (Some(role), true) = (&principal.role, known_elsewhere)
            && let Ok(arn) = self.policies.role_arn(role).await
            && arn != principal.arn
        {
            let second = simulation(arn);
            let answers = second.answers(needs).await;
            let answers = answers.map_err(|error| why_not(&error, &second.principal))?;
            return Ok((second.principal, answers));
        }
        Err(why_not(&refused, &principal.arn))
    }
}

/// Why IAM could not be asked, and how that is granted.
fn why_not(error: &AwsError, principal: &str) -> String {
    match error.is_denied() {
        true => format!(
            "{principal} may not ask for it: allow iam:SimulatePrincipalPolicy on {principal} (and iam:GetRole, where \
             the role has a path)"
        ),
        false => chain(error),
    }
}
