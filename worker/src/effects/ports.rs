//! What the steps of a roll may ask of the world and do to it: a port for each subject, reads apart from writes.
//!
//! | port               | reads | writes |
//! |--------------------|-------|--------|
//! | [`ScalingPort`]    | a group | its tag, its suspended processes, an instance's health |
//! | [`HealthPort`]     | the health of targets | |
//! | [`GroupPort`]      | target groups, their attributes and their load balancers' | |
//! | [`MembershipPort`] | an instance, a group | |
//! | [`TargetPort`]     | | registrations of targets, an instance's tags |
//! | [`AlarmPort`]      | alarms | |
//! | [`ActionPort`]     | an alarm's tags | an alarm's tags, whether its actions are on |
//! | [`MutePort`]       | a mute rule | a mute rule |
//! | [`ParameterPort`]  | a parameter | a parameter |
//! | [`PolicyPort`]     | the caller, its policies, tags that these name | |
//! | [`TrialPort`]      | a member of a group | calls that change nothing |
//! | [`HostPort`]       | connections and container of a host | |
//! | [`WatchedHostPort`] | a watched host's container, and its last lines | |
//!
//! A step that goes through a port can make no other call, and runs in a unit test on a fake of its port.
//! The implementations delegate, and decide nothing. They box the larger futures of the SDK, so that the
//! futures of the steps stay small.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use drawgate_rollout::definition::Process;
use drawgate_rollout::{EngineSeen, HostPlan, Release, ResourceKind, Write};
use drawgate_schemas::Direction;
use jiff::Timestamp;
use tokio::time::Instant;

use super::connections::Effects;
use super::outcome::Effect;
use super::task::Task;
use crate::aws::{
    Alarm, Aws, AwsError, Group, HealthWatch, Instance, Parameter, Question, SeenMuteRule, SharedCalls,
    Simulated, TargetGroup, TargetGroupAttributes, TargetId, Targets,
};

type Answer<T> = Result<T, AwsError>;

/// Auto Scaling groups.
pub(super) trait ScalingPort: Sync {
    // Reads.
    fn group_by_name(&self, name: &str) -> impl Future<Output = Answer<Option<Group>>> + Send;

    // Writes.
    fn tag_group(&self, name: &str, key: &str, value: &str) -> impl Future<Output = Answer<()>> + Send;
    fn untag_group(&self, name: &str, key: &str) -> impl Future<Output = Answer<()>> + Send;
    fn suspend(&self, name: &str, processes: &[Process]) -> impl Future<Output = Answer<()>> + Send;
    fn resume(&self, name: &str, processes: &[Process]) -> impl Future<Output = Answer<()>> + Send;
    fn set_instance_health_healthy(&self, id: &str) -> impl Future<Output = Answer<()>> + Send;
}

impl ScalingPort for Aws {
    async fn group_by_name(&self, name: &str) -> Answer<Option<Group>> {
        Aws::group_by_name(self, name).await
    }

    async fn tag_group(&self, name: &str, key: &str, value: &str) -> Answer<()> {
        Aws::tag_group(self, name, key, value).await
    }

    async fn untag_group(&self, name: &str, key: &str) -> Answer<()> {
        Aws::untag_group(self, name, key).await
    }

    async fn suspend(&self, name: &str, processes: &[Process]) -> Answer<()> {
        Aws::suspend(self, name, processes).await
    }

    async fn resume(&self, name: &str, processes: &[Process]) -> Answer<()> {
        Aws::resume(self, name, processes).await
    }

    async fn set_instance_health_healthy(&self, id: &str) -> Answer<()> {
        Aws::set_instance_health_healthy(self, id).await
    }
}

/// The health of targets, by a request that began at or after `not_before`; nothing where the target group
/// does not exist any more. Reads only.
pub(super) trait HealthPort: Sync {
    fn targets(&self, arn: &str, not_before: Instant) -> impl Future<Output = Answer<Targets>> + Send;
}

