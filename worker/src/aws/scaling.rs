//! Auto Scaling groups: their settings, their members, and which of their processes are suspended.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_autoscaling::types;
use drawgate_rollout::Write;
use drawgate_rollout::definition::Process;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::client::Aws;
use super::error::AwsError;
use super::limits;

/// An Auto Scaling group as it is now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Group {
    pub name: String,
    pub arn: String,
    /// Suspended processes by the API's names, each with AWS's reason; names that this build does not know
    /// are included.
    pub suspended: BTreeMap<String, String>,
    /// The group's own tags.
    pub tags: BTreeMap<String, String>,
    /// The group's instances, in every lifecycle state.
    pub members: Vec<Member>,
    /// Target groups attached to the group.
    pub target_group_arns: Vec<String>,
    /// Classic load balancers attached to the group, which this worker cannot drain.
    pub classic_load_balancers: Vec<String>,
    /// All traffic sources, including the target groups.
    pub traffic_sources: Vec<TrafficSource>,
    /// Types of health check as configured: `EC2`, `ELB`, ...
    pub health_check_type: String,
    pub desired: u32,
    pub min: u32,
    pub max: u32,
    /// Whether instances wait in a warm pool.
    pub warm_pool: bool,
    /// Age in seconds at which instances are replaced, where one is set.
    pub max_instance_lifetime_s: Option<u64>,
}

impl Group {
    /// Processes that AWS itself suspended, because launches failed for a day (Amazon EC2 Auto Scaling User
    /// Guide, "Administrative suspension"). A suspension by a call has a reason that begins with "User
    /// suspended at ...".
    pub fn suspended_by_aws(&self) -> BTreeSet<String> {
        let by_aws = |reason: &str| !reason.is_empty() && !reason.starts_with("User suspended");
        let processes = self.suspended.iter().filter(|(_, reason)| by_aws(reason));
        processes.map(|(process, _)| process.clone()).collect()
    }

    /// Names of the suspended processes.
    pub fn suspended_names(&self) -> BTreeSet<String> {
        self.suspended.keys().cloned().collect()
    }
}

/// An instance as its group sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Member {
    pub id: String,
    /// Lifecycle state by the API's name, `InService`, `Pending:Wait`, ...
    pub lifecycle: String,
    /// `Healthy` or `Unhealthy`, as the group judges it.
    pub health: String,
    pub zone: String,
    /// Whether it is protected from scale-in.
    pub protected_from_scale_in: bool,
}

/// A source of a group's traffic.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrafficSource {
    /// ARN or name.
    pub identifier: String,
    /// `elb`, `elbv2`, `vpc-lattice`; empty where AWS does not say.
    pub kind: String,
}

/// A scheduled change of a group's size.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScheduledAction {
    pub name: String,
    /// The next time it runs.
    pub next: Option<Timestamp>,
    /// Its cron expression, if it repeats.
    pub recurrence: Option<String>,
    /// The minimum size that it sets.
    pub min: Option<u32>,
    /// The maximum size that it sets.
    pub max: Option<u32>,
    /// The desired size that it sets.
    pub desired: Option<u32>,
}

impl Aws {
    /// The group of that name, if it exists.
    pub async fn group_by_name(&self, name: &str) -> Result<Option<Group>, AwsError> {
        const OPERATION: &str = "autoscaling:DescribeAutoScalingGroups";
        let request = self
            .clients
            .autoscaling()
            .describe_auto_scaling_groups()
            .auto_scaling_group_names(name);
        let answer = self.read(OPERATION, request.send()).await?;
        let groups = answer.auto_scaling_groups.unwrap_or_default();
        Ok(groups.into_iter().map(group).find(|group| group.name == name))
    }

    /// The group of each of these instances, by instance id; instances in no group are left out.
    pub async fn groups_of_instances(&self, ids: &[String]) -> Result<BTreeMap<String, String>, AwsError> {
        const OPERATION: &str = "autoscaling:DescribeAutoScalingInstances";
        let mut groups = BTreeMap::new();
        for chunk in ids.chunks(limits::INSTANCES_PER_GROUP_QUERY) {
            let request = self.clients.autoscaling().describe_auto_scaling_instances();
            // The answer fits in one page: the chunk has as many ids as a page holds.
            let request = request.set_instance_ids(Some(chunk.to_vec()));
            let answer = self.read(OPERATION, request.send()).await?;
            let found = answer.auto_scaling_instances.unwrap_or_default().into_iter();
            groups.extend(
                found.filter_map(|instance| Some((instance.instance_id?, instance.auto_scaling_group_name?))),
            );
        }
        Ok(groups)
    }

