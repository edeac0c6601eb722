//! Settings of the Kafka clients of tasks: Connect's defaults, then the worker's `producer.`, `consumer.` and `admin.`
//! keys, then the connector's `.override.` keys (data plane 3.1 and 5.1).

use rdkafka::config::ClientConfig;
use sluice_api::config::Props;
use sluice_api::{ConnectError, Result};
use sluice_protocol::{ConnectorName, ConnectorTaskId};

use super::task_context::TaskContext;
use crate::kafka_client::{ClientKind, librdkafka_config};

/// Memory that a producer may hold (`buffer.memory` of the Java producer).
const PRODUCER_BUFFER_KBYTES: &str = "32768";
/// Bytes that a consumer fetches ahead. librdkafka's 64 MB times a thousand tasks would be too much.
const CONSUMER_QUEUE_KBYTES: &str = "16384";
/// Records that a consumer fetches ahead per partition.
const CONSUMER_QUEUE_MESSAGES: &str = "20000";

fn overlay(own: &mut Props, from: &Props, prefix: &str) {
    for (key, value) in from {
        if let Some(name) = key.strip_prefix(prefix) {
            own.insert(name.to_owned(), value.clone());
        }
    }
}

fn fixed(pairs: &[(&str, String)]) -> Props {
    pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), value.clone()))
        .collect()
}

fn to_librdkafka(kind: ClientKind, worker: &Props, own: &Props) -> Result<ClientConfig> {
    librdkafka_config(kind, worker, own).map_err(|error| ConnectError::config(error.to_string()))
}

fn set_default(config: &mut ClientConfig, name: &str, value: &str) {
    if config.get(name).is_none() {
        config.set(name, value);
    }
}

/// Settings of the producer of a source task.
///
/// The client id names the task only if a user sets one: tasks with equal settings share a producer.
pub fn producer_config(context: &TaskContext) -> Result<ClientConfig> {
    base_producer_config(
        &context.settings.worker_props,
        &context.connector_props,
        "connector-producer",
    )
}

/// Settings of the producer of an exactly-once source task; what would break its transactions is overruled.
pub fn transactional_producer_config(
    worker: &Props,
    connector: &Props,
    id: &ConnectorTaskId,
    transactional_id: &str,
) -> Result<ClientConfig> {
    let mut config = base_producer_config(worker, connector, &format!("connector-producer-{id}"))?;
    for (key, needed) in [
        ("transactional.id", transactional_id),
        ("enable.idempotence", "true"),
    ] {
        let given = connector.get(&format!("producer.override.{key}"));
        if given.is_some_and(|given| given != needed) {
            tracing::warn!(task = %id, key, "the connector's setting is replaced, exactly-once needs its own");
        }
        config.set(key, needed);
    }
    // librdkafka bounds the delivery of a record by the transaction's timeout, and refuses a longer time.
    config.remove("delivery.timeout.ms");
    Ok(config)
}

/// Settings of the producer of a sink task's dead letter queue.
pub fn dead_letter_producer_config(context: &TaskContext) -> Result<ClientConfig> {
    base_producer_config(
        &context.settings.worker_props,
        &context.connector_props,
        "connector-dlq-producer",
    )
}

fn base_producer_config(
    worker: &Props,
    connector: &Props,
    client_id: &str,
) -> Result<ClientConfig> {
    let mut own = fixed(&[
        ("client.id", client_id.to_owned()),
        ("acks", "all".to_owned()),
        ("max.in.flight.requests.per.connection", "1".to_owned()),
        ("delivery.timeout.ms", i32::MAX.to_string()),
        ("enable.idempotence", "false".to_owned()),
    ]);
    overlay(&mut own, worker, "producer.");
    overlay(&mut own, connector, "producer.override.");
    let mut config = to_librdkafka(ClientKind::Producer, worker, &own)?;
    set_default(
        &mut config,
        "queue.buffering.max.kbytes",
        PRODUCER_BUFFER_KBYTES,
    );
    Ok(config)
}

