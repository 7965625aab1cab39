//! Exchanges and queues, as data, and their declaration. Declaring again with the same arguments is harmless.

use drawgate_schemas::topology::{
    CHAT_QUEUE, CONTROL_EXCHANGE, DEAD_EXCHANGE, DEAD_QUEUE, EVENTS_EXCHANGE, QUESTION_KEY,
    RELEASES_EXCHANGE, control_queue, dead_copies_queue, releases_queue,
};
use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::protocol::{AMQPErrorKind, AMQPSoftError};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, Connection, ErrorKind, ExchangeKind};

use super::version::ServerVersion;
use super::{BusError, BusSettings, limits};
use crate::error_chain;

/// The argument that says how often a quorum queue delivers a message before it discards or dead-letters it.
const DELIVERY_LIMIT: &str = "x-delivery-limit";

/// The exchanges and queues that one connection needs. Each connection declares only its own part. A queue
/// that does not answer (no leader, no majority) or an exchange of another type then stops nothing else, and
/// a worker without chat leaves no chat queue that only fills.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Releases,
    /// Questions and control commands, and copies of dead letters.
    Control,
    /// Events, dead letters, answers.
    Publishing,
    /// Events for chat.
    Chat,
}

/// A durable quorum queue.
#[derive(Debug, PartialEq)]
struct QueuePlan {
    name: String,
    /// Without a delivery limit, as a worker on RabbitMQ 3 declares the queue.
    arguments: FieldTable,
    /// Whether the declaration takes off the broker's own delivery limit.
    takes_limit_off: bool,
    /// Pairs of exchange and binding key.
    bindings: Vec<(&'static str, String)>,
}

fn exchanges(part: Part) -> Vec<(&'static str, ExchangeKind)> {
    let dead = (DEAD_EXCHANGE, ExchangeKind::Fanout);
    let events = (EVENTS_EXCHANGE, ExchangeKind::Topic);
    match part {
        Part::Releases => vec![(RELEASES_EXCHANGE, ExchangeKind::Topic), dead],
        Part::Control => vec![(CONTROL_EXCHANGE, ExchangeKind::Topic), dead],
        Part::Publishing => vec![events, dead],
        Part::Chat => vec![events],
    }
}

/// Limits on length and deliveries are left to policies (`infra/rabbitmq`), because an argument cannot be
/// changed later.
fn queues(part: Part, settings: &BusSettings, version: &ServerVersion) -> Vec<QueuePlan> {
    let text = |text: &str| AMQPValue::LongString(text.into());
    let ttl = |ms: u32| AMQPValue::LongLongInt(i64::from(ms));
    // At-least-once dead-lettering requires reject-publish. A message the broker gives up on is then not lost
    // on its way to drawgate.dead.
    let releases = [
        ("x-single-active-consumer", AMQPValue::Boolean(true)),
        ("x-overflow", text("reject-publish")),
        ("x-dead-letter-exchange", text(DEAD_EXCHANGE)),
        ("x-dead-letter-strategy", text("at-least-once")),
    ];
    let control = [("x-message-ttl", ttl(limits::QUESTION_TTL_MS))];
    let copies = [("x-message-ttl", ttl(limits::DEAD_COPIES_TTL_MS))];
    // A single active consumer, because with two a later event could overtake an earlier one.
    let chat = [
        ("x-single-active-consumer", AMQPValue::Boolean(true)),
        ("x-message-ttl", ttl(limits::CHAT_TTL_MS)),
    ];
    let routes = settings.routes.iter().map(|key| (RELEASES_EXCHANGE, key.clone()));
    let kinds = settings
        .chat_kinds
        .iter()
        .map(|kind| (EVENTS_EXCHANGE, format!("*.*.{}", kind.name())));
    let queue = |name: &str, arguments, bindings| QueuePlan {
        name: name.to_owned(),
        arguments,
        takes_limit_off: version.has_a_limit_of_its_own(),
        bindings,
    };
    match part {
        Part::Releases => vec![queue(
            &releases_queue(&settings.site),
            quorum(&releases),
            routes.collect(),
        )],
        Part::Control => vec![
            queue(
                &control_queue(&settings.site),
                quorum(&control),
                vec![(CONTROL_EXCHANGE, QUESTION_KEY.to_owned())],
            ),
            queue(
                &dead_copies_queue(&settings.site),
                quorum(&copies),
                vec![(DEAD_EXCHANGE, String::new())],
            ),
        ],
        Part::Publishing => vec![queue(
            DEAD_QUEUE,
            quorum(&[]),
            vec![(DEAD_EXCHANGE, String::new())],
        )],
        Part::Chat => vec![queue(CHAT_QUEUE, quorum(&chat), kinds.collect())],
    }
}

impl QueuePlan {
    /// The arguments for a new queue. RabbitMQ 4's own limit of 20 deliveries would discard good messages in
    /// a long outage, so it is taken off and a policy sets a limit that is high enough. (-1 gives way to a
    /// policy; leaving the argument out does not.)
    fn todays_arguments(&self) -> FieldTable {
        let mut arguments = self.arguments.clone();
        if self.takes_limit_off {
            take_limit_off(&mut arguments);
        }
        arguments
    }
}

pub(super) fn take_limit_off(arguments: &mut FieldTable) {
    arguments.insert(DELIVERY_LIMIT.into(), AMQPValue::LongLongInt(-1));
}

pub(super) fn quorum(more: &[(&str, AMQPValue)]) -> FieldTable {
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    for (name, value) in more {
        arguments.insert((*name).into(), value.clone());
    }
    arguments
}

/// How a part's queue was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Declared {
    /// The queue has this worker's arguments.
    Ours {
        /// Whether the broker's own delivery limit was taken off when the queue was made. False under
        /// RabbitMQ 3, which has none.
        limit_taken_off: bool,
    },
    /// The queue has other arguments: how it treats refused messages is unknown.
    Others,
}

