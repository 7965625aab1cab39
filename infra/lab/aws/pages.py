"""DescribeTargetGroups in pages, as AWS gives them; moto always gives all."""

from moto.core.responses import ActionResult
from moto.elbv2.exceptions import ELBClientError
from moto.elbv2.responses import ELBV2Response

MAX_PAGE_SIZE = 400


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


def install():
    ELBV2Response.describe_target_groups = describe_target_groups
