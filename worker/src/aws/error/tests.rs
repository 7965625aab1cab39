use super::Effect::{Read, Write};
use super::*;

const OPERATION: &str = "autoscaling:SuspendProcesses";

fn write(status: u16, code: &str) -> AwsError {
    answered(OPERATION, Write, status, Some(code), Some("said so"))
}

#[test]
fn a_no_is_refused_and_names_the_operation() {
    let error = write(400, "ValidationError");
    assert!(error.is_refused() && !error.is_transient() && !error.is_unknown());
    assert_eq!(
        error.to_string(),
        "autoscaling:SuspendProcesses was refused: ValidationError: said so"
    );
    assert_eq!(error.hint(), None);
}

#[test]
fn denied_names_the_action_to_allow() {
    for code in DENIED {
        let hint = write(403, code).hint().unwrap();
        assert!(hint.contains(OPERATION), "{hint}");
    }
}

/// The service's operation, what kind of call it is, what AWS answers, and what may be concluded.
#[rustfmt::skip]
const ANSWERS: [(&str, Effect, u16, &str, &str); 49] = [
    // Rates, by the names and statuses of each service.
    ("autoscaling:DescribeAutoScalingGroups", Read, 400, "Throttling", "throttled"),
    ("autoscaling:SuspendProcesses", Write, 400, "ThrottlingException", "throttled"),
    ("elasticloadbalancing:DescribeTargetHealth", Read, 400, "Throttling", "throttled"),
    ("elasticloadbalancing:RegisterTargets", Write, 400, "PriorRequestNotComplete", "throttled"),
    ("ec2:DescribeInstances", Read, 503, "RequestLimitExceeded", "throttled"),
    ("ec2:CreateTags", Write, 503, "RequestLimitExceeded", "throttled"),
    ("ec2:CreateTags", Write, 400, "ConcurrentTagAccess", "throttled"),
    ("cloudwatch:TagResource", Write, 400, "ThrottlingException", "throttled"),
    ("cloudwatch:TagResource", Write, 429, "ConcurrentModificationException", "throttled"),
    ("cloudwatch:EnableAlarmActions", Write, 503, "SlowDown", "throttled"),
    ("cloudwatch:PutAlarmMuteRule", Write, 429, "anything", "throttled"),
    ("ssm:GetParameter", Read, 400, "ThrottlingException", "throttled"),
    ("ssm:PutParameter", Write, 400, "TooManyUpdates", "throttled"),
    ("ssm:DeleteParameter", Write, 400, "TooManyUpdates", "throttled"),
    ("ecr:GetAuthorizationToken", Read, 400, "TooManyRequestsException", "throttled"),
    ("secretsmanager:GetSecretValue", Read, 400, "RequestThrottledException", "throttled"),
    ("secretsmanager:GetSecretValue", Read, 400, "ThrottledException", "throttled"),
    ("secretsmanager:GetSecretValue", Read, 400, "BandwidthLimitExceeded", "throttled"),
    // Groups with another change under way: not done, although the status is a server's.
    ("autoscaling:SuspendProcesses", Write, 500, "ResourceContention", "throttled"),
    ("autoscaling:ResumeProcesses", Write, 500, "ResourceContention", "throttled"),
    ("autoscaling:CreateOrUpdateTags", Write, 500, "ResourceContention", "throttled"),
    ("autoscaling:SetInstanceHealth", Write, 500, "ResourceContention", "throttled"),
    ("autoscaling:ResumeProcesses", Write, 400, "ResourceInUse", "throttled"),
    ("autoscaling:SuspendProcesses", Write, 400, "ScalingActivityInProgress", "throttled"),
    // Credentials.
    ("autoscaling:SuspendProcesses", Write, 403, "ExpiredToken", "not accepted"),
    ("cloudwatch:DisableAlarmActions", Write, 403, "ExpiredTokenException", "not accepted"),
    ("ssm:PutParameter", Write, 400, "ExpiredTokenException", "not accepted"),
    ("ec2:CreateTags", Write, 400, "RequestExpired", "not accepted"),
    ("ec2:DescribeInstances", Read, 401, "AuthFailure", "not accepted"),
    ("elasticloadbalancing:RegisterTargets", Write, 403, "InvalidClientTokenId", "not accepted"),
    ("ssm:GetParameter", Read, 400, "UnrecognizedClientException", "not accepted"),
    ("elasticloadbalancing:RegisterTargets", Write, 403, "SignatureDoesNotMatch", "not accepted"),
    ("ecr:GetAuthorizationToken", Read, 400, "InvalidSignatureException", "not accepted"),
    ("ecr:GetAuthorizationToken", Read, 403, "IncompleteSignature", "not accepted"),
    // Never.
    ("autoscaling:SuspendProcesses", Write, 400, "ValidationError", "refused"),
    ("autoscaling:CreateOrUpdateTags", Write, 400, "LimitExceeded", "refused"),
    ("cloudwatch:PutAlarmMuteRule", Write, 400, "LimitExceeded", "refused"),
    ("secretsmanager:GetSecretValue", Read, 400, "LimitExceededException", "refused"),
    ("ec2:CreateTags", Write, 400, "TagLimitExceeded", "refused"),
    ("ssm:PutParameter", Write, 400, "ParameterLimitExceeded", "refused"),
    ("elasticloadbalancing:RegisterTargets", Write, 400, "TooManyTargets", "refused"),
    ("elasticloadbalancing:DescribeLoadBalancerAttributes", Read, 400, "LoadBalancerNotFound", "refused"),
    ("ec2:CreateTags", Write, 403, "UnauthorizedOperation", "refused"),
    ("ec2:DescribeInstances", Read, 403, "OptInRequired", "refused"),
    // Perhaps done.
    ("autoscaling:SuspendProcesses", Write, 503, "ServiceUnavailable", "unknown"),
    ("ec2:CreateTags", Write, 503, "Unavailable", "unknown"),
    ("ssm:PutParameter", Write, 400, "RequestAbortedException", "unknown"),
    ("cloudwatch:EnableAlarmActions", Write, 408, "RequestTimeoutException", "unknown"),
    // A read that was not answered can be asked again.
    ("elasticloadbalancing:DescribeTargetHealth", Read, 500, "HealthUnavailable", "unanswered"),
];