/// Declares a part. An existing queue is used as it is: its arguments were fixed when it was made, perhaps
/// under another version of RabbitMQ or of this worker.
pub(super) async fn declare(
    connection: &Connection,
    part: Part,
    settings: &BusSettings,
    version: &ServerVersion,
) -> Result<Declared, BusError> {
    let channel = open(connection).await?;
    for (name, kind) in exchanges(part) {
        let options = ExchangeDeclareOptions {
            durable: true,
            ..Default::default()
        };
        channel
            .exchange_declare(name.into(), kind, options, FieldTable::default())
            .await
            .map_err(|source| refused("exchange", name, source))?;
    }
    close(channel).await?;
    let mut declared = Declared::Others;
    for queue in queues(part, settings, version) {
        declared = declare_queue(connection, queue).await?;
    }
    Ok(declared)
}

async fn declare_queue(connection: &Connection, queue: QueuePlan) -> Result<Declared, BusError> {
    let name = queue.name.as_str();
    let declared = match declare_as(connection, name, queue.todays_arguments()).await {
        Ok(channel) => {
            bind(&channel, &queue).await?;
            let limit_taken_off = queue.takes_limit_off;
            return close(channel).await.map(|()| Declared::Ours { limit_taken_off });
        }
        Err(BusError::OtherArguments { source, .. }) => taken_as_it_is(connection, &queue, source).await?,
        Err(error) => return Err(error),
    };
    let channel = open(connection).await?;
    bind(&channel, &queue).await?;
    close(channel).await.map(|()| declared)
}

/// Finds out how an existing queue with other arguments than today's was declared.
async fn taken_as_it_is(
    connection: &Connection,
    queue: &QueuePlan,
    why: lapin::Error,
) -> Result<Declared, BusError> {
    let name = queue.name.as_str();
    if queue.takes_limit_off
        && let Ok(channel) = declare_as(connection, name, queue.arguments.clone()).await
    {
        close(channel).await?;
        tracing::info!(
            queue = name,
            "the queue was made under RabbitMQ 3, and is kept: RabbitMQ 4 discards a message after 20 deliveries unless a \
             policy says more (infra/rabbitmq; `drawgate ping` says which limit acts)"
        );
        return Ok(Declared::Ours {
            limit_taken_off: false,
        });
    }
    let channel = open(connection).await?;
    let options = QueueDeclareOptions {
        passive: true,
        ..QueueDeclareOptions::durable()
    };
    channel
        .queue_declare(name.into(), options, FieldTable::default())
        .await
        .map_err(|source| refused("queue", name, source))?;
    close(channel).await?;
    tracing::warn!(
        queue = name,
        "the queue has other arguments than this worker would give it, and is used as it is: {}. The worker makes it anew \
         where somebody deletes it while it is empty (`rabbitmqctl delete_queue {name} --if-empty`)",
        error_chain(&why)
    );
    Ok(Declared::Others)
}

