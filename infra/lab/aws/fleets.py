"""Fleets: a group, its instances at the hosts' addresses, its target groups with listeners, its alarms; and the
state of all of them for tests to look at.

Made through the AWS API itself, as a user would, by a client whose calls are neither counted nor hit by faults. What
the API has no words for (times below a second, addresses that several instances share) is set on moto's objects.
"""

import dataclasses
import math
import threading
import time

import boto3

from moto.autoscaling.models import autoscaling_backends
from moto.cloudwatch.models import cloudwatch_backends
from moto.ec2.models import ec2_backends
from moto.elbv2.models import elbv2_backends

from aws import crowd
from aws.backends import LOCK, REGION, autoscaling, ec2, elbv2, group_region, regions_of, target_group
from aws.scaling import attach_pending, refreshing
from world.keys import COUNT, HOSTS

# By this the server knows the lab's own calls.
USER_AGENT = "drawgate-lab"
LAUNCH_CONFIGURATION = "lab"
LOAD_BALANCER = "lab"
# Every host, and as many instances again that a test launches.
MAX_SIZE = max(20, 2 * COUNT)
# The most that AWS attaches in one call.
ATTACHED_AT_ONCE = 20
# The least that AWS lets one ask for; what the fleet asks for is kept beside it (LiveTargetGroup.timing).
MIN_INTERVAL_S, MIN_TIMEOUT_S = 5, 2
TIMING = ("interval_s", "timeout_s", "healthy_threshold", "unhealthy_threshold")
# Each further VPC has the hosts' addresses, as those of one account often have the same ones.
DEFAULT_VPC = "default"
CIDR, SUBNETS = "10.77.0.0/16", {"a": "10.77.0.0/18", "b": "10.77.64.0/18", "c": "10.77.128.0/18"}


@dataclasses.dataclass
class Place:
    """A VPC of a Region, with the load balancer that is in it."""
    region: str
    vpc_id: str
    # By zone.
    subnets: dict
    balancer_arn: str


