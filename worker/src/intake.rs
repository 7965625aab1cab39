//! Judges a delivery: it becomes a release in the ledger, or a rejection with its reason.

use std::sync::Arc;

use drawgate_config::{Config, NotFound};
use drawgate_rollout::{Entry, Record, Release};
use drawgate_schemas::{Event, Rejection, RejectionCode, ReleaseRequest, StatusEvent, limits, topology};
use jiff::Timestamp;
use uuid::Uuid;

use crate::Causes;
use crate::bus::{Delivered, ReleaseHandler, Verdict};
use crate::ledger::{Accept, Leap, Ledger, LedgerError};
use crate::roll::Lanes;

/// Judges release requests.
pub struct Intake {
    config: Arc<Config>,
    ledger: Ledger,
    lanes: Arc<Lanes>,
}

impl Intake {
    /// Judges by this configuration, and accepts into this ledger and these lanes.
    pub fn new(config: Arc<Config>, ledger: Ledger, lanes: Arc<Lanes>) -> Self {
        Self {
            config,
            ledger,
            lanes,
        }
    }

    async fn accept(&self, delivery: &Delivered) -> Result<Result<(), Rejection>, LedgerError> {
        let request = match ReleaseRequest::decode(&delivery.body) {
            Ok(request) => request,
            Err(rejection) => return Ok(Err(rejection)),
        };
        // A release that was accepted earlier stays so, even if it has expired or its policy has changed
        // since.
        let known = self.ledger.release_head(request.id).await?;
        if known.is_none()
            && let Err(rejection) = check(&request, delivery, &self.config, Timestamp::now())
        {
            return Ok(Err(rejection));
        }
        let worker = self.config.worker().to_owned();
        let most = self.config.max_waiting_per_lane();
        let accept = self
            .ledger
            .accept(
                &request,
                |ahead| first_entry(self.accepted(&request, delivery, ahead), &worker),
                most,
                self.leap(&request, delivery),
            )
            .await?;
        Ok(match accept {
            Accept::New { ahead } => {
                tracing::info!(release = %request.id, ahead, "accepted");
                self.lanes
                    .accepted(&request.environment, &request.service, request.id);
                Ok(())
            }
            Accept::Same => {
                tracing::info!(release = %request.id, "was accepted before: acknowledged again");
                // The process that accepted the release may have ended before its lane was told.
                self.lanes
                    .accepted(&request.environment, &request.service, request.id);
                Ok(())
            }
            Accept::Reused => Err(Rejection::new(
                RejectionCode::IdReused,
                format!(
                    "another request with the id {} was accepted before; publish with a new id",
                    request.id
                ),
            )),
            Accept::Leaps { highest } => Err(Rejection::new(
                RejectionCode::SequenceJump,
                leaps(&request, highest),
            )),
            Accept::LaneFull => Err(Rejection::new(
                RejectionCode::LaneFull,
                format!(
                    "{most} releases of this target are waiting already; publish again when they are through"
                ),
            )),
        })
    }

    /// A leap of the number is meant where the request has `force` and its publisher may give control
    /// commands.
    fn leap(&self, request: &ReleaseRequest, delivery: &Delivered) -> Leap {
        let operators = self.config.settings().operators();
        match delivery.user().filter(|_| request.force) {
            Some(user) if operators.includes(user) => Leap::Meant,
            _ => Leap::Refused,
        }
    }

    fn accepted(&self, request: &ReleaseRequest, delivery: &Delivered, ahead: u32) -> Record {
        let definition = self.config.definition(&request.environment, &request.service);
        let approval = definition.ok().and_then(|definition| definition.approval);
        let approval = approval.filter(|_| request.emergency.is_none());
        Record::Accepted {
            request: Box::new(request.clone()),
            ahead,
            publisher: delivery.user().map(str::to_owned),
            approval: approval.map(Box::new),
        }
    }

    /// Writes the event first; then come the dead letter and the acknowledgement. A crash in between repeats
    /// steps, and loses nothing.
    async fn reject(
        &self,
        delivery: &Delivered,
        rejection: Rejection,
        verdict: impl FnOnce(Rejection) -> Verdict,
    ) -> Verdict {
        tracing::warn!(code = %rejection.code, detail = %rejection.detail, "rejected");
        let event = rejected_event(delivery, &rejection, self.config.worker());
        match self.ledger.put_event(&event).await {
            Ok(()) => verdict(rejection),
            Err(error) => {
                tracing::error!(error = %Causes(&error), "the ledger is away: nothing is consumed until it is back");
                Verdict::Unavailable
            }
        }
    }
}

impl ReleaseHandler for Intake {
    /// A message is acknowledged only after the ledger has accepted it or the broker has confirmed its dead
    /// letter.
    async fn handle(&self, message: Delivered) -> Verdict {
        if let Some(why) = message.unreadable {
            let detail = format!("{why}; it lies in {} as it came", topology::DEAD_QUEUE);
            let rejection = Rejection::new(RejectionCode::DeadLettered, detail);
            return self.reject(&message, rejection, Verdict::Unreadable).await;
        }
        match self.accept(&message).await {
            Ok(Ok(())) => Verdict::Accepted,
            Ok(Err(rejection)) => self.reject(&message, rejection, Verdict::Reject).await,
            Err(error) => {
                tracing::error!(error = %Causes(&error), "the ledger is away");
                Verdict::Unavailable
            }
        }
    }

