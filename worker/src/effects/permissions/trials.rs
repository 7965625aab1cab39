//! Proves by calls what IAM could not say, once the fleet is this release's and before its first host is touched.
//!
//! | write               | call                                                       | when it takes effect late |
//! |---------------------|------------------------------------------------------------|---------------------------|
//! | tags of instances   | a dry run                                                  | it has none               |
//! | (de)register        | a target that does not exist                               | it has none               |
//! | resume processes    | a process that runs, and that this release leaves running  | that process runs         |
//! | instance health     | a member that is healthy is called healthy                 | the next check says it    |
//! | tags that are taken | of a key that nothing carries                              | it has none               |
//! | delete a mute rule  | of a name that no rule has                                 | it has none               |
//!
//! A call that is denied is not allowed for certain. AWS looks at the permissions before it looks for the target; that
//! a target is named as missing therefore proves the permission (an assumption: AWS documents the order for no
//! single action). Any other answer proves nothing.

use drawgate_rollout::definition::Process;
use drawgate_rollout::{
    Account, Answer, Denial, Evidence, Failure, Need, Permissions, Plan, StepOutcome, Write, denied,
};

use super::super::connections::Effects;
use super::super::ports::TrialPort;
use super::super::task::Task;
use crate::aws::{AwsError, TargetId};

/// The key of tags that nothing carries, and the end of names that nothing has.
const TRIAL: &str = "drawgate:trial";

/// An instance that does not exist: ids are chosen by chance.
const NO_INSTANCE: &str = "i-00000000000000000";

/// Most things that one write is tried on, each a call. A policy that allows it on ten of a kind names them by a
/// pattern, as a rule.
const TRIED: usize = 10;

/// Processes that no service suspends unless its file says so, those first that AWS itself never suspends.
const LEFT_RUNNING: [Process; 4] = [
    Process::AddToLoadBalancer,
    Process::InstanceRefresh,
    Process::Terminate,
    Process::Launch,
];

impl Effects {
    /// Tries the writes that a plan may need and that IAM could not say.
    pub(in super::super) async fn prove_permissions(&self, task: Task<'_>) -> StepOutcome {
        let caller = self.known.caller();
        let account = caller
            .as_deref()
            .and_then(|caller| Account::of(caller, self.aws.region().unwrap_or_default()));
        let trials = Trials {
            port: &self.aws,
            plan: task.plan,
        };
        let needs = task.plan.needs(task.release.request.id);
        let answers = Box::pin(trials.answers(needs)).await;
        judged(&Permissions::of(caller, account.as_ref(), answers))
    }
}

/// Refused where a call was denied; otherwise done, with what no call could prove.
pub(super) fn judged(permissions: &Permissions) -> StepOutcome {
    if let Some(finding) = denied(permissions) {
        let failure = Failure::new(finding.line());
        let failure = match finding.hint {
            Some(hint) => failure.with_hint(hint),
            None => failure,
        };
        return StepOutcome::Refused { failure };
    }
    let unproved = permissions.unproved.iter();
    let unproved =
        unproved.map(|unproved| format!("permissions: NOT PROVED: {}: {}", unproved.action, unproved.why));
    StepOutcome::Done {
        evidence: Evidence::Tried {
            unproved: unproved.collect(),
        },
    }
}

/// What a call says of a permission.
type Said = Result<(), AwsError>;

pub(super) struct Trials<'a, P> {
    pub(super) port: &'a P,
    pub(super) plan: &'a Plan,
}

