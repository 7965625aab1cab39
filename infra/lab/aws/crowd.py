"""Strangers: the target groups and alarms of others in the account, as many as a large one has.

Set on moto's objects directly, for the API would take minutes. Strangers' targets are healthy and nobody probes them;
their instances do not exist. `state()` names whatever is not as it was made: a release has no business with any of it.
"""

import dataclasses
import itertools

from moto.cloudwatch.models import cloudwatch_backends
from moto.elbv2.models import elbv2_backends

from aws.backends import LOCK, REGION, cloudwatch, elbv2, regions_of
from aws.health import LiveTargetGroup, Target

PORT = 8080
# What one load balancer of AWS forwards to at most.
GROUPS_PER_BALANCER = 100
MAX_GROUPS, MAX_ALARMS, MAX_VPCS = 3_000, 10_000, 50


@dataclasses.dataclass
class Crowd:
    """What is ordered. Shares are dealt out evenly, so that the same order makes the same crowd."""
    target_groups: int = 0
    alarms: int = 0
    # VPCs besides the fleet's; and the share of the target groups that are in the fleet's all the same.
    vpcs: int = 1
    share_in_fleet_vpc: float = 0.0
    # The share of the target groups whose targets are addresses, and the addresses that come up among those in VPCs of
    # others: private addresses are unique in one VPC only.
    share_by_address: float = 0.5
    ip_targets_at: list = dataclasses.field(default_factory=list)
    targets: int = 2
    name: str = "crowd"
    # So many alarms that are not strangers': their names begin so.
    prefixed: int = 0
    prefix: str = ""
    region: str = REGION

    def __post_init__(self):
        for name, most in (("target_groups", MAX_GROUPS), ("alarms", MAX_ALARMS), ("prefixed", MAX_ALARMS),
                           ("vpcs", MAX_VPCS), ("targets", 100)):
            if not isinstance(getattr(self, name), int) or not 0 <= getattr(self, name) <= most:
                raise ValueError(f"{name} must be a whole number from 0 to {most}")
        for name in ("share_in_fleet_vpc", "share_by_address"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be from 0 to 1")
        if self.vpcs == 0 and self.target_groups and self.share_in_fleet_vpc < 1:
            raise ValueError("without other VPCs, share_in_fleet_vpc must be 1")
        if self.prefixed and not self.prefix:
            raise ValueError("prefixed needs a prefix")


class StrangersTargetGroup(LiveTargetGroup):
    """Its targets are healthy because nobody looks."""

    def tick(self, _now, _most):
        return []


def is_stranger(thing):
    return isinstance(thing, StrangersTargetGroup) or getattr(thing, "of_stranger", False)


def add(fleets, crowd):
    # These are made by requests to this very server, each of which takes LOCK.
    ours = fleets.place(crowd.region)
    places = [fleets.place(crowd.region, f"{crowd.name}-{number}") for number in range(crowd.vpcs)]
    with LOCK:
        _add(crowd, ours, places)
        made = [group.arn for group in _groups() if group.name.startswith(f"{crowd.name}-")]
    return {"target_groups": made, "vpcs": [place.vpc_id for place in places], "fleet_vpc": ours.vpc_id}


def _add(crowd, ours, places):
    # Evenly within the groups of others, and within our VPC.
    in_ours = _dealt(crowd.share_in_fleet_vpc)
    by_address = {True: _dealt(crowd.share_by_address), False: _dealt(crowd.share_by_address)}
    numbers, addresses = itertools.count(1), itertools.cycle(crowd.ip_targets_at or [None])
    others = itertools.cycle(places)
    for number in range(crowd.target_groups):
        with_us = next(in_ours)
        place = ours if with_us else next(others)
        ip = next(by_address[with_us])
        group = _target_group(crowd, number, place, "ip" if ip else "instance")
        shared = next(addresses) if ip and not with_us else None
        _fill(group, crowd.targets, numbers, shared)
    for number in range(crowd.alarms):
        _alarm(crowd.region, f"{crowd.name}-{number}").of_stranger = True
    for number in range(crowd.prefixed):
        _alarm(crowd.region, f"{crowd.prefix}{number}")


def _dealt(share):
    """True for that share of the numbers, spread evenly."""
    due = 0.0
    while True:
        due += share
        taken = due > 1 - 1e-9
        due -= taken
        yield taken


def _target_group(crowd, number, place, target_type):
    backend = elbv2(crowd.region)
    group = StrangersTargetGroup(
        name=f"{crowd.name}-{number}", account_id=backend.account_id, region_name=crowd.region, vpc_id=place.vpc_id,
        protocol="HTTP", port=str(PORT), protocol_version="HTTP1", healthcheck_protocol="HTTP", healthcheck_path="/",
        healthcheck_interval_seconds=30, healthcheck_timeout_seconds=5, target_type=target_type)
    if any(each.name == group.name for each in _groups()):
        raise ValueError(f"target group {group.name} exists already")
    group.load_balancer_arns = [_balancer(backend, place, number)]
    backend.target_groups[group.arn] = group
    return group


def _balancer(backend, place, number):
    """Strangers have load balancers of their own, one for each hundred of their groups."""
    name = f"strangers-{place.vpc_id[-8:]}-{number // GROUPS_PER_BALANCER}"
    found = next((each.arn for each in backend.load_balancers.values() if each.name == name), None)
    return found or backend.create_load_balancer(
        name=name, security_groups=[], subnet_ids=list(place.subnets.values()), loadbalancer_type="application").arn


def _fill(group, count, numbers, shared):
    for position in range(count):
        number = next(numbers)
        address = f"10.99.{number // 250 % 250}.{number % 250 + 1}"
        if group.target_type == "ip":
            target_id = address = shared if shared and position == 0 else address
        else:
            target_id = f"i-0c{number:015x}"
        target = Target(target_id, PORT, address)
        target.state = "healthy"
        group.members[target.id, PORT] = target
    group.made_as = _picture(group)


def _alarm(region, name):
    backend = cloudwatch(region)
    if name in backend.alarms:
        raise ValueError(f"alarm {name} exists already")
    alarm = backend.put_metric_alarm(
        name=name, namespace="lab", metric_name="errors", comparison_operator="GreaterThanThreshold",
        evaluation_periods=1, period=60, threshold=1.0, statistic="Sum", description="", dimensions=[],
        alarm_actions=[f"arn:aws:sns:{region}:123456789012:pager"], ok_actions=[], insufficient_data_actions=[])
    backend.set_alarm_state(name, "lab", None, "OK")
    return alarm


def _groups():
    return [group for backend in regions_of(elbv2_backends) for group in backend.target_groups.values()
            if isinstance(group, StrangersTargetGroup)]


def _alarms():
    return [(backend, alarm) for backend in regions_of(cloudwatch_backends) for alarm in backend.alarms.values()
            if is_stranger(alarm)]


def _picture(group):
    return sorted((target.id, target.port, target.state) for target in group.members.values())


def state():
    groups, alarms = _groups(), _alarms()
    touched = [group.name for group in groups if _picture(group) != group.made_as]
    touched += [alarm.name for backend, alarm in alarms
                if not alarm.actions_enabled or backend.tagger.get_tag_dict_for_resource(alarm.alarm_arn)]
    return {"target_groups": len(groups), "alarms": len(alarms), "touched": touched}
