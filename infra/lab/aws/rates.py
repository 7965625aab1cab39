"""How many requests AWS admits: a table of the buckets that it documents, each per account and Region.

    bucket   how many requests may come at once; refill: how many more each second, until the bucket is full again

The figures are AWS's own and are never scaled, however fast the lab's other times run. A service's first row that
matches an action is the action's row, so that exceptions stand above what is general.
"""

import dataclasses
import fnmatch

# Which bucket an action of a row draws on: one for all actions of the row; one of its own, of that size; or, besides
# its own row's, one for all actions of the service.
SHARED, EACH, ACCOUNT = "shared", "each", "account"

ELB = "Elastic Load Balancing User Guide, Request throttling for the Elastic Load Balancing API"
EC2 = "Amazon EC2 Developer Guide, Request throttling for the Amazon EC2 API"
CLOUDWATCH = "AWS General Reference, Amazon CloudWatch endpoints and quotas"
SSM = "AWS General Reference, AWS Systems Manager endpoints and quotas"
STS = "IAM User Guide, IAM and AWS STS quotas"
SECRETS = "AWS Secrets Manager User Guide, AWS Secrets Manager quotas"
SECRETS_2022 = "What's New with AWS, November 2022, Secrets Manager increases its limits of requests per second"
SECRETS_2025 = "What's New with AWS, March 2025, Secrets Manager increases its limits of requests per second"
ECR = "Amazon ECR User Guide, Amazon ECR service quotas"
ASSUMPTION = "assumption: AWS publishes no figure"
# That all its actions draw on one bucket is documented: Amazon EC2 Auto Scaling API Reference, API request rate.
AUTO_SCALING = "assumption: AWS publishes no figure, only that there is one bucket"


@dataclasses.dataclass(frozen=True)
class Rate:
    service: str
    scope: str
    # Names as in the service's API, with wildcards, separated by spaces.
    actions: str
    bucket: float
    refill_per_s: float
    source: str
    # Only for requests that have neither a filter nor pages.
    unfiltered: bool = False

    def covers(self, name, narrowed):
        if self.unfiltered and narrowed:
            return False
        return any(fnmatch.fnmatchcase(name, pattern) for pattern in self.actions.split())

    def bucket_of(self, name):
        """The name of the bucket within the service."""
        if self.scope == EACH:
            return f"{name}, unfiltered" if self.unfiltered else name
        return "account" if self.scope == ACCOUNT else self.actions


def _per_second(service, scope, actions, quota, source):
    """A quota of requests per second as a bucket: AWS names no burst beyond it, so the bucket holds one second's worth."""
    return Rate(service, scope, actions, quota, quota, source)