impl HealthPort for HealthWatch {
    async fn targets(&self, arn: &str, not_before: Instant) -> Answer<Targets> {
        Ok(self.look(arn, not_before).await?.targets.clone())
    }
}

/// Target groups. Reads only: [`HealthPort`] has their targets.
pub(super) trait GroupPort: Sync {
    fn target_groups(&self) -> impl Future<Output = Answer<Vec<TargetGroup>>> + Send;
    fn attributes(&self, arn: &str) -> impl Future<Output = Answer<TargetGroupAttributes>> + Send;
    fn balances_across_zones(&self, load_balancer: &str) -> impl Future<Output = Answer<bool>> + Send;

    /// The zone of each of these instances, by instance id.
    fn zones(&self, instances: &[String]) -> impl Future<Output = Answer<BTreeMap<String, String>>> + Send;

    /// How long it takes to ask one more group for its targets.
    fn pace(&self) -> Duration;
}

impl GroupPort for Aws {
    async fn target_groups(&self) -> Answer<Vec<TargetGroup>> {
        Box::pin(Aws::target_groups(self)).await
    }

    async fn attributes(&self, arn: &str) -> Answer<TargetGroupAttributes> {
        Box::pin(Aws::attributes(self, arn)).await
    }

    async fn balances_across_zones(&self, load_balancer: &str) -> Answer<bool> {
        Box::pin(Aws::balances_across_zones(self, load_balancer)).await
    }

    async fn zones(&self, instances: &[String]) -> Answer<BTreeMap<String, String>> {
        let instances = Box::pin(Aws::instances_by_ids(self, instances))
            .await?
            .into_iter();
        Ok(instances.map(|instance| (instance.id, instance.zone)).collect())
    }

    fn pace(&self) -> Duration {
        Aws::pace(self, "elasticloadbalancing:DescribeTargetHealth")
    }
}

/// Whether an instance is a member of its group. Reads only.
pub(super) trait MembershipPort: Sync {
    fn instances_by_ids(&self, ids: &[String]) -> impl Future<Output = Answer<Vec<Instance>>> + Send;
    fn group_by_name(&self, name: &str) -> impl Future<Output = Answer<Option<Group>>> + Send;
}

impl MembershipPort for SharedCalls {
    async fn instances_by_ids(&self, ids: &[String]) -> Answer<Vec<Instance>> {
        SharedCalls::instances_by_ids(self, ids).await
    }

    async fn group_by_name(&self, name: &str) -> Answer<Option<Group>> {
        SharedCalls::group_by_name(self, name).await
    }
}

/// The registrations of targets, and the tags of instances that remember them. Writes only: [`HealthPort`]
/// has the reads.
pub(super) trait TargetPort: Sync {
    fn register(&self, arn: &str, target: &TargetId) -> impl Future<Output = Answer<()>> + Send;
    fn deregister(&self, arn: &str, target: &TargetId) -> impl Future<Output = Answer<()>> + Send;
    fn tag_instance(&self, id: &str, tags: &[(String, String)]) -> impl Future<Output = Answer<()>> + Send;
    fn untag_instance(&self, id: &str, keys: &[String]) -> impl Future<Output = Answer<()>> + Send;
}

impl TargetPort for SharedCalls {
    async fn register(&self, arn: &str, target: &TargetId) -> Answer<()> {
        SharedCalls::register(self, arn, target).await
    }

    async fn deregister(&self, arn: &str, target: &TargetId) -> Answer<()> {
        SharedCalls::deregister(self, arn, target).await
    }

    async fn tag_instance(&self, id: &str, tags: &[(String, String)]) -> Answer<()> {
        SharedCalls::tag_instance(self, id, tags).await
    }

    async fn untag_instance(&self, id: &str, keys: &[String]) -> Answer<()> {
        SharedCalls::untag_instance(self, id, keys).await
    }
}

