"""moto's state by Region, and the one lock around it. What names no Region means the lab's own.

moto is written for tests of one thread. Here requests, the health prober and the scaling loop all change it, so each
takes LOCK for as long as it looks or changes, and never while it waits for a network.
"""

import threading

from moto.autoscaling.models import autoscaling_backends
from moto.cloudwatch.models import cloudwatch_backends
from moto.core import DEFAULT_ACCOUNT_ID
from moto.ec2.models import EC2Backend, ec2_backends
from moto.elbv2.models import elbv2_backends

REGION = "us-west-2"
LOCK = threading.RLock()


def autoscaling(region=REGION):
    return autoscaling_backends[DEFAULT_ACCOUNT_ID][region]


def cloudwatch(region=REGION):
    return cloudwatch_backends[DEFAULT_ACCOUNT_ID][region]


def ec2(region=REGION):
    return ec2_backends[DEFAULT_ACCOUNT_ID][region]


def elbv2(region=REGION):
    return elbv2_backends[DEFAULT_ACCOUNT_ID][region]


def regions_of(backends):
    """A service's backends in all Regions that were used so far, the lab's own first."""
    mine = backends[DEFAULT_ACCOUNT_ID]
    return [mine[REGION], *(backend for region, backend in list(mine.items()) if region != REGION)]


def target_group(name, region=None):
    """By name, as the lab's API has it, in that Region or in any; None when there is none."""
    backends = [elbv2(region)] if region else regions_of(elbv2_backends)
    return next((group for backend in backends for group in backend.target_groups.values() if group.name == name), None)


def group_region(name):
    """The Region of an Auto Scaling group; the lab's own where none has such a group."""
    found = (each.region_name for each in regions_of(autoscaling_backends) if name in each.autoscaling_groups)
    return next(found, REGION)


def _instance_by_id(self, instance_id, search=EC2Backend.get_instance_by_id):
    """moto goes through all instances. Those of a backend stay until it is reset, and with it this table."""
    found = self.__dict__.setdefault("instances_by_id", {})
    if instance_id not in found:
        instance = search(self, instance_id)
        if instance is None:
            return None
        found[instance_id] = instance
    return found[instance_id]


def _instance(self, instance_id, search=EC2Backend.get_instance):
    return self.get_instance_by_id(instance_id) or search(self, instance_id)


def install():
    EC2Backend.get_instance_by_id = _instance_by_id
    EC2Backend.get_instance = _instance
