//! The SDK's client of each service, made for its first call. A worker that waits for work needs none of them, and
//! their code, megabytes of it, is read from the disk when it first runs.

use std::sync::OnceLock;

use aws_config::SdkConfig;
use aws_smithy_runtime::client::retries::{RetryPartition, TokenBucket};

use super::attempts::{NoteAttempt, OnlyThrottled};

/// Gives every call as many repetitions as its own attempts allow. By default the SDK pays for each
/// repetition from one quota for all clients of a service in the process. Only calls that succeed at once
/// refill it, time does not: after a hundred repetitions nothing is repeated any more, in any lane.
fn no_quota() -> RetryPartition {
    RetryPartition::custom("drawgate")
        .token_bucket(TokenBucket::unlimited())
        .build()
}

/// Builds the clients: they differ only in their types.
macro_rules! clients {
    ($($service:ident: $sdk:ident),+) => {
        /// The clients that were needed so far, and what the others will be made from.
        #[derive(Debug)]
        pub(super) struct Clients {
            shared: SdkConfig,
            quota: RetryPartition,
            $($service: OnceLock<$sdk::Client>,)+
        }

        impl Clients {
            pub(super) fn of(shared: SdkConfig) -> Self {
                Self {
                    shared,
                    quota: no_quota(),
                    $($service: OnceLock::new(),)+
                }
            }

            $(pub(super) fn $service(&self) -> &$sdk::Client {
                let Clients { shared, quota, $service, .. } = self;
                $service.get_or_init(|| {
                    let configured = $sdk::config::Builder::from(shared)
                        .interceptor(NoteAttempt)
                        .retry_classifier(OnlyThrottled)
                        .retry_partition(quota.clone());
                    $sdk::Client::from_conf(configured.build())
                })
            })+
        }
    };
}

clients! {
    autoscaling: aws_sdk_autoscaling,
    elbv2: aws_sdk_elasticloadbalancingv2,
    ec2: aws_sdk_ec2,
    cloudwatch: aws_sdk_cloudwatch,
    ssm: aws_sdk_ssm,
    ecr: aws_sdk_ecr,
    secretsmanager: aws_sdk_secretsmanager,
    iam: aws_sdk_iam,
    sts: aws_sdk_sts
}