/// Alarms. Reads only.
pub(super) trait AlarmPort: Sync {
    fn alarms_matching(&self, patterns: &[String]) -> impl Future<Output = Answer<Vec<Alarm>>> + Send;
}

impl AlarmPort for Aws {
    async fn alarms_matching(&self, patterns: &[String]) -> Answer<Vec<Alarm>> {
        Aws::alarms_matching(self, patterns).await
    }
}

/// The actions of alarms.
pub(super) trait ActionPort: AlarmPort {
    // Reads.
    fn alarm_tags(&self, arn: &str) -> impl Future<Output = Answer<BTreeMap<String, String>>> + Send;

    // Writes.
    fn tag_alarm(&self, arn: &str, key: &str, value: &str) -> impl Future<Output = Answer<()>> + Send;
    fn untag_alarm(&self, arn: &str, keys: &[String]) -> impl Future<Output = Answer<()>> + Send;
    fn disable_actions(&self, names: &[String]) -> impl Future<Output = Answer<()>> + Send;
    fn enable_actions(&self, names: &[String]) -> impl Future<Output = Answer<()>> + Send;
}

impl ActionPort for Aws {
    async fn alarm_tags(&self, arn: &str) -> Answer<BTreeMap<String, String>> {
        Box::pin(Aws::alarm_tags(self, arn)).await
    }

    async fn tag_alarm(&self, arn: &str, key: &str, value: &str) -> Answer<()> {
        Box::pin(Aws::tag_alarm(self, arn, key, value)).await
    }

    async fn untag_alarm(&self, arn: &str, keys: &[String]) -> Answer<()> {
        Box::pin(Aws::untag_alarm(self, arn, keys)).await
    }

    async fn disable_actions(&self, names: &[String]) -> Answer<()> {
        Aws::disable_actions(self, names).await
    }

    async fn enable_actions(&self, names: &[String]) -> Answer<()> {
        Aws::enable_actions(self, names).await
    }
}

/// Mute rules of alarms.
pub(super) trait MutePort: AlarmPort {
    // Reads.
    fn mute_rule(&self, name: &str) -> impl Future<Output = Answer<Option<SeenMuteRule>>> + Send;

    // Writes.
    fn put_mute_rule(
        &self,
        name: &str,
        alarms: &[String],
        from: Timestamp,
        until: Timestamp,
    ) -> impl Future<Output = Answer<()>> + Send;
    fn delete_mute_rule(&self, name: &str) -> impl Future<Output = Answer<()>> + Send;
}

impl MutePort for Aws {
    async fn mute_rule(&self, name: &str) -> Answer<Option<SeenMuteRule>> {
        Box::pin(Aws::mute_rule(self, name)).await
    }

    async fn put_mute_rule(
        &self,
        name: &str,
        alarms: &[String],
        from: Timestamp,
        until: Timestamp,
    ) -> Answer<()> {
        Box::pin(Aws::put_mute_rule(self, name, alarms, from, until)).await
    }

    async fn delete_mute_rule(&self, name: &str) -> Answer<()> {
        Box::pin(Aws::delete_mute_rule(self, name)).await
    }
}

/// Parameters: the fleet's lease, and the desired version.
pub(super) trait ParameterPort: Sync {
    // Reads.
    fn parameter(&self, name: &str) -> impl Future<Output = Answer<Option<Parameter>>> + Send;

    // Writes.
    fn create_parameter(&self, name: &str, value: &str) -> impl Future<Output = Answer<bool>> + Send;
    fn put_parameter(&self, name: &str, value: &str) -> impl Future<Output = Answer<()>> + Send;
    fn delete_parameter(&self, name: &str) -> impl Future<Output = Answer<()>> + Send;
}

impl ParameterPort for Aws {
    async fn parameter(&self, name: &str) -> Answer<Option<Parameter>> {
        Box::pin(Aws::parameter(self, name)).await
    }