    async fn given_up(&self, message: Delivered, reason: &str) -> bool {
        // The release was sent again and accepted meanwhile. Its producer must not be told that it was
        // rejected.
        if let Some(id) = Said::of(&message.body).id
            && let Ok(Some(_)) = self.ledger.release_head(id).await
        {
            return true;
        }
        let detail = format!(
            "the broker gave up on it ({reason}) before a worker took it in; it lies in {}",
            topology::DEAD_QUEUE
        );
        let rejection = Rejection::new(RejectionCode::DeadLettered, detail);
        self.reject(&message, rejection, Verdict::Reject).await != Verdict::Unavailable
    }

    async fn ready(&self) -> bool {
        self.ledger.ready().await.is_ok()
    }
}

/// This worker's rules for a request that could be decoded.
fn check(
    request: &ReleaseRequest,
    delivery: &Delivered,
    config: &Config,
    now: Timestamp,
) -> Result<(), Rejection> {
    let key = topology::release_key(&request.environment, &request.service);
    let routing_key = &delivery.routing_key;
    if *routing_key != key {
        let detail =
            format!("published with the routing key {routing_key:?}, but the message is for {key:?}");
        return Err(Rejection::new(RejectionCode::WrongRoutingKey, detail));
    }
    let definition = config
        .definition(&request.environment, &request.service)
        .map_err(|error| {
            let code = match error {
                NotFound::UnknownService { .. } => RejectionCode::UnknownService,
                NotFound::UnknownEnvironment { .. } => RejectionCode::UnknownEnvironment,
            };
            Rejection::new(code, error.to_string())
        })?;
    let repository = request.image.repository();
    if !definition.images.iter().any(|allowed| allowed == repository) {
        let allowed = definition.images.join(", ");
        let detail = format!(
            "{repository} may not be released as {}; allowed: {allowed}",
            request.service
        );
        return Err(Rejection::new(RejectionCode::ImageNotAllowed, detail));
    }
    // A share of the fleet is not resolved here: preflight knows how many hosts it means.
    if let Err(detail) = definition.roll.tightened(&request.options, u32::MAX) {
        return Err(Rejection::new(RejectionCode::LessCareful, detail));
    }
    if let Some(approval) = definition.approval.filter(|_| delivery.user().is_none()) {
        let detail = format!(
            "{} needs approval by {}, and the message does not say who publishes it: it needs the property user_id, which \
             the broker checks",
            request.environment,
            approval.from.join(", ")
        );
        return Err(Rejection::new(RejectionCode::NoPublisher, detail));
    }
    if request.emergency.is_some() {
        let settings = config.settings();
        let may = settings.emergency_from();
        if !delivery.user().is_some_and(|user| may.contains(user)) {
            let who = delivery.user().unwrap_or("whoever published it");
            let detail = format!(
                "{who} may not let it pass every gate: [emergency] in the worker's file says who may"
            );
            return Err(Rejection::new(RejectionCode::NoEmergency, detail));
        }
    }
    if let Some(expires_at) = request.expires_at.filter(|expires_at| *expires_at <= now) {
        let detail = format!("expired at {expires_at}, now it is {now}; publish again");
        return Err(Rejection::new(RejectionCode::Expired, detail));
    }
    Ok(())
}

/// The journal's first entry, with its events.
fn first_entry(record: Record, worker: &str) -> (Entry, Vec<StatusEvent>) {
    let entry = Entry {
        n: 1,
        at: Timestamp::now(),
        record,
    };
    let events = match Release::begin(&entry) {
        Ok(release) => crate::events::of_entry(&release, &entry, 0, worker),
        Err(_) => Vec::new(),
    };
    (entry, events)
}

/// Why a number that leaps is refused, with the remedies.
fn leaps(request: &ReleaseRequest, highest: u64) -> String {
    let (environment, service) = (&request.environment, &request.service);
    let sequence = request.sequence.unwrap_or_default();
    format!(
        "sequence {sequence} lies more than {} above {highest}, the highest of {service} in {environment}: publish with the build's number, or \
         without one. If it is meant: --force, by somebody of [orders] in the worker's file; if builds are counted anew: \
         drawgate forget-sequence --environment {environment} --service {service} --reason WHY",
        limits::SEQUENCE_JUMP
    )
}

fn rejected_event(delivery: &Delivered, rejection: &Rejection, worker: &str) -> StatusEvent {
    let said = Said::of(&delivery.body);
    StatusEvent {
        id: Uuid::now_v7(),
        release: said.id,
        sequence: 0,
        at: Timestamp::now(),
        environment: said.environment,
        service: said.service,
        worker: worker.to_owned(),
        about: None,
        event: Event::Rejected {
            rejection: rejection.clone(),
            body_sha256: Rejection::body_sha256(&delivery.body),
        },
    }
}

/// The readable parts of a refused message, so that its sender learns of the rejection.
#[derive(Default)]
struct Said {
    id: Option<drawgate_schemas::ReleaseId>,
    environment: Option<drawgate_schemas::Environment>,
    service: Option<drawgate_schemas::Service>,
}

impl Said {
    fn of(body: &[u8]) -> Self {
        if body.len() > drawgate_schemas::limits::MESSAGE_BYTES {
            return Self::default();
        }
        let Ok(value) = serde_json::from_slice::<serde_json::Value>(body) else {
            return Self::default();
        };
        let text = |key: &str| value.get(key).and_then(serde_json::Value::as_str);
        Self {
            id: text("id").and_then(|text| text.parse().ok()),
            environment: text("environment").and_then(|text| text.parse().ok()),
            service: text("service").and_then(|text| text.parse().ok()),
        }
    }
}
