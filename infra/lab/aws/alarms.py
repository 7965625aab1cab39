"""CloudWatch alarms, as far as moto has them not: since when they are in their state."""

from moto.cloudwatch import models
from moto.core.utils import utcnow


def initialise(alarm, *args, init=models.Alarm.__init__, **kwargs):
    init(alarm, *args, **kwargs)
    alarm.state_transitioned_timestamp = utcnow()


def update_state(alarm, reason, reason_data, state_value, update=models.Alarm.update_state):
    """The time of the transition is another one than that of the last update: the state may be set to what it is."""
    before = alarm.state_value
    update(alarm, reason, reason_data, state_value)
    if state_value != before:
        alarm.state_transitioned_timestamp = alarm.state_updated_timestamp


def install():
    models.Alarm.__init__ = initialise
    models.Alarm.update_state = update_state
