//! From a plan to every write that it may need, forward and back.
//!
//! The doctor needs no more: it drives a lost release back, and takes away what such a release left.

use std::collections::BTreeMap;

use drawgate_schemas::ReleaseId;

use super::super::plan::{AlarmPlan, GroupPlan, HostPlan, Plan};
use super::super::silence::{silenced_tag, silenced_value};
use super::super::tags::{GROUP_TAG, suspension, target_tag, target_value};
use super::need::{Context, Need};
use super::resource::Resource;
use super::write::{ResourceKind, Write};
use crate::definition::Process;

impl Plan {
    /// Every write that this release may need, on everything that it touches.
    pub fn needs(&self, release: ReleaseId) -> Vec<Need> {
        let needs = Needs {
            plan: self,
            release,
            id: release.to_string(),
        };
        let of = |write| needs.of(write).into_iter();
        let each = Write::ALL
            .into_iter()
            .flat_map(|write| of(write).map(move |(on, context)| Need { write, on, context }));
        each.collect()
    }
}

type On = (Resource, Context);

struct Needs<'p> {
    plan: &'p Plan,
    release: ReleaseId,
    id: String,
}

impl Needs<'_> {
    /// Where one write is made, and what its request says of itself.
    fn of(&self, write: Write) -> Vec<On> {
        match write {
            Write::TagGroup => self.groups(|group| {
                let value = suspension(&self.id, &group.suspend, &[]);
                tags([(GROUP_TAG.to_owned(), value)])
            }),
            Write::Suspend | Write::Resume => self.groups(|_| Context::new()),
            Write::UntagGroup => self.groups(|_| tag_keys([GROUP_TAG.to_owned()])),
            Write::SetInstanceHealth => {
                let mut groups = self.groups(|_| Context::new());
                groups.retain(|(group, _)| self.replaces_sick_hosts(&group.name));
                groups
            }
            Write::TagInstance => self.hosts(|host| {
                let targets = host.targets.iter();
                tags(targets.map(|target| (target_tag(self.plan, target), target_value(&self.id, target))))
            }),
            Write::UntagInstance => self.hosts(|host| {
                let targets = host.targets.iter();
                tag_keys(targets.map(|target| target_tag(self.plan, target)))
            }),
            Write::Deregister | Write::Register => self.target_groups(),
            Write::TagAlarm => self.switched_alarms(|_| {
                let definition = &self.plan.definition;
                let (environment, service) = (definition.environment.as_str(), definition.service.as_str());
                let value = silenced_value(environment, service, false);
                tags([(silenced_tag(&self.id), value)])
            }),
            Write::UntagAlarm => self.switched_alarms(|_| tag_keys([silenced_tag(&self.id)])),
            Write::DisableActions | Write::EnableActions => self.switched_alarms(|_| Context::new()),
            Write::PutMuteRule => self.mute_rules().chain(self.muted_alarms()).collect(),
            Write::DeleteMuteRule => self.mute_rules().collect(),
            Write::PutParameter => self.put_parameters(),
            Write::DeleteParameter => self.deleted_parameters(),
        }
    }

    fn groups(&self, context: impl Fn(&GroupPlan) -> Context) -> Vec<On> {
        let groups = self.plan.groups.iter().filter(|group| !group.suspend.is_empty());
        let on = |group: &GroupPlan| Resource::told(ResourceKind::Group, &group.name, &group.arn);
        groups.map(|group| (on(group), context(group))).collect()
    }

    /// Hosts are marked healthy before ReplaceUnhealthy is resumed, and at no other time.
    fn replaces_sick_hosts(&self, name: &str) -> bool {
        let mut groups = self.plan.groups.iter();
        groups.any(|group| group.name == name && group.suspend.contains(&Process::ReplaceUnhealthy))
    }

    /// Hosts without a target are never deregistered, and carry no tag.
    fn hosts(&self, context: impl Fn(&HostPlan) -> Context) -> Vec<On> {
        let hosts = self.plan.hosts.iter().filter(|host| !host.targets.is_empty());
        let on = |host: &HostPlan| Resource::named(ResourceKind::Instance, &host.instance);
        hosts.map(|host| (on(host), context(host))).collect()
    }

    fn target_groups(&self) -> Vec<On> {
        let targets = self.plan.hosts.iter().flat_map(|host| &host.targets);
        let groups: BTreeMap<&str, &str> = targets
            .map(|target| {
                let arn = target.target_group.as_str();
                let group = self.plan.target_groups.get(arn);
                (arn, group.map_or(arn, |group| group.name.as_str()))
            })
            .collect();
        let on = |(arn, name): (&str, &str)| Resource::told(ResourceKind::TargetGroup, name, arn);
        groups
            .into_iter()
            .map(|group| (on(group), Context::new()))
            .collect()
    }

    /// The alarms whose actions are disabled, where no mute rule silences them.
    fn switched_alarms(&self, context: impl Fn(&AlarmPlan) -> Context) -> Vec<On> {
        let alarms = self.plan.alarms.iter().filter(|_| !self.plan.mutes());
        alarms.map(|alarm| (on_alarm(alarm), context(alarm))).collect()
    }

    fn muted_alarms(&self) -> impl Iterator<Item = On> {
        let alarms = self.plan.alarms.iter().filter(|_| self.plan.mutes());
        alarms.map(|alarm| (on_alarm(alarm), Context::new()))
    }

    fn mute_rules(&self) -> impl Iterator<Item = On> {
        let rules = self.plan.mute_rules(self.release).into_iter();
        let names = rules.flat_map(|rule| [rule.name, rule.successor]);
        names.map(|name| (Resource::named(ResourceKind::MuteRule, &name), Context::new()))
    }

    /// The lease is created, or put in the place of an ended release's; the desired version replaces another.
    fn put_parameters(&self) -> Vec<On> {
        let lease = self.plan.definition.lease_parameter.iter();
        let lease = lease.flat_map(|name| [on_parameter(name, false), on_parameter(name, true)]);
        let desired = self.plan.desired.iter();
        lease
            .chain(desired.map(|desired| on_parameter(&desired.parameter, true)))
            .collect()
    }

    fn deleted_parameters(&self) -> Vec<On> {
        let new = self
            .plan
            .desired
            .iter()
            .filter(|desired| desired.before.is_none());
        let names = self.plan.definition.lease_parameter.iter();
        let names = names.chain(new.map(|desired| &desired.parameter));
        let on = |name: &String| Resource::named(ResourceKind::Parameter, name);
        names.map(|name| (on(name), Context::new())).collect()
    }
}

fn on_alarm(alarm: &AlarmPlan) -> Resource {
    Resource::told(ResourceKind::Alarm, &alarm.name, &alarm.arn)
}

fn on_parameter(name: &str, overwrite: bool) -> On {
    let context = [("ssm:Overwrite".to_owned(), vec![overwrite.to_string()])];
    (Resource::named(ResourceKind::Parameter, name), context.into())
}

/// The condition keys of a request that sets these tags.
fn tags(tags: impl IntoIterator<Item = (String, String)>) -> Context {
    let mut context = Context::new();
    let mut keys = Vec::new();
    for (key, value) in tags {
        context.insert(format!("aws:RequestTag/{key}"), vec![value]);
        keys.push(key);
    }
    context.insert(TAG_KEYS.to_owned(), keys);
    context
}

/// The condition keys of a request that removes the tags of these keys.
fn tag_keys(keys: impl IntoIterator<Item = String>) -> Context {
    [(TAG_KEYS.to_owned(), keys.into_iter().collect())].into()
}

const TAG_KEYS: &str = "aws:TagKeys";
