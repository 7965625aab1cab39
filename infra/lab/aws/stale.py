"""Reads that are older than the last change, as those of eventually consistent services may be.

    change -> what was true before is kept for `stale_s`
    read   -> by chance (seeded) from the replica that knows of every change, or from one that is up to `stale_s` behind

The old truth is put in place of the new one for as long as moto works out the answer, so every read gets an old answer
that is right in itself, whatever it asks for. Target health is not among what is kept: AWS documents no such thing of it.
"""

import collections
import contextlib
import copy
import random
import time

from aws.backends import LOCK, autoscaling, cloudwatch, ec2

READS = ("Describe", "Get", "List")
# What a change may change: an instance that Auto Scaling terminates is one of EC2 as well.
CHANGED_BY = {"autoscaling": ("autoscaling", "ec2"), "ec2": ("autoscaling", "ec2"), "cloudwatch": ("cloudwatch",)}
# A bound for what is kept, far above the changes that come in a time as short as AWS's: beyond it reads are less stale.
MAX_KEPT = 500


class Replicas:
    """All is called behind LOCK or takes it, for what is kept is moto's own state."""

    def __init__(self, world, clock=time.monotonic):
        self.world, self.clock = world, clock
        self.forget()

    def forget(self):
        """Nothing has changed lately, and chance begins anew."""
        with LOCK:
            self.kept = collections.defaultdict(lambda: collections.deque(maxlen=MAX_KEPT))
            self.chance, self.stale_reads = random.Random(self.world["seed"]), 0

    def before_change(self, service, region):
        if not self.world["stale_s"]:
            return
        with LOCK:
            for changed in CHANGED_BY.get(service, ()):
                kept = self.kept[changed, region]
                self._prune(kept)
                kept.append((self.clock(), list(SNAPSHOTS[changed](region))))

    @contextlib.contextmanager
    def seen_by(self, call):
        """The world as this request finds it, whether it reads or changes."""
        service, _, name = call.action.partition(":")
        with LOCK:
            if service not in SNAPSHOTS or not self.world["stale_s"]:
                yield
            elif not name.startswith(READS):
                self.before_change(service, call.region)
                yield
            else:
                with self._replica(self.kept[service, call.region]):
                    yield

    @contextlib.contextmanager
    def _replica(self, kept):
        self._prune(kept)
        if not kept or self.chance.random() < 0.5:
            yield
            return
        self.stale_reads += 1
        _at, before = kept[0]
        now = [(owner, name, getattr(owner, name)) for owner, name, _old in before]
        for owner, name, old in before:
            setattr(owner, name, _with_the_newest(getattr(owner, name), old))
        try:
            yield
        finally:
            for owner, name, present in now:
                setattr(owner, name, present)

    def _prune(self, kept):
        while kept and kept[0][0] < self.clock() - self.world["stale_s"]:
            kept.popleft()


def _with_the_newest(present, old):
    """Of mappings the old entries, and beside them those of what was made since."""
    if not isinstance(old, dict):
        return old
    both = copy.copy(present)
    both.update(old)
    return both


def _attributes(owner, *names):
    return [(owner, name, copy.copy(getattr(owner, name))) for name in names]


def _of_auto_scaling(region):
    for group in autoscaling(region).autoscaling_groups.values():
        yield from _attributes(group, "tags", "_suspended_processes", "desired_capacity", "min_size", "max_size",
                               "instance_states")
        for member in group.instance_states:
            yield from _attributes(member, "lifecycle_state", "health_status")


def _of_ec2(region):
    instances = [each for reservation in ec2(region).reservations.values() for each in reservation.instances]
    for instance in instances:
        yield from _attributes(instance, "_state")
    # An instance without tags had none then, too.
    yield ec2(region), "tags", {instance.id: dict(ec2(region).tags.get(instance.id, {})) for instance in instances}


def _of_cloudwatch(region):
    alarms, tags = cloudwatch(region).alarms.values(), cloudwatch(region).tagger.tags
    for alarm in alarms:
        yield from _attributes(alarm, "actions_enabled")
    yield cloudwatch(region).tagger, "tags", {alarm.alarm_arn: dict(tags.get(alarm.alarm_arn, {})) for alarm in alarms}


SNAPSHOTS = {"autoscaling": _of_auto_scaling, "ec2": _of_ec2, "cloudwatch": _of_cloudwatch}
