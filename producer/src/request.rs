//! Makes the message from a draft.

mod draft;
mod shell;

use drawgate_schemas::{Build, Options, Rejection, ReleaseId, ReleaseRequest, Version1};
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::ending::Ending;
use crate::exit::Exit;

pub(crate) use draft::{Draft, Selection};
pub(crate) use shell::quoted;

/// A request, and the bytes that are sent for it.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) request: ReleaseRequest,
    /// Exactly the bytes that are sent: a rejection names their hash.
    pub(crate) body: Vec<u8>,
}

/// Why no message was made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RequestError {
    /// The time in the id is beyond the calendar. A UUIDv7 begins with the time at which it was made.
    #[error("--id {0}: its time is not one of this calendar")]
    IdTime(ReleaseId),
    /// `expires_at` would be beyond the calendar.
    #[error("--expires-in reaches beyond the calendar")]
    Expiry(#[source] jiff::Error),
    /// The request cannot be written as JSON, which cannot happen for plain data.
    #[error("the request cannot be written")]
    Json(#[source] serde_json::Error),
    /// The request is invalid, so that the worker would refuse it for the same reason.
    #[error("the worker would refuse this request")]
    Refused(#[source] Rejection),
}

impl Ending for RequestError {
    fn exit(&self) -> Exit {
        Exit::Usage
    }
}

/// Why an existing message is not sent.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unsendable {
    /// The bytes are not a message, or a worker would refuse them.
    #[error("a worker would refuse it: {0}")]
    Refused(Rejection),
    /// The message has expired.
    #[error("it has expired: its expires_at is {at}, now it is {now:.0}")]
    Expired {
        at: Timestamp,
        /// When the expiry was checked.
        now: Timestamp,
    },
}

/// Reads an existing message from its bytes, and checks it as far as possible without a worker's files.
pub(crate) fn read(body: Vec<u8>, now: Timestamp) -> Result<Message, Unsendable> {
    let request = ReleaseRequest::decode(&body).map_err(Unsendable::Refused)?;
    match request.expires_at {
        Some(at) if at <= now => Err(Unsendable::Expired { at, now }),
        _ => Ok(Message { request, body }),
    }
}

/// Makes an id for a release that is asked for now.
pub(crate) fn new_id() -> Result<ReleaseId, drawgate_schemas::InvalidName> {
    ReleaseId::try_from(Uuid::now_v7())
}

/// Makes the message that a draft asks for.
///
/// The request's time is the time in its id. So the same command with the same `--id` makes the same bytes,
/// and publishing it again is harmless. With the time of day it would be another request under a used id.
pub(crate) fn message(draft: &Draft, selection: &Selection, id: ReleaseId) -> Result<Message, RequestError> {
    let requested_at = made_at(id).ok_or(RequestError::IdTime(id))?;
    let expires_at = draft
        .expires_in
        .map(|time| SignedDuration::try_from(time).and_then(|time| requested_at.checked_add(time)))
        .transpose()
        .map_err(RequestError::Expiry)?;
    let build = Build {
        system: draft.build_system.clone(),
        number: draft.build_number.clone(),
        url: draft.build_url.clone(),
    };
    let request = ReleaseRequest {
        version: Version1,
        id,
        environment: selection.environment.clone(),
        service: selection.service.clone(),
        image: selection.image.clone(),
        revision: draft.revision.clone(),
        branch: draft.branch.clone(),
        sequence: draft.sequence,
        build: (build != Build::default()).then_some(build),
        requested_by: draft.requested_by.clone(),
        requested_at,
        expires_at,
        reason: draft.reason.clone(),
        force: draft.force,
        emergency: draft.emergency.clone(),
        options: Options {
            max_unavailable: draft.max_unavailable,
            min_healthy_time_s: draft.min_healthy_time_s,
            min_drain_s: draft.min_drain_s,
        },
    };
    let body = serde_json::to_vec(&request).map_err(RequestError::Json)?;
    ReleaseRequest::decode(&body).map_err(RequestError::Refused)?;
    Ok(Message { request, body })
}

/// The time in a UUID of version 7 (RFC 9562: milliseconds since 1970).
fn made_at(id: ReleaseId) -> Option<Timestamp> {
    let (seconds, nanoseconds) = Uuid::from(id).get_timestamp()?.to_unix();
    Timestamp::new(i64::try_from(seconds).ok()?, i32::try_from(nanoseconds).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};

    fn draft(more: &[&str]) -> Draft {
        let start = [
            "drawgate",
            "publish",
            "--environment",
            "staging",
            "--service",
            "api",
            "--image",
            "r.example.com/api:1",
        ];
        match Cli::try_parse_from(start.iter().chain(more).copied())
            .unwrap()
            .command
        {
            Command::Publish(args) => Draft::from(*args),
            other => unreachable!("{other:?}"),
        }
    }

    fn made(more: &[&str], id: ReleaseId) -> Result<Message, RequestError> {
        let draft = draft(more);
        let selection = Selection {
            environment: draft.environment.clone().unwrap(),
            service: draft.service.clone().unwrap(),
            image: draft.image.clone().unwrap(),
        };
        message(&draft, &selection, id)
    }

    #[test]
    fn the_same_id_makes_the_same_bytes() {
        let id: ReleaseId = "01936a5e-7c2e-7d10-8a44-5c1f2e9b0d7c".parse().unwrap();
        let first = made(&["--expires-in", "2h"], id).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(2));
        assert_eq!(first.body, made(&["--expires-in", "2h"], id).unwrap().body);
        insta::assert_snapshot!(String::from_utf8(first.body).unwrap());
    }

    #[test]
    fn what_was_written_before_is_read_back() {
        let id: ReleaseId = "01936a5e-7c2e-7d10-8a44-5c1f2e9b0d7c".parse().unwrap();
        let written = made(&["--expires-in", "2h"], id).unwrap();
        let shown = serde_json::to_vec_pretty(&written.request).unwrap();
        let early = written.request.requested_at;
        let back = read(shown.clone(), early).unwrap();
        assert_eq!(
            (back.request, back.body),
            (written.request.clone(), shown.clone())
        );

        let late = written.request.expires_at.unwrap();
        assert!(matches!(read(shown, late), Err(Unsendable::Expired { at, .. }) if at == late));
        let said = read(b"{\"version\": 2}".to_vec(), early).unwrap_err().to_string();
        assert!(said.contains("wrong_version"), "{said}");
    }

    #[test]
    fn an_id_from_beyond_the_calendar_is_refused() {
        let id: ReleaseId = "ffffffff-ffff-7fff-8fff-ffffffffffff".parse().unwrap();
        assert!(matches!(made(&[], id), Err(RequestError::IdTime(_))));
    }

    #[test]
    fn a_new_id_is_of_now() {
        let made = made_at(new_id().unwrap()).unwrap();
        let age = Timestamp::now().duration_since(made);
        assert!(age.abs() < SignedDuration::from_secs(5), "{age}");
    }
}
