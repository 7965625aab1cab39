//! The worker's connection to AWS, and the one function that every call goes through.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Debug;
use std::future::Future;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::Duration;

use aws_config::ConfigLoader;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_autoscaling::config::http::HttpResponse;
use aws_sdk_autoscaling::error::{ProvideErrorMetadata, SdkError};
use drawgate_rollout::Write;

use super::attempts::ADMITTED;
use super::clients::Clients;
use super::credentials::{self, Identities};
use super::error::{self, AwsError, Cause, Effect};
use super::limiter::{Admission, Limiter, RateShare, Traffic};
use super::limits;

/// The worker's connection to AWS. Clones share its state.
#[derive(Debug, Clone)]
pub struct Aws {
    pub(super) clients: Arc<Clients>,
    identities: Identities,
    limiter: Arc<Limiter>,
}

impl Aws {
    /// Clients for the environment's region, credentials and endpoint (`AWS_*`), with all that AWS admits.
    /// Nothing is sent yet.
    pub async fn connect() -> Self {
        Self::connect_with(credentials::environment(None), RateShare::ALL).await
    }

    /// Clients for another endpoint, region or credentials than the environment's, and for this share of
    /// AWS's request rates. Time-outs and repetition stay the worker's own.
    pub async fn connect_with(environment: ConfigLoader, share: RateShare) -> Self {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(limits::CONNECT_TIMEOUT)
            .operation_timeout(limits::OPERATION_TIMEOUT)
            .build();
        let retries = RetryConfig::standard()
            .with_max_attempts(limits::THROTTLED_ATTEMPTS)
            .with_initial_backoff(limits::THROTTLED_BACKOFF)
            .with_max_backoff(limits::THROTTLED_BACKOFF_MAX);
        let identities = Identities::new();
        let shared = environment
            .identity_cache(identities.clone())
            .timeout_config(timeouts)
            .retry_config(retries)
            .load()
            .await;
        Self {
            clients: Arc::new(Clients::of(shared)),
            identities,
            limiter: Limiter::new(share),
        }
    }

    /// How many calls were sent, by `service:Operation`.
    pub fn calls(&self) -> BTreeMap<String, u64> {
        let sent = self
            .traffic()
            .into_iter()
            .filter(|(_, traffic)| traffic.calls > 0);
        sent.map(|(action, traffic)| (action.to_owned(), traffic.calls))
            .collect()
    }

    /// What was sent, throttled and waited for, by `service:Operation`.
    pub fn traffic(&self) -> BTreeMap<&'static str, Traffic> {
        self.limiter.traffic()
    }

    /// Makes a call that only reads.
    pub(super) async fn read<T, E>(
        &self,
        operation: &'static str,
        request: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    ) -> Result<T, AwsError>
    where
        E: ProvideErrorMetadata + Error + Debug + Send + Sync + 'static,
    {
        self.call(operation, Effect::Read, None, request).await
    }

    /// Makes a call that changes something. Only writes of the core's table can be made, so that preflight
    /// knows the permissions of them all.
    pub(super) async fn write<T, E>(
        &self,
        write: Write,
        request: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    ) -> Result<T, AwsError>
    where
        E: ProvideErrorMetadata + Error + Debug + Send + Sync + 'static,
    {
        self.call(write.action(), Effect::Write, None, request).await
    }

    /// Makes a call that changes something, and that may have been admitted already.
    pub(super) async fn write_admitted<T, E>(
        &self,
        write: Write,
        admission: Option<Admission>,
        request: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    ) -> Result<T, AwsError>
    where
        E: ProvideErrorMetadata + Error + Debug + Send + Sync + 'static,
    {
        self.call(write.action(), Effect::Write, admission, request).await
    }

    /// How long one call of this operation takes at the worker's share of AWS's rates, where many are made one after
    /// another.
    pub fn pace(&self, operation: &'static str) -> Duration {
        self.limiter.pace(operation)
    }

    /// Waits until a call of this operation may be made.
    pub(super) async fn admit(&self, operation: &'static str) -> Admission {
        self.limiter.admit(operation).await
    }

    async fn call<T, E>(
        &self,
        operation: &'static str,
        effect: Effect,
        admission: Option<Admission>,
        request: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    ) -> Result<T, AwsError>
    where
        E: ProvideErrorMetadata + Error + Debug + Send + Sync + 'static,
    {
        let admission = match admission {
            Some(admission) => admission,
            None => self.admit(operation).await,
        };
        let renewals = self.identities.renewals();
        // The SDK's own time-out begins here: it is for AWS, and the wait before it is ours.
        let (result, sent) = ADMITTED
            .scope(admission, async {
                let result = request.await;
                (result, ADMITTED.with(Admission::is_sent))
            })
            .await;
        result.map_err(|failure| {
            let error = classify(operation, effect, sent, failure);
            if matches!(error, AwsError::NotAccepted { .. }) {
                self.identities.renew(renewals);
            }
            error
        })
    }
}

/// Sorts a failed call by what the caller may conclude from it.
fn classify<E>(
    operation: &'static str,
    effect: Effect,
    sent: bool,
    failure: SdkError<E, HttpResponse>,
) -> AwsError
where
    E: ProvideErrorMetadata + Error + Debug + Send + Sync + 'static,
{
    if let SdkError::ServiceError(answer) = &failure {
        let status = answer.raw().status().as_u16();
        let metadata = answer.err().meta();
        return error::answered(operation, effect, status, metadata.code(), metadata.message());
    }
    let never_left = match &failure {
        _ if !sent => true,
        SdkError::ConstructionFailure(_) => true,
        // The HTTP client's only time-out of its own is that for connecting.
        SdkError::DispatchFailure(dispatch) => {
            dispatch.is_timeout()
                || dispatch
                    .as_connector_error()
                    .is_some_and(|error| never_connected(error))
        }
        _ => false,
    };
    let source: Cause = Arc::new(failure);
    match never_left {
        true => AwsError::NotSent { operation, source },
        false => error::lost(operation, effect, source),
    }
}

/// True when the connection could not be made: name not resolved, refused, no route, TLS handshake failed.
fn never_connected(error: &(dyn Error + 'static)) -> bool {
    let chain = std::iter::successors(Some(error), |&error| error.source());
    chain.take(CAUSES_LOOKED_AT).any(|cause| {
        cause
            .downcast_ref::<hyper_util::client::legacy::Error>()
            .is_some_and(|error| error.is_connect())
            || cause
                .downcast_ref::<io::Error>()
                .is_some_and(|error| error.kind() == ErrorKind::ConnectionRefused)
    })
}

/// Deeper than any chain of causes that the SDK builds.
const CAUSES_LOOKED_AT: usize = 20;

/// AWS's time as a timestamp; `None` for a time beyond the calendar.
pub(super) fn timestamp(time: &aws_smithy_types::DateTime) -> Option<jiff::Timestamp> {
    let nanoseconds = i32::try_from(time.subsec_nanos()).ok()?;
    jiff::Timestamp::new(time.secs(), nanoseconds).ok()
}
