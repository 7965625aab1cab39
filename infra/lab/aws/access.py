"""What a request is about, as IAM asks it: the ARNs that it needs its permission on, and the values of condition keys.

By the Service Authorization Reference, for the actions that a release uses. Whatever is not listed here has no ARN of its
own, as most that only describe: such a request needs its permission on `*`.
"""

import collections
import dataclasses
import html
import threading

from moto.core import DEFAULT_ACCOUNT_ID
from moto.secretsmanager.models import secretsmanager_backends
from moto.ssm.models import ssm_backends
from moto.sts.models import STSBackend

from aws import iam
from aws.backends import LOCK, autoscaling, cloudwatch, ec2, elbv2

CALLER = f"arn:aws:iam::{DEFAULT_ACCOUNT_ID}:user/lab"
SIMULATION = "iam:SimulatePrincipalPolicy"
# Everybody may ask who they are.
FREE = ("sts:GetCallerIdentity",)
MAX_DENIED = 1_000


@dataclasses.dataclass
class Resource:
    arn: str
    tags: dict = dataclasses.field(default_factory=dict)


ANY = Resource("*")


def _group(name, region):
    group = autoscaling(region).autoscaling_groups.get(name)
    if group is None:
        return Resource(f"arn:aws:autoscaling:{region}:{DEFAULT_ACCOUNT_ID}:autoScalingGroup:*:autoScalingGroupName/{name}")
    return Resource(group.arn, {tag["Key"]: tag["Value"] for tag in group.tags})


def _groups_of_tags(values, region):
    return [_group(name, region) for name in dict.fromkeys(tag.get("ResourceId", "") for tag in values.get("Tags", []))]


def _group_of_instance(values, region):
    wanted = values.get("InstanceId")
    groups = autoscaling(region).autoscaling_groups
    found = (name for name, group in groups.items()
             if any(member.instance.id == wanted for member in group.instance_states))
    return [_group(next(found, "*"), region)]


def _target_group(values, region):
    arn = values.get("TargetGroupArn", "")
    return [Resource(arn, dict(elbv2(region).tagging_service.get_tag_dict_for_resource(arn)))]


def _instances(values, region):
    kinds = {"i": "instance", "vol": "volume", "eni": "network-interface"}
    return [Resource(f"arn:aws:ec2:{region}:{DEFAULT_ACCOUNT_ID}:{kinds.get(each.partition('-')[0], '*')}/{each}",
                     dict(ec2(region).tags.get(each, {})))
            for each in values.get("ResourceId", [])]


def _alarm(name, region):
    arn = f"arn:aws:cloudwatch:{region}:{DEFAULT_ACCOUNT_ID}:alarm:{name}"
    return Resource(arn, cloudwatch(region).tagger.get_tag_dict_for_resource(arn))


def _alarms(values, region):
    return [_alarm(name, region) for name in values.get("AlarmNames", [])]


def _tagged_alarm(values, region):
    arn = values.get("ResourceARN", "")
    return [Resource(arn, cloudwatch(region).tagger.get_tag_dict_for_resource(arn))]


def _rule(name, region):
    return Resource(f"arn:aws:cloudwatch:{region}:{DEFAULT_ACCOUNT_ID}:alarm-mute-rule:{name}")


def _rule_and_its_alarms(values, region):
    names = (values.get("MuteTargets") or {}).get("AlarmNames") or []
    return [_rule(values.get("Name", ""), region), *(_alarm(name, region) for name in names)]


def _parameters(values, region):
    names = values.get("Names") or [values.get("Name", "")]
    tags = ssm_backends[DEFAULT_ACCOUNT_ID][region]._resource_tags.get("Parameter", {})
    return [Resource(f"arn:aws:ssm:{region}:{DEFAULT_ACCOUNT_ID}:parameter/{name.lstrip('/')}", dict(tags.get(name, {})))
            for name in names]


def _secret(values, region):
    wanted = values.get("SecretId", "")
    secrets = secretsmanager_backends[DEFAULT_ACCOUNT_ID][region].secrets
    if wanted in secrets:
        secret = secrets[wanted]
        return [Resource(secret.arn, {tag["Key"]: tag["Value"] for tag in secret.tags or []})]
    named = f"arn:aws:secretsmanager:{region}:{DEFAULT_ACCOUNT_ID}:secret:{wanted}"
    return [Resource(wanted if wanted.startswith("arn:") else named)]


