"""DescribeTargetGroups and DescribeAlarms in pages, as AWS gives them; moto always gives all."""

from moto.cloudwatch.exceptions import CloudWatchException, ValidationError
from moto.cloudwatch.responses import CloudWatchResponse
from moto.core.responses import ActionResult
from moto.elbv2.exceptions import ELBClientError
from moto.elbv2.responses import ELBV2Response

MAX_PAGE_SIZE = 400
ALARMS, MAX_ALARMS = 50, 100


def describe_target_groups(response):
    groups = list(response.elbv2_backend.describe_target_groups(
        response._get_param("LoadBalancerArn"), response._get_param("TargetGroupArns", []),
        response._get_param("Names", [])))
    size, marker = int(response._get_param("PageSize") or MAX_PAGE_SIZE), response._get_param("Marker")
    if not 1 <= size <= MAX_PAGE_SIZE:
        raise ELBClientError("ValidationError", f"PageSize must be between 1 and {MAX_PAGE_SIZE}")
    start = _position(groups, marker) if marker else 0
    page = groups[start:start + size]
    result = {"TargetGroups": page}
    if start + size < len(groups):
        result["NextMarker"] = page[-1].arn
    return ActionResult(result)


def _position(groups, marker):
    """A marker is the last group of the page before."""
    arns = [group.arn for group in groups]
    if marker not in arns:
        raise ELBClientError("ValidationError", "The specified marker is not valid")
    return arns.index(marker) + 1


def describe_alarms(response, of_moto=CloudWatchResponse.describe_alarms):
    """A page counts alarms of both kinds. The token is the number of alarms before it."""
    found = of_moto(response).result
    alarms = [(kind, alarm) for kind in ("MetricAlarms", "CompositeAlarms") for alarm in found[kind]]
    size, token = int(response._get_param("MaxRecords") or ALARMS), str(response._get_param("NextToken") or 0)
    if not 1 <= size <= MAX_ALARMS:
        raise ValidationError(f"MaxRecords must be between 1 and {MAX_ALARMS}")
    if not token.isdigit():
        raise InvalidNextToken
    start = int(token)
    page = {kind: [alarm for its_kind, alarm in alarms[start:start + size] if its_kind == kind] for kind in found}
    if start + size < len(alarms):
        page["NextToken"] = str(start + size)
    return ActionResult(page)


class InvalidNextToken(CloudWatchException):
    code = "InvalidNextToken"
    message = "The next token specified is invalid."


def install():
    ELBV2Response.describe_target_groups = describe_target_groups
    CloudWatchResponse.describe_alarms = describe_alarms
