//! Settings of the Kafka clients of tasks: Connect's defaults, then the worker's `producer.`, `consumer.` and `admin.`
//! keys, then the connector's `.override.` keys (data plane 3.1 and 5.1).

use rdkafka::config::ClientConfig;
use sluice_api::config::Props;
use sluice_api::{ConnectError, Result};

use super::task_context::TaskContext;
use crate::kafka_client::{ClientKind, librdkafka_config};

/// Memory that a producer may hold (`buffer.memory` of the Java producer).
const PRODUCER_BUFFER_KBYTES: &str = "32768";
/// Records that a producer may hold. librdkafka keeps some 250 bytes beside each, more than a short record has.
const PRODUCER_BUFFER_MESSAGES: &str = "50000";
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

fn to_librdkafka(kind: ClientKind, context: &TaskContext, own: &Props) -> Result<ClientConfig> {
    librdkafka_config(kind, &context.settings.worker_props, own)
        .map_err(|error| ConnectError::config(error.to_string()))
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
    let mut own = fixed(&[
        ("client.id", "connector-producer".to_owned()),
        ("acks", "all".to_owned()),
        ("max.in.flight.requests.per.connection", "1".to_owned()),
        ("delivery.timeout.ms", i32::MAX.to_string()),
        ("enable.idempotence", "false".to_owned()),
    ]);
    overlay(&mut own, &context.settings.worker_props, "producer.");
    overlay(&mut own, &context.connector_props, "producer.override.");
    let mut config = to_librdkafka(ClientKind::Producer, context, &own)?;
    set_default(
        &mut config,
        "queue.buffering.max.kbytes",
        PRODUCER_BUFFER_KBYTES,
    );
    set_default(
        &mut config,
        "queue.buffering.max.messages",
        PRODUCER_BUFFER_MESSAGES,
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
    let mut config = to_librdkafka(ClientKind::Consumer, context, &own)?;
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

/// Settings of the admin client of a task.
pub fn admin_config(context: &TaskContext) -> Result<ClientConfig> {
    let mut own = fixed(&[("client.id", format!("connector-adminclient-{}", context.id))]);
    overlay(&mut own, &context.settings.worker_props, "admin.");
    overlay(&mut own, &context.connector_props, "admin.override.");
    to_librdkafka(ClientKind::Admin, context, &own)
}
