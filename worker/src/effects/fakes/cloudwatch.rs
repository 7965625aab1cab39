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
    tags: Mutex<BTreeMap<String, String>>,
    rules: Mutex<BTreeMap<String, SeenMuteRule>>,
    rules_begin_late: Mutex<bool>,
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

    pub(in crate::effects) fn tag(&self, name: &str, value: &str) {
        self.tags
            .lock()
            .unwrap()
            .insert(name.to_owned(), value.to_owned());
    }

    pub(in crate::effects) fn tag_of(&self, name: &str) -> Option<String> {
        self.tags.lock().unwrap().get(name).cloned()
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

    /// The next looks see the alarms as they are now, whatever is written.
    pub(in crate::effects) fn answer_old(&self, looks: u32) {
        self.old.answer(self.all(), looks);
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
    async fn alarm_tag(&self, arn: &str, _key: &str) -> Result<Option<String>, AwsError> {
        Ok(self.tag_of(arn))
    }

    async fn tag_alarm(&self, arn: &str, _key: &str, value: &str) -> Result<(), AwsError> {
        let what = format!("{arn} {value}");
        self.calls.write("tag", &what, || self.tag(arn, value))
    }

    async fn untag_alarm(&self, arn: &str, _key: &str) -> Result<(), AwsError> {
        self.calls.write("untag", arn, || {
            self.tags.lock().unwrap().remove(arn);
        })
    }

    async fn disable_actions(&self, names: &[String]) -> Result<(), AwsError> {
        self.calls
            .write("disable", &names.join("+"), || self.enable(names, false))
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