class Fleets:
    def __init__(self, balancer, endpoint):
        self.balancer, self.endpoint = balancer, endpoint
        # One fleet at a time is made or reset.
        self.lock = threading.Lock()
        self.clients, self.places = {}, {}

    def prepare(self):
        """What every fleet needs to be there. Also after a reset, which removes it."""
        self.place(REGION)

    def forget(self):
        """moto has been reset: there is no VPC of ours any more."""
        self.places.clear()

    def place(self, region, vpc=DEFAULT_VPC):
        """The VPC of that name; it is made when it is first asked for."""
        if (region, vpc) not in self.places:
            self.places[region, vpc] = self._make_place(region, vpc)
        return self.places[region, vpc]

    def _make_place(self, region, vpc):
        client, tags = self._client("ec2", region), {"Name": vpc}
        if vpc == DEFAULT_VPC:
            self._client("autoscaling", region).create_launch_configuration(
                LaunchConfigurationName=LAUNCH_CONFIGURATION, ImageId="ami-12c6146b", InstanceType="t2.micro")
            wanted = [{"Name": "default-for-az", "Values": ["true"]}]
        else:
            vpc_id = client.create_vpc(CidrBlock=CIDR, TagSpecifications=[
                {"ResourceType": "vpc", "Tags": _as_list(tags)}])["Vpc"]["VpcId"]
            for letter, cidr in SUBNETS.items():
                client.create_subnet(VpcId=vpc_id, CidrBlock=cidr, AvailabilityZone=f"{region}{letter}")
            wanted = [{"Name": "vpc-id", "Values": [vpc_id]}]
        subnets = client.describe_subnets(Filters=wanted)["Subnets"]
        balancer = self._client("elbv2", region).create_load_balancer(
            Name=LOAD_BALANCER if vpc == DEFAULT_VPC else f"{LOAD_BALANCER}-{vpc}",
            Subnets=[subnet["SubnetId"] for subnet in subnets], Type="application")
        return Place(region, subnets[0]["VpcId"], {each["AvailabilityZone"]: each["SubnetId"] for each in subnets},
                     balancer["LoadBalancers"][0]["LoadBalancerArn"])

    def create(self, spec):
        spec = {**spec, "hosts": _hosts(spec["hosts"])}
        name, wanted_hosts = spec["name"], spec["hosts"]
        region, vpc = spec.get("region", REGION), spec.get("vpc", DEFAULT_VPC)
        # The default one first: what is made for it, a fleet in another one needs as well.
        self.place(region)
        at = self.place(region, vpc)
        unknown = [host for host in wanted_hosts if host not in HOSTS]
        if unknown:
            raise ValueError(f"no such hosts: {', '.join(unknown)}")
        # By its name alone orders find a group, whatever Region it is in.
        if any(name in backend.autoscaling_groups for backend in regions_of(autoscaling_backends)):
            raise ValueError(f"fleet {name} exists already")
        for group in spec.get("target_groups", []):
            self._create_target_group(group, self.place(region, group.get("vpc", vpc)))
        placed = list(zip(wanted_hosts, _zones(spec), strict=True))
        grouped = spec.get("grouped", True)
        if grouped:
            self._create_group(spec, at)
            with LOCK:
                tags = autoscaling(region).autoscaling_groups[name].get_propagated_tags()
            instances = self._start_all(name, at, placed, tags)
            for first in range(0, len(instances), ATTACHED_AT_ONCE):
                self._client("autoscaling", region).attach_instances(
                    AutoScalingGroupName=name,
                    InstanceIds=[each["id"] for each in instances[first:first + ATTACHED_AT_ONCE]])
            with LOCK:
                autoscaling(region).autoscaling_groups[name].min_size = len(wanted_hosts)
        else:
            instances = self._start_all(name, at, placed, spec.get("tags", {}))
        for group in spec.get("target_groups", []):
            if "hosts" in group or not grouped:
                self._register(region, group, [each for each in instances if each["host"] in group.get("hosts", wanted_hosts)])
        for alarm in spec.get("alarms", []):
            self._create_alarm(region, alarm)
        if spec.get("suspended"):
            self._client("autoscaling", region).suspend_processes(AutoScalingGroupName=name, ScalingProcesses=spec["suspended"])
        return {"auto_scaling_group": name if grouped else None, "instances": instances,
                "target_groups": [self._describe(region, group["name"]) for group in spec.get("target_groups", [])]}

    def launch(self, name, host, zone=None, pending_s=None):
        """An instance of its own at the host's address, attached to the group, which is one larger then. It is Pending for
        that long, if for any time, and registered afterwards, as one that the group launched itself."""
        region = group_region(name)
        with LOCK:
            group = autoscaling(region).autoscaling_groups[name]
            tags, zone = group.get_propagated_tags(), zone or group.availability_zones[0]
            at = self._place_of(region, group)
        instance = self._start(name, host, at, zone, tags)
        if pending_s is not None:
            with LOCK:
                attach_pending(name, instance["id"], pending_s)
            return instance
        self._client("autoscaling", region).attach_instances(AutoScalingGroupName=name, InstanceIds=[instance["id"]])
        return instance

    def _place_of(self, region, group):
        """Where the group's subnets are; it has none of its own in the default VPC."""
        wanted = set((group.vpc_zone_identifier or "").split(","))
        found = (each for each in self.places.values() if each.region == region and wanted & set(each.subnets.values()))
        return next(found, self.places[region, DEFAULT_VPC])

    def _start(self, name, host, at, zone, tags):
        """An instance in no group."""
        return self._start_all(name, at, [(host, zone)], tags)[0]

    def _start_all(self, name, at, placed, tags):
        """Instances in no group, by one call for each zone, in the order of `placed`."""
        started = {}
        for zone in dict.fromkeys(zone for _host, zone in placed):
            there = [host for host, its_zone in placed if its_zone == zone]
            answer = self._client("ec2", at.region).run_instances(
                ImageId="ami-12c6146b", InstanceType="t2.micro", MinCount=len(there), MaxCount=len(there),
                SubnetId=at.subnets[zone])
            with LOCK:
                for host, made in zip(there, answer["Instances"], strict=True):
                    ec2(at.region).create_tags([made["InstanceId"]], {**tags, "Name": f"{name}-{host}"})
                    _move_to(ec2(at.region).get_instance(made["InstanceId"]), HOSTS[host])
                    started[host] = {"id": made["InstanceId"], "host": host, "address": HOSTS[host]}
        return [started[host] for host, _zone in placed]

    def terminate(self, instance_id):
        with LOCK:
            region = next((backend.region_name for backend in regions_of(ec2_backends)
                           if backend.get_instance_by_id(instance_id) is not None), REGION)
        self._client("ec2", region).terminate_instances(InstanceIds=[instance_id])

    def _create_group(self, spec, at):
        tags = [{"Key": key, "Value": value, "PropagateAtLaunch": True, "ResourceId": spec["name"],
                 "ResourceType": "auto-scaling-group"} for key, value in spec.get("tags", {}).items()]
        attached = [target_group(group["name"], at.region).arn for group in spec.get("target_groups", [])
                    if "hosts" not in group]
        zones = sorted(set(_zones(spec)))
        where = {"AvailabilityZones": zones} if at is self.places[at.region, DEFAULT_VPC] else {
            "VPCZoneIdentifier": ",".join(at.subnets[zone] for zone in zones)}
        # Without capacity at first: else the group would launch instances of its own before ours are attached.
        self._client("autoscaling", at.region).create_auto_scaling_group(
            AutoScalingGroupName=spec["name"], LaunchConfigurationName=LAUNCH_CONFIGURATION, MinSize=0, MaxSize=MAX_SIZE,
            DesiredCapacity=0, TargetGroupARNs=attached, Tags=tags, **where,
            HealthCheckType=spec.get("health_check_type", "EC2"), HealthCheckGracePeriod=300)

    def _create_target_group(self, group, at):
        health, delay_s = group.get("health", {}), group.get("deregistration_delay_s", 300)
        client = self._client("elbv2", at.region)
        arn = client.create_target_group(
            Name=group["name"], Protocol=group.get("protocol", "HTTP"), HealthCheckProtocol="HTTP",
            Port=group["port"], VpcId=at.vpc_id, TargetType=group.get("target_type", "instance"),
            HealthCheckPath=health.get("path", "/"), Matcher={"HttpCode": "200"},
            HealthCheckIntervalSeconds=max(MIN_INTERVAL_S, math.ceil(health.get("interval_s", 30))),
            HealthCheckTimeoutSeconds=max(MIN_TIMEOUT_S, math.ceil(health.get("timeout_s", 5))),
            HealthyThresholdCount=max(2, health.get("healthy_threshold", 5)),
            UnhealthyThresholdCount=max(2, health.get("unhealthy_threshold", 2)))["TargetGroups"][0]["TargetGroupArn"]
        client.modify_target_group_attributes(TargetGroupArn=arn, Attributes=[
            {"Key": "deregistration_delay.timeout_seconds", "Value": str(math.ceil(delay_s))},
            *_as_list(group.get("attributes", {}))])
        with LOCK:
            live = elbv2(at.region).target_groups[arn]
            live.timing = {name: health[name] for name in TIMING if name in health}
            live.timing["deregistration_delay_s"] = delay_s
            # Told as it is: a worker waits for a second check of that interval.
            if "interval_s" in health:
                live.health_check_interval_seconds = math.ceil(health["interval_s"])
            if group.get("listen"):
                self.balancer.listen(group["listen"])
                live.listen_port = group["listen"]
        if group.get("listen"):
            client.create_listener(LoadBalancerArn=at.balancer_arn, Protocol="HTTP", Port=group["listen"],
                                   DefaultActions=[{"Type": "forward", "TargetGroupArn": arn}])

    def _register(self, region, group, instances):
        if instances:
            by = "address" if group.get("target_type") == "ip" else "id"
            self._client("elbv2", region).register_targets(
                TargetGroupArn=target_group(group["name"], region).arn,
                Targets=[{"Id": each[by], "Port": port} for each in instances
                         for port in group.get("ports", [group["port"]])])

    def _create_alarm(self, region, alarm):
        client = self._client("cloudwatch", region)
        client.put_metric_alarm(
            AlarmName=alarm["name"], ActionsEnabled=alarm.get("actions_enabled", True),
            AlarmActions=alarm.get("actions", [f"arn:aws:sns:{region}:123456789012:pager"]), Namespace="lab",
            MetricName="errors", Statistic="Sum", Period=60, EvaluationPeriods=1, Threshold=1.0,
            ComparisonOperator="GreaterThanThreshold", Tags=_as_list(alarm.get("tags", {})))
        client.set_alarm_state(AlarmName=alarm["name"], StateValue=alarm.get("state", "OK"), StateReason="lab")

    def _describe(self, region, name):
        group = target_group(name, region)
        url = f"http://10.77.0.1:{group.listen_port}/" if group.listen_port else None
        return {"name": name, "arn": group.arn, "url": url}

    def _client(self, service, region):
        """Clients may be shared by threads, their making may not; and it takes a tenth of a second."""
        with LOCK:
            if (service, region) not in self.clients:
                config = boto3.session.Config(user_agent=USER_AGENT, retries={"total_max_attempts": 1})
                self.clients[service, region] = boto3.client(
                    service, region_name=region, endpoint_url=self.endpoint, config=config,
                    aws_access_key_id="test", aws_secret_access_key="test")
            return self.clients[service, region]