def _repository(values, region):
    account = values.get("registryId", DEFAULT_ACCOUNT_ID)
    return [Resource(f"arn:aws:ecr:{region}:{account}:repository/{values.get('repositoryName', '')}")]


RESOURCES = {
    "autoscaling:SuspendProcesses": lambda values, region: [_group(values.get("AutoScalingGroupName", ""), region)],
    "autoscaling:ResumeProcesses": lambda values, region: [_group(values.get("AutoScalingGroupName", ""), region)],
    "autoscaling:CreateOrUpdateTags": _groups_of_tags,
    "autoscaling:DeleteTags": _groups_of_tags,
    "autoscaling:SetInstanceHealth": _group_of_instance,
    "elasticloadbalancing:RegisterTargets": _target_group,
    "elasticloadbalancing:DeregisterTargets": _target_group,
    "ec2:CreateTags": _instances,
    "ec2:DeleteTags": _instances,
    "cloudwatch:EnableAlarmActions": _alarms,
    "cloudwatch:DisableAlarmActions": _alarms,
    "cloudwatch:TagResource": _tagged_alarm,
    "cloudwatch:UntagResource": _tagged_alarm,
    "cloudwatch:ListTagsForResource": _tagged_alarm,
    # A list of alarms needs its permission on all of them.
    "cloudwatch:DescribeAlarms": lambda _values, region: [_alarm("*", region)],
    "cloudwatch:PutAlarmMuteRule": _rule_and_its_alarms,
    "cloudwatch:GetAlarmMuteRule": lambda values, region: [_rule(values.get("AlarmMuteRuleName", ""), region)],
    "cloudwatch:DeleteAlarmMuteRule": lambda values, region: [_rule(values.get("AlarmMuteRuleName", ""), region)],
    "ssm:GetParameter": _parameters,
    "ssm:GetParameters": _parameters,
    "ssm:PutParameter": _parameters,
    "ssm:DeleteParameter": _parameters,
    "ssm:DeleteParameters": _parameters,
    "secretsmanager:GetSecretValue": _secret,
    "ecr:GetLifecyclePolicy": _repository,
    "ecr:BatchGetImage": _repository,
    SIMULATION: lambda values, _region: [Resource(values.get("PolicySourceArn", ""))],
}
# Where tags are given, and where their keys alone are. `Tag` is EC2's name for them.
TAGGING = ("autoscaling:CreateOrUpdateTags", "autoscaling:DeleteTags", "ec2:CreateTags", "ec2:DeleteTags",
           "cloudwatch:TagResource", "cloudwatch:PutAlarmMuteRule", "ssm:PutParameter")


def resources(action, values, region):
    found = RESOURCES[action](values, region) if action in RESOURCES else [ANY]
    return found or [ANY]


def context(action, values, region, resource):
    """The condition keys of a request as far as this one resource is concerned."""
    service = action.partition(":")[0]
    keys = {"aws:RequestedRegion": region, "aws:PrincipalArn": CALLER, "aws:PrincipalAccount": DEFAULT_ACCOUNT_ID,
            "aws:SecureTransport": "false"}
    for key, value in resource.tags.items():
        keys[f"aws:ResourceTag/{key}"] = value
        if service in ("autoscaling", "ec2"):
            keys[f"{service}:ResourceTag/{key}"] = value
    if action in TAGGING:
        tags = values.get("Tags") or values.get("Tag") or []
        keys.update({f"aws:RequestTag/{tag['Key']}": tag.get("Value") for tag in tags if "Key" in tag})
        keys["aws:TagKeys"] = [tag["Key"] for tag in tags if "Key" in tag]
    if action == "cloudwatch:UntagResource":
        keys["aws:TagKeys"] = values.get("TagKeys", [])
    if action == "ssm:PutParameter":
        keys["ssm:Overwrite"] = str(bool(values.get("Overwrite"))).lower()
    return iam.context_of(keys)


@dataclasses.dataclass
class Denial:
    action: str
    arn: str
    decision: str

    def __str__(self):
        why = ("with an explicit deny in an identity-based policy" if self.decision == iam.EXPLICIT_DENY else
               f"because no identity-based policy allows the {self.action} action")
        return f"User: {CALLER} is not authorized to perform: {self.action} on resource: {self.arn} {why}"


