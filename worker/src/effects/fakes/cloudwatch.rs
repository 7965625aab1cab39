use std::collections::BTreeMap;
use std::sync::Mutex;

use jiff::Timestamp;

use super::{Calls, Old};
use crate::aws::{Alarm, AwsError, SeenMuteRule};
use crate::effects::ports::{ActionPort, AlarmPort, MutePort};

/// Alarms and mute rules.
#[derive(Debug, Default)]
pub(in crate::effects) struct CloudWatch {
    alarms: Mutex<BTreeMap<String, Alarm>>,
    tags: Mutex<BTreeMap<String, BTreeMap<String, String>>>,
    rules: Mutex<BTreeMap<String, SeenMuteRule>>,
    rules_begin_late: Mutex<bool>,
    /// Whether another release enables the actions right after they are disabled next.
    enabled_by_another: Mutex<bool>,
    /// Where rules are refused that begin before this moment.
    no_rule_before: Mutex<Option<Timestamp>>,
    old: Old<Vec<Alarm>>,
    pub(in crate::effects) calls: Calls,
}

impl CloudWatch {
    /// With these alarms, in the state OK and with their actions on. Their ARNs are their names.
    pub(in crate::effects) fn with(names: &[&str]) -> Self {
        let alarm = |name: &&str| Alarm {
            name: (*name).to_owned(),
            arn: (*name).to_owned(),
            actions_enabled: true,
            state: "OK".to_owned(),
            since: None,
            reason: String::new(),
            scaling_policy_only: false,
            actions: Vec::new(),
        };
        let alarms = names.iter().map(|name| ((*name).to_owned(), alarm(name)));
        Self {
            alarms: Mutex::new(alarms.collect()),
            ..Self::default()
        }
    }

    pub(in crate::effects) fn set(&self, name: &str, act: impl FnOnce(&mut Alarm)) {
        act(self.alarms.lock().unwrap().get_mut(name).unwrap());
    }

    pub(in crate::effects) fn delete(&self, name: &str) {
        self.alarms.lock().unwrap().remove(name);
    }

    pub(in crate::effects) fn is_enabled(&self, name: &str) -> bool {
        self.alarms.lock().unwrap()[name].actions_enabled
    }

    pub(in crate::effects) fn tag(&self, name: &str, key: &str, value: &str) {
        let mut tags = self.tags.lock().unwrap();
        let of_alarm = tags.entry(name.to_owned()).or_default();
        of_alarm.insert(key.to_owned(), value.to_owned());
    }

    pub(in crate::effects) fn untag(&self, name: &str, key: &str) {
        if let Some(tags) = self.tags.lock().unwrap().get_mut(name) {
            tags.remove(key);
        }
    }

    pub(in crate::effects) fn tags_of(&self, name: &str) -> BTreeMap<String, String> {
        self.tags.lock().unwrap().get(name).cloned().unwrap_or_default()
    }

    pub(in crate::effects) fn rule(&self, name: &str) -> Option<SeenMuteRule> {
        self.rules.lock().unwrap().get(name).cloned()
    }

    pub(in crate::effects) fn set_rule(&self, name: &str, act: impl FnOnce(&mut SeenMuteRule)) {
        act(self.rules.lock().unwrap().get_mut(name).unwrap());
    }

    /// Rules that are made from now on are not active yet.
    pub(in crate::effects) fn rules_begin_late(&self) {
        *self.rules_begin_late.lock().unwrap() = true;
    }

    /// Refuses rules that begin before this moment, as an API may that takes none in the past.
    pub(in crate::effects) fn refuse_rules_before(&self, at: Timestamp) {
        *self.no_rule_before.lock().unwrap() = Some(at);
    }

    /// Another release, which leaves the alarms just now, enables their actions right after they are disabled next.
    pub(in crate::effects) fn enabled_by_another(&self) {
        *self.enabled_by_another.lock().unwrap() = true;
    }

    /// The next looks see the alarms as they are now, whatever is written.
    pub(in crate::effects) fn answer_old(&self, looks: u32) {
        self.old.answer(self.all(), looks);
    }

    /// The nth of the next looks, counted from 0, sees all actions off, as a release had them that has ended.
    pub(in crate::effects) fn answer_off(&self, nth: u32) {
        let mut old = self.all();
        for alarm in &mut old {
            alarm.actions_enabled = false;
        }
        self.old.answer_nth(old, nth);
    }

    fn all(&self) -> Vec<Alarm> {
        self.alarms.lock().unwrap().values().cloned().collect()
    }

    fn enable(&self, names: &[String], enabled: bool) {
        let mut alarms = self.alarms.lock().unwrap();
        for name in names {
            alarms.get_mut(name).unwrap().actions_enabled = enabled;
        }
    }
}

impl AlarmPort for CloudWatch {
    async fn alarms_matching(&self, names: &[String]) -> Result<Vec<Alarm>, AwsError> {
        let mut seen = self.old.or(self.all());
        seen.retain(|alarm| names.contains(&alarm.name));
        Ok(seen)
    }
}

impl ActionPort for CloudWatch {
    async fn alarm_tags(&self, arn: &str) -> Result<BTreeMap<String, String>, AwsError> {
        Ok(self.tags_of(arn))
    }

    async fn tag_alarm(&self, arn: &str, key: &str, value: &str) -> Result<(), AwsError> {
        let what = format!("{arn} {key}={value}");
        self.calls.write("tag", &what, || self.tag(arn, key, value))
    }

    async fn untag_alarm(&self, arn: &str, keys: &[String]) -> Result<(), AwsError> {
        let what = format!("{arn} {}", keys.join("+"));
        self.calls.write("untag", &what, || {
            for key in keys {
                self.untag(arn, key);
            }
        })
    }

    /// As the adapter, makes no call without names.
    async fn disable_actions(&self, names: &[String]) -> Result<(), AwsError> {
        if names.is_empty() {
            return Ok(());
        }
        self.calls.write("disable", &names.join("+"), || {
            let by_another = std::mem::take(&mut *self.enabled_by_another.lock().unwrap());
            self.enable(names, by_another);
        })
    }

    /// As the adapter, makes no call without names.
    async fn enable_actions(&self, names: &[String]) -> Result<(), AwsError> {
        if names.is_empty() {
            return Ok(());
        }
        self.calls
            .write("enable", &names.join("+"), || self.enable(names, true))
    }
}

impl MutePort for CloudWatch {
    async fn mute_rule(&self, name: &str) -> Result<Option<SeenMuteRule>, AwsError> {
        Ok(self.rule(name))
    }

    async fn put_mute_rule(
        &self,
        name: &str,
        alarms: &[String],
        from: Timestamp,
        until: Timestamp,
    ) -> Result<(), AwsError> {
        let what = format!("{name} {}", alarms.join("+"));
        let refused = |first: Timestamp| from < first;
        if self.no_rule_before.lock().unwrap().is_some_and(refused) {
            return Err(AwsError::Refused {
                operation: "put",
                code: "InvalidParameterValue".to_owned(),
                message: "begins in the past".to_owned(),
            });
        }
        let rule = SeenMuteRule {
            from: Some(from),
            until: Some(until),
            active: !*self.rules_begin_late.lock().unwrap(),
            expired: false,
        };
        self.calls.write("put", &what, || {
            self.rules.lock().unwrap().insert(name.to_owned(), rule);
        })
    }

    async fn delete_mute_rule(&self, name: &str) -> Result<(), AwsError> {
        self.calls.write("delete", name, || {
            self.rules.lock().unwrap().remove(name);
        })
    }
}
