//! Every write to AWS that a release, its rollback or the doctor may need, one row each.
//!
//! The worker's adapters write by these rows alone, so that a write without a row does not compile. The Service
//! Authorization Reference says of each action which resources a policy may name for it, and which condition keys
//! come with it ("Actions, resources, and condition keys for" Amazon EC2 Auto Scaling, Elastic Load Balancing V2,
//! Amazon EC2, Amazon CloudWatch, AWS Systems Manager).

use std::fmt;

use serde::{Deserialize, Serialize};

/// A write to AWS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "&'static str", try_from = "String")]
pub enum Write {
    TagGroup,
    Suspend,
    Resume,
    SetInstanceHealth,
    UntagGroup,
    TagInstance,
    Deregister,
    Register,
    UntagInstance,
    TagAlarm,
    DisableActions,
    EnableActions,
    UntagAlarm,
    PutMuteRule,
    DeleteMuteRule,
    PutParameter,
    DeleteParameter,
}

/// What a policy may name for a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ResourceKind {
    /// An Auto Scaling group.
    Group,
    TargetGroup,
    Instance,
    Alarm,
    MuteRule,
    Parameter,
}

/// How a write is proved where IAM does not simulate it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trial {
    /// By a dry run: AWS says whether the call is allowed, and does not make it.
    DryRun,
    /// By a call that changes nothing, and does no harm when it takes effect late.
    Harmless,
    /// By the step that needs it, which comes before the first host, and whose rollback is proved.
    ItsStep,
    /// Not at all: whatever call proves it may do harm when it takes effect late.
    None,
}

struct Row {
    /// As IAM policies write it.
    action: &'static str,
    on: ResourceKind,
    trial: Trial,
}

impl Write {
    /// Every write.
    pub const ALL: [Self; 17] = [
        Self::TagGroup,
        Self::Suspend,
        Self::Resume,
        Self::SetInstanceHealth,
        Self::UntagGroup,
        Self::TagInstance,
        Self::Deregister,
        Self::Register,
        Self::UntagInstance,
        Self::TagAlarm,
        Self::DisableActions,
        Self::EnableActions,
        Self::UntagAlarm,
        Self::PutMuteRule,
        Self::DeleteMuteRule,
        Self::PutParameter,
        Self::DeleteParameter,
    ];

    #[rustfmt::skip]
    const fn row(self) -> Row {
        use ResourceKind::{Alarm, Group, Instance, MuteRule, Parameter, TargetGroup};
        match self {
            Self::TagGroup          => row("autoscaling:CreateOrUpdateTags",         Group,       Trial::ItsStep),
            Self::Suspend           => row("autoscaling:SuspendProcesses",           Group,       Trial::ItsStep),
            // Of a process that runs, and that no release suspends here.
            Self::Resume            => row("autoscaling:ResumeProcesses",            Group,       Trial::Harmless),
            // Of a member that is healthy.
            Self::SetInstanceHealth => row("autoscaling:SetInstanceHealth",          Group,       Trial::Harmless),
            // Of a key that no group carries.
            Self::UntagGroup        => row("autoscaling:DeleteTags",                 Group,       Trial::Harmless),
            // `DryRun` (Amazon EC2 API Reference, "CreateTags", "DeleteTags").
            Self::TagInstance       => row("ec2:CreateTags",                         Instance,    Trial::DryRun),
            Self::UntagInstance     => row("ec2:DeleteTags",                         Instance,    Trial::DryRun),
            // Of an instance that does not exist: AWS refuses the target, or has nothing to do.
            Self::Deregister        => row("elasticloadbalancing:DeregisterTargets", TargetGroup, Trial::Harmless),
            Self::Register          => row("elasticloadbalancing:RegisterTargets",   TargetGroup, Trial::Harmless),
            Self::TagAlarm          => row("cloudwatch:TagResource",                 Alarm,       Trial::ItsStep),
            Self::DisableActions    => row("cloudwatch:DisableAlarmActions",         Alarm,       Trial::ItsStep),
            // Late, it would have an alarm act that the release has silenced.
            Self::EnableActions     => row("cloudwatch:EnableAlarmActions",          Alarm,       Trial::None),
            // Of a key that no alarm carries.
            Self::UntagAlarm        => row("cloudwatch:UntagResource",               Alarm,       Trial::Harmless),
            // A policy has to allow it on the rule and on each of its alarms (Amazon CloudWatch API Reference,
            // "PutAlarmMuteRule").
            Self::PutMuteRule       => row("cloudwatch:PutAlarmMuteRule",            MuteRule,    Trial::ItsStep),
            // Of a rule that does not exist.
            Self::DeleteMuteRule    => row("cloudwatch:DeleteAlarmMuteRule",         MuteRule,    Trial::Harmless),
            Self::PutParameter      => row("ssm:PutParameter",                       Parameter,   Trial::ItsStep),
            // Late, it would take a lease from a release; and a policy may name the one parameter alone.
            Self::DeleteParameter   => row("ssm:DeleteParameter",                    Parameter,   Trial::None),
        }
    }

    /// `service:Operation`, as IAM policies write it.
    pub const fn action(self) -> &'static str {
        self.row().action
    }

    /// What a policy may name for it.
    pub const fn on(self) -> ResourceKind {
        self.row().on
    }

    /// How it is proved where IAM does not simulate it.
    pub const fn trial(self) -> Trial {
        self.row().trial
    }
}

const fn row(action: &'static str, on: ResourceKind, trial: Trial) -> Row {
    Row { action, on, trial }
}

impl fmt::Display for Write {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.action())
    }
}

impl From<Write> for &'static str {
    fn from(write: Write) -> Self {
        write.action()
    }
}

impl TryFrom<String> for Write {
    type Error = String;

    fn try_from(action: String) -> Result<Self, Self::Error> {
        let known = Self::ALL.into_iter().find(|write| write.action() == action);
        known.ok_or_else(|| format!("{action} is no write that this version knows"))
    }
}
