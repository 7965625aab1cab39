"""What a request to the AWS API asks for, and the record of all that came."""

import collections
import dataclasses
import json
import re
import threading
import time
import urllib.parse

from aws import cbor

MAX_LOG = 20_000
# Different reads that are remembered, so that they can be answered with what was before.
MAX_ASKED = 500
READS = ("Describe", "Get", "List")
# Of a request's environment, what ends with its connection.
CONNECTION = {"wsgi.input", "werkzeug.socket"}
# Signing names whose IAM prefix, by which people know an action, is another one.
IAM_PREFIX = {"monitoring": "cloudwatch"}
SIGNED_FOR = re.compile(r"Credential=(?P<key>[^/]+)/[^/]+/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request")
# By these a request of the query protocols asks for less than all there is.
NARROWING = ("Filter.", "MaxResults", "NextToken")
# The parameters that say what an action is about, the most telling first.
SUBJECTS = ("TargetGroupArn", "AutoScalingGroupName", "InstanceId", "Name", "SecretId", "AlarmName", "ResourceARN",
            "ResourceId.1", "Tags.member.1.ResourceId", "AlarmNames.member.1", "InstanceId.1", "ResourceArn")


@dataclasses.dataclass
class Call:
    action: str
    protocol: str
    subject: str | None
    region: str
    # Whether it has a filter or pages.
    narrowed: bool = False
    # What a call about scaling processes names; an empty list means all of them.
    processes: list | None = None
    # The access key that it is signed with.
    key: str | None = None


def identify(environ, body):
    """The call that a request is, by its signature and its body; None for what is no AWS call."""
    signed = SIGNED_FOR.search(environ.get("HTTP_AUTHORIZATION", ""))
    return dataclasses.replace(_signed_call(signed, environ, body), key=signed["key"]) if signed else None


def _signed_call(signed, environ, body):
    region, service = signed["region"], signed["service"]
    prefix = IAM_PREFIX.get(service, service)
    target = environ.get("HTTP_X_AMZ_TARGET")
    over_cbor = cbor.PATH.match(environ["PATH_INFO"])
    if over_cbor:
        return Call(f"{prefix}:{over_cbor[2]}", "cbor", None, region)
    if target:
        return Call(f"{prefix}:{target.rpartition('.')[2]}", "json", _subject(_json_object(body)), region)
    values = dict(urllib.parse.parse_qsl(body.decode(errors="replace")))
    protocol = "ec2" if prefix == "ec2" else "query"
    processes = [value for name, value in values.items() if name.startswith("ScalingProcesses.")]
    about_processes = values.get("Action") in ("SuspendProcesses", "ResumeProcesses")
    return Call(f"{prefix}:{values.get('Action', '?')}", protocol, _subject(values), region,
                any(name.startswith(NARROWING) for name in values), processes if about_processes else None)


def values_of(environ, body):
    """What a request says, in the shape that JSON has, whatever its protocol."""
    translated = cbor.to_json_request(environ, body)
    if translated:
        return _json_object(translated[1])
    if environ.get("HTTP_X_AMZ_TARGET"):
        return _json_object(body)
    values = {}
    for name, value in urllib.parse.parse_qsl(body.decode(errors="replace"), keep_blank_values=True):
        # Lists are `Name.member.1`, or in EC2's protocol `Name.1`.
        *path, last = [part for part in name.split(".") if part != "member"]
        at = values
        for part in path:
            at = at.setdefault(part, {})
            if not isinstance(at, dict):
                return {}
        at[last] = value
    return _with_lists(values)


def _with_lists(values):
    if not isinstance(values, dict):
        return values
    if values and all(key.isdigit() for key in values):
        return [_with_lists(values[key]) for key in sorted(values, key=int)]
    return {key: _with_lists(value) for key, value in values.items()}


def _json_object(body):
    try:
        values = json.loads(body or b"{}")
    except ValueError:
        return {}
    return values if isinstance(values, dict) else {}


def _subject(values):
    return next((str(values[name]) for name in SUBJECTS if name in values), None)


class Record:
    def __init__(self):
        self.lock = threading.Lock()
        self.reset()

    def reset(self):
        with self.lock:
            self.counts, self.log = collections.Counter(), collections.deque(maxlen=MAX_LOG)

    def add(self, call):
        with self.lock:
            self.counts[call.action] += 1
            entry = {"at": time.time(), "action": call.action, "target": call.subject}
            if call.processes is not None:
                entry["processes"] = call.processes
            self.log.append(entry)

    def summary(self):
        with self.lock:
            return dict(sorted(self.counts.items()))

    def entries(self):
        with self.lock:
            return list(self.log)


class Asked:
    """Every read that came, once."""

    def __init__(self):
        self.lock = threading.Lock()
        self.reset()

    def reset(self):
        with self.lock:
            self.requests = collections.OrderedDict()

    def note(self, action, environ, body):
        if not action.partition(":")[2].startswith(READS):
            return
        with self.lock:
            self.requests[action, body] = {name: environ[name] for name in environ.keys() - CONNECTION}
            self.requests.move_to_end((action, body))
            if len(self.requests) > MAX_ASKED:
                self.requests.popitem(last=False)

    def of(self, wanted):
        with self.lock:
            return [(action, environ, body) for (action, body), environ in self.requests.items() if wanted in ("*", action)]