def _hosts(wanted):
    """A list of names, a number (the first so many), or "all"."""
    if wanted == "all":
        return list(HOSTS)
    if isinstance(wanted, int):
        if not 1 <= wanted <= len(HOSTS):
            raise ValueError(f"{wanted} hosts: this lab has {len(HOSTS)}")
        return list(HOSTS)[:wanted]
    return wanted


def _zones(spec):
    default = [f"{spec.get('region', REGION)}{letter}" for letter in "abc"]
    given = spec.get("zones") or default
    return [given[number % len(given)] for number, _host in enumerate(spec["hosts"])]


def _as_list(tags):
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def _move_to(instance, address):
    """Several fleets may be on one host; a subnet would not give an address twice."""
    interface = instance.nics[0]
    interface.private_ip_address = address
    for each in interface.private_ip_addresses:
        if each.get("Primary", True):
            each["PrivateIpAddress"] = address


def leave_listeners(balancer, group):
    """Deletes the listeners and rules that forward to the group: its targets stay, and nothing comes to them."""
    backend = elbv2(group.region_name)

    def forwards(actions):
        return any(group.arn in backend._get_target_group_arns_from(action_data=action.data) for action in actions)

    for load_balancer in backend.load_balancers.values():
        for listener in list(load_balancer.listeners.values()):
            if forwards(listener.default_actions):
                backend.delete_listener(listener.arn)
            for rule in listener.rules.values():
                if forwards(rule.actions):
                    backend.delete_rule(rule.arn)
    # moto goes on to say that the group is used.
    group.load_balancer_arns = []
    if group.listen_port is not None:
        balancer.close(group.listen_port)
        group.listen_port = None


