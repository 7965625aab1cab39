//! RabbitMQ, as a producer uses it: one confirmed message, one queue of its own for events, questions over direct
//! reply-to. It declares nothing but its own queue; exchanges and the workers' queues are the worker's business.
//!
//! ```text
//! publish ──> drawgate.releases ──> worker
//! ask ──────> drawgate.control  ──> every worker ──> amq.rabbitmq.reply-to ──> ask
//! subscribe <─ drawgate.events <── worker
//! ```

mod address;
mod ask;
mod connect;
mod dead;
mod publish;
mod subscribe;

pub(crate) use address::{Address, AddressError};
pub(crate) use ask::{AskError, Asker, Verdict};
pub(crate) use connect::{Backoff, ConnectError, Link, connect_patiently};
pub(crate) use dead::{DeadError, HeldLetters};
pub(crate) use publish::{PublishError, publish, publish_for};
pub(crate) use subscribe::{SubscribeError, Target, subscribe};

use lapin::types::ShortString;

use crate::limits;

/// What the broker said no to, as AMQP's reply codes have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
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
fn refusal(error: &lapin::Error) -> Refusal {
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
    fn refusal(&self) -> Refusal {
        match self {
            Self::Broker(error) => refusal(error),
            Self::TooSlow(_) => Refusal::Other,
        }
    }
}

/// One call to the broker, bounded in time.
async fn call<T>(work: impl Future<Output = lapin::Result<T>>) -> Result<T, CallError> {
    Ok(tokio::time::timeout(limits::BROKER_CALL, work)
        .await
        .map_err(|_| TooSlow)??)
}

/// The connection's user, as the broker checks it (`user_id`), where it fits.
fn user_id(user: Option<&str>) -> Option<ShortString> {
    user.and_then(|user| ShortString::try_new(user).ok())
}

/// Who writes these messages.
fn app_id() -> ShortString {
    ShortString::from(concat!("drawgate/", env!("CARGO_PKG_VERSION")))
}
