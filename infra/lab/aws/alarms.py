"""CloudWatch alarms, as far as moto has them not: since when they are in their state, mute rules, and what they did.

    SetAlarmState -> transition -> actions on? muted? -> fired, or held back
    DeleteAlarmMuteRule, or the end of its window -> what was held back and is in the same state still -> fired
"""

import re
import time
from datetime import datetime, timezone

from moto.cloudwatch import models
from moto.cloudwatch.exceptions import ResourceNotFoundException, ValidationError
from moto.cloudwatch.responses import CloudWatchResponse
from moto.core.responses import ActionResult, EmptyResult
from moto.core.utils import utcnow

from aws.backends import LOCK, cloudwatch

MINUTE_S = 60
MAX_NAMES, MIN_S, MAX_S, PAGE = 100, 60, 15 * 86400, 50
AT = re.compile(r"at\((\d{4}-\d\d-\d\dT\d\d:\d\d)\)$")
DURATION = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?)?$")


class MuteRule:
    world = None

    def __init__(self, backend, values):
        self.name, self.description = values["Name"], values.get("Description") or ""
        self.schedule = values["Rule"]["Schedule"]
        self.alarm_names = (values.get("MuteTargets") or {}).get("AlarmNames") or []
        self.expires, self.updated = _seconds(values.get("ExpireDate")), utcnow()
        self.arn = f"arn:aws:cloudwatch:{backend.region_name}:{backend.account_id}:alarm-mute-rule:{self.name}"
        self._check(backend)
        ends = self.begins + self.lasts_s
        self.ends = min(ends, self.expires) if self.expires else ends

    def _check(self, backend):
        at, duration = AT.match(self.schedule["Expression"]), DURATION.match(self.schedule["Duration"])
        if not at or not duration or self.schedule.get("Timezone", "UTC") != "UTC":
            raise ValidationError("the lab knows at(yyyy-MM-ddThh:mm) in UTC, and days, hours and minutes")
        days, hours, minutes = (int(part or 0) for part in duration.groups())
        self.lasts_s = (days * 24 + hours) * 3600 + minutes * 60
        if not MIN_S <= self.lasts_s <= MAX_S:
            raise ValidationError("Duration must be from PT1M to P15D")
        if len(self.alarm_names) > MAX_NAMES:
            raise ValidationError(f"at most {MAX_NAMES} alarm names")
        unknown = [name for name in self.alarm_names if name not in backend.alarms]
        if unknown:
            raise ValidationError(f"no such alarms: {', '.join(unknown)}")
        self.begins = datetime.fromisoformat(at[1]).replace(tzinfo=timezone.utc).timestamp()
        before = backend.mute_rules.get(self.name)
        if self.world["mute_past"] == "refuse" and self.begins < _running_minute() \
                and not (before and before.begins == self.begins):
            raise ValidationError("at() must not lie in the past")

    @property
    def status(self):
        now = time.time()
        return "SCHEDULED" if now < self.begins else "ACTIVE" if now < self.ends else "EXPIRED"

    def shown(self):
        shown = {"Name": self.name, "AlarmMuteRuleArn": self.arn, "Description": self.description,
                 "Rule": {"Schedule": self.schedule}, "MuteTargets": {"AlarmNames": self.alarm_names},
                 "Status": self.status, "LastUpdatedTimestamp": self.updated, "MuteType": "ONE_TIME"}
        if self.expires:
            shown["ExpireDate"] = datetime.fromtimestamp(self.expires, timezone.utc)
        return shown


def _running_minute():
    return time.time() // MINUTE_S * MINUTE_S


def _seconds(at):
    """Over JSON a time is a number, over the query protocol moto has parsed it."""
    if at is None:
        return None
    return at.timestamp() if isinstance(at, datetime) else float(at)


def is_muted(backend, name):
    return any(rule.status == "ACTIVE" and name in rule.alarm_names for rule in backend.mute_rules.values())


