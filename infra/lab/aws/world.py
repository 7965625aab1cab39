"""How hard the lab's AWS is: one setting of all its properties, and single ones for a test.

    LAB_AWS=hard|kind  -> what a property is at the start, and after each reset; hard unless it says otherwise
    POST /lab/world    -> some of them for one test

Waits are AWS's own, scaled down; request rates are never scaled. README.md says of each property what AWS does, where
that is written, and the factor.
"""

import dataclasses
import math
from collections.abc import Callable

SETTINGS = ("kind", "hard")
DEFAULT = "hard"


def _switch(value):
    if not isinstance(value, bool):
        raise ValueError("true or false")
    return value


def _seconds(value):
    """At most what AWS itself would take; more is a mistake in a test, which would hang instead of failing."""
    seconds = float(value)
    if not (math.isfinite(seconds) and 0 <= seconds <= 300):
        raise ValueError("a number of seconds from 0 to 300")
    return seconds


def _share(value):
    share = float(value)
    if not 0 <= share < 1:
        raise ValueError("at least 0 and less than 1")
    return share


def _one_of(*words):
    def check(value):
        if value not in words:
            raise ValueError(f"one of {', '.join(words)}")
        return value
    return check


@dataclasses.dataclass(frozen=True)
class Property:
    name: str
    kind: object
    hard: object
    # Gives the value as it is kept, or says what it must be.
    check: Callable[[object], object]


PROPERTIES = {each.name: each for each in (
    # Whether requests are throttled as in rates.py, and the share of each bucket that others in the account take.
    Property("rates", False, True, _switch),
    Property("others", 0.0, 0.0, _share),
    # How old the answer of a read may be, and the seed of the chance by which one is.
    Property("stale_s", 0.0, 0.3, _seconds),
    Property("seed", 1, 1, int),
    # How many checks a target that is registered anew has to pass behind an application load balancer.
    Property("initial_checks", "threshold", "one", _one_of("threshold", "one")),
    # How long a network load balancer takes to begin checks, and to stop sending new connections.
    Property("nlb_registration_s", 0.0, 3.0, _seconds),
    Property("nlb_deregistration_s", 0.0, 2.0, _seconds),
    # Whether a new mute rule may begin in a minute that is over.
    Property("mute_past", "accept", "refuse", _one_of("accept", "refuse")),
    # How long after its deletion a parameter cannot be made again.
    Property("parameter_rest_s", 0.0, 1.5, _seconds),
)}


def asked_for(environment):
    """The setting that the lab was started with. A misspelt word would have the world harder or kinder unnoticed."""
    setting = environment.get("LAB_AWS") or DEFAULT
    if setting not in SETTINGS:
        raise SystemExit(f"LAB_AWS must be one of {', '.join(SETTINGS)}, and is {setting}")
    return setting


class World:
    def __init__(self, setting):
        self.setting_at_start = setting
        self.reset()

    def __getitem__(self, name):
        return self.values[name]

    def reset(self):
        self.values = _all(self.setting_at_start)

    def set(self, setting=None, **values):
        """All properties as in a setting, if one is named, and then single ones; where one is wrong, none is changed."""
        if setting is not None and setting not in SETTINGS:
            raise ValueError(f"setting must be one of {', '.join(SETTINGS)}")
        changed = _all(setting) if setting else dict(self.values)
        for name, value in values.items():
            if name not in PROPERTIES:
                raise ValueError(f"no property {name}; there are {', '.join(PROPERTIES)}")
            try:
                changed[name] = PROPERTIES[name].check(value)
            except (TypeError, ValueError) as error:
                raise ValueError(f"{name}: {error}") from error
        self.values = changed

    def state(self):
        return {"started": self.setting_at_start, "properties": dict(self.values)}


def _all(setting):
    return {name: getattr(each, setting) for name, each in PROPERTIES.items()}
