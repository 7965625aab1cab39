//! CloudWatch alarms: their states, their actions, and turning those actions off and on.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_cloudwatch::types::{self, AlarmType};
use drawgate_rollout::Write;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::client::{Aws, timestamp};
use super::error::AwsError;
use super::limits;

/// A metric, composite or log alarm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alarm {
    pub name: String,
    pub arn: String,
    /// Whether the alarm's actions are on.
    pub actions_enabled: bool,
    /// `OK`, `ALARM`, `INSUFFICIENT_DATA`.
    pub state: String,
    /// Since when the alarm is in that state, where CloudWatch says so.
    pub since: Option<Timestamp>,
    /// Why the alarm is in that state, in CloudWatch's words.
    pub reason: String,
    /// True when the alarm has actions and every one of them is a scaling policy: such an alarm is not
    /// silenced.
    pub scaling_policy_only: bool,
    /// ARNs of all its actions, for any state.
    pub actions: Vec<String>,
}

impl Aws {
    /// The alarms with these names; a `*` at the end of a name stands for any rest. Sorted by name, each
    /// once.
    pub async fn alarms_matching(&self, patterns: &[String]) -> Result<Vec<Alarm>, AwsError> {
        let mut found = BTreeMap::new();
        let (names, prefixes) = split(patterns);
        for chunk in names.chunks(limits::ALARMS_PER_CALL) {
            self.describe_alarms(&mut found, Some(chunk.to_vec()), None)
                .await?;
        }
        for prefix in prefixes {
            // The API calls an empty prefix no prefix; both mean every alarm.
            let prefix = Some(prefix).filter(|prefix| !prefix.is_empty());
            self.describe_alarms(&mut found, None, prefix).await?;
        }
        Ok(found.into_values().collect())
    }

    /// Sets a tag of an alarm.
    pub async fn tag_alarm(&self, arn: &str, key: &str, value: &str) -> Result<(), AwsError> {
        let tag = types::Tag::builder().key(key).value(value).build();
        let request = self
            .clients
            .cloudwatch()
            .tag_resource()
            .resource_arn(arn)
            .tags(tag);
        self.write(Write::TagAlarm, request.send()).await.map(drop)
    }

    /// Removes tags of an alarm. A tag that is not there is no error.
    pub async fn untag_alarm(&self, arn: &str, keys: &[String]) -> Result<(), AwsError> {
        let request = self.clients.cloudwatch().untag_resource().resource_arn(arn);
        let request = request.set_tag_keys(Some(keys.to_vec()));
        self.write(Write::UntagAlarm, request.send()).await.map(drop)
    }

    /// The tags of an alarm, by key; none where the alarm does not exist.
    pub async fn alarm_tags(&self, arn: &str) -> Result<BTreeMap<String, String>, AwsError> {
        let request = self
            .clients
            .cloudwatch()
            .list_tags_for_resource()
            .resource_arn(arn);
        let answer = match self.read("cloudwatch:ListTagsForResource", request.send()).await {
            Err(error) if error.is_not_found() => return Ok(BTreeMap::new()),
            answer => answer?,
        };
        let tags = answer.tags.unwrap_or_default().into_iter();
        Ok(tags.filter_map(|tag| Some((tag.key?, tag.value?))).collect())
    }

    /// Turns off the actions of these alarms. Without names, makes no call.
    pub async fn disable_actions(&self, names: &[String]) -> Result<(), AwsError> {
        for chunk in names.chunks(limits::ALARMS_PER_CALL) {
            let request = self
                .clients
                .cloudwatch()
                .disable_alarm_actions()
                .set_alarm_names(Some(chunk.to_vec()));
            self.write(Write::DisableActions, request.send()).await?;
        }
        Ok(())
    }

    /// Turns on the actions of these alarms. Without names, makes no call.
    pub async fn enable_actions(&self, names: &[String]) -> Result<(), AwsError> {
        for chunk in names.chunks(limits::ALARMS_PER_CALL) {
            let request = self
                .clients
                .cloudwatch()
                .enable_alarm_actions()
                .set_alarm_names(Some(chunk.to_vec()));
            self.write(Write::EnableActions, request.send()).await?;
        }
        Ok(())
    }