class Permissions:
    """Of the lab's one caller, who may do everything until a test gives it a policy."""

    def __init__(self):
        self.lock = threading.Lock()
        self.lift()

    def lift(self):
        with self.lock:
            self.policies, self.statements = None, None
            self.denied = collections.deque(maxlen=MAX_DENIED)

    def give(self, policy=None, policies=None):
        """One policy or several, whose statements count as one."""
        given = policies if policies is not None else [policy]
        statements = [statement for each in given for statement in iam.read(each)]
        self.lift()
        with self.lock:
            self.policies, self.statements = given, statements

    def state(self):
        with self.lock:
            return {"policies": self.policies, "denied": [{**dataclasses.asdict(each)} for each in self.denied]}

    def judge(self, call, values):
        """The first denial that a request meets, on any of its resources; None where it may go on."""
        with self.lock:
            statements = self.statements
        if statements is None or call.action in FREE:
            return None
        with LOCK:
            asked = [(each, context(call.action, values, call.region, each))
                     for each in resources(call.action, values, call.region)]
        for resource, keys in asked:
            decision = iam.decide(statements, call.action, resource.arn, keys)
            if decision != iam.ALLOWED:
                denial = Denial(call.action, resource.arn, decision)
                with self.lock:
                    self.denied.append(denial)
                return denial
        return None

    def simulate(self, values):
        """SimulatePrincipalPolicy: of resources it knows nothing but what the caller tells it, as at AWS."""
        keys = iam.context_of({entry["ContextKeyName"]: entry.get("ContextKeyValues", [])
                               for entry in values.get("ContextEntries", [])})
        with self.lock:
            statements = self.statements
        for action in values.get("ActionNames", []):
            for arn in values.get("ResourceArns") or ["*"]:
                if statements is None:
                    yield action, arn, iam.ALLOWED, []
                else:
                    yield (action, arn, iam.decide(statements, action, arn, keys),
                           iam.missing(statements, action, arn, keys))


# One result for each action: its own decision is the strictest, and each resource has one of its own (IAM API Reference,
# "EvaluationResult").
RESULT = """<member><EvalActionName>{action}</EvalActionName><EvalResourceName>{arn}</EvalResourceName>\
<EvalDecision>{decision}</EvalDecision><MatchedStatements/><MissingContextValues>{missing}</MissingContextValues>\
<ResourceSpecificResults>{each}</ResourceSpecificResults></member>"""
OF_RESOURCE = """<member><EvalResourceName>{arn}</EvalResourceName><EvalResourceDecision>{decision}</EvalResourceDecision>\
<MatchedStatements/><MissingContextValues>{missing}</MissingContextValues></member>"""
STRICTEST = (iam.EXPLICIT_DENY, iam.IMPLICIT_DENY, iam.ALLOWED)
ANSWER = """<SimulatePrincipalPolicyResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/">\
<SimulatePrincipalPolicyResult><IsTruncated>false</IsTruncated><EvaluationResults>{results}</EvaluationResults>\
</SimulatePrincipalPolicyResult><ResponseMetadata><RequestId>lab</RequestId></ResponseMetadata>\
</SimulatePrincipalPolicyResponse>"""


def as_xml(results):
    by_action = {}
    for action, arn, decision, missing in results:
        by_action.setdefault(action, []).append((arn, decision, missing))
    return ANSWER.format(results="".join(_result(*each) for each in by_action.items())).encode()


def _result(action, on):
    arns = {arn for arn, _decision, _missing in on}
    each = "" if arns == {"*"} else "".join(
        OF_RESOURCE.format(arn=html.escape(arn), decision=decision, missing=_members(missing))
        for arn, decision, missing in on)
    strictest = min((decision for _arn, decision, _missing in on), key=STRICTEST.index)
    missing = sorted({key for _arn, _decision, missing in on for key in missing})
    return RESULT.format(action=html.escape(action), arn=html.escape(on[0][0] if len(arns) == 1 else "*"),
                         decision=strictest, missing=_members(missing), each=each)


def _members(texts):
    return "".join(f"<member>{html.escape(text)}</member>" for text in texts)


def install():
    """moto's caller has an ARN that no AWS has; it is the one user of the lab."""
    of_moto = STSBackend.get_caller_identity

    def get_caller_identity(backend, access_key_id, region):
        user_id, arn, account = of_moto(backend, access_key_id, region)
        return user_id, CALLER if arn.endswith(":user/moto") else arn, account

    STSBackend.get_caller_identity = get_caller_identity
