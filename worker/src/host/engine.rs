//! A request to a host's Docker engine, and what its failure means.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bollard::errors::Error as DockerError;
use bollard::{API_DEFAULT_VERSION, Docker};
use hyper::header::HeaderValue;
use tokio::time::timeout;

use super::diagnosis::diagnose;
use super::error::{Cause, Effect, HostError, Stage, TookTooLong};
use super::limits;
use super::master::Remote;
use super::pool::{Host, Link};

/// A connection, and the Docker engine behind it.
pub(super) struct Engine {
    pub(super) link: Arc<Link>,
    pub(super) docker: Docker,
}

/// bollard's own time-out for a request's first answer. Every call has a shorter one of the worker's around
/// it, so this one must only stay out of the way.
const OUT_OF_THE_WAY_S: u64 = 7 * 24 * 3600;

impl Host {
    /// Makes a request with the configured time-out.
    pub(super) async fn ask<T, R>(
        &self,
        operation: &'static str,
        effect: Effect,
        request: impl Fn(Docker) -> R,
    ) -> Result<T, HostError>
    where
        R: Future<Output = Result<T, DockerError>>,
    {
        self.ask_within(operation, effect, self.shared.settings.docker_timeout, request)
            .await
    }

    /// Makes a request with a time-out of its own. A request that never left, and a look that was lost with
    /// the connection, are repeated once over a new connection.
    pub(super) async fn ask_within<T, R>(
        &self,
        operation: &'static str,
        effect: Effect,
        limit: Duration,
        request: impl Fn(Docker) -> R,
    ) -> Result<T, HostError>
    where
        R: Future<Output = Result<T, DockerError>>,
    {
        let mut tries = 1;
        loop {
            let engine = self.engine(operation).await?;
            let error = match timeout(limit, request(engine.docker.clone())).await {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(error)) => error,
                Err(_) => return Err(self.lost(operation, effect, Arc::new(TookTooLong(limit)))),
            };
            let may_repeat = never_left(&error) || (effect == Effect::Read && is_broken(&error));
            if tries < limits::LINK_TRIES && may_repeat && self.dropped_as_dead(&engine.link).await {
                tries += 1;
                continue;
            }
            return Err(self.failed(operation, effect, error));
        }
    }

    /// The engine behind the living connection; forwards its socket on first use.
    pub(super) async fn engine(&self, operation: &'static str) -> Result<Engine, HostError> {
        let mut tries = 1;
        loop {
            let link = self.link(operation).await?;
            match link
                .docker
                .get_or_try_init(|| self.open_engine(operation, &link))
                .await
            {
                Ok(docker) => {
                    let docker = docker.clone();
                    return Ok(Engine { link, docker });
                }
                Err(_) if tries < limits::LINK_TRIES && self.dropped_as_dead(&link).await => tries += 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// Asks the host for a sign of life, and drops the connection when none comes.
    ///
    /// A dying connection still accepts requests and then breaks them off, just as a missing engine does: the
    /// sign of life tells them apart.
    pub(super) async fn dropped_as_dead(&self, link: &Arc<Link>) -> bool {
        let dead = link.master.round_trip().await.is_err();
        if dead {
            self.forget(link).await;
        }
        dead
    }

    async fn open_engine(&self, operation: &'static str, link: &Arc<Link>) -> Result<Docker, HostError> {
        let settings = &self.shared.settings;
        let remote = Remote::Unix(settings.docker_socket.clone());
        let local = link
            .master
            .forward(remote)
            .await
            .map_err(|error| self.unreachable(operation, Stage::Forwarding, None, Arc::new(error)))?;
        let path = local.to_string_lossy();
        let opened = async {
            let docker = Docker::connect_with_unix(&path, OUT_OF_THE_WAY_S, API_DEFAULT_VERSION)?;
            docker
                .with_request_modifier(url_safe_credentials)
                .negotiate_version()
                .await
        };
        // The first request is part of it: ssh grants a forward without trying it, so a fault shows only
        // then.
        let cause: Cause = match timeout(settings.docker_timeout, opened).await {
            Ok(Ok(docker)) => return Ok(docker),
            Ok(Err(error)) => Arc::new(error),
            Err(_) => Arc::new(TookTooLong(settings.docker_timeout)),
        };
        let (stage, hint) = diagnose(&link.master, &settings.docker_socket).await;
        Err(self.unreachable(operation, stage, Some(hint), cause))
    }

    /// Sorts a failed request.
    pub(super) fn failed(&self, operation: &'static str, effect: Effect, error: DockerError) -> HostError {
        let refused = |status, message| HostError::Refused {
            host: self.label(),
            operation,
            status,
            message,
        };
        match error {
            DockerError::DockerResponseServerError { status_code, message } => {
                refused(Some(status_code), message)
            }
            DockerError::DockerStreamError { error } => refused(None, error),
            error if never_left(&error) => self.unreachable(operation, Stage::Ssh, None, Arc::new(error)),
            error => self.lost(operation, effect, Arc::new(error)),
        }
    }

    /// Sorts a lost answer: a look can be repeated; whether a change happened is not known.
    pub(super) fn lost(&self, operation: &'static str, effect: Effect, source: Cause) -> HostError {
        match effect {
            Effect::Write => HostError::Unknown {
                host: self.label(),
                operation,
                source,
            },
            Effect::Read => self.unreachable(operation, Stage::Engine, None, source),
        }
    }
}

/// True when the local end of the forward could not be opened: the request was not sent.
fn never_left(error: &DockerError) -> bool {
    match error {
        DockerError::HyperLegacyError { err } => err.is_connect(),
        DockerError::SocketNotFoundError(_) => true,
        _ => false,
    }
}

/// True when the connection ended in the middle of the answer.
fn is_broken(error: &DockerError) -> bool {
    matches!(
        error,
        DockerError::HyperLegacyError { .. }
            | DockerError::HyperResponseError { .. }
            | DockerError::IOError { .. }
    )
}

/// Rewrites `X-Registry-Auth` in URL-safe base64, which the engine reads; bollard writes the other alphabet,
/// which differs for passwords with `~`, `?` or `>` in the wrong place.
fn url_safe_credentials(mut request: bollard::BollardRequest) -> bollard::BollardRequest {
    if let Some(value) = request.headers_mut().get_mut("X-Registry-Auth") {
        let safe: Vec<u8> = value
            .as_bytes()
            .iter()
            .map(|byte| match byte {
                b'+' => b'-',
                b'/' => b'_',
                other => *other,
            })
            .collect();
        if let Ok(mut replaced) = HeaderValue::from_bytes(&safe) {
            replaced.set_sensitive(true);
            *value = replaced;
        }
    }
    request
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_reach_the_engine_in_its_own_alphabet() {
        let request = hyper::Request::get("/").header("X-Registry-Auth", "ab+/==");
        let body = bollard::body_full(bytes::Bytes::new());
        let sent = url_safe_credentials(request.body(body).unwrap());
        let header = &sent.headers()["X-Registry-Auth"];
        assert_eq!(header.to_str().unwrap(), "ab-_==");
        assert!(header.is_sensitive());
    }
}