fn kind(error: &AwsError) -> &'static str {
    match error {
        AwsError::Refused { .. } => "refused",
        AwsError::Throttled { .. } => "throttled",
        AwsError::NotAccepted { .. } => "not accepted",
        AwsError::NotSent { .. } => "not sent",
        AwsError::Unanswered { .. } => "unanswered",
        AwsError::Unknown { .. } => "unknown",
        AwsError::Invalid { .. } => "invalid",
    }
}

#[test]
fn every_answer_is_read_for_what_it_says() {
    for (operation, effect, status, code, expected) in ANSWERS {
        let error = answered(operation, effect, status, Some(code), Some("said so"));
        assert_eq!(kind(&error), expected, "{operation}, {status}, {code}");
        let (transient, refused) = (error.is_transient(), error.is_refused());
        assert_eq!(refused, expected == "refused", "{error:?}");
        assert_eq!(transient, !matches!(expected, "refused" | "unknown"), "{error:?}");
        assert_eq!(error.is_unknown(), expected == "unknown", "{error:?}");
    }
}

#[test]
fn no_code_has_two_meanings() {
    let mut all: Vec<&str> = [
        &LATER[..],
        &NOT_ACCEPTED,
        &DENIED,
        &LIMITS,
        &NOT_FOUND,
        &CUT_SHORT,
    ]
    .concat();
    let count = all.len();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), count);
}

#[test]
fn credentials_that_are_not_accepted_come_with_what_to_do() {
    let error = write(403, "ExpiredToken");
    assert_eq!(
        error.to_string(),
        "autoscaling:SuspendProcesses was made with credentials that AWS does not accept: ExpiredToken: said so"
    );
    assert!(
        error
            .hint()
            .is_some_and(|hint| hint.starts_with("renew the worker's AWS credentials"))
    );
}

#[test]
fn an_answer_without_a_code_goes_by_its_status() {
    for (status, expected) in [(400, "refused"), (429, "throttled"), (503, "unknown")] {
        assert_eq!(kind(&answered(OPERATION, Write, status, None, None)), expected);
    }
    let read = answered(OPERATION, Read, 503, None, None);
    assert_eq!(kind(&read), "unanswered");
    assert_eq!(read.code(), None);
}

#[test]
fn only_a_no_that_may_mean_one_of_several_is_of_one() {
    for code in ["InvalidTarget", "TooManyTargets", "ValidationError"] {
        assert!(write(400, code).may_be_of_one(), "{code}");
    }
    for code in [
        "TargetGroupNotFound",
        "AccessDenied",
        "ExpiredToken",
        "Throttling",
    ] {
        assert!(!write(400, code).may_be_of_one(), "{code}");
    }
}