    /// Suspends exactly these processes. Refuses an empty list, which AWS would read as all of them.
    pub async fn suspend(&self, name: &str, processes: &[Process]) -> Result<(), AwsError> {
        let names = process_names(Write::Suspend, processes)?;
        let request = self
            .clients
            .autoscaling()
            .suspend_processes()
            .auto_scaling_group_name(name);
        let request = request.set_scaling_processes(Some(names));
        self.write(Write::Suspend, request.send()).await.map(drop)
    }

    /// Resumes exactly these processes. Refuses an empty list, which AWS would read as all of them.
    pub async fn resume(&self, name: &str, processes: &[Process]) -> Result<(), AwsError> {
        let names = process_names(Write::Resume, processes)?;
        let request = self
            .clients
            .autoscaling()
            .resume_processes()
            .auto_scaling_group_name(name);
        let request = request.set_scaling_processes(Some(names));
        self.write(Write::Resume, request.send()).await.map(drop)
    }

    /// Sets a tag of the group itself; instances launched later do not get it.
    pub async fn tag_group(&self, name: &str, key: &str, value: &str) -> Result<(), AwsError> {
        let tag = group_tag(name, key)
            .value(value)
            .propagate_at_launch(false)
            .build();
        let request = self.clients.autoscaling().create_or_update_tags().tags(tag);
        self.write(Write::TagGroup, request.send()).await.map(drop)
    }

    /// Removes a tag of the group. A tag that is not there is no error.
    pub async fn untag_group(&self, name: &str, key: &str) -> Result<(), AwsError> {
        let request = self
            .clients
            .autoscaling()
            .delete_tags()
            .tags(group_tag(name, key).build());
        self.write(Write::UntagGroup, request.send()).await.map(drop)
    }

    /// Tells the group that an instance is healthy, whatever the grace period says.
    pub async fn set_instance_health_healthy(&self, id: &str) -> Result<(), AwsError> {
        let request = self.clients.autoscaling().set_instance_health().instance_id(id);
        let request = request
            .health_status("Healthy")
            .should_respect_grace_period(false);
        self.write(Write::SetInstanceHealth, request.send())
            .await
            .map(drop)
    }

    /// The status of the instance refresh under way, if there is one.
    pub async fn refresh_running(&self, name: &str) -> Result<Option<String>, AwsError> {
        let request = self
            .clients
            .autoscaling()
            .describe_instance_refreshes()
            .auto_scaling_group_name(name);
        let request = request.max_records(limits::REFRESHES_LOOKED_AT);
        let answer = self
            .read("autoscaling:DescribeInstanceRefreshes", request.send())
            .await?;
        let refreshes = answer.instance_refreshes.unwrap_or_default();
        let mut statuses = refreshes.into_iter().filter_map(|refresh| refresh.status);
        Ok(statuses
            .find(refresh_is_under_way)
            .map(|status| status.as_str().to_owned()))
    }

    /// The group's scheduled actions.
    pub async fn scheduled_actions(&self, name: &str) -> Result<Vec<ScheduledAction>, AwsError> {
        const OPERATION: &str = "autoscaling:DescribeScheduledActions";
        let mut actions = Vec::new();
        let mut token = None;
        for _ in 0..limits::PAGES {
            let request = self
                .clients
                .autoscaling()
                .describe_scheduled_actions()
                .auto_scaling_group_name(name);
            let answer = self.read(OPERATION, request.set_next_token(token).send()).await?;
            let page = answer.scheduled_update_group_actions.unwrap_or_default();
            actions.extend(page.into_iter().filter_map(scheduled_action));
            token = answer.next_token.filter(|token| !token.is_empty());
            if token.is_none() {
                return Ok(actions);
            }
        }
        Err(AwsError::too_long(OPERATION))
    }
}

/// The API's names of these processes; refuses the empty list, which would mean every process.
fn process_names(write: Write, processes: &[Process]) -> Result<Vec<String>, AwsError> {
    if processes.is_empty() {
        let reason = "an empty list of processes means all of them";
        return Err(AwsError::Invalid {
            operation: write.action(),
            reason,
        });
    }
    Ok(processes
        .iter()
        .map(|process| process.as_str().to_owned())
        .collect())
}

fn group_tag(name: &str, key: &str) -> types::builders::TagBuilder {
    types::Tag::builder()
        .resource_type("auto-scaling-group")
        .resource_id(name)
        .key(key)
}

/// A refresh that has not ended acts on the instances, or will. A status that this build does not know counts
/// as not ended.
fn refresh_is_under_way(status: &types::InstanceRefreshStatus) -> bool {
    use types::InstanceRefreshStatus as Status;
    !matches!(
        status,
        Status::Successful
            | Status::Failed
            | Status::Cancelled
            | Status::RollbackFailed
            | Status::RollbackSuccessful
    )
}