def settle(backend):
    """What was held back is done where nothing mutes it any more and the alarm is in the same state still."""
    for alarm in backend.alarms.values():
        if alarm.held_back is None or is_muted(backend, alarm.name):
            continue
        if alarm.held_back == alarm.state_value:
            _act(backend, alarm)
        alarm.held_back = None


def _act(backend, alarm):
    actions = {"ALARM": alarm.alarm_actions, "OK": alarm.ok_actions}.get(
        alarm.state_value, alarm.insufficient_data_actions)
    if actions and alarm.actions_enabled:
        backend.fired.append({"alarm": alarm.name, "state": alarm.state_value, "actions": actions, "at": time.time()})


def initialise_alarm(alarm, *args, init=models.Alarm.__init__, **kwargs):
    init(alarm, *args, **kwargs)
    alarm.state_transitioned_timestamp, alarm.held_back = utcnow(), None


def initialise_backend(backend, *args, init=models.CloudWatchBackend.__init__, **kwargs):
    init(backend, *args, **kwargs)
    backend.mute_rules, backend.fired = {}, []


def set_alarm_state(backend, alarm_name, reason, reason_data, state_value,
                    set_state=models.CloudWatchBackend.set_alarm_state):
    """The time of the transition is another one than that of the last update: the state may be set to what it is."""
    settle(backend)
    before = backend.alarms[alarm_name].state_value if alarm_name in backend.alarms else None
    set_state(backend, alarm_name, reason, reason_data, state_value)
    if state_value == before:
        return
    alarm = backend.alarms[alarm_name]
    alarm.state_transitioned_timestamp = alarm.state_updated_timestamp
    if is_muted(backend, alarm_name):
        alarm.held_back = state_value
    else:
        _act(backend, alarm)


def put_alarm_mute_rule(response):
    backend = response.cloudwatch_backend
    values = {name: response._get_param(name) for name in ("Name", "Description", "Rule", "MuteTargets", "ExpireDate")}
    rule = MuteRule(backend, {name: value for name, value in values.items() if value is not None})
    backend.mute_rules[rule.name] = rule
    settle(backend)
    return EmptyResult()


def get_alarm_mute_rule(response):
    rule = response.cloudwatch_backend.mute_rules.get(response._get_param("AlarmMuteRuleName"))
    if rule is None:
        raise ResourceNotFoundException
    return ActionResult(rule.shown())


def delete_alarm_mute_rule(response):
    """Deleting one that is not there is no error."""
    response.cloudwatch_backend.mute_rules.pop(response._get_param("AlarmMuteRuleName"), None)
    settle(response.cloudwatch_backend)
    return EmptyResult()


def list_alarm_mute_rules(response):
    name, statuses = response._get_param("AlarmName"), response._get_param("Statuses") or []
    wanted = [rule for _, rule in sorted(response.cloudwatch_backend.mute_rules.items())
              if (name is None or name in rule.alarm_names) and (not statuses or rule.status in statuses)]
    size, start = int(response._get_param("MaxRecords") or PAGE), int(response._get_param("NextToken") or 0)
    page = {"AlarmMuteRuleSummaries": [rule.shown() for rule in wanted[start:start + size]]}
    if start + size < len(wanted):
        page["NextToken"] = str(start + size)
    return ActionResult(page)


def fired(_body=None):
    with LOCK:
        settle(cloudwatch())
        return list(cloudwatch().fired)


def install(world):
    MuteRule.world = world
    models.Alarm.__init__ = initialise_alarm
    models.CloudWatchBackend.__init__ = initialise_backend
    models.CloudWatchBackend.set_alarm_state = set_alarm_state
    for operation in (put_alarm_mute_rule, get_alarm_mute_rule, delete_alarm_mute_rule, list_alarm_mute_rules):
        setattr(CloudWatchResponse, operation.__name__, operation)
