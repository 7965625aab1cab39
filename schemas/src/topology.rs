//! Names on the broker: exchanges, queues, routing keys, headers.

use crate::envelope::StatusEvent;
use crate::name::{Environment, Service, Site};

/// Topic exchange for release requests, with the routing key `<environment>.<service>`.
pub const RELEASES_EXCHANGE: &str = "drawgate.releases";
/// Topic exchange for questions and control commands.
pub const CONTROL_EXCHANGE: &str = "drawgate.control";
/// Topic exchange for status events, with the routing key `<environment>.<service>.<event>`.
pub const EVENTS_EXCHANGE: &str = "drawgate.events";
/// Fanout exchange in front of the dead-letter queue.
pub const DEAD_EXCHANGE: &str = "drawgate.dead";
/// Queue of the messages that were refused for good.
pub const DEAD_QUEUE: &str = "drawgate.dead";
/// Queue of the events that are posted to chat.
pub const CHAT_QUEUE: &str = "drawgate.chat";
/// Routing key of questions: the workers of every site hear them.
pub const QUESTION_KEY: &str = "question";
/// RabbitMQ's direct reply-to pseudo-queue ("Direct Reply-to" in the RabbitMQ guides).
pub const REPLY_QUEUE: &str = "amq.rabbitmq.reply-to";

/// Content type of every message.
pub const CONTENT_TYPE: &str = "application/json";

/// Header of a dead letter: the code of the rejection.
pub const HEADER_REASON: &str = "x-drawgate-reason";
/// Header of a dead letter: what is wrong with the message, and what would be right.
pub const HEADER_DETAIL: &str = "x-drawgate-detail";
/// Header of a dead letter: the routing key that the message came with.
pub const HEADER_ROUTING_KEY: &str = "x-drawgate-routing-key";
/// Header of a dead letter: the worker that refused it.
pub const HEADER_WORKER: &str = "x-drawgate-worker";
/// Header of a dead letter: the user who published it, as the broker has checked it.
pub const HEADER_USER_ID: &str = "x-drawgate-user-id";
/// Header of a dead letter: when the worker refused it.
pub const HEADER_REJECTED_AT: &str = "x-drawgate-rejected-at";
/// Header of a replayed release request: the user who published the original message. It is for people to
/// read and proves nothing. The user who replays it is in the property `user_id`, which the broker checks.
pub const HEADER_ORIGINAL_USER_ID: &str = "x-drawgate-original-user-id";

/// Name of a site's queue of release requests.
pub fn releases_queue(site: &Site) -> String {
    format!("drawgate.releases.{site}")
}

/// Name of a site's queue of dead-letter copies. A worker reports those on which the broker gave up, and
/// drops the others.
pub fn dead_copies_queue(site: &Site) -> String {
    format!("drawgate.dead.{site}")
}

/// Name of a site's queue of questions and control commands.
pub fn control_queue(site: &Site) -> String {
    format!("drawgate.control.{site}")
}

/// Routing key of a release request: `<environment>.<service>`.
pub fn release_key(environment: &Environment, service: &Service) -> String {
    format!("{environment}.{service}")
}

/// Routing key of a status event: `<environment>.<service>.<event>`. `_` replaces a part that could not be
/// read from a rejected message.
pub fn event_key(event: &StatusEvent) -> String {
    let environment = event.environment.as_ref().map_or("_", Environment::as_str);
    let service = event.service.as_ref().map_or("_", Service::as_str);
    format!("{environment}.{service}.{}", event.event.kind().name())
}
