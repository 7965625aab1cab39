"""Auto Scaling that acts: suspended processes are enforced, unhealthy instances replaced, capacity kept.

Every half second, for each group, unless the process named is suspended:

    HealthCheck        a member that does not run (or, with type ELB, is not in service in a target group) is Unhealthy
    ReplaceUnhealthy   and Terminate: Unhealthy members are terminated
    Launch             members are launched up to the desired capacity; Terminate: surplus ones are terminated
    AddToLoadBalancer  launched members are registered in the group's target groups

moto does all of that at once or never, whatever is suspended; those of its methods are replaced.
"""

import collections
import threading
import time

from moto.autoscaling import models
from moto.autoscaling.exceptions import ValidationError
from moto.autoscaling.responses import AutoScalingResponse
from moto.core.responses import ActionResult

from aws.backends import LOCK, autoscaling, autoscaling_backends, ec2, elbv2, group_region, regions_of

PERIOD_S = 0.5
# How long a member that the group launched itself is Pending.
PENDING_S = 1.0
PROCESSES = ("Launch", "Terminate", "AddToLoadBalancer", "AlarmNotification", "AZRebalance", "HealthCheck",
             "InstanceRefresh", "ReplaceUnhealthy", "ScheduledActions")
# A registered target is unused where no load balancer uses its group: that says nothing of the instance.
OUT_OF_SERVICE = ("unhealthy", "draining")
COUNTED = ("InService", "Pending")

# Groups that say a refresh is in progress. Put there by the lab's API.
refreshing = {}


class Groups(collections.OrderedDict):
    """An unknown group is the caller's mistake, not a failure of the server."""

    def __missing__(self, name):
        raise ValidationError(f"AutoScalingGroup name not found - null (group {name})")


class LiveGroup(models.FakeAutoScalingGroup):
    def set_desired_capacity(self, new_capacity):
        """Only the number; the loop does the rest."""
        self.desired_capacity = self.min_size if new_capacity is None else new_capacity

    def suspends(self, process):
        return process in self._suspended_processes

    # One round of the loop.

    def check_health(self, now):
        in_service = self._in_service() if self.health_check_type == "ELB" else []
        for member in self.instance_states:
            if member.lifecycle_state == "InService" and not self._is_healthy(member, now, in_service):
                member.health_status = "Unhealthy"

    def replace_unhealthy(self):
        for member in list(self.instance_states):
            if member.health_status == "Unhealthy" and member.lifecycle_state == "InService":
                self.terminate(member)

    def promote_pending(self, now):
        for member in self.instance_states:
            if member.lifecycle_state == "Pending" and now >= member.launched_at + getattr(member, "pending_s", PENDING_S):
                member.lifecycle_state = "InService"
                self.register([member.instance.id])

    def keep_capacity(self, now):
        missing = self.desired_capacity - len(self._counted())
        if missing > 0 and not self.suspends("Launch"):
            known = set(self.instance_states)
            self.replace_autoscaling_group_instances(missing, self.get_propagated_tags())
            for member in set(self.instance_states) - known:
                member.lifecycle_state, member.launched_at = "Pending", now
        if missing < 0 and not self.suspends("Terminate"):
            for member in self._counted()[:-missing]:
                self.terminate(member)

    # What happens to members.

    def register(self, instance_ids):
        if self.suspends("AddToLoadBalancer"):
            return
        for group in self.target_groups():
            group.register([{"Id": instance_id, "Port": group.port} for instance_id in instance_ids])

    def target_groups(self):
        """Those that are attached. One that was deleted stays attached by name, as at AWS, and is nothing to look at."""
        known = elbv2(self.region).target_groups
        return [known[arn] for arn in self.target_group_arns if arn in known]

    def terminate(self, member):
        self.instance_states.remove(member)
        if member.instance.state != "terminated":
            ec2(self.region).terminate_instances([member.instance.id])
        elbv2(self.region).notify_terminate_instances([member.instance.id])

    def _counted(self):
        return [member for member in self.instance_states if member.lifecycle_state in COUNTED]

    def _in_service(self):
        """For each target group the instances that it has in service."""
        return [_in_service(group) for group in self.target_groups()]

    def _is_healthy(self, member, now, in_service):
        if member.instance.state != "running":
            return False
        launched_at = getattr(member, "launched_at", None)
        in_grace = launched_at is not None and now < launched_at + self.health_check_grace_period
        if self.health_check_type != "ELB" or in_grace:
            return True
        return all(member.instance.id in those for those in in_service)


