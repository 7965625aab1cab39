//! Whether a host speaks against the version that is being rolled. Nothing else tells evidence from bystanders.
//!
//! ```text
//!   runs the new version, its turn is over, and
//!     its container restarted again, or ended by itself          --> evidence
//!     its check fails at two looks, and its engine answers       --> evidence
//!     its instance or its engine does not answer, or somebody
//!     else stopped, started or replaced its container            --> a bystander
//!   runs the version of before, and its check fails              --> a bystander
//!   anything else, and whatever is not known                     --> well
//! ```

use crate::definition::RestartPolicy;
use crate::limits::SICK_AFTER_MS;

/// What is known of a host when it is judged.
#[derive(Debug, Clone, PartialEq)]
pub struct HostSeen {
    pub runs: Runs,
    /// The first of its targets whose check fails.
    pub fails: Option<FailedCheck>,
    pub engine: EngineSeen,
    /// How often the engine had restarted the container when the host's turn ended.
    pub restarts_before: u64,
}

/// Which version a host runs, as the release knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Runs {
    /// The version of before: the host is still to be rolled, or was left out.
    Previous,
    /// The release works on it, or has it out of service: its own steps judge it.
    InItsTurn,
    /// The new version, with its turn over.
    New,
}

/// A target whose check fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedCheck {
    /// The target group's name.
    pub target_group: String,
    /// Why, in the load balancer's words.
    pub reason: String,
    /// For how long looks have shown it, without a break.
    pub for_ms: u64,
}

/// What the instance and its engine say.
#[derive(Debug, Clone, PartialEq)]
pub enum EngineSeen {
    /// They were not asked.
    NotAsked,
    /// The instance is no member of the fleet any more, for this reason.
    Gone(String),
    /// No answer, for this reason.
    Silent(String),
    /// The service's own programs run there, and the host answers.
    Answers,
    /// The release's container is not there any more.
    Replaced,
    /// The release's container is up.
    Runs {
        /// How often the engine has restarted it by itself.
        restarts: u64,
        /// Whether something else has started it since its swap: a person, a reboot, the engine's own restart.
        started_by_others: bool,
    },
    /// The release's container has ended.
    Ended {
        exit_code: Option<i64>,
        policy: RestartPolicy,
    },
}

/// What a host says of the version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It speaks against the version, in these words.
    AgainstVersion(String),
    /// It is not well for a reason of its own.
    Bystander(String),
    /// It is well, or nothing is known against it.
    Well,
}

/// Why a target in this state fails its check; `None` where it does not, or where the load balancer cannot say.
/// `initial`, `unused`, `draining`, `unavailable` and a missing target are no failed check, and trouble of the load
/// balancer's own (`Elb.…`) is not the target's (Elastic Load Balancing API Reference, "TargetHealth").
pub fn failed_check(state: &str, code: Option<&str>, description: Option<&str>) -> Option<String> {
    let fails = matches!(state, "unhealthy" | "unhealthy.draining");
    let of_its_own = !code.is_some_and(|code| code.starts_with("Elb."));
    (fails && of_its_own).then(|| description.or(code).unwrap_or("no reason given").to_owned())
}

impl HostSeen {
    /// What this host says of the version.
    pub fn verdict(&self) -> Verdict {
        match self.runs {
            Runs::InItsTurn => Verdict::Well,
            Runs::Previous if self.fails.is_some() => bystander("it runs the version of before"),
            Runs::Previous => Verdict::Well,
            Runs::New => self.verdict_on_new_version(),
        }
    }

    fn verdict_on_new_version(&self) -> Verdict {
        match &self.engine {
            EngineSeen::NotAsked => Verdict::Well,
            EngineSeen::Gone(why) => bystander(&format!("the instance left: {why}")),
            EngineSeen::Silent(why) => bystander(&format!("the host does not answer: {why}")),
            EngineSeen::Replaced => bystander("its container is not the release's any more"),
            EngineSeen::Ended { exit_code, policy } => ended(*exit_code, *policy),
            EngineSeen::Runs { restarts, .. } if *restarts > self.restarts_before => {
                self.restarted(restarts - self.restarts_before)
            }
            EngineSeen::Runs {
                started_by_others: true,
                ..
            } => {
                bystander("its container was started again by something else than the release or the engine")
            }
            EngineSeen::Runs { .. } => self.fails_for_long("while its container runs on"),
            EngineSeen::Answers => self.fails_for_long("while the host answers"),
        }
    }