    async fn create_parameter(&self, name: &str, value: &str) -> Answer<bool> {
        Box::pin(Aws::create_parameter(self, name, value)).await
    }

    async fn put_parameter(&self, name: &str, value: &str) -> Answer<()> {
        Box::pin(Aws::put_parameter(self, name, value)).await
    }

    async fn delete_parameter(&self, name: &str) -> Answer<()> {
        Box::pin(Aws::delete_parameter(self, name)).await
    }
}

/// The caller's policies, and the tags by which these tell things apart. Reads only.
pub(super) trait PolicyPort: Sync {
    fn caller(&self) -> impl Future<Output = Answer<String>> + Send;
    fn role_arn(&self, name: &str) -> impl Future<Output = Answer<String>> + Send;
    fn simulate(
        &self,
        principal: &str,
        question: &Question,
    ) -> impl Future<Output = Answer<Vec<Simulated>>> + Send;

    /// Tags of things of one kind, by ARN; `named` are names and ARNs. What is not there is left out.
    fn tags(
        &self,
        kind: ResourceKind,
        named: &[(String, String)],
    ) -> impl Future<Output = Answer<TagsByArn>> + Send;
}

/// Tags by key, by the ARN of what carries them.
pub(super) type TagsByArn = BTreeMap<String, BTreeMap<String, String>>;

impl PolicyPort for Aws {
    async fn caller(&self) -> Answer<String> {
        Aws::caller(self).await
    }

    async fn role_arn(&self, name: &str) -> Answer<String> {
        Aws::role_arn(self, name).await
    }

    async fn simulate(&self, principal: &str, question: &Question) -> Answer<Vec<Simulated>> {
        Aws::simulate(self, principal, question).await
    }

    async fn tags(&self, kind: ResourceKind, named: &[(String, String)]) -> Answer<TagsByArn> {
        let mut found = TagsByArn::new();
        match kind {
            ResourceKind::Instance => {
                let ids: Vec<String> = named.iter().map(|(id, _)| id.clone()).collect();
                let mut instances = Box::pin(Aws::instances_by_ids(self, &ids)).await?;
                for (id, arn) in named {
                    let instance = instances.iter_mut().find(|instance| instance.id == *id);
                    found.extend(instance.map(|one| (arn.clone(), std::mem::take(&mut one.tags))));
                }
            }
            ResourceKind::Group => {
                for (name, arn) in named {
                    let group = Box::pin(Aws::group_by_name(self, name)).await?;
                    found.extend(group.map(|group| (arn.clone(), group.tags)));
                }
            }
            ResourceKind::TargetGroup => {
                let arns: Vec<String> = named.iter().map(|(_, arn)| arn.clone()).collect();
                found = Aws::target_group_tags(self, &arns).await?;
            }
            ResourceKind::Alarm => {
                for (_, arn) in named {
                    found.insert(arn.clone(), Box::pin(Aws::alarm_tags(self, arn)).await?);
                }
            }
            // Nobody reads the tags of these.
            ResourceKind::MuteRule | ResourceKind::Parameter => {}
        }
        Ok(found)
    }
}

/// Calls that change nothing, made to see whether they are allowed.
pub(super) trait TrialPort: Sync {
    // Reads.
    /// A member of a group that is in service and healthy.
    fn healthy_member(&self, group: &str) -> impl Future<Output = Answer<Option<String>>> + Send;

    // Writes.
    fn try_tagging(
        &self,
        write: Write,
        ids: &[String],
        tags: &[(String, String)],
    ) -> impl Future<Output = AwsError> + Send;
    fn register(&self, arn: &str, targets: &[TargetId]) -> impl Future<Output = Answer<()>> + Send;
    fn deregister(&self, arn: &str, targets: &[TargetId]) -> impl Future<Output = Answer<()>> + Send;
    fn resume(&self, name: &str, processes: &[Process]) -> impl Future<Output = Answer<()>> + Send;
    fn set_instance_health_healthy(&self, id: &str) -> impl Future<Output = Answer<()>> + Send;
    fn untag_group(&self, name: &str, key: &str) -> impl Future<Output = Answer<()>> + Send;
    fn untag_alarm(&self, arn: &str, keys: &[String]) -> impl Future<Output = Answer<()>> + Send;
    fn delete_mute_rule(&self, name: &str) -> impl Future<Output = Answer<()>> + Send;
}