def _in_service(target_group):
    targets = target_group.members.values()
    return {target.id for target in targets} - {target.id for target in targets if target.state in OUT_OF_SERVICE}


def run_round(group, now):
    group.promote_pending(now)
    if not group.suspends("HealthCheck"):
        group.check_health(now)
    if not group.suspends("ReplaceUnhealthy") and not group.suspends("Terminate"):
        group.replace_unhealthy()
    group.keep_capacity(now)


def run_loop(replicas):
    while True:
        time.sleep(PERIOD_S)
        with LOCK:
            for backend in regions_of(autoscaling_backends):
                if backend.autoscaling_groups:
                    replicas.before_change("autoscaling", backend.region_name)
                for group in list(backend.autoscaling_groups.values()):
                    run_round(group, time.monotonic())


# What moto's backend is asked to do, with AWS's answers.

def _checked(processes):
    wrong = [process for process in processes or [] if process not in PROCESSES]
    if wrong:
        raise ValidationError(f"1 validation error detected: invalid scaling process name(s): {', '.join(wrong)}")
    # An empty list means all of them: so it is at AWS, and so it burns people.
    return processes or list(PROCESSES)


def suspend_processes(backend, group_name, scaling_processes):
    group = backend.autoscaling_groups[group_name]
    add = _checked(scaling_processes)
    group.suspended_processes = [name for name in PROCESSES if name in add or group.suspends(name)]


def resume_processes(backend, group_name, scaling_processes):
    group = backend.autoscaling_groups[group_name]
    remove = _checked(scaling_processes)
    group.suspended_processes = [name for name in PROCESSES if group.suspends(name) and name not in remove]


def _member(backend, instance_id):
    for group in backend.autoscaling_groups.values():
        for member in group.instance_states:
            if member.instance.id == instance_id:
                return group, member
    raise ValidationError(f"Instance Id not found - No managed instance found for instance ID {instance_id}")


def set_instance_health(backend, instance_id, health_status):
    _member(backend, instance_id)[1].health_status = health_status


def terminate_instance(backend, instance_id, should_decrement):
    group, member = _member(backend, instance_id)
    before = group.desired_capacity
    if should_decrement:
        group.desired_capacity -= 1
    group.terminate(member)
    return models.TerminateInstanceActivity(member.instance, before)


def attach_instances(backend, group_name, instance_ids, attach=models.AutoScalingBackend.attach_instances):
    attach(backend, group_name, instance_ids)
    backend.autoscaling_groups[group_name].register(instance_ids)


def attach_pending(name, instance_id, pending_s, attach=models.AutoScalingBackend.attach_instances):
    """As attach_instances, for an instance that is on its way in."""
    backend = autoscaling(group_region(name))
    attach(backend, name, [instance_id])
    _group, member = _member(backend, instance_id)
    member.lifecycle_state, member.launched_at, member.pending_s = "Pending", time.monotonic(), pending_s


def describe_instance_refreshes(response):
    name = response._get_param("AutoScalingGroupName")
    with LOCK:
        response.autoscaling_backend.autoscaling_groups[name]
        found = [refreshing[name]] if name in refreshing else []
    return ActionResult({"InstanceRefreshes": found})


def initialise(backend, region_name, account_id, init=models.AutoScalingBackend.__init__):
    init(backend, region_name, account_id)
    backend.autoscaling_groups = Groups()


def install(replicas):
    models.FakeAutoScalingGroup = LiveGroup
    backend = models.AutoScalingBackend
    backend.__init__ = initialise
    for method in (suspend_processes, resume_processes, set_instance_health, terminate_instance, attach_instances):
        setattr(backend, method.__name__, method)
    # moto registers every member again whenever the group changes, and launches a replacement on every termination.
    backend.update_attached_target_groups = lambda backend, group_name: None
    backend.notify_terminate_instances = lambda backend, instance_ids: None
    AutoScalingResponse.describe_instance_refreshes = describe_instance_refreshes
    threading.Thread(target=run_loop, args=(replicas,), name="scaling", daemon=True).start()
