"""Faults on order: the next calls of an action are throttled, refused, broken, or never answered.

    throttle, error500, access_denied   the error that AWS gives, in the protocol of the call; nothing is done
    timeout                             nothing is done, and no answer comes for HOLD_S
    timeout_after_act                   the call is done, and no answer comes for HOLD_S
    expired                             the session is over of the key that signed the call; nothing is done
    too_many_updates                    what Parameter Store says of writes in quick succession; nothing is done
    stale                               the answer is that of the moment of the order, for a request that had come by then
"""

import dataclasses
import html
import json
import threading

from aws import cbor

HOLD_S = 30
MODES = ("throttle", "error500", "access_denied", "expired", "too_many_updates", "timeout", "timeout_after_act", "stale")

# Status and code per mode; EC2 and the JSON services have names of their own for some. Elastic Load Balancing and Auto
# Scaling send Throttling, although their documents call it ThrottlingException and RateExceeded.
ERRORS = {
    "throttle": {"query": (400, "Throttling"), "ec2": (503, "RequestLimitExceeded"), "json": (400, "ThrottlingException")},
    "error500": {"query": (500, "InternalFailure"), "ec2": (500, "InternalError"), "json": (500, "InternalServerError")},
    "access_denied": {"query": (403, "AccessDenied"), "ec2": (403, "UnauthorizedOperation"),
                      "json": (400, "AccessDeniedException")},
    "expired": {"query": (403, "ExpiredToken"), "ec2": (400, "RequestExpired"), "json": (400, "ExpiredTokenException")},
    # Only Parameter Store has it.
    "too_many_updates": {"json": (400, "TooManyUpdates")},
    # What a client sees that waits longer than we hold.
    "timeout": {"query": (503, "ServiceUnavailable"), "ec2": (503, "Unavailable"), "json": (503, "ServiceUnavailable")},
}
MESSAGES = {
    "throttle": "Rate exceeded",
    ("throttle", "ec2"): "Request limit exceeded.",
    "error500": "The request processing has failed because of an unknown error, exception or failure.",
    "access_denied": "User: arn:aws:iam::123456789012:user/lab is not authorized to perform: {action}",
    "expired": "The security token included in the request is expired",
    ("expired", "ec2"): "Request has expired.",
    "too_many_updates": "There are concurrent updates for a resource. Please try again later.",
    "timeout": "Service is unable to handle request.",
}
QUERY = """<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>\
<RequestId>lab</RequestId></ErrorResponse>"""
EC2 = """<?xml version="1.0" encoding="UTF-8"?><Response><Errors><Error><Code>{code}</Code>\
<Message>{message}</Message></Error></Errors><RequestID>lab</RequestID></Response>"""


@dataclasses.dataclass
class Fault:
    action: str
    mode: str
    count: int
    share: float = 1.0
    # Strikes only calls that are signed with this access key.
    key: str | None = None
    due: float = 0.0
    # What was answered before, by the request's body.
    answers: dict = dataclasses.field(default_factory=dict)

    def __post_init__(self):
        if self.mode not in MODES:
            raise ValueError(f"mode must be one of {', '.join(MODES)}")
        if not 0 < float(self.share) <= 1 or int(self.count) < 1:
            raise ValueError("share must be above 0 and at most 1, count at least 1")

    def strikes(self, call, body):
        """A share of 0.5 strikes every second call: evenly, so that a test is the same each time."""
        action = call.action
        if self.action not in ("*", action) or self.key not in (None, call.key) or self.count == 0:
            return False
        if self.mode == "stale" and (action, body) not in self.answers:
            return False
        self.due += self.share
        if self.due < 0.999999:
            return False
        self.due -= 1
        self.count -= 1
        return True


class Faults:
    def __init__(self):
        self.lock = threading.Lock()
        self.active, self.released = [], threading.Event()

    def add(self, fault):
        with self.lock:
            self.active.append(fault)

    def clear(self):
        """Calls that are being held are answered now."""
        with self.lock:
            self.active = []
            self.released.set()
            self.released = threading.Event()

    def strike(self, call, body):
        """The fault that a call meets, if it meets one."""
        with self.lock:
            return next((fault for fault in self.active if fault.strikes(call, body)), None)

    def hold(self):
        with self.lock:
            released = self.released
        released.wait(HOLD_S)


def error_answer(call, mode, message=None):
    """(status, headers, body) as AWS has them."""
    family = "json" if call.protocol == "cbor" else call.protocol
    status, code = ERRORS[mode][family]
    message = message or MESSAGES.get((mode, family), MESSAGES[mode]).format(action=call.action)
    message = html.escape(message) if family in ("query", "ec2") else message
    if call.protocol == "query":
        return status, [("Content-Type", "text/xml")], QUERY.format(code=code, message=message).encode()
    if call.protocol == "ec2":
        return status, [("Content-Type", "text/xml")], EC2.format(code=code, message=message).encode()
    body = json.dumps({"__type": code, "message": message}).encode()
    if call.protocol == "cbor":
        return status, cbor.HEADERS, cbor.from_json_answer(call.action.partition(":")[2], status, body)
    return status, [("Content-Type", "application/x-amz-json-1.1")], body
