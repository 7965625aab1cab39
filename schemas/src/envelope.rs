//! The envelope of a status event: CloudEvents 1.0 in JSON, structured mode (CloudEvents specification 1.0.2; "JSON Event
//! Format for CloudEvents"). Its content type on the bus is [`CONTENT_TYPE`].
//!
//! ```text
//! StatusEvent { id, at, worker, … }  <->  { "specversion": "1.0", "id": …, "source": …, "type": "drawgate.started",
//!                                           "subject": "staging/search-api/0190…", "time": …, "data": { … } }
//! ```
//!
//! Unlike requests, events are read leniently: a consumer passes over fields and kinds of event that a newer worker adds
//! (decision record 0004). Events of drawgate 0.2.0, which a ledger may have kept, had no envelope; they are read too.

use std::borrow::Cow;

use jiff::Timestamp;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use uuid::Uuid;

use crate::event::Event;
use crate::name::{Environment, ReleaseId, Service};
use crate::request::Version1;

/// The content type of an event on the bus.
pub const CONTENT_TYPE: &str = "application/cloudevents+json";

/// One thing that happened to one release, or to a target.
#[derive(Debug, Clone, PartialEq)]
pub struct StatusEvent {
    /// The event's id; the same when an event is sent twice.
    pub id: Uuid,
    /// When it happened, by the worker's clock.
    pub at: Timestamp,
    /// The name of the worker that sent the event.
    pub worker: String,
    /// The release's id. Absent in a `rejected` event about a message whose id could not be read, and in
    /// events that are about a target.
    pub release: Option<ReleaseId>,
    /// The event's number among the events of its release: 1, 2, 3, … without a gap. 0 in `rejected` events,
    /// which belong to a message and not to a release, and in events that are about a target.
    pub sequence: u64,
    /// The environment of the target; absent where it could not be read from the message.
    pub environment: Option<Environment>,
    /// The service of the target; absent where it could not be read from the message.
    pub service: Option<Service>,
    /// What a person wants to know of the release beside the event; absent where there is no release.
    pub about: Option<About>,
    /// The event itself: its kind and the facts that belong to it.
    pub event: Event,
}

/// What a person wants to know of a release, in each of its events: a consumer needs no other event, and no ledger.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct About {
    /// The name of the version that the release rolls out.
    pub to: String,
    /// The name of the version that ran before; absent until the fleet was inspected, and where nothing ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Who asked for the release, as the sender named them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_by: Option<String>,
    /// The build's number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build: Option<String>,
    /// The link to the build.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build_url: Option<String>,
}

/// A status event as it is written: CloudEvents 1.0, structured mode.
#[derive(Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "StatusEvent")]
struct CloudEvent {
    /// The version of the CloudEvents specification: always 1.0.
    specversion: SpecVersion,
    /// The event's id, a UUID; the same when an event is sent twice. With `source` it is unique.
    id: Uuid,
    /// The worker that sent the event: `/drawgate/workers/<name>`.
    source: String,
    /// The kind of event: `drawgate.<kind>`, where the kind is the last word of the routing key too.
    #[serde(rename = "type")]
    kind: String,
    /// `<environment>/<service>/<release>`, without the release in events that are about a target; absent where the message
    /// could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    /// When it happened, by the worker's clock.
    time: Timestamp,
    /// Always `application/json`.
    datacontenttype: String,
    /// What happened.
    data: Data,
}

/// What happened, and to what.
#[derive(Serialize, Deserialize, JsonSchema)]
struct Data {
    /// The version of `data`: always 1.
    version: Version1,
    /// The name of the worker that sent the event.
    worker: String,
    /// The release's id. Absent in a `rejected` event about a message whose id could not be read, and in
    /// events that are about a target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    release: Option<ReleaseId>,
    /// The event's number among the events of its release: 1, 2, 3, … without a gap. 0 in `rejected` events,
    /// which belong to a message and not to a release, and in events that are about a target.
    sequence: u64,
    /// The environment of the target; absent where it could not be read from the message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    environment: Option<Environment>,
    /// The service of the target; absent where it could not be read from the message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    service: Option<Service>,
    /// What a person wants to know of the release beside the event; absent where there is no release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    about: Option<About>,
    /// The event itself: its kind and the facts that belong to it.
    event: Event,
}

/// The version of the CloudEvents specification.
#[derive(Serialize, Deserialize, JsonSchema)]
enum SpecVersion {
    #[serde(rename = "1.0")]
    V1,
}

impl StatusEvent {
    fn subject(&self) -> Option<String> {
        let target = format!("{}/{}", self.environment.as_ref()?, self.service.as_ref()?);
        Some(match self.release {
            Some(release) => format!("{target}/{release}"),
            None => target,
        })
    }
}

impl From<&StatusEvent> for CloudEvent {
    fn from(event: &StatusEvent) -> Self {
        Self {
            specversion: SpecVersion::V1,
            id: event.id,
            source: format!("/drawgate/workers/{}", event.worker),
            kind: format!("drawgate.{}", event.event.kind().name()),
            subject: event.subject(),
            time: event.at,
            datacontenttype: "application/json".to_owned(),
            data: Data {
                version: Version1,
                worker: event.worker.clone(),
                release: event.release,
                sequence: event.sequence,
                environment: event.environment.clone(),
                service: event.service.clone(),
                about: event.about.clone(),
                event: event.event.clone(),
            },
        }
    }
}

impl StatusEvent {
    fn of(id: Uuid, at: Timestamp, data: Data) -> Self {
        Self {
            id,
            at,
            worker: data.worker,
            release: data.release,
            sequence: data.sequence,
            environment: data.environment,
            service: data.service,
            about: data.about,
            event: data.event,
        }
    }
}

impl Serialize for StatusEvent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        CloudEvent::from(self).serialize(serializer)
    }
}

/// An event as drawgate 0.2.0 wrote it: without an envelope.
#[derive(Deserialize)]
struct Bare {
    id: Uuid,
    at: Timestamp,
    #[serde(flatten)]
    data: Data,
}

impl<'de> Deserialize<'de> for StatusEvent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = serde_json::Value::deserialize(deserializer)?;
        if json.get("specversion").is_some() {
            let CloudEvent { id, time, data, .. } =
                serde_json::from_value(json).map_err(de::Error::custom)?;
            return Ok(Self::of(id, time, data));
        }
        let Bare { id, at, data } = serde_json::from_value(json).map_err(de::Error::custom)?;
        Ok(Self::of(id, at, data))
    }
}

impl JsonSchema for StatusEvent {
    fn schema_name() -> Cow<'static, str> {
        CloudEvent::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        CloudEvent::json_schema(generator)
    }
}