impl<P: TrialPort> Trials<'_, P> {
    /// What calls say of the writes among these that are to be tried.
    pub(super) async fn answers(&self, needs: Vec<Need>) -> Vec<(Need, Answer)> {
        let mut answers = Vec::new();
        let mut writes: Vec<Write> = self.plan.permissions.to_try().collect();
        writes.dedup();
        for write in writes {
            let of_write = needs.iter().filter(|need| need.write == write);
            match write {
                Write::TagInstance | Write::UntagInstance => {
                    answers.extend(self.try_tagging(write, of_write.collect()).await);
                }
                _ => {
                    for (n, need) in of_write.enumerate() {
                        let answer = match n < TRIED {
                            true => self.try_one(need).await,
                            false => unproved(format!("it was tried on {TRIED} things, and there are more")),
                        };
                        answers.push((need.clone(), answer));
                    }
                }
            }
        }
        answers
    }

    /// One dry run for all instances whose tags are alike: those of the same targets' groups.
    async fn try_tagging(&self, write: Write, needs: Vec<&Need>) -> Vec<(Need, Answer)> {
        let mut answers = Vec::new();
        let key = |need: &Need| need.context.get("aws:TagKeys").cloned().unwrap_or_default();
        let mut alike: Vec<(Vec<String>, Vec<&Need>)> = Vec::new();
        for need in needs {
            match alike.iter_mut().find(|(keys, _)| *keys == key(need)) {
                Some((_, needs)) => needs.push(need),
                None => alike.push((key(need), vec![need])),
            }
        }
        for (keys, needs) in alike {
            let ids: Vec<String> = needs.iter().map(|need| need.on.name.clone()).collect();
            let value = |key: &String| {
                let values = needs.first()?.context.get(&format!("aws:RequestTag/{key}"))?;
                values.first().cloned()
            };
            let tags: Vec<(String, String)> = keys
                .iter()
                .map(|key| (key.clone(), value(key).unwrap_or_default()))
                .collect();
            let error = self.port.try_tagging(write, &ids, &tags).await;
            let answer = match error.is_dry_run() {
                true => Answer::Allowed,
                false => said(Err(error)),
            };
            answers.extend(needs.into_iter().map(|need| (need.clone(), answer.clone())));
        }
        answers
    }

    async fn try_one(&self, need: &Need) -> Answer {
        let name = &need.on.name;
        match need.write {
            Write::Register | Write::Deregister => self.try_target(need).await,
            Write::Resume => match self.running(name) {
                Some(process) => said(self.port.resume(name, &[process]).await),
                None => unproved(format!("every process of {name} is suspended")),
            },
            Write::SetInstanceHealth => match self.port.healthy_member(name).await {
                Ok(Some(instance)) => said(self.port.set_instance_health_healthy(&instance).await),
                Ok(None) => unproved(format!("no member of {name} is healthy")),
                Err(error) => said(Err(error)),
            },
            Write::UntagGroup => said(self.port.untag_group(name, TRIAL).await),
            Write::UntagAlarm => {
                let Some(alarm) = self.plan.alarms.iter().find(|alarm| alarm.name == *name) else {
                    return unproved(format!("{name} is no alarm of this release"));
                };
                said(self.port.untag_alarm(&alarm.arn, &[TRIAL.to_owned()]).await)
            }
            Write::DeleteMuteRule => said(self.port.delete_mute_rule(&format!("{name}-trial")).await),
            other => unproved(format!("no call proves {other} without doing harm")),
        }
    }

    /// A target of the group's own kind that does not exist: no call of it can have an effect. Addresses exist or
    /// not as anybody pleases, so that groups of addresses are not tried.
    async fn try_target(&self, need: &Need) -> Answer {
        let targets = self.plan.hosts.iter().flat_map(|host| &host.targets);
        let mut of_group = targets.filter(|target| {
            let group = self.plan.target_groups.get(&target.target_group);
            group.is_some_and(|group| group.name == need.on.name) || target.target_group == need.on.name
        });
        let Some(target) = of_group.next().filter(|target| target.id.starts_with("i-")) else {
            return unproved(format!("{} has targets by address", need.on.name));
        };
        let nobody = TargetId {
            id: NO_INSTANCE.to_owned(),
            port: target.port,
            zone: None,
        };
        let answer = match need.write {
            Write::Register => self.port.register(&target.target_group, &[nobody]).await,
            _ => self.port.deregister(&target.target_group, &[nobody]).await,
        };
        match answer {
            Err(error) if error.is_invalid_target() => Answer::Allowed,
            answer => said(answer),
        }
    }

    /// A process of a group that runs, and that this release leaves running.
    fn running(&self, name: &str) -> Option<Process> {
        let group = self.plan.groups.iter().find(|group| group.name == name)?;
        let runs = |process: &Process| {
            let suspended = group
                .suspended_before
                .iter()
                .any(|other| other == process.as_str());
            !suspended && !group.suspend.contains(process)
        };
        LEFT_RUNNING.into_iter().find(runs)
    }
}

fn said(answer: Said) -> Answer {
    match answer {
        Ok(()) => Answer::Allowed,
        Err(error) if error.is_denied() => Answer::Denied(Denial::NotAllowed),
        Err(error) => unproved(error.to_string()),
    }
}

fn unproved(why: String) -> Answer {
    Answer::Unknown(why)
}