    fn restarted(&self, times: u64) -> Verdict {
        let times = match times {
            1 => "once".to_owned(),
            times => format!("{times} times"),
        };
        let also = self.fails.as_ref().map(|fails| format!("; {}", fails.what()));
        Verdict::AgainstVersion(format!(
            "the container has restarted {times} since the host's turn{}",
            also.unwrap_or_default()
        ))
    }

    /// A single look may be older than the last change, so the check has to fail at two of them.
    fn fails_for_long(&self, meanwhile: &str) -> Verdict {
        match &self.fails {
            Some(fails) if fails.for_ms >= SICK_AFTER_MS => {
                Verdict::AgainstVersion(format!("{}, {meanwhile}", fails.what()))
            }
            _ => Verdict::Well,
        }
    }
}

impl FailedCheck {
    fn what(&self) -> String {
        format!("fails its check in {}: {}", self.target_group, self.reason)
    }
}

fn bystander(why: &str) -> Verdict {
    Verdict::Bystander(why.to_owned())
}

/// The engine starts a container with such a policy again whenever it ends, except after `docker stop`.
fn ended(exit_code: Option<i64>, policy: RestartPolicy) -> Verdict {
    if matches!(policy, RestartPolicy::Always | RestartPolicy::UnlessStopped) {
        return bystander("its container was stopped by somebody");
    }
    let code = exit_code.map_or_else(String::new, |code| format!(" with exit code {code}"));
    Verdict::AgainstVersion(format!("the container ended{code} after the host's turn"))
}

#[cfg(test)]
mod tests {
    use super::EngineSeen::{Answers, Ended, Gone, NotAsked, Replaced, Runs as Up, Silent};
    use super::Runs::{InItsTurn, New, Previous};
    use super::*;

    /// What the verdict of a row is.
    #[derive(Debug, PartialEq, Eq)]
    enum Is {
        AgainstVersion,
        Bystander,
        Well,
    }

    fn up(restarts: u64) -> EngineSeen {
        Up {
            restarts,
            started_by_others: false,
        }
    }

    fn up_by_others() -> EngineSeen {
        Up {
            restarts: 0,
            started_by_others: true,
        }
    }

    fn ended(policy: RestartPolicy) -> EngineSeen {
        Ended {
            exit_code: Some(1),
            policy,
        }
    }

    /// A state with its reason code, as the load balancer gives both, seen for so long.
    fn check(state: &str, code: Option<&str>, for_ms: u64) -> Option<FailedCheck> {
        Some(FailedCheck {
            target_group: "web".to_owned(),
            reason: failed_check(state, code, None)?,
            for_ms,
        })
    }

    /// Seen at two looks that cannot be one old answer.
    const LONG: u64 = SICK_AFTER_MS;