impl TrialPort for Aws {
    async fn healthy_member(&self, group: &str) -> Answer<Option<String>> {
        let group = Box::pin(Aws::group_by_name(self, group)).await?;
        let mut members = group.into_iter().flat_map(|group| group.members);
        let healthy = members.find(|member| member.lifecycle == "InService" && member.health == "Healthy");
        Ok(healthy.map(|member| member.id))
    }

    async fn try_tagging(&self, write: Write, ids: &[String], tags: &[(String, String)]) -> AwsError {
        Aws::try_tagging(self, write, ids, tags).await
    }

    async fn register(&self, arn: &str, targets: &[TargetId]) -> Answer<()> {
        Box::pin(Aws::register(self, arn, targets)).await
    }

    async fn deregister(&self, arn: &str, targets: &[TargetId]) -> Answer<()> {
        Box::pin(Aws::deregister(self, arn, targets)).await
    }

    async fn resume(&self, name: &str, processes: &[Process]) -> Answer<()> {
        Box::pin(Aws::resume(self, name, processes)).await
    }

    async fn set_instance_health_healthy(&self, id: &str) -> Answer<()> {
        Box::pin(Aws::set_instance_health_healthy(self, id)).await
    }

    async fn untag_group(&self, name: &str, key: &str) -> Answer<()> {
        Box::pin(Aws::untag_group(self, name, key)).await
    }

    async fn untag_alarm(&self, arn: &str, keys: &[String]) -> Answer<()> {
        Box::pin(Aws::untag_alarm(self, arn, keys)).await
    }

    async fn delete_mute_rule(&self, name: &str) -> Answer<()> {
        Box::pin(Aws::delete_mute_rule(self, name)).await
    }
}

/// A host of the fleet, over SSH. Reads only.
pub(super) trait HostPort: Sync {
    /// How many connections to a port are open; `None` where they could not be counted.
    fn open_connections(&self, host: &HostPlan, port: u16) -> impl Future<Output = Option<u64>> + Send;

    /// Ends the step unless the container that serves goes on running. `restarts` is the restart count at
    /// the first look.
    fn still_serves(
        &self,
        task: Task<'_>,
        host: &HostPlan,
        direction: Direction,
        restarts: &mut Option<u64>,
    ) -> impl Future<Output = Effect<()>> + Send;
}

impl HostPort for Effects {
    async fn open_connections(&self, host: &HostPlan, port: u16) -> Option<u64> {
        self.host(host).open_connections(port).await.ok().flatten()
    }

    async fn still_serves(
        &self,
        task: Task<'_>,
        host: &HostPlan,
        direction: Direction,
        restarts: &mut Option<u64>,
    ) -> Effect<()> {
        Effects::still_serves(self, task, host, direction, restarts).await
    }
}

/// A host whose turn is over, over SSH. Reads only, and leaves no connection open that it has opened.
pub(super) trait WatchedHostPort: Sync {
    /// The release as it stands, where its driver has told more of it than the step's own copy says.
    fn followed(&self, task: &Task<'_>) -> Option<Arc<Release>>;

    /// What its instance and its engine say; an answer that does not come in time is one of the answers.
    fn engine_of(&self, task: Task<'_>, host: &HostPlan) -> impl Future<Output = EngineSeen> + Send;

    /// The last lines of the release's container there, or none where they cannot be had.
    fn last_lines(&self, task: Task<'_>, host: &HostPlan) -> impl Future<Output = Vec<String>> + Send;
}
