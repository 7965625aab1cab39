"""moto's state, and the one lock around it.

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


def autoscaling():
    return autoscaling_backends[DEFAULT_ACCOUNT_ID][REGION]


def cloudwatch():
    return cloudwatch_backends[DEFAULT_ACCOUNT_ID][REGION]


def ec2():
    return ec2_backends[DEFAULT_ACCOUNT_ID][REGION]


def elbv2():
    return elbv2_backends[DEFAULT_ACCOUNT_ID][REGION]


def target_group(name):
    """By name, as the lab's API has it; None when there is none."""
    return next((group for group in elbv2().target_groups.values() if group.name == name), None)


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
