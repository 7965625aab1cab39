"""Target health as AWS has it, from real probes of the real address.

    register -> initial -> healthy <-> unhealthy        deregister -> draining -> (delay over) -> gone

A network load balancer is slow about both, where the world is hard: checks begin only when it has taken the target in,
and a target that is draining is still sent new connections for a while. moto says `healthy` at once and knows one port
per instance; LiveTargetGroup stands in for its class.
"""

import collections
import itertools
import math
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from moto.elbv2 import models
from moto.elbv2.exceptions import InvalidTargetError, TargetGroupNotFoundError, TargetNotRunning

from aws.backends import LOCK, ec2, elbv2_backends, regions_of
from world.keys import COUNT

TICK_S = 0.025
# A round takes this share of the time at most: with 1,500 targets it takes longer than a tick, and others need LOCK too.
TICK_SHARE = 0.2
# Most are answered in a millisecond; those of hosts that are silent wait for their time-out.
PROBES_AT_ONCE = max(16, COUNT // 4)
# Targets that were registered at once are probed at once; of so many the rest has its turn in the next round.
PROBES_PER_TICK = 60
MAX_STATUS_LINE = 1024
MAX_TRANSITIONS = 10_000
# Names of AWS, with the descriptions that go with them.
REGISTRATION = ("Elb.RegistrationInProgress", "Target registration is in progress")
FIRST_CHECKS = ("Elb.InitialHealthChecking", "Initial health checks in progress")
DRAINING = ("Target.DeregistrationInProgress", "Target deregistration is in progress")
NOT_REGISTERED = ("Target.NotRegistered", "Target is not registered to the target group")
NOT_IN_USE = ("Target.NotInUse", "Target group is not configured to receive traffic from the load balancer")
STOPPED = ("Target.InvalidState", "Target is in the stopped state")
FAILED = ("Target.FailedHealthChecks", "Health checks failed")
TIMED_OUT = ("Target.Timeout", "Request timed out")
# The protocols of groups behind an application load balancer; the others are a network load balancer's.
OF_APPLICATIONS = ("HTTP", "HTTPS")

transitions = collections.deque(maxlen=MAX_TRANSITIONS)


class Target:
    """One registration. Registered again while draining is a new one, whose checks start from nothing."""

    def __init__(self, instance_id, port, address):
        self.id, self.port, self.address = instance_id, port, address
        self.state, (self.reason, self.description) = "absent", (None, None)
        self.passed = self.failed = 0
        self.probe_at, self.probing, self.drained_at = 0.0, False, None
        # Until when a target that is draining gets new connections; the balancer is told of the change by `takes_new`.
        self.new_until, self.takes_new = 0.0, False


class LiveTargetGroup(models.FakeTargetGroup):
    balancer = world = None

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.members = {}
        self.listen_port = None
        # Times below AWS's own granularity of a second, so that tests need not wait: set by a fleet.
        self.timing = {}
        self.failing, self.hold_draining = set(), False
        # Whether the load balancer has yet to hear of it.
        self.changed = False

    # What moto's backend calls.

    def register(self, targets):
        found = [self._find(target) for target in targets]
        for target in found:
            current = self.members.get((target.id, target.port))
            if current is None or current.state == "draining":
                target.state = current.state if current else "absent"
                self.members[target.id, target.port] = target
                self._first_state(target)
        self._sync()

    def deregister(self, targets):
        """Of what is not registered it succeeds without doing anything, as AWS does; so does a repetition."""
        slow_s = 0.0 if self.is_of_applications() else self.world["nlb_deregistration_s"]
        for wanted in targets:
            for target in self._registered(wanted):
                if target.state != "draining":
                    now = time.monotonic()
                    target.drained_at = now + max(self.delay_s(), slow_s)
                    target.new_until, target.takes_new = now + slow_s, slow_s > 0 and target.state == "healthy"
                    self._move(target, "draining", DRAINING)
        self._sync()

    def deregister_terminated_instances(self, instance_ids):
        self.deregister([{"Id": instance_id} for instance_id in instance_ids])

    def describe(self, targets):
        if not targets:
            return [self._status(target) for target in self.members.values()]
        found = []
        for wanted in targets:
            absent = Target(wanted["Id"], int(wanted.get("Port", self.port)), None)
            absent.state, (absent.reason, absent.description) = "unused", NOT_REGISTERED
            found += [self._status(target) for target in self._registered(wanted) or [absent]]
        return found

    # What the clock calls.

    def tick(self, now, most):
        """Ends drains, follows the instances, and returns the targets whose probe is due, so many at most."""
        for key, target in list(self.members.items()):
            if target.state == "draining":
                if target.takes_new and now >= target.new_until:
                    target.takes_new, self.changed = False, True
                if now >= target.drained_at and not self.hold_draining:
                    self._move(target, "absent", (None, None))
                    del self.members[key]
            else:
                self._follow_instance(target)
        self._sync()
        due = list(itertools.islice((target for target in self.members.values() if self._due(target, now)), most))
        for target in due:
            target.probing, target.probe_at = True, now + self._interval_s()
        return due

    def probed(self, target, problem):
        target.probing = False
        if self.members.get((target.id, target.port)) is not target or target.state in ("draining", "unused"):
            return
        if target.id in self.failing:
            problem = FAILED
        target.passed, target.failed = (0, target.failed + 1) if problem else (target.passed + 1, 0)
        if target.failed >= self._threshold("unhealthy", self.unhealthy_threshold_count):
            self._move(target, "unhealthy", problem)
        elif target.passed >= self._passes_needed(target):
            self._move(target, "healthy", (None, None))
        elif target.state == "initial":
            target.reason, target.description = FIRST_CHECKS
        self._sync()

    def probe_timeout_s(self):
        return float(self.timing.get("timeout_s", self.health_check_timeout_seconds))

    def accepts(self, status):
        """Matches a code against a matcher such as `200`, `200-299` or `200,302`."""
        for part in self.matcher["HttpCode"].split(","):
            low, _, high = part.partition("-")
            if int(low) <= status <= int(high or low):
                return True
        return False

    def delay_s(self):
        """The attribute, or the fleet's finer value for as long as nobody has set the attribute to something else."""
        attribute = float(self.attributes["deregistration_delay.timeout_seconds"])
        fine = self.timing.get("deregistration_delay_s")
        return fine if fine is not None and math.ceil(fine) == attribute else attribute

    def is_of_applications(self):
        return self.protocol in OF_APPLICATIONS

    def ends_connections(self):
        """A network load balancer leaves open what is open at the end of the delay, unless told otherwise."""
        terminates = self.attributes.get("deregistration_delay.connection_termination.enabled") == "true"
        return self.is_of_applications() or terminates

    # Its own.

    def _find(self, wanted):
        port = int(wanted.get("Port", self.port))
        if self.target_type == "ip":
            return Target(wanted["Id"], port, wanted["Id"])
        instance = ec2(self.region_name).get_instance_by_id(wanted["Id"])
        if instance is None or instance.vpc_id != self.vpc_id:
            raise InvalidTargetError()
        if instance.state != "running":
            raise TargetNotRunning(instance_id=wanted["Id"])
        return Target(instance.id, port, instance.private_ip)

    def _registered(self, wanted):
        """Without a port, all ports of that id are meant."""
        port = wanted.get("Port")
        return [target for target in self.members.values()
                if target.id == wanted["Id"] and port in (None, target.port, str(target.port))]

    def _first_state(self, target):
        target.passed = target.failed = 0
        target.takes_new = False
        slow_s = 0.0 if self.is_of_applications() else self.world["nlb_registration_s"]
        target.probe_at = time.monotonic() + slow_s
        if self.load_balancer_arns:
            self._move(target, "initial", REGISTRATION)
        else:
            self._move(target, "unused", NOT_IN_USE)

    def _follow_instance(self, target):
        instance = None if self.target_type == "ip" else ec2(self.region_name).get_instance_by_id(target.id)
        if instance is not None and instance.state == "terminated":
            self.deregister([{"Id": target.id}])
        elif instance is not None and instance.state != "running":
            self._move(target, "unused", STOPPED)
        elif not self.load_balancer_arns:
            self._move(target, "unused", NOT_IN_USE)
        elif target.state == "unused":
            self._first_state(target)

    def _move(self, target, state, why):
        if state != target.state:
            self.changed = True
            transitions.append({"at": time.time(), "target_group": self.name, "target": target.id, "port": target.port,
                                "from": target.state, "to": state})
        target.state, (target.reason, target.description) = state, why

    def _due(self, target, now):
        return target.state not in ("draining", "unused") and not target.probing and now >= target.probe_at

    def _interval_s(self):
        return float(self.timing.get("interval_s", self.health_check_interval_seconds))

    def _passes_needed(self, target):
        """An application load balancer asks one check of what is new to it, and the threshold of what was unhealthy."""
        if target.state == "initial" and self.is_of_applications() and self.world["initial_checks"] == "one":
            return 1
        return self._threshold("healthy", self.healthy_threshold_count)

    def _threshold(self, which, of_aws):
        return int(self.timing.get(f"{which}_threshold", of_aws))

    def _sync(self):
        if self.listen_port is not None and self.changed:
            self.balancer.sync(self.listen_port, list(self.members.values()), self.ends_connections())
            self.changed = False

    def _status(self, target):
        return models.FakeHealthStatus(target.id, target.port, str(target.port), target.state, target.reason,
                                       target.description)


def describe_target_health(backend, target_group_arn, targets):
    if target_group_arn not in backend.target_groups:
        raise TargetGroupNotFoundError()
    return backend.target_groups[target_group_arn].describe(targets)


def probe(address, port, path, timeout_s):
    """One request from the load balancer's side: the status, or the reason of AWS why there is none."""
    request = (f"GET {path or '/'} HTTP/1.1\r\nHost: {address}:{port}\r\nUser-Agent: ELB-HealthChecker/2.0\r\n"
               "Accept-Encoding: identity\r\nConnection: close\r\n\r\n")
    try:
        with socket.create_connection((address, port), timeout=timeout_s) as connection:
            connection.sendall(request.encode())
            return _status(connection)
    except TimeoutError:
        return TIMED_OUT
    except (OSError, ValueError):
        return FAILED


def _status(connection):
    """The number in `HTTP/1.1 200 OK`. The rest of the answer does not matter."""
    line = b""
    while b"\n" not in line and len(line) < MAX_STATUS_LINE:
        chunk = connection.recv(MAX_STATUS_LINE)
        if not chunk:
            break
        line += chunk
    version, status = line.split(b"\n")[0].split()[:2]
    if not version.startswith(b"HTTP/"):
        raise ValueError(f"not HTTP: {line!r}")
    return int(status)


def probe_and_judge(group, target):
    result = probe(target.address, target.port, group.health_check_path, group.probe_timeout_s())
    with LOCK:
        if isinstance(result, int):
            mismatch = ("Target.ResponseCodeMismatch", f"Health checks failed with these codes: [{result}]")
            result = None if group.accepts(result) else mismatch
        group.probed(target, result)


def run_clock():
    with ThreadPoolExecutor(PROBES_AT_ONCE) as pool:
        took_s = 0.0
        while True:
            time.sleep(max(TICK_S, took_s / TICK_SHARE))
            with LOCK:
                now = time.monotonic()
                due = []
                for group in [group for backend in regions_of(elbv2_backends) for group in backend.target_groups.values()]:
                    due += [(group, target) for target in group.tick(now, PROBES_PER_TICK)]
                took_s = time.monotonic() - now
            for group, target in due:
                pool.submit(probe_and_judge, group, target)


def install(balancer, world):
    LiveTargetGroup.balancer, LiveTargetGroup.world = balancer, world
    models.FakeTargetGroup = LiveTargetGroup
    models.ELBv2Backend.describe_target_health = describe_target_health
    threading.Thread(target=run_clock, name="health", daemon=True).start()