    async fn describe_alarms(
        &self,
        found: &mut BTreeMap<String, Alarm>,
        names: Option<Vec<String>>,
        prefix: Option<String>,
    ) -> Result<(), AwsError> {
        const OPERATION: &str = "cloudwatch:DescribeAlarms";
        let mut token = None;
        for _ in 0..limits::PAGES {
            let request = self
                .clients
                .cloudwatch()
                .describe_alarms()
                .set_alarm_names(names.clone());
            let request = request
                .set_alarm_name_prefix(prefix.clone())
                .set_next_token(token);
            // Unless the types are named, the API gives metric alarms only.
            let request = request
                .alarm_types(AlarmType::MetricAlarm)
                .alarm_types(AlarmType::CompositeAlarm)
                .alarm_types(AlarmType::LogAlarm);
            let answer = self.read(OPERATION, request.send()).await?;
            let metric = answer
                .metric_alarms
                .unwrap_or_default()
                .into_iter()
                .filter_map(metric_alarm);
            let composite = answer
                .composite_alarms
                .unwrap_or_default()
                .into_iter()
                .filter_map(composite_alarm);
            let log = answer.log_alarms.unwrap_or_default().into_iter();
            let all = metric.chain(composite).chain(log.filter_map(log_alarm));
            found.extend(all.map(|alarm| (alarm.name.clone(), alarm)));
            token = answer.next_token.filter(|token| !token.is_empty());
            if token.is_none() {
                return Ok(());
            }
        }
        Err(AwsError::too_long(OPERATION))
    }
}

/// Splits patterns into plain names, and the prefixes of those that end in `*`.
fn split(patterns: &[String]) -> (Vec<String>, BTreeSet<String>) {
    let mut names = BTreeSet::new();
    let mut prefixes = BTreeSet::new();
    for pattern in patterns {
        match pattern.strip_suffix('*') {
            Some(prefix) => prefixes.insert(prefix.to_owned()),
            None => names.insert(pattern.clone()),
        };
    }
    (names.into_iter().collect(), prefixes)
}

/// Reads an alarm of one kind: the kinds differ only in their types.
macro_rules! reads {
    ($name:ident, $kind:ty) => {
        fn $name(alarm: $kind) -> Option<Alarm> {
            let actions = every_action([
                alarm.alarm_actions,
                alarm.ok_actions,
                alarm.insufficient_data_actions,
            ]);
            let state = alarm.state_value.map(|state| state.as_str().to_owned());
            Some(Alarm {
                name: alarm.alarm_name?,
                arn: alarm.alarm_arn.unwrap_or_default(),
                actions_enabled: alarm.actions_enabled.unwrap_or_default(),
                state: state.unwrap_or_default(),
                since: alarm
                    .state_transitioned_timestamp
                    .as_ref()
                    .and_then(timestamp),
                reason: alarm.state_reason.unwrap_or_default(),
                scaling_policy_only: only_scaling_policies(&actions),
                actions,
            })
        }
    };
}

reads!(metric_alarm, types::MetricAlarm);
reads!(composite_alarm, types::CompositeAlarm);
reads!(log_alarm, types::LogAlarm);

fn every_action(lists: [Option<Vec<String>>; 3]) -> Vec<String> {
    let distinct: BTreeSet<String> = lists.into_iter().flatten().flatten().collect();
    distinct.into_iter().collect()
}

fn only_scaling_policies(actions: &[String]) -> bool {
    !actions.is_empty() && actions.iter().all(|arn| is_scaling_policy(arn))
}

/// Whether the action is a scaling policy: `arn:aws:autoscaling:region:account:scalingPolicy:...`, of Auto
/// Scaling and Application Auto Scaling alike.
fn is_scaling_policy(arn: &str) -> bool {
    let mut parts = arn.split(':');
    parts
        .nth(2)
        .is_some_and(|service| service == "autoscaling" || service == "application-autoscaling")
        && parts.nth(2) == Some("scalingPolicy")
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: &str =
        "arn:aws:autoscaling:eu-west-1:1:scalingPolicy:uuid:autoScalingGroupName/a:policyName/b";
    const TOPIC: &str = "arn:aws:sns:eu-west-1:1:pager";

    #[test]
    fn an_alarm_is_a_scaling_alarm_only_when_it_does_nothing_else() {
        let own = |actions: &[&str]| {
            only_scaling_policies(&actions.iter().map(|a| (*a).to_owned()).collect::<Vec<_>>())
        };
        assert!(own(&[POLICY]));
        assert!(!own(&[POLICY, TOPIC]));
        assert!(!own(&[TOPIC]));
        assert!(!own(&[]));
    }

    #[test]
    fn a_star_at_the_end_is_a_prefix() {
        let (names, prefixes) = split(&["api-*".into(), "api-5xx".into(), "*".into(), "api-5xx".into()]);
        assert_eq!(names, ["api-5xx"]);
        assert_eq!(prefixes, BTreeSet::from([String::new(), "api-".to_owned()]));
    }
}
