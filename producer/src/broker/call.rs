//! One call to the broker: bounded in time, with its refusals sorted by their codes.

use lapin::types::ShortString;

use crate::limits;

/// The kind of a broker's refusal, by AMQP's reply code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// 404: no such exchange or queue.
    NotFound,
    /// 403: the user may not do this.
    NotPermitted,
    /// 530: the virtual host does not exist, or is not open to this user.
    NotAllowed,
    /// Any other error, a lost connection too.
    Other,
}

/// Finds the kind of a broker's refusal by its code, never by its text.
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

/// A broker call took longer than it may: the connection is half dead.
#[derive(Debug, thiserror::Error)]
#[error("no answer within {} s", limits::BROKER_CALL.as_secs())]
pub(crate) struct TooSlow;

/// Why a broker call failed, before it is translated into the caller's error.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    /// The library's error.
    #[error(transparent)]
    Broker(#[from] lapin::Error),
    /// The broker sent no answer in time.
    #[error(transparent)]
    TooSlow(#[from] TooSlow),
}

impl CallError {
    /// The kind of the broker's refusal.
    pub(super) fn refusal(&self) -> Refusal {
        match self {
            Self::Broker(error) => refusal(error),
            Self::TooSlow(_) => Refusal::Other,
        }
    }
}

/// Runs one call to the broker, bounded in time.
pub(super) async fn call<T>(work: impl Future<Output = lapin::Result<T>>) -> Result<T, CallError> {
    Ok(tokio::time::timeout(limits::BROKER_CALL, work)
        .await
        .map_err(|_| TooSlow)??)
}

/// The connection's user for the property `user_id`, which the broker checks; `None` where the name is too
/// long for it.
pub(super) fn user_id(user: Option<&str>) -> Option<ShortString> {
    user.and_then(|user| ShortString::try_new(user).ok())
}

/// The program that writes these messages, for the property `app_id`.
pub(super) fn app_id() -> ShortString {
    ShortString::from(concat!("drawgate/", env!("CARGO_PKG_VERSION")))
}
