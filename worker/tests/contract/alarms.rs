//! Steps of alarms: silenced, by disabled actions or by a mute rule, and watched.

use drawgate_rehearsal::world::Fault::{UnknownDone, UnknownHalf, UnknownNotDone};
use drawgate_rollout::{Step, silenced_tag};
use serde_json::json;

use crate::bench::{ALARM, Bench};
use crate::cell::Cell::{After, Cut, Never, Old};
use crate::cell::Row;
use crate::cell::Seen::{Before, Through, Unconfirmed, UnconfirmedHalf};
use crate::cell::Silence::{Lost, Unheard};
use crate::change::Change as Any;
use crate::outside::Query;
use crate::table::{self, ONE_CALL, READS_ONLY};

const DESCRIBE: &str = "cloudwatch:DescribeAlarms";
const DISABLE: &str = "cloudwatch:DisableAlarmActions";
const ENABLE: &str = "cloudwatch:EnableAlarmActions";
const TAG: &str = "cloudwatch:TagResource";
const UNTAG: &str = "cloudwatch:UntagResource";
const RULE: &str = "cloudwatch:GetAlarmMuteRule";
const PUT_RULE: &str = "cloudwatch:PutAlarmMuteRule";
const DELETE_RULE: &str = "cloudwatch:DeleteAlarmMuteRule";
/// More reads than one performance makes, so that all get the old answer.
const ALL: u32 = 9;

/// A change from outside, to the alarm whose actions are on.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    /// The alarm carries this release's tag.
    Tagged,
    /// The alarm carries no tag.
    Untagged,
    /// The alarm's actions are enabled, or disabled.
    Actions(bool),
    /// The alarm is deleted.
    Deleted,
    /// The alarm goes into ALARM.
    Fires,
    /// The rules that mute the alarm are deleted.
    Unmuted,
}

impl From<Change> for Any {
    fn from(change: Change) -> Self {
        Self::Alarms(change)
    }
}

impl Change {
    pub(crate) async fn in_lab(&self, bench: &Bench) {
        let alarm = |action: &str| Query::cloudwatch(action).with("AlarmNames.member.1", ALARM);
        let arn = || {
            let plan = bench.release.plan.as_ref().unwrap();
            plan.alarms
                .iter()
                .find(|alarm| alarm.name == ALARM)
                .unwrap()
                .arn
                .clone()
        };
        let query = match self {
            Self::Tagged => Query::cloudwatch("TagResource")
                .with("ResourceARN", arn())
                .with("Tags.member.1.Key", silenced_tag(&bench.id()))
                .with("Tags.member.1.Value", "staging.contract"),
            Self::Untagged => Query::cloudwatch("UntagResource")
                .with("ResourceARN", arn())
                .with("TagKeys.member.1", silenced_tag(&bench.id())),
            Self::Actions(true) => alarm("EnableAlarmActions"),
            Self::Actions(false) => alarm("DisableAlarmActions"),
            Self::Deleted => alarm("DeleteAlarms"),
            Self::Fires => {
                bench
                    .outside
                    .lab
                    .post("alarm", json!({"name": ALARM, "state": "ALARM"}))
                    .await;
                return;
            }
            Self::Unmuted => {
                let rules = bench.outside.lab.get("state").await["mute_rules"].clone();
                for rule in rules.as_array().into_iter().flatten() {
                    let name = rule["name"].as_str().unwrap();
                    let query = Query::cloudwatch("DeleteAlarmMuteRule").with("AlarmMuteRuleName", name);
                    bench.outside.call(query).await;
                }
                return;
            }
        };
        bench.outside.call(query).await;
    }

    pub(crate) fn in_model(&self, bench: &mut Bench) {
        let world = &mut bench.world;
        let name = ALARM.to_owned();
        match self {
            Self::Tagged => drop(world.alarm_tags.insert(name)),
            Self::Untagged => drop(world.alarm_tags.remove(ALARM)),
            Self::Actions(on) => drop(world.alarms.insert(name, *on)),
            Self::Deleted => {
                world.alarms.remove(ALARM);
                world.alarm_tags.remove(ALARM);
            }
            Self::Fires => drop(world.firing.insert(name)),
            Self::Unmuted => world.muted_until = None,
        }
    }
}

