//! Permissions on fakes of their ports: how few questions are asked, and what comes of each answer.

use std::collections::BTreeMap;
use std::sync::Mutex;

use drawgate_rehearsal::World;
use drawgate_rollout::definition::Process;
use drawgate_rollout::{
    Account, Answer, Denial, Need, Permissions, Plan, ResourceKind, StepOutcome, Unproved, Write, plan,
};
use drawgate_schemas::ReleaseId;

use super::super::ports::{PolicyPort, TagsByArn, TrialPort};
use super::known::Known;
use super::questions::questions;
use super::trials::Trials;
use super::{Inquiry, simulation};
use crate::aws::{AwsError, Question, Simulated, TargetId};

const CALLER: &str = "arn:aws:sts::123456789012:assumed-role/drawgate/i-1";
const ROLE: &str = "arn:aws:iam::123456789012:role/drawgate";

fn planned(world: &World) -> (Plan, ReleaseId) {
    let digest = drawgate_rehearsal::world::digest('d');
    let request = drawgate_rehearsal::world::request();
    let made = plan(&request, Some(&digest), &world.definition, &world.snapshot()).unwrap();
    (made, request.id)
}

fn needs(world: &World) -> Vec<Need> {
    let (plan, release) = planned(world);
    plan.needs(release)
}

fn account() -> Account {
    Account::of(CALLER, "eu-west-1").unwrap()
}

fn refused(code: &str) -> AwsError {
    AwsError::Refused {
        operation: "iam:SimulatePrincipalPolicy",
        code: code.to_owned(),
        message: "so".to_owned(),
    }
}

