//! From a caller to the user or role whose policies IAM simulates.

use drawgate_rollout::Account;

/// A user or a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Principal {
    /// Its ARN, for a role without the role's path.
    pub(super) arn: String,
    /// The role's name, where it is one.
    pub(super) role: Option<String>,
}

impl Principal {
    /// The principal of a caller (IAM User Guide, "IAM identifiers"), or why there is none.
    pub(super) fn of(caller: &str, account: &Account) -> Result<Self, String> {
        let who = caller.splitn(6, ':').nth(5).unwrap_or_default();
        let (kind, name) = who.split_once('/').unwrap_or((who, ""));
        match kind {
            "user" => Ok(Self {
                arn: caller.to_owned(),
                role: None,
            }),
            "assumed-role" => {
                let role = name.split('/').next().unwrap_or_default();
                Ok(Self {
                    arn: format!("arn:{}:iam::{}:role/{role}", account.partition, account.id),
                    role: Some(role.to_owned()),
                })
            }
            "root" => Err("the caller is the account's root user, which IAM does not simulate".to_owned()),
            "federated-user" => Err("the caller is a federated user, which IAM does not simulate".to_owned()),
            _ => Err(format!("the caller {caller} is neither a user nor a role")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_its_role_and_root_is_nobody_to_ask_about() {
        let of = |caller: &str| {
            let account = Account::of(caller, "eu-west-1").unwrap();
            Principal::of(caller, &account)
        };
        let role = of("arn:aws-us-gov:sts::123456789012:assumed-role/drawgate/i-0abc").unwrap();
        assert_eq!(role.arn, "arn:aws-us-gov:iam::123456789012:role/drawgate");
        assert_eq!(role.role.as_deref(), Some("drawgate"));
        let user = of("arn:aws:iam::123456789012:user/machines/drawgate").unwrap();
        assert_eq!(user.arn, "arn:aws:iam::123456789012:user/machines/drawgate");
        assert_eq!(user.role, None);
        for caller in [
            "arn:aws:iam::123456789012:root",
            "arn:aws:sts::123456789012:federated-user/anna",
            "arn:aws:sts::123456789012:else/x",
        ] {
            assert!(of(caller).is_err(), "{caller}");
        }
    }
}