    #[test]
    fn trap_34_evidence_and_bystanders_are_told_apart() {
        let unhealthy = |for_ms| check("unhealthy", Some("Target.Timeout"), for_ms);
        let gone = || Gone("terminated in EC2".to_owned());
        let silent = || Silent("no answer".to_owned());
        let restart = RestartPolicy::OnFailure { retries: 3 };
        #[rustfmt::skip]
        let table = [
            // what it is, version, check, engine, restarts when its turn ended, verdict
            ("healthy", New, None, up(0), 0, Is::Well),
            ("healthy, and nobody asked its engine", New, None, NotAsked, 0, Is::Well),
            ("hangs", New, unhealthy(LONG), up(0), 0, Is::AgainstVersion),
            ("answers 500", New, check("unhealthy", Some("Target.ResponseCodeMismatch"), LONG), up(0), 0, Is::AgainstVersion),
            ("connections drained as well", New, check("unhealthy.draining", None, LONG), up(0), 0, Is::AgainstVersion),
            ("failed once, then healthy", New, check("healthy", None, 0), up(0), 0, Is::Well),
            ("seen once, perhaps in an old answer", New, unhealthy(0), up(0), 0, Is::Well),
            ("fails, and nobody asked its engine", New, unhealthy(LONG), NotAsked, 0, Is::Well),
            ("registered by somebody just now", New, check("initial", Some("Elb.RegistrationInProgress"), LONG), up(0), 0, Is::Well),
            ("in a group without traffic", New, check("unused", Some("Target.NotInUse"), LONG), up(0), 0, Is::Well),
            ("deregistered by somebody", New, check("draining", Some("Target.DeregistrationInProgress"), LONG), up(0), 0, Is::Well),
            ("not checked any more", New, check("unavailable", Some("Target.HealthCheckDisabled"), LONG), up(0), 0, Is::Well),
            ("the load balancer's own trouble", New, check("unhealthy", Some("Elb.InternalError"), LONG), up(0), 0, Is::Well),
            ("a state of tomorrow", New, check("pondering", None, LONG), up(0), 0, Is::Well),
            // A group that vanished, or no target at all, has no check that fails.
            ("the group vanished, container restarted", New, None, up(1), 0, Is::AgainstVersion),
            ("restarted, healthy again", New, None, up(1), 0, Is::AgainstVersion),
            ("restarted twice, and fails", New, unhealthy(0), up(2), 0, Is::AgainstVersion),
            ("restarted in its own turn, and never since", New, None, up(1), 1, Is::Well),
            ("restarted in its own turn, and hangs now", New, unhealthy(LONG), up(1), 1, Is::AgainstVersion),
            ("restarted in its own turn, and again", New, None, up(2), 1, Is::AgainstVersion),
            ("restarted by a person, who sets the count to 0", New, None, up_by_others(), 1, Is::Bystander),
            ("rebooted, and not healthy yet", New, unhealthy(LONG), up_by_others(), 0, Is::Bystander),
            ("ended by itself, no policy", New, None, ended(RestartPolicy::No), 0, Is::AgainstVersion),
            ("ended by itself too often", New, unhealthy(LONG), ended(restart), 0, Is::AgainstVersion),
            ("stopped by somebody", New, unhealthy(LONG), ended(RestartPolicy::UnlessStopped), 0, Is::Bystander),
            ("stopped by somebody, always", New, unhealthy(LONG), ended(RestartPolicy::Always), 0, Is::Bystander),
            ("another container in its place", New, unhealthy(LONG), Replaced, 0, Is::Bystander),
            ("the engine does not answer", New, unhealthy(LONG), silent(), 0, Is::Bystander),
            ("the engine does not answer, healthy", New, None, silent(), 0, Is::Bystander),
            ("terminated, or stopped", New, unhealthy(LONG), gone(), 0, Is::Bystander),
            ("own programs, fails", New, unhealthy(LONG), Answers, 0, Is::AgainstVersion),
            ("own programs, fails at one look", New, unhealthy(0), Answers, 0, Is::Well),
            ("own programs, healthy", New, None, Answers, 0, Is::Well),
            ("version of before, hangs", Previous, unhealthy(LONG), up(0), 0, Is::Bystander),
            ("version of before, restarts", Previous, None, up(9), 0, Is::Well),
            ("version of before, restarts and fails", Previous, unhealthy(LONG), up(9), 0, Is::Bystander),
            ("in its turn, not healthy yet", InItsTurn, unhealthy(LONG), up(0), 0, Is::Well),
            ("out, or being rolled back", InItsTurn, unhealthy(LONG), up(3), 0, Is::Well),
        ];
        for (what, runs, fails, engine, restarts_before, is) in table {
            let seen = HostSeen {
                runs,
                fails,
                engine,
                restarts_before,
            };
            let verdict = match seen.verdict() {
                Verdict::AgainstVersion(_) => Is::AgainstVersion,
                Verdict::Bystander(_) => Is::Bystander,
                Verdict::Well => Is::Well,
            };
            assert_eq!(verdict, is, "{what}: {seen:?}");
        }
    }

    #[test]
    fn evidence_says_what_was_seen() {
        let mut seen = HostSeen {
            runs: New,
            fails: check("unhealthy", Some("Target.Timeout"), LONG),
            engine: up(2),
            restarts_before: 0,
        };
        let said = |seen: &HostSeen| match seen.verdict() {
            Verdict::AgainstVersion(what) => what,
            other => panic!("{other:?}"),
        };
        assert_eq!(
            said(&seen),
            "the container has restarted 2 times since the host's turn; fails its check in web: Target.Timeout"
        );
        seen.engine = up(0);
        assert_eq!(
            said(&seen),
            "fails its check in web: Target.Timeout, while its container runs on"
        );
    }
}
