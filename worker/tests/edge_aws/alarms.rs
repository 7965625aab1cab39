//! Alarms, their tags, and the rules that mute them.

use drawgate_lab::lab::Lab;
use drawgate_worker::aws::Aws;
use serde_json::json;

use crate::fixtures::{fleet, reads_are_fresh};

#[tokio::test]
async fn alarms_are_matched_silenced_and_tagged() {
    let Some(lab) = Lab::enter("alarms_are_matched_silenced_and_tagged").await else {
        return;
    };
    reads_are_fresh(&lab).await;
    let (aws, _fleet) = (Aws::connect().await, fleet(&lab, "alarms").await);
    let found = aws
        .alarms_matching(&["alarms-*".into(), "alarms-5xx".into(), "no-such".into()])
        .await
        .unwrap();
    let facts: Vec<_> = found
        .iter()
        .map(|alarm| {
            (
                alarm.name.as_str(),
                alarm.actions_enabled,
                alarm.state.as_str(),
                alarm.scaling_policy_only,
            )
        })
        .collect();
    assert_eq!(
        facts,
        [
            ("alarms-5xx", true, "OK", false),
            ("alarms-slow", false, "ALARM", false)
        ]
    );
    assert_eq!(aws.alarms_matching(&[]).await.unwrap(), []);

    aws.tag_alarm(&found[0].arn, "drawgate:silenced", "r1")
        .await
        .unwrap();
    aws.disable_actions(&["alarms-5xx".into()]).await.unwrap();
    assert!(!aws.alarms_matching(&["alarms-5xx".into()]).await.unwrap()[0].actions_enabled);
    aws.enable_actions(&["alarms-5xx".into()]).await.unwrap();
    assert!(aws.alarms_matching(&["alarms-5xx".into()]).await.unwrap()[0].actions_enabled);
    aws.untag_alarm(&found[0].arn, &["drawgate:silenced".into()])
        .await
        .unwrap();
    let before = aws.calls();
    aws.disable_actions(&[]).await.unwrap();
    aws.enable_actions(&[]).await.unwrap();
    assert_eq!(aws.calls(), before);
}

/// The alarms whose actions were performed, one name for each action.
async fn fired(lab: &Lab) -> Vec<String> {
    let fired = lab.get("alarms/fired").await;
    let alarm = |each: &serde_json::Value| each["alarm"].as_str().unwrap().to_owned();
    fired.as_array().unwrap().iter().map(alarm).collect()
}

#[tokio::test]
async fn trap_15_a_mute_rule_holds_actions_back_until_it_is_deleted() {
    let Some(lab) = Lab::enter("trap_15_a_mute_rule_holds_actions_back_until_it_is_deleted").await else {
        return;
    };
    let (aws, _fleet) = (Aws::connect().await, fleet(&lab, "mute").await);
    let set = |state: &str| lab.post("alarm", json!({"name": "mute-5xx", "state": state}));
    let before = fired(&lab).await.len();
    assert_eq!(aws.mute_rule("quiet").await.unwrap(), None);
    let now = jiff::Timestamp::now();
    let until = now + jiff::SignedDuration::from_mins(15);
    let alarms = ["mute-5xx".to_owned()];
    aws.put_mute_rule("quiet", &alarms, now, until).await.unwrap();
    let made = aws.mute_rule("quiet").await.unwrap().unwrap();
    assert!(
        made.active && !made.expired && made.from.unwrap() <= now,
        "{made:?}"
    );
    let ends = made.until.unwrap();
    assert!(
        ends >= until && ends < until + jiff::SignedDuration::from_mins(1),
        "{ends}"
    );

    // The rule's end is put off, and its beginning stays.
    let later = until + jiff::SignedDuration::from_mins(15);
    aws.put_mute_rule("quiet", &alarms, made.from.unwrap(), later)
        .await
        .unwrap();
    let put_off = aws.mute_rule("quiet").await.unwrap().unwrap();
    assert_eq!(put_off.from, made.from);
    assert!(put_off.active && put_off.until.unwrap() >= later);

    set("ALARM").await;
    assert_eq!(fired(&lab).await.len(), before, "muted");
    aws.delete_mute_rule("quiet").await.unwrap();
    assert_eq!(fired(&lab).await[before..], ["mute-5xx"], "it is in ALARM still");
    aws.delete_mute_rule("quiet").await.unwrap();
    assert_eq!(aws.mute_rule("quiet").await.unwrap(), None);

    set("OK").await;
    aws.put_mute_rule("quiet", &alarms, now, until).await.unwrap();
    set("ALARM").await;
    set("OK").await;
    aws.delete_mute_rule("quiet").await.unwrap();
    assert_eq!(fired(&lab).await.len(), before + 1, "it was OK again");
}

#[tokio::test]
async fn trap_15_a_mute_rule_takes_a_hundred_existing_alarms_only() {
    let Some(lab) = Lab::enter("trap_15_a_mute_rule_takes_a_hundred_existing_alarms_only").await else {
        return;
    };
    let (aws, _fleet) = (Aws::connect().await, fleet(&lab, "many").await);
    let now = jiff::Timestamp::now();
    let until = now + jiff::SignedDuration::from_mins(15);
    let refused = aws
        .put_mute_rule("many", &["no-such".to_owned()], now, until)
        .await;
    assert!(refused.unwrap_err().is_refused());
    let names: Vec<String> = (0..101).map(|_| "many-5xx".to_owned()).collect();
    assert!(
        aws.put_mute_rule("many", &names, now, until)
            .await
            .unwrap_err()
            .is_refused()
    );
    let backwards = aws.put_mute_rule("many", &names[..1], until, now).await;
    assert!(backwards.unwrap_err().is_refused());
}

#[tokio::test]
async fn a_tag_of_an_alarm_is_read_and_of_a_deleted_one_not_found() {
    let Some(lab) = Lab::enter("a_tag_of_an_alarm_is_read_and_of_a_deleted_one_not_found").await else {
        return;
    };
    reads_are_fresh(&lab).await;
    let (aws, _fleet) = (Aws::connect().await, fleet(&lab, "tagged").await);
    let arn = aws
        .alarms_matching(&["tagged-5xx".into()])
        .await
        .unwrap()
        .remove(0)
        .arn;
    let tags = || async {
        let tags = aws.alarm_tags(&arn).await.unwrap();
        let ours = tags.into_keys().filter(|key| key.starts_with("drawgate:"));
        ours.collect::<Vec<_>>()
    };
    assert!(tags().await.is_empty());
    let [one, two] = ["drawgate:silenced:r1", "drawgate:silenced:r2"];
    for key in [one, two, one] {
        aws.tag_alarm(&arn, key, "staging.search").await.unwrap();
    }
    assert_eq!(tags().await, [one, two]);
    let untag = [one.to_owned(), "drawgate:silenced".to_owned()];
    aws.untag_alarm(&arn, &untag).await.unwrap();
    assert_eq!(tags().await, [two]);
    aws.untag_alarm(&arn, &[two.to_owned()]).await.unwrap();
    assert!(tags().await.is_empty());
    let deleted = aws.alarm_tags(&format!("{arn}-gone")).await.unwrap();
    assert!(deleted.is_empty());
    let gone = aws
        .tag_alarm(&format!("{arn}-gone"), "drawgate:silenced", "r1")
        .await;
    assert!(gone.unwrap_err().is_not_found());
}