RATES = (
    # Auto Scaling's own registrations are not in here: services that call on a user's behalf have buckets of their own.
    Rate("elasticloadbalancing", ACCOUNT, "*", 40, 10, ELB),
    Rate("elasticloadbalancing", SHARED, "RegisterTargets DeregisterTargets", 20, 4, ELB),
    Rate("elasticloadbalancing", SHARED, "CreateLoadBalancer SetSubnets", 10, 0.2, ELB),
    Rate("elasticloadbalancing", SHARED, "CreateTrustStore", 10, 0.2, ELB),
    Rate("elasticloadbalancing", SHARED, "AddTrustStoreRevocations DeleteSharedTrustStoreAssociation DeleteTrustStore "
         "ModifyTrustStore RemoveTrustStoreRevocations", 10, 0.2, ELB),
    Rate("elasticloadbalancing", SHARED, "GetResourcePolicy GetTrustStore*", 20, 4, ELB),
    Rate("elasticloadbalancing", SHARED, "DescribeTrustStore*", 40, 10, ELB),
    Rate("elasticloadbalancing", SHARED, "Describe*", 40, 10, ELB),
    Rate("elasticloadbalancing", SHARED, "*", 20, 3, ELB),

    # Of the actions that the guide gives buckets of their own, only those that rolling or making a fleet needs. Resource
    # tokens, which count instances and not requests, are left out. The guide does not count naming ids as a filter.
    Rate("ec2", EACH, "CreateTags DeleteTags", 100, 10, EC2),
    Rate("ec2", EACH, "RunInstances StartInstances", 5, 2, EC2),
    Rate("ec2", EACH, "TerminateInstances", 100, 5, EC2),
    Rate("ec2", EACH, "DescribeInstances DescribeInstanceStatus DescribeNetworkInterfaces DescribeSecurityGroups "
         "DescribeSnapshots DescribeSpotInstanceRequests DescribeVolumes", 50, 10, EC2, unfiltered=True),
    Rate("ec2", EACH, "Describe* List* Search* Get*", 100, 20, EC2),
    Rate("ec2", EACH, "*", 50, 5, EC2),

    Rate("autoscaling", SHARED, "*", 100, 10, AUTO_SCALING),

    _per_second("cloudwatch", EACH, "EnableAlarmActions DisableAlarmActions PutAlarmMuteRule DeleteAlarmMuteRule "
                "SetAlarmState PutMetricAlarm PutCompositeAlarm DeleteAlarms", 3, CLOUDWATCH),
    _per_second("cloudwatch", EACH, "DescribeAlarms DescribeAlarmsForMetric DescribeAlarmContributors", 9, CLOUDWATCH),
    _per_second("cloudwatch", EACH, "ListTagsForResource", 10, CLOUDWATCH),
    _per_second("cloudwatch", EACH, "TagResource UntagResource GetAlarmMuteRule DescribeAlarmHistory", 20, CLOUDWATCH),
    _per_second("cloudwatch", EACH, "ListMetrics", 25, CLOUDWATCH),
    _per_second("cloudwatch", EACH, "ListAlarmMuteRules", 50, CLOUDWATCH),
    _per_second("cloudwatch", EACH, "GetMetricStatistics", 400, CLOUDWATCH),
    _per_second("cloudwatch", EACH, "GetMetricData PutMetricData", 500, CLOUDWATCH),

    # The default throughput, not the higher one that can be bought. AWS says only of the reads that they share.
    _per_second("ssm", SHARED, "GetParameter GetParameters GetParametersByPath", 40, SSM),
    _per_second("ssm", EACH, "DeleteParameter DeleteParameters", 3, SSM),
    _per_second("ssm", EACH, "PutParameter DescribeParameters GetParameterHistory LabelParameterVersion "
                "UnlabelParameterVersion", 3, SSM),

    _per_second("sts", SHARED, "AssumeRole DecodeAuthorizationMessage GetAccessKeyInfo GetCallerIdentity "
                "GetFederationToken GetSessionToken", 600, STS),

    _per_second("secretsmanager", EACH, "GetSecretValue", 10_000, SECRETS_2025),
    _per_second("secretsmanager", EACH, "DescribeSecret", 40_000, SECRETS_2025),
    _per_second("secretsmanager", EACH, "ListSecrets", 100, SECRETS_2022),
    _per_second("secretsmanager", EACH, "BatchGetSecretValue", 100, SECRETS),
    _per_second("secretsmanager", SHARED, "PutSecretValue UpdateSecret UpdateSecretVersionStage ReplicateSecretToRegion "
                "RemoveRegionsFromReplication StopReplicationToReplica", 50, SECRETS),
    _per_second("secretsmanager", SHARED, "TagResource UntagResource", 50, SECRETS),

    # For GetAuthorizationToken the guide's page on errors has a bucket of 200 with 20 per second; the quota is taken here.
    _per_second("ecr", EACH, "GetAuthorizationToken UploadLayerPart", 500, ECR),
    _per_second("ecr", EACH, "BatchGetImage", 2_000, ECR),
    _per_second("ecr", EACH, "GetDownloadUrlForLayer", 3_000, ECR),
    _per_second("ecr", EACH, "BatchCheckLayerAvailability", 1_000, ECR),
    _per_second("ecr", EACH, "InitiateLayerUpload CompleteLayerUpload", 100, ECR),
    _per_second("ecr", EACH, "PutImage", 10, ECR),
)


def of(service, name, narrowed):
    """The rows whose buckets a request draws on: the action's own, and the account's where the service has one."""
    rows = [rate for rate in RATES if rate.service == service and rate.covers(name, narrowed)]
    own = next((rate for rate in rows if rate.scope != ACCOUNT), None)
    # All actions of a service that have no row share one bucket.
    own = own or Rate(service, SHARED, "all others", 100, 10, ASSUMPTION)
    return [own, *(rate for rate in rows if rate.scope == ACCOUNT)]
