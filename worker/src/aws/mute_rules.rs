//! Alarm mute rules: the alarms go on changing their state, and CloudWatch keeps back their actions (Amazon
//! CloudWatch User Guide, "Alarm Mute Rules").

use aws_sdk_cloudwatch::types::{AlarmMuteRuleStatus, MuteTargets, Rule, Schedule};
use drawgate_rollout::Write;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{RoundMode, SignedDuration, Timestamp, TimestampRound, Unit};

use super::client::{Aws, timestamp};
use super::error::AwsError;

/// A rule as CloudWatch has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenMuteRule {
    /// When its one window begins, where a release made the rule: other rules may have recurring windows.
    pub from: Option<Timestamp>,
    /// When the rule ends for good.
    pub until: Option<Timestamp>,
    /// Whether the rule mutes now.
    pub active: bool,
    /// Whether the rule has ended for good.
    pub expired: bool,
}

impl Aws {
    /// Makes a rule with one window, or replaces the rule of that name. A window begins and ends with a full
    /// minute (API Reference, "Schedule"): `from` is cut down to one, and the window lasts at least until
    /// `until`.
    pub async fn put_mute_rule(
        &self,
        name: &str,
        alarms: &[String],
        from: Timestamp,
        until: Timestamp,
    ) -> Result<(), AwsError> {
        let Some(window) = Window::of(from, until) else {
            return Err(AwsError::Invalid {
                operation: Write::PutMuteRule.action(),
                reason: "its window ends before it begins",
            });
        };
        let schedule = Schedule::builder()
            .expression(window.expression())
            .duration(window.duration())
            .timezone("UTC")
            .build();
        let targets = MuteTargets::builder()
            .set_alarm_names(Some(alarms.to_vec()))
            .build();
        let request = self
            .clients
            .cloudwatch()
            .put_alarm_mute_rule()
            .name(name)
            .description("Made by drawgate for a release; ends by itself.")
            .rule(Rule::builder().schedule(schedule).build())
            .mute_targets(targets)
            .expire_date(aws_smithy_types::DateTime::from_secs(window.until().as_second()));
        self.write(Write::PutMuteRule, request.send()).await.map(drop)
    }

    /// The rule of that name, if it exists.
    pub async fn mute_rule(&self, name: &str) -> Result<Option<SeenMuteRule>, AwsError> {
        let request = self
            .clients
            .cloudwatch()
            .get_alarm_mute_rule()
            .alarm_mute_rule_name(name);
        let answer = match self.read("cloudwatch:GetAlarmMuteRule", request.send()).await {
            Err(error) if error.is_not_found() => return Ok(None),
            answer => answer?,
        };
        let schedule = answer.rule.and_then(|rule| rule.schedule);
        Ok(Some(SeenMuteRule {
            from: schedule.and_then(|schedule| begins(schedule.expression.as_deref()?)),
            until: answer.expire_date.as_ref().and_then(timestamp),
            active: answer.status == Some(AlarmMuteRuleStatus::Active),
            expired: answer.status == Some(AlarmMuteRuleStatus::Expired),
        }))
    }

    /// Deletes a rule; a missing rule is no error. CloudWatch then runs at once the actions of alarms that
    /// are in ALARM.
    pub async fn delete_mute_rule(&self, name: &str) -> Result<(), AwsError> {
        let request = self
            .clients
            .cloudwatch()
            .delete_alarm_mute_rule()
            .alarm_mute_rule_name(name);
        self.write(Write::DeleteMuteRule, request.send()).await.map(drop)
    }
}

/// One window, in full minutes.
struct Window {
    from: Timestamp,
    minutes: i64,
}

impl Window {
    fn of(from: Timestamp, until: Timestamp) -> Option<Self> {
        let to_minute = TimestampRound::new().smallest(Unit::Minute);
        let from = from.round(to_minute.mode(RoundMode::Floor)).ok()?;
        let until = until.round(to_minute.mode(RoundMode::Ceil)).ok()?;
        let minutes = until.duration_since(from).as_mins();
        (minutes > 0).then_some(Self { from, minutes })
    }

    fn expression(&self) -> String {
        self.from.strftime("at(%Y-%m-%dT%H:%M)").to_string()
    }

    fn duration(&self) -> String {
        format!("PT{}M", self.minutes)
    }

    fn until(&self) -> Timestamp {
        self.from
            .saturating_add(SignedDuration::from_mins(self.minutes))
            .unwrap_or(Timestamp::MAX)
    }
}

fn begins(expression: &str) -> Option<Timestamp> {
    let minute = expression.strip_prefix("at(")?.strip_suffix(')')?;
    let minute: DateTime = minute.parse().ok()?;
    minute.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_window_is_full_minutes_and_covers_what_was_asked_for() {
        let window = Window::of(at("2026-01-01T14:00:42Z"), at("2026-01-01T14:15:42Z")).unwrap();
        assert_eq!(window.expression(), "at(2026-01-01T14:00)");
        assert_eq!(window.duration(), "PT16M");
        assert_eq!(window.until(), at("2026-01-01T14:16:00Z"));
        assert_eq!(begins(&window.expression()), Some(at("2026-01-01T14:00:00Z")));
        let window = Window::of(
            at("2026-01-01T14:00:00.000000001Z"),
            at("2026-01-01T14:15:00.000000001Z"),
        )
        .unwrap();
        assert_eq!(window.duration(), "PT16M");
        assert_eq!(window.until(), at("2026-01-01T14:16:00Z"));
        assert!(Window::of(at("2026-01-01T14:01:00Z"), at("2026-01-01T14:00:59Z")).is_none());
    }

    #[test]
    fn rules_of_others_have_no_beginning_that_we_know() {
        assert_eq!(begins("cron(0 2 * * SUN)"), None);
        assert_eq!(begins("at(noon)"), None);
    }
}
