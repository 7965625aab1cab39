"""Whether policies admit a request: the evaluation that the IAM User Guide describes ("Policy evaluation logic", "IAM JSON
policy elements: Condition operators", "Set operators for multivalued context keys"), for one caller's own policies.

    a Deny that applies -> explicitDeny      else an Allow that applies -> allowed      else -> implicitDeny

Pure: policies, an action, a resource and the values of condition keys in; a decision out. What is not known here is
refused when a policy is read, and never passed over, for a condition that is passed over admits too much.
"""

import dataclasses
import re

ALLOWED, EXPLICIT_DENY, IMPLICIT_DENY = "allowed", "explicitDeny", "implicitDeny"
ELEMENTS = {"Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Condition"}
OPERATOR = re.compile(r"(?:(ForAnyValue|ForAllValues):)?(\w+?)(IfExists)?$")


class Malformed(ValueError):
    """A policy that IAM would not take, or that is beyond what is known here."""


def like(pattern, text, ignore_case=False):
    """`*` is any text, `?` any one character; nothing else is special."""
    parts = {"*": ".*", "?": "."}
    expression = "".join(parts.get(letter) or re.escape(letter) for letter in pattern)
    return re.fullmatch(expression, text, re.DOTALL | (re.IGNORECASE if ignore_case else 0)) is not None


def arn_like(pattern, text):
    """Part by part: a wildcard does not reach across the first five colons."""
    patterns, parts = pattern.split(":", 5), text.split(":", 5)
    return len(patterns) == len(parts) and all(map(like, patterns, parts))


def _equal_but_for_case(wanted, value):
    return wanted.casefold() == value.casefold()


# By operator: how one wanted value compares to one value of the request, and whether the operator is a negation.
COMPARISONS = {
    "StringEquals": (str.__eq__, False), "StringNotEquals": (str.__eq__, True),
    "StringEqualsIgnoreCase": (_equal_but_for_case, False), "StringNotEqualsIgnoreCase": (_equal_but_for_case, True),
    "StringLike": (like, False), "StringNotLike": (like, True),
    "ArnEquals": (arn_like, False), "ArnNotEquals": (arn_like, True),
    "ArnLike": (arn_like, False), "ArnNotLike": (arn_like, True),
    "Bool": (_equal_but_for_case, False),
}


@dataclasses.dataclass(frozen=True)
class Test:
    """One operator with one condition key."""
    over: str | None
    operator: str
    if_exists: bool
    key: str
    wanted: tuple

    def holds(self, context):
        values = context.get(self.key)
        if self.operator == "Null":
            return (values is None) == (self.wanted[0].casefold() == "true")
        compare, negated = COMPARISONS[self.operator]
        if values is None:
            return self._holds_without_value(negated)

        def one(value):
            return any(compare(wanted, value) for wanted in self.wanted) != negated
        return all(map(one, values)) if self.over == "ForAllValues" else any(map(one, values))

    def _holds_without_value(self, negated):
        if self.over:
            return self.over == "ForAllValues" or self.if_exists
        return self.if_exists or negated


@dataclasses.dataclass(frozen=True)
class Statement:
    allows: bool
    actions: tuple
    not_actions: bool
    resources: tuple
    not_resources: bool
    tests: tuple

    def names(self, action, resource):
        of_action = any(like(pattern, action, ignore_case=True) for pattern in self.actions)
        of_resource = any(_covers(pattern, resource) for pattern in self.resources)
        return of_action != self.not_actions and of_resource != self.not_resources

    def applies(self, action, resource, context):
        return self.names(action, resource) and all(test.holds(context) for test in self.tests)


def _covers(pattern, resource):
    return pattern == "*" or arn_like(pattern, resource)


def read(policy):
    """The statements of a policy, or Malformed."""
    if not isinstance(policy, dict) or policy.keys() - {"Version", "Id", "Statement"} or "Statement" not in policy:
        raise Malformed("a policy has Version and Statement")
    return [_statement(each) for each in _listed(policy["Statement"])]


def _statement(values):
    if not isinstance(values, dict) or values.keys() - ELEMENTS:
        raise Malformed(f"a statement has {', '.join(sorted(ELEMENTS))}")
    if values.get("Effect") not in ("Allow", "Deny"):
        raise Malformed("Effect must be Allow or Deny")
    for either, other in (("Action", "NotAction"), ("Resource", "NotResource")):
        if (either in values) == (other in values):
            raise Malformed(f"a statement has {either} or {other}")
    actions = _texts(values.get("Action", values.get("NotAction")))
    resources = _texts(values.get("Resource", values.get("NotResource")))
    wrong = [each for each in actions if each != "*" and each.count(":") != 1]
    wrong += [each for each in resources if each != "*" and (each.count(":") < 5 or not each.startswith("arn:"))]
    if wrong:
        raise Malformed(f"neither an action nor an ARN: {', '.join(wrong)}")
    tests = tuple(_test(operator, key, wanted) for operator, keys in (values.get("Condition") or {}).items()
                  for key, wanted in keys.items())
    return Statement(values["Effect"] == "Allow", actions, "NotAction" in values, resources, "NotResource" in values, tests)


def _test(operator, key, wanted):
    match = OPERATOR.match(operator)
    if not match or match[2] not in {*COMPARISONS, "Null"} or match[2] == "Null" and (match[1] or match[3]):
        raise Malformed(f"condition operator {operator} is not known here")
    return Test(match[1], match[2], bool(match[3]), key.casefold(), _texts(wanted))


def _listed(value):
    return value if isinstance(value, list) else [value]


def _texts(value):
    """A value or several; booleans are written as in JSON. Variables would need the caller's own values."""
    texts = tuple(str(each).lower() if isinstance(each, bool) else each for each in _listed(value))
    if not texts or not all(isinstance(each, str) for each in texts):
        raise Malformed("a text, or a list of texts, was expected")
    if any("${" in each for each in texts):
        raise Malformed("policy variables are not known here")
    return texts


def context_of(values):
    """The condition keys of a request, whose names know no case, with lists of texts; without those that have none."""
    listed = {key.casefold(): [str(each) for each in _listed(value)] for key, value in values.items() if value is not None}
    return {key: texts for key, texts in listed.items() if texts}


def decide(statements, action, resource, context):
    applying = [each for each in statements if each.applies(action, resource, context)]
    if any(not each.allows for each in applying):
        return EXPLICIT_DENY
    return ALLOWED if applying else IMPLICIT_DENY


def missing(statements, action, resource, context):
    """The condition keys that decide about this, and that the request has no value for."""
    keys = {test.key for each in statements if each.names(action, resource) for test in each.tests}
    return sorted(keys - context.keys())