/// Declares a queue over a channel of its own, because a refused declaration closes the channel.
async fn declare_as(connection: &Connection, name: &str, arguments: FieldTable) -> Result<Channel, BusError> {
    let channel = open(connection).await?;
    channel
        .queue_declare(name.into(), QueueDeclareOptions::durable(), arguments)
        .await
        .map_err(|source| refused("queue", name, source))?;
    Ok(channel)
}

async fn bind(channel: &Channel, queue: &QueuePlan) -> Result<(), BusError> {
    for (exchange, key) in &queue.bindings {
        channel
            .queue_bind(
                queue.name.as_str().into(),
                (*exchange).into(),
                key.as_str().into(),
                QueueBindOptions::default(),
                FieldTable::default(),
            )
            .await
            .map_err(BusError::refused("bind a queue"))?;
    }
    Ok(())
}

async fn open(connection: &Connection) -> Result<Channel, BusError> {
    connection
        .create_channel()
        .await
        .map_err(BusError::refused("open a channel"))
}

async fn close(channel: Channel) -> Result<(), BusError> {
    channel
        .close(200, "".into())
        .await
        .map_err(BusError::refused("close a channel"))
}

fn refused(kind: &'static str, name: &str, source: lapin::Error) -> BusError {
    if is_soft(&source, AMQPSoftError::PRECONDITIONFAILED) {
        BusError::OtherArguments {
            kind,
            name: name.to_owned(),
            source,
        }
    } else {
        BusError::Refused {
            operation: "declare an exchange or a queue",
            source,
        }
    }
}

/// Whether the broker closed a channel for this reason.
pub(super) fn is_soft(error: &lapin::Error, reason: AMQPSoftError) -> bool {
    match error.kind() {
        ErrorKind::ProtocolError(error) => *error.kind() == AMQPErrorKind::Soft(reason),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plans(version: &str) -> Vec<QueuePlan> {
        let settings = BusSettings {
            url: String::new(),
            password_file: None,
            site: "a".parse().unwrap(),
            worker: "w".to_owned(),
            routes: vec!["staging.*".to_owned(), "production.*".to_owned()],
            chat_kinds: vec![drawgate_schemas::Kind::Succeeded],
        };
        let version = ServerVersion::new(version);
        [Part::Releases, Part::Control, Part::Publishing, Part::Chat]
            .into_iter()
            .flat_map(|part| queues(part, &settings, &version))
            .collect()
    }

    #[test]
    fn no_queue_has_a_delivery_limit() {
        let limits = |version| -> Vec<Option<AMQPValue>> {
            plans(version)
                .iter()
                .map(|queue| queue.todays_arguments().inner().get(DELIVERY_LIMIT).cloned())
                .collect()
        };
        for version in ["3.10.8", "3.13.7", "", "unknown"] {
            assert_eq!(
                limits(version),
                [None, None, None, None, None],
                "{version}: the default, which is none"
            );
        }
        for version in ["4.0.1", "4.1.0", "5.0.0"] {
            let unlimited = vec![Some(AMQPValue::LongLongInt(-1)); 5];
            assert_eq!(limits(version), unlimited, "{version}: the default would be 20");
        }
    }

    #[test]
    fn queues_are_named_and_bound_as_the_contract_says() {
        let plans = plans("3.10.8");
        let names: Vec<&str> = plans.iter().map(|queue| queue.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "drawgate.releases.a",
                "drawgate.control.a",
                "drawgate.dead.a",
                "drawgate.dead",
                "drawgate.chat"
            ]
        );
        let keys: Vec<&str> = plans[0].bindings.iter().map(|(_, key)| key.as_str()).collect();
        assert_eq!(keys, ["staging.*", "production.*"]);
        let releases = plans[0].arguments.inner();
        assert_eq!(
            releases.get("x-overflow"),
            Some(&AMQPValue::LongString("reject-publish".into()))
        );
        assert_eq!(
            releases.get("x-single-active-consumer"),
            Some(&AMQPValue::Boolean(true))
        );
    }
}