def delete_target_group(balancer, group):
    """As one would at AWS, where a listener or rule that forwards to a group keeps it from being deleted."""
    leave_listeners(balancer, group)
    elbv2(group.region_name).delete_target_group(group.arn)


def refresh(name, active):
    autoscaling(group_region(name)).autoscaling_groups[name]
    if active:
        refreshing[name] = {"InstanceRefreshId": "08b91cf7-8fa6-48af-b6a6-d227f40f1b9b", "AutoScalingGroupName": name,
                            "Status": "InProgress", "StartTime": time.time(), "PercentageComplete": 0,
                            "InstancesToUpdate": 1}
    else:
        refreshing.pop(name, None)


def state():
    return {
        "groups": [{"name": group.name, "suspended": list(group._suspended_processes), "tags": _tags(group.tags),
                    "instances": [{"id": member.instance.id, "lifecycle": member.lifecycle_state,
                                   "health": member.health_status} for member in group.instance_states]}
                   for backend in regions_of(autoscaling_backends) for group in backend.autoscaling_groups.values()],
        "target_groups": [{"name": group.name, "arn": group.arn,
                           "targets": [{"id": target.id, "port": target.port, "state": target.state,
                                        "reason": target.reason} for target in group.members.values()]}
                          for backend in regions_of(elbv2_backends) for group in backend.target_groups.values()
                          if not crowd.is_stranger(group)],
        "alarms": [{"name": alarm.name, "actions_enabled": alarm.actions_enabled, "state": alarm.state_value,
                    "tags": backend.tagger.get_tag_dict_for_resource(alarm.alarm_arn)}
                   for backend in regions_of(cloudwatch_backends) for alarm in backend.alarms.values()
                   if not crowd.is_stranger(alarm)],
        "mute_rules": [{"name": rule.name, "status": rule.status, "ends": rule.ends, "alarms": rule.alarm_names}
                       for backend in regions_of(cloudwatch_backends) for rule in backend.mute_rules.values()],
        "instances": [{"id": instance.id, "state": instance.state, "address": instance.private_ip,
                       "tags": dict(backend.tags.get(instance.id, {}))}
                      for backend in regions_of(ec2_backends) for reservation in backend.reservations.values()
                      for instance in reservation.instances],
    }


def _tags(tags):
    return {tag["Key"]: tag["Value"] for tag in tags}