pub(crate) fn silence(by_rule: bool) -> Row {
    let row = Row::after(table::planned());
    if by_rule {
        return row
            .muted()
            .half([Never(ONE_CALL)])
            .gone([After(vec![Change::Deleted.into()])])
            .unknown([
                Cut(vec![], Lost(PUT_RULE), UnknownNotDone),
                Cut(vec![], Unheard(PUT_RULE), UnknownDone),
            ])
            .stale([Never(
                "its look at a rule is the first: nothing was answered before (see `renew`)",
            )]);
    }
    row.half([
        After(vec![Change::Tagged.into()]),
        After(vec![Change::Actions(false).into()]),
    ])
    .gone([After(vec![Change::Deleted.into()])])
    .unknown([
        Cut(vec![], Unheard(TAG), UnknownHalf),
        Cut(vec![], Lost(DISABLE), UnknownHalf),
        Cut(vec![], Unheard(DISABLE), UnknownDone),
    ])
    .stale([Old(vec![], DESCRIBE, ALL, Unconfirmed)])
}

pub(crate) fn unsilence(by_rule: bool) -> Row {
    let row = Row::after(table::with(&[Step::Silence]));
    if by_rule {
        return row
            .muted()
            .half([Never(ONE_CALL)])
            .gone([
                After(vec![Change::Unmuted.into()]),
                After(vec![Change::Deleted.into()]),
            ])
            .unknown([
                Cut(vec![], Lost(DELETE_RULE), UnknownNotDone),
                Cut(vec![], Unheard(DELETE_RULE), UnknownDone),
            ])
            .stale([Old(vec![], RULE, ALL, Unconfirmed)]);
    }
    row.half([
        After(vec![Change::Actions(true).into()]),
        After(vec![Change::Actions(true).into(), Change::Untagged.into()]),
        After(vec![Change::Untagged.into()]),
    ])
    .gone([After(vec![Change::Deleted.into()])])
    .unknown([
        Cut(vec![], Lost(ENABLE), UnknownNotDone),
        Cut(vec![], Unheard(ENABLE), UnknownHalf),
        Cut(vec![], Unheard(UNTAG), UnknownDone),
    ])
    .stale([Old(vec![], DESCRIBE, ALL, UnconfirmedHalf)])
}

pub(crate) fn renew() -> Row {
    Row::after(table::with(&[Step::Silence]))
        .muted()
        .half([Never(ONE_CALL)])
        .gone([
            After(vec![Change::Unmuted.into()]),
            After(vec![Change::Deleted.into()]),
        ])
        .unknown([
            Cut(vec![], Lost(PUT_RULE), UnknownNotDone),
            Cut(vec![], Unheard(PUT_RULE), UnknownDone),
        ])
        .stale([Old(vec![Change::Unmuted.into()], RULE, 1, Through)])
}

pub(crate) fn watch() -> Row {
    const BLIND: &str = "a watch that cannot see looks again for two minutes: `bake` looks in the same way";
    Row::after(table::with(&[Step::Silence]))
        .half([Never(READS_ONLY)])
        .gone([After(vec![Change::Fires.into()]), Never(BLIND)])
        .unknown([Never(BLIND)])
        .stale([Old(vec![Change::Fires.into()], DESCRIBE, ALL, Before)])
}

pub(crate) fn bake() -> Row {
    Row::after(table::with(&[Step::Silence]))
        .half([Never(READS_ONLY)])
        .gone([
            After(vec![Change::Fires.into()]),
            After(vec![Change::Deleted.into()]),
        ])
        .unknown([Cut(vec![], Lost(DESCRIBE), UnknownNotDone)])
        .stale([Old(vec![Change::Fires.into()], DESCRIBE, ALL, Before)])
}