/// A denial, and the keys that the policies name and the question has no value for.
type Said = (Option<Denial>, Vec<&'static str>);

/// IAM with a judgement, that counts the questions.
struct Policies<F> {
    judge: F,
    /// The principal that it knows.
    principal: &'static str,
    tags: BTreeMap<String, String>,
    asked: Mutex<Vec<Question>>,
}

impl<F: Fn(&Question, Write, &str) -> Said> Policies<F> {
    fn new(judge: F) -> Self {
        Self {
            judge,
            principal: ROLE,
            tags: BTreeMap::new(),
            asked: Mutex::new(Vec::new()),
        }
    }

    fn asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

impl<F: Fn(&Question, Write, &str) -> Said + Sync> PolicyPort for Policies<F> {
    async fn caller(&self) -> Result<String, AwsError> {
        Ok(CALLER.to_owned())
    }

    async fn role_arn(&self, name: &str) -> Result<String, AwsError> {
        assert_eq!(name, "drawgate");
        Ok(self.principal.to_owned())
    }

    async fn simulate(&self, principal: &str, question: &Question) -> Result<Vec<Simulated>, AwsError> {
        if principal != self.principal {
            return Err(refused("NoSuchEntity"));
        }
        self.asked.lock().unwrap().push(question.clone());
        let each = question.writes.iter().flat_map(|write| {
            let on = question.resources.iter();
            on.map(move |resource| (*write, resource))
        });
        let answers = each.map(|(write, resource)| {
            let (denial, missing) = (self.judge)(question, write, resource);
            let has = |key: &&str| {
                question
                    .context
                    .keys()
                    .any(|given| given.eq_ignore_ascii_case(key))
            };
            Simulated {
                write,
                resource: resource.clone(),
                denial,
                missing_keys: missing
                    .into_iter()
                    .filter(|key| !has(key))
                    .map(str::to_owned)
                    .collect(),
            }
        });
        Ok(answers.collect())
    }

    async fn tags(&self, _: ResourceKind, named: &[(String, String)]) -> Result<TagsByArn, AwsError> {
        let tagged = named.iter().map(|(_, arn)| (arn.clone(), self.tags.clone()));
        Ok(tagged.collect())
    }
}

async fn asked<F>(policies: &Policies<F>, needs: &[Need]) -> Result<Permissions, String>
where
    F: Fn(&Question, Write, &str) -> Said + Sync,
{
    let known = Known::default();
    let inquiry = Inquiry {
        policies,
        known: &known,
        region: "eu-west-1",
    };
    inquiry.answers(needs).await
}

fn everything() -> World {
    World::new(3, 1).with_lease().publishing(None)
}

#[tokio::test]
async fn a_small_fleet_is_one_question_and_none_a_moment_later() {
    let needs = needs(&everything());
    let policies = Policies::new(|_, _, _| (None, vec![]));
    let known = Known::default();
    let inquiry = Inquiry {
        policies: &policies,
        known: &known,
        region: "eu-west-1",
    };
    for _ in 0..2 {
        let permissions = inquiry.answers(&needs).await.unwrap();
        assert_eq!((permissions.proved, permissions.missing.len()), (needs.len(), 0));
    }
    assert_eq!(policies.asked(), 1);
}

#[test]
fn questions_stay_within_a_page_however_large_the_fleet() {
    let (mut plan, release) = planned(&everything());
    let one = plan.hosts[0].clone();
    plan.hosts = (0..500)
        .map(|n| {
            let mut host = one.clone();
            host.instance = format!("i-{n}");
            host
        })
        .collect();
    let needs = plan.needs(release);
    let questions = questions(&needs, &account(), &BTreeMap::new());
    assert!(questions.len() <= 4, "{}", questions.len());
    for question in &questions {
        assert!(question.writes.len() * question.resources.len() <= 1000);
    }
    let covers = |need: &Need| {
        let arn = need.on.arn(&account());
        let mut covering = questions.iter();
        covering.any(|question| question.writes.contains(&need.write) && question.resources.contains(&arn))
    };
    assert!(needs.iter().all(covers));
}

#[tokio::test]
async fn what_is_missing_is_named_with_its_statement() {
    let policies = Policies::new(|_, write, _| match write {
        Write::Register => (Some(Denial::NotAllowed), vec![]),
        Write::UntagInstance => (Some(Denial::Denied), vec![]),
        _ => (None, vec![]),
    });
    let permissions = asked(&policies, &needs(&everything())).await.unwrap();
    let finding = drawgate_rollout::denied(&permissions).unwrap();
    assert!(
        finding
            .what
            .contains("elasticloadbalancing:RegisterTargets on arn:")
            && finding
                .what
                .contains("ec2:DeleteTags on arn:aws:ec2:eu-west-1:123456789012:instance/i-1")
            && finding.what.contains(ROLE),
        "{finding:?}"
    );
    let hint = finding.hint.unwrap();
    assert!(
        hint.contains(r#""Action":"elasticloadbalancing:RegisterTargets""#)
            && !hint.contains(r#""ec2:DeleteTags""#),
        "{hint}"
    );
}

/// Tags are read only where a policy names them, and a value of the request is told where it names that.
#[tokio::test]
async fn conditions_are_asked_about_with_their_values() {
    let judge = |question: &Question, write: Write, _: &str| {
        let has = |key: &str, value: &str| {
            let mut context = question.context.iter();
            context.any(|(given, values)| {
                given.eq_ignore_ascii_case(key) && values.iter().any(|one| one == value)
            })
        };
        match write {
            Write::TagInstance => match has("aws:resourcetag/stack", "search") {
                true => (None, vec!["aws:ResourceTag/stack"]),
                false => (Some(Denial::NotAllowed), vec!["aws:ResourceTag/stack"]),
            },
            Write::UntagGroup => match has("aws:TagKeys", "drawgate:suspended") {
                true => (None, vec!["aws:TagKeys"]),
                false => (Some(Denial::NotAllowed), vec!["aws:TagKeys"]),
            },
            _ => (None, vec![]),
        }
    };
    let needs = needs(&everything());
    let mut policies = Policies::new(judge);
    let permissions = asked(&policies, &needs).await.unwrap();
    let missing: Vec<Write> = permissions.missing.iter().map(|missing| missing.action).collect();
    assert_eq!(missing, [Write::TagInstance], "without that tag, for certain");
    assert_eq!(permissions.unproved, []);

    policies.tags = [("stack".to_owned(), "search".to_owned())].into();
    policies.asked.lock().unwrap().clear();
    let permissions = asked(&policies, &needs).await.unwrap();
    assert_eq!(permissions.proved, needs.len());
    assert_eq!(policies.asked(), 3, "one, and one for each set of values");
}

/// Whether a denial or a permission: what depends on the request itself is not known before it is made.
#[tokio::test]
async fn what_only_the_request_shows_is_not_proved_and_not_missing() {
    for denial in [None, Some(Denial::Denied)] {
        let judge = move |_: &Question, write: Write, _: &str| match write {
            Write::Register => (denial, vec!["aws:SourceVpce"]),
            _ => (None, vec![]),
        };
        let permissions = asked(&Policies::new(judge), &needs(&everything())).await.unwrap();
        assert_eq!(permissions.missing, []);
        let unproved = &permissions.unproved[..];
        assert!(
            matches!(unproved, [Unproved { action: Write::Register, why, .. }] if why.contains("aws:SourceVpce")),
            "{unproved:?}"
        );
    }
}

#[tokio::test]
async fn a_role_with_a_path_is_asked_for() {
    let mut policies = Policies::new(|_, _, _| (None, vec![]));
    policies.principal = "arn:aws:iam::123456789012:role/machines/drawgate";
    let permissions = asked(&policies, &needs(&everything())).await.unwrap();
    assert_eq!(permissions.principal.as_deref(), Some(policies.principal));
    assert_eq!(permissions.missing, []);
}

#[tokio::test]
async fn whoever_may_not_ask_is_told_what_to_allow() {
    let mut policies = Policies::new(|_, _, _| (None, vec![]));
    policies.principal = "nobody";
    // The second look meets the same refusal, because the fake knows another principal alone.
    let simulation = simulation::Simulation {
        policies: &policies,
        principal: ROLE.to_owned(),
        account: &account(),
    };
    assert!(simulation.answers(&needs(&everything())).await.is_err());
    let why = super::why_not(&refused("AccessDenied"), ROLE);
    assert!(
        why.contains(&format!("allow iam:SimulatePrincipalPolicy on {ROLE}")),
        "{why}"
    );
}

/// AWS that denies some actions, and notes all calls.
#[derive(Default)]
struct Tried {
    denied: Vec<Write>,
    calls: Mutex<Vec<String>>,
}

impl Tried {
    fn call(&self, write: Write, what: &str) -> Result<(), AwsError> {
        self.calls.lock().unwrap().push(format!("{write} {what}"));
        match self.denied.contains(&write) {
            true => Err(AwsError::Refused {
                operation: write.action(),
                code: "AccessDenied".to_owned(),
                message: "so".to_owned(),
            }),
            false => Ok(()),
        }
    }
}

impl TrialPort for Tried {
    async fn healthy_member(&self, _: &str) -> Result<Option<String>, AwsError> {
        Ok(Some("i-1".to_owned()))
    }

    async fn try_tagging(&self, write: Write, ids: &[String], _: &[(String, String)]) -> AwsError {
        let dry = AwsError::Refused {
            operation: write.action(),
            code: "DryRunOperation".to_owned(),
            message: "so".to_owned(),
        };
        self.call(write, &ids.join("+")).err().unwrap_or(dry)
    }

    async fn register(&self, _: &str, targets: &[TargetId]) -> Result<(), AwsError> {
        self.call(Write::Register, &targets[0].id)?;
        Err(AwsError::Refused {
            operation: Write::Register.action(),
            code: "InvalidTarget".to_owned(),
            message: "so".to_owned(),
        })
    }

    async fn deregister(&self, _: &str, targets: &[TargetId]) -> Result<(), AwsError> {
        self.call(Write::Deregister, &targets[0].id)
    }

    async fn resume(&self, _: &str, processes: &[Process]) -> Result<(), AwsError> {
        self.call(Write::Resume, processes[0].as_str())
    }

    async fn set_instance_health_healthy(&self, id: &str) -> Result<(), AwsError> {
        self.call(Write::SetInstanceHealth, id)
    }

    async fn untag_group(&self, _: &str, key: &str) -> Result<(), AwsError> {
        self.call(Write::UntagGroup, key)
    }

    async fn untag_alarm(&self, _: &str, keys: &[String]) -> Result<(), AwsError> {
        self.call(Write::UntagAlarm, &keys.join("+"))
    }

    async fn delete_mute_rule(&self, name: &str) -> Result<(), AwsError> {
        self.call(Write::DeleteMuteRule, name)
    }
}

/// A plan of which IAM could say nothing.
fn unproved(world: &World) -> (Plan, Vec<Need>) {
    let (mut plan, release) = planned(world);
    let needs = plan.needs(release);
    let answers = needs
        .iter()
        .map(|need| (need.clone(), Answer::Unknown("so".to_owned())));
    plan.permissions = Permissions::of(None, None, answers.collect());
    (plan, needs)
}

/// No call is about a thing of the release in a way that would change it, now or later.
#[tokio::test]
async fn trials_touch_nothing_that_a_release_touches() {
    for world in [everything(), everything().muted()] {
        let (plan, needs) = unproved(&world);
        let aws = Tried::default();
        let answers = Trials {
            port: &aws,
            plan: &plan,
        }
        .answers(needs)
        .await;
        assert!(
            answers.iter().all(|(_, answer)| *answer == Answer::Allowed),
            "{answers:?}"
        );
        let calls = aws.calls.lock().unwrap();
        let suspended = &plan.groups[0].suspend;
        for call in calls.iter() {
            let (action, what) = call.split_once(' ').unwrap();
            match Write::try_from(action.to_owned()).unwrap() {
                Write::TagInstance | Write::UntagInstance => assert_eq!(what, "i-1+i-2+i-3", "one dry run"),
                Write::Register | Write::Deregister => {
                    assert!(plan.hosts.iter().all(|host| host.instance != what))
                }
                Write::Resume => assert!(suspended.iter().all(|process| process.as_str() != what), "{what}"),
                Write::SetInstanceHealth => {}
                Write::UntagGroup | Write::UntagAlarm => assert_eq!(what, "drawgate:trial"),
                Write::DeleteMuteRule => assert!(what.ends_with("-trial"), "{what}"),
                other => panic!("{other} was tried"),
            }
        }
        assert!(calls.len() >= 8, "{calls:?}");
    }
}

#[tokio::test]
async fn what_a_trial_is_denied_refuses_the_step_all_at_once() {
    let (plan, needs) = unproved(&everything());
    let aws = Tried {
        denied: vec![Write::TagInstance, Write::Register],
        ..Tried::default()
    };
    let answers = Trials {
        port: &aws,
        plan: &plan,
    }
    .answers(needs)
    .await;
    let outcome = super::trials::judged(&Permissions::of(None, None, answers));
    let StepOutcome::Refused { failure } = outcome else {
        panic!("{outcome:?}");
    };
    assert!(
        failure.what.contains("ec2:CreateTags")
            && failure.what.contains("elasticloadbalancing:RegisterTargets"),
        "{failure:?}"
    );
}
