//! One call to the broker: bounded in time, and its refusals sorted by their codes.

use lapin::types::ShortString;

use crate::limits;

/// What the broker said no to, as AMQP's reply codes have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// 404: no such exchange or queue.
    NotFound,
    /// 403: this user may not.
    NotPermitted,
    /// 530: no such virtual host, or not for this user.
    NotAllowed,
    /// Anything else, a lost connection too.
    Other,
}

/// The kind of a broker's refusal, by its code and never by its text.
pub(super) fn refusal(error: &lapin::Error) -> Refusal {
    let lapin::ErrorKind::ProtocolError(error) = error.kind() else {
        return Refusal::Other;
    };
    match error.get_id() {
        404 => Refusal::NotFound,
        403 => Refusal::NotPermitted,
        530 => Refusal::NotAllowed,
        _ => Refusal::Other,
    }
}

/// A broker call took longer than it may: a connection that is half dead.
#[derive(Debug, thiserror::Error)]
#[error("no answer within {} s", limits::BROKER_CALL.as_secs())]
pub(crate) struct TooSlow;

/// Why a broker call failed, before it gets its meaning.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    /// The library's account of it.
    #[error(transparent)]
    Broker(#[from] lapin::Error),
    /// Nothing came back.
    #[error(transparent)]
    TooSlow(#[from] TooSlow),
}

impl CallError {
    /// What the broker said no to.
    pub(super) fn refusal(&self) -> Refusal {
        match self {
            Self::Broker(error) => refusal(error),
            Self::TooSlow(_) => Refusal::Other,
        }
    }
}

/// One call to the broker, bounded in time.
pub(super) async fn call<T>(work: impl Future<Output = lapin::Result<T>>) -> Result<T, CallError> {
    Ok(tokio::time::timeout(limits::BROKER_CALL, work)
        .await
        .map_err(|_| TooSlow)??)
}

/// The connection's user, as the broker checks it (`user_id`), where it fits.
pub(super) fn user_id(user: Option<&str>) -> Option<ShortString> {
    user.and_then(|user| ShortString::try_new(user).ok())
}

/// Who writes these messages.
pub(super) fn app_id() -> ShortString {
    ShortString::from(concat!("drawgate/", env!("CARGO_PKG_VERSION")))
}