/// Settings of the consumer of a sink task, and its `max.poll.records`.
pub fn consumer_config(context: &TaskContext) -> Result<(ClientConfig, usize)> {
    let id = &context.id;
    let mut own = fixed(&[
        ("group.id", format!("connect-{}", id.connector)),
        ("client.id", format!("connector-consumer-{id}")),
        ("enable.auto.commit", "false".to_owned()),
        ("auto.offset.reset", "earliest".to_owned()),
    ]);
    overlay(&mut own, &context.settings.worker_props, "consumer.");
    overlay(&mut own, &context.connector_props, "consumer.override.");
    let max_poll_records = own
        .get("max.poll.records")
        .map(|text| {
            text.trim().parse::<usize>().ok().filter(|count| *count > 0).ok_or_else(|| {
                ConnectError::config(format!(
                    "Invalid value {text} for configuration max.poll.records: Value must be at least 1"
                ))
            })
        })
        .transpose()?
        .unwrap_or(500);
    let mut config = to_librdkafka(ClientKind::Consumer, &context.settings.worker_props, &own)?;
    set_default(
        &mut config,
        "queued.max.messages.kbytes",
        CONSUMER_QUEUE_KBYTES,
    );
    set_default(&mut config, "queued.min.messages", CONSUMER_QUEUE_MESSAGES);
    // As the Java consumer: reading from a topic that does not exist lets the broker create it, if it may.
    set_default(&mut config, "allow.auto.create.topics", "true");
    // With a small queue the default second of waiting when it is full would be felt.
    set_default(&mut config, "fetch.queue.backoff.ms", "5");
    Ok((config, max_poll_records))
}

/// Properties of the clients of a connector's own offsets topic.
pub struct OffsetClients {
    /// Of all, and of the admin client.
    pub base: Props,
    /// Of the consumer, over `base`.
    pub consumer: Props,
    /// Of the producer, over `base`.
    pub producer: Props,
}

/// Properties of admin calls on behalf of a connector.
pub fn connector_admin_props(worker: &Props, connector_props: &Props) -> Props {
    let mut props = worker.clone();
    overlay(&mut props, worker, "admin.");
    overlay(&mut props, connector_props, "admin.override.");
    props
}

/// Properties of the clients of a connector's own offsets topic; with exactly-once only committed offsets are read,
/// without it a connector may ask for others.
pub fn offset_clients(
    worker: &Props,
    connector_props: &Props,
    connector: &ConnectorName,
    exactly_once: bool,
) -> OffsetClients {
    let isolation = ("isolation.level", "read_committed".to_owned());
    let base = connector_admin_props(worker, connector_props);
    let mut consumer = fixed(std::slice::from_ref(&isolation));
    overlay(&mut consumer, worker, "consumer.");
    overlay(&mut consumer, connector_props, "consumer.override.");
    if exactly_once {
        if consumer.get(isolation.0) != Some(&isolation.1) {
            tracing::warn!(
                %connector,
                "the offsets of an exactly-once connector are read committed, whatever its consumer settings say"
            );
        }
        consumer.insert(isolation.0.to_owned(), isolation.1);
    }
    let mut producer = Props::new();
    overlay(&mut producer, worker, "producer.");
    overlay(&mut producer, connector_props, "producer.override.");
    for transactional in ["transactional.id", "enable.idempotence"] {
        producer.shift_remove(transactional);
    }
    OffsetClients {
        base,
        consumer,
        producer,
    }
}

/// Settings of the admin client of a task.
pub fn admin_config(context: &TaskContext) -> Result<ClientConfig> {
    named_admin_config(context, "connector-adminclient")
}

/// Settings of the admin client that creates the topic of a dead letter queue.
pub fn dead_letter_admin_config(context: &TaskContext) -> Result<ClientConfig> {
    named_admin_config(context, "connector-dlq-adminclient")
}

fn named_admin_config(context: &TaskContext, name: &str) -> Result<ClientConfig> {
    let mut own = fixed(&[("client.id", format!("{name}-{}", context.id))]);
    overlay(&mut own, &context.settings.worker_props, "admin.");
    overlay(&mut own, &context.connector_props, "admin.override.");
    to_librdkafka(ClientKind::Admin, &context.settings.worker_props, &own)
}