fn group(group: types::AutoScalingGroup) -> Group {
    let suspended = group.suspended_processes.unwrap_or_default().into_iter();
    let tags = group.tags.unwrap_or_default().into_iter();
    let sources = group.traffic_sources.unwrap_or_default().into_iter();
    Group {
        name: group.auto_scaling_group_name.unwrap_or_default(),
        arn: group.auto_scaling_group_arn.unwrap_or_default(),
        suspended: suspended
            .filter_map(|process| {
                Some((
                    process.process_name?,
                    process.suspension_reason.unwrap_or_default(),
                ))
            })
            .collect(),
        tags: tags
            .filter_map(|tag| Some((tag.key?, tag.value.unwrap_or_default())))
            .collect(),
        members: group
            .instances
            .unwrap_or_default()
            .into_iter()
            .filter_map(member)
            .collect(),
        target_group_arns: group.target_group_arns.unwrap_or_default(),
        classic_load_balancers: group.load_balancer_names.unwrap_or_default(),
        traffic_sources: sources
            .filter_map(|source| {
                Some(TrafficSource {
                    identifier: source.identifier?,
                    kind: source.r#type.unwrap_or_default(),
                })
            })
            .collect(),
        health_check_type: group.health_check_type.unwrap_or_default(),
        desired: count(group.desired_capacity),
        min: count(group.min_size),
        max: count(group.max_size),
        warm_pool: group.warm_pool_configuration.is_some(),
        max_instance_lifetime_s: group
            .max_instance_lifetime
            .and_then(|seconds| u64::try_from(seconds).ok())
            .filter(|seconds| *seconds > 0),
    }
}

fn member(instance: types::Instance) -> Option<Member> {
    Some(Member {
        id: instance.instance_id?,
        lifecycle: instance
            .lifecycle_state
            .map(|state| state.as_str().to_owned())
            .unwrap_or_default(),
        health: instance.health_status.unwrap_or_default(),
        zone: instance.availability_zone.unwrap_or_default(),
        protected_from_scale_in: instance.protected_from_scale_in.unwrap_or_default(),
    })
}

fn scheduled_action(action: types::ScheduledUpdateGroupAction) -> Option<ScheduledAction> {
    Some(ScheduledAction {
        name: action.scheduled_action_name?,
        // `Time` is the old name of the same field.
        next: action
            .start_time
            .or(action.time)
            .and_then(|time| super::client::timestamp(&time)),
        recurrence: action.recurrence,
        min: size(action.min_size),
        max: size(action.max_size),
        desired: size(action.desired_capacity),
    })
}

/// The size, where one is set: AWS writes -1, or nothing, for a size that stays as it is.
fn size(number: Option<i32>) -> Option<u32> {
    number.and_then(|number| u32::try_from(number).ok())
}

fn count(number: Option<i32>) -> u32 {
    number
        .and_then(|number| u32::try_from(number).ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trap_01_an_empty_list_of_processes_is_never_sent() {
        let error = process_names(Write::Resume, &[]).unwrap_err();
        assert!(error.is_refused(), "{error:?}");
        assert!(
            error.to_string().contains("autoscaling:ResumeProcesses"),
            "{error}"
        );
    }

    #[test]
    fn processes_go_by_the_names_of_the_api() {
        let names = process_names(Write::Suspend, &Process::DEFAULT).unwrap();
        assert_eq!(names[0], "AZRebalance");
        assert_eq!(names.len(), 6);
    }

    #[test]
    fn a_refresh_is_under_way_until_it_has_ended() {
        for status in [
            "Pending",
            "InProgress",
            "Cancelling",
            "RollbackInProgress",
            "Baking",
            "SomethingNew",
        ] {
            assert!(refresh_is_under_way(&status.into()), "{status}");
        }
        for status in [
            "Successful",
            "Failed",
            "Cancelled",
            "RollbackFailed",
            "RollbackSuccessful",
        ] {
            assert!(!refresh_is_under_way(&status.into()), "{status}");
        }
    }

    #[test]
    fn unknown_suspended_processes_are_kept_with_their_reason() {
        let process = types::SuspendedProcess::builder()
            .process_name("Tomorrow")
            .suspension_reason("by ben");
        let answer = types::AutoScalingGroup::builder()
            .auto_scaling_group_name("shop")
            .suspended_processes(process.build())
            .build();
        assert_eq!(
            group(answer).suspended,
            BTreeMap::from([("Tomorrow".into(), "by ben".into())])
        );
    }
}
