//! Exchanges and queues, as data, and their declaration. Declaring what exists with the same arguments is harmless.

use drawgate_schemas::topology::{
    CHAT_QUEUE, CONTROL_EXCHANGE, DEAD_EXCHANGE, DEAD_QUEUE, EVENTS_EXCHANGE, QUESTION_KEY,
    RELEASES_EXCHANGE, control_queue, releases_queue,
};
use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::protocol::{AMQPErrorKind, AMQPSoftError};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, Connection, ErrorKind, ExchangeKind};

use super::version::ServerVersion;
use super::{BusError, BusSettings, limits};

/// Kinds of event that chat is given: `accepted` for what it tells of the release, the others to be posted.
const CHAT_KINDS: [&str; 16] = [
    "accepted",
    "emergency",
    "held",
    "started",
    "paused",
    "continued",
    "cancelling",
    "host_sick",
    "sick_wait_over",
    "turned_back",
    "succeeded",
    "rolled_back",
    "cancelled",
    "failed",
    "needs_operator",
    "rejected",
];

/// What a connection needs to be there. Each declares its own part and nothing more: a queue that does not answer (no
/// leader, no majority) then stops nothing else, and without chat there is no chat queue that only fills.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// Releases and questions.
    Consuming,
    /// Events, dead letters, answers.
    Publishing,
    /// Events for chat.
    Chat,
}

/// A durable quorum queue.
#[derive(Debug, PartialEq)]
struct QueuePlan {
    name: String,
    arguments: FieldTable,
    /// Exchange and key.
    bindings: Vec<(&'static str, String)>,
}

fn exchanges() -> [(&'static str, ExchangeKind); 4] {
    [
        (RELEASES_EXCHANGE, ExchangeKind::Topic),
        (CONTROL_EXCHANGE, ExchangeKind::Topic),
        (EVENTS_EXCHANGE, ExchangeKind::Topic),
        (DEAD_EXCHANGE, ExchangeKind::Fanout),
    ]
}

/// Bounds on length are left to a policy (`infra/rabbitmq`): an argument could not be changed later.
fn queues(part: Part, settings: &BusSettings, version: &ServerVersion) -> Vec<QueuePlan> {
    let text = |text: &str| AMQPValue::LongString(text.into());
    let ttl = |ms: u32| AMQPValue::LongLongInt(i64::from(ms));
    // At-least-once dead-lettering asks for reject-publish; a message the broker gives up on is then not lost on its
    // way to drawgate.dead.
    let releases = [
        ("x-single-active-consumer", AMQPValue::Boolean(true)),
        ("x-overflow", text("reject-publish")),
        ("x-dead-letter-exchange", text(DEAD_EXCHANGE)),
        ("x-dead-letter-strategy", text("at-least-once")),
    ];
    let control = [("x-message-ttl", ttl(limits::QUESTION_TTL_MS))];
    // One at a time, or a later event could overtake an earlier one.
    let chat = [
        ("x-single-active-consumer", AMQPValue::Boolean(true)),
        ("x-message-ttl", ttl(limits::CHAT_TTL_MS)),
    ];
    let quorum = |arguments: &[(&str, AMQPValue)]| quorum(arguments, version);
    let routes = settings.routes.iter().map(|key| (RELEASES_EXCHANGE, key.clone()));
    let kinds = CHAT_KINDS
        .iter()
        .map(|kind| (EVENTS_EXCHANGE, format!("*.*.{kind}")));
    let queue = |name: &str, arguments, bindings| QueuePlan {
        name: name.to_owned(),
        arguments,
        bindings,
    };
    match part {
        Part::Consuming => vec![
            queue(
                &releases_queue(&settings.site),
                quorum(&releases),
                routes.collect(),
            ),
            queue(
                &control_queue(&settings.site),
                quorum(&control),
                vec![(CONTROL_EXCHANGE, QUESTION_KEY.to_owned())],
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

/// A delivery limit discards good messages in a long outage: there is none, whatever that takes.
fn quorum(more: &[(&str, AMQPValue)], version: &ServerVersion) -> FieldTable {
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    if version.major.is_some_and(|major| major >= 4) {
        arguments.insert("x-delivery-limit".into(), AMQPValue::LongLongInt(-1));
    }
    for (name, value) in more {
        arguments.insert((*name).into(), value.clone());
    }
    arguments
}

/// Declares a part over a channel of its own, because a refused declaration closes the channel.
pub(super) async fn declare(
    connection: &Connection,
    part: Part,
    settings: &BusSettings,
    version: &ServerVersion,
) -> Result<(), BusError> {
    let channel = connection
        .create_channel()
        .await
        .map_err(BusError::refused("open a channel"))?;
    for (name, kind) in exchanges() {
        let options = ExchangeDeclareOptions {
            durable: true,
            ..Default::default()
        };
        channel
            .exchange_declare(name.into(), kind, options, FieldTable::default())
            .await
            .map_err(|source| refused("exchange", name, source))?;
    }
    for queue in queues(part, settings, version) {
        declare_queue(&channel, queue).await?;
    }
    channel
        .close(200, "".into())
        .await
        .map_err(BusError::refused("close a channel"))
}

async fn declare_queue(channel: &Channel, queue: QueuePlan) -> Result<(), BusError> {
    let name = queue.name;
    let options = QueueDeclareOptions::durable();
    channel
        .queue_declare(name.as_str().into(), options, queue.arguments)
        .await
        .map_err(|source| refused("queue", &name, source))?;
    for (exchange, key) in queue.bindings {
        channel
            .queue_bind(
                name.as_str().into(),
                exchange.into(),
                key.into(),
                QueueBindOptions::default(),
                FieldTable::default(),
            )
            .await
            .map_err(BusError::refused("bind a queue"))?;
    }
    Ok(())
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
            prefetch: 1,
        };
        let version = ServerVersion::new(version);
        [Part::Consuming, Part::Publishing, Part::Chat]
            .into_iter()
            .flat_map(|part| queues(part, &settings, &version))
            .collect()
    }

    #[test]
    fn no_queue_has_a_delivery_limit() {
        let limits = |version| -> Vec<Option<AMQPValue>> {
            plans(version)
                .iter()
                .map(|queue| queue.arguments.inner().get("x-delivery-limit").cloned())
                .collect()
        };
        for version in ["3.10.8", "3.13.7", "", "unknown"] {
            assert_eq!(
                limits(version),
                [None, None, None, None],
                "{version}: the default, which is none"
            );
        }
        for version in ["4.0.1", "4.1.0", "5.0.0"] {
            let unlimited = vec![Some(AMQPValue::LongLongInt(-1)); 4];
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
