//! Settings of the Kafka clients of connectors.
//!
//! What a client has, later ones win:
//!
//! * the producer of a task, of dead letters, of a connector's own offsets topic: `bootstrap.servers` of the
//!   worker, Connect's defaults, `producer.` keys of the worker, `producer.override.` keys of the connector;
//! * the consumer of a task, of a connector's own offsets topic: the same with `consumer.`;
//! * the admin client (topics, dead letters, offsets, fencing): the worker's keys without prefix, `admin.`
//!   keys of the worker, `admin.override.` keys of the connector.
//!
//! Nothing else of the worker's file reaches them (`Worker.baseProducerConfigs`, `baseConsumerConfigs`,
//! `adminConfigs`). Unlike Kafka's, an admin client that the connector sends to other servers does not have
//! the worker's own credentials: whoever may create a connector could ask for them.

use rdkafka::config::ClientConfig;
use sluice_api::config::Props;
use sluice_api::{ConnectError, Result};
use sluice_kafka::client::config::librdkafka_config;
use sluice_kafka::client::keys::ClientKind;
use sluice_kafka::client::keys::{OffsetReset, offset_reset};
use sluice_kafka::wire::bootstrap;
use sluice_protocol::{ConnectorName, ConnectorTaskId};

use super::task_context::TaskContext;
use crate::settings::{ClientProps, ConnectorSettings, WorkerSettings};
use crate::storage::kafka_based_log::LogClients;

/// Memory that a producer may hold (`buffer.memory` of the Java producer).
const PRODUCER_BUFFER_KBYTES: &str = "32768";
/// Bytes that a consumer fetches ahead. librdkafka's 64 MB times a thousand tasks would be too much.
const CONSUMER_QUEUE_KBYTES: &str = "16384";
/// Records that a consumer fetches ahead per partition.
const CONSUMER_QUEUE_MESSAGES: &str = "20000";

/// Where a client finds its cluster.
const SERVERS: &str = "bootstrap.servers";
/// Beginnings of keys that hold credentials, or say where they are.
const CREDENTIALS: [&str; 5] = [
    "sasl.jaas.config",
    "sasl.oauthbearer.",
    "sasl.login.",
    "ssl.key.",
    "ssl.keystore.",
];

/// Puts keys over those that are there.
fn overlay(own: &mut Props, over: &Props) {
    own.extend(over.iter().map(|(key, value)| (key.clone(), value.clone())));
}

fn fixed(pairs: &[(&str, String)]) -> Props {
    pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), value.clone()))
        .collect()
}

fn to_librdkafka(kind: ClientKind, base: &Props, own: &Props) -> Result<ClientConfig> {
    librdkafka_config(kind, base, own).map_err(|error| ConnectError::config(error.to_string()))
}

/// What producers and consumers of connectors have of the worker's keys without prefix.
fn servers(worker: &Props) -> Props {
    let servers = worker.get_key_value(SERVERS);
    servers
        .map(|(key, value)| (key.clone(), value.clone()))
        .into_iter()
        .collect()
}

fn set_default(config: &mut ClientConfig, name: &str, value: &str) {
    if config.get(name).is_none() {
        config.set(name, value);
    }
}

/// Settings of the producer of a source task.
///
/// The client id names the task only if a user sets one: tasks with equal settings share a producer.
pub(crate) fn producer_config(context: &TaskContext) -> Result<ClientConfig> {
    base_producer_config(&context.worker, &context.connector, "connector-producer")
}

/// Settings of the producer of an exactly-once source task; what would break its transactions is overruled.
pub(crate) fn transactional_producer_config(
    worker: &WorkerSettings,
    connector: &ConnectorSettings,
    id: &ConnectorTaskId,
    transactional_id: &str,
) -> Result<ClientConfig> {
    let mut own = producer_props(worker, connector, &format!("connector-producer-{id}"));
    for (key, needed) in [
        ("transactional.id", transactional_id),
        ("enable.idempotence", "true"),
    ] {
        let given = connector.overrides.producer.get(key);
        if given.is_some_and(|given| given != needed) {
            tracing::warn!(task = %id, key, "the connector's setting is replaced, exactly-once needs \
                 its own");
        }
        own.insert(key.to_owned(), needed.to_owned());
    }
    let mut config = to_librdkafka(ClientKind::Producer, &servers(&worker.props), &own)?;
    set_default(
        &mut config,
        "queue.buffering.max.kbytes",
        PRODUCER_BUFFER_KBYTES,
    );
    Ok(config)
}

/// Settings of the producer of a sink task's dead letter queue.
pub(crate) fn dead_letter_producer_config(context: &TaskContext) -> Result<ClientConfig> {
    base_producer_config(
        &context.worker,
        &context.connector,
        "connector-dlq-producer",
    )
}

fn producer_props(
    worker: &WorkerSettings,
    connector: &ConnectorSettings,
    client_id: &str,
) -> Props {
    let mut own = fixed(&[
        ("client.id", client_id.to_owned()),
        ("acks", "all".to_owned()),
        ("max.in.flight.requests.per.connection", "1".to_owned()),
        ("delivery.timeout.ms", i32::MAX.to_string()),
        ("enable.idempotence", "false".to_owned()),
    ]);
    overlay(&mut own, &worker.clients.producer);
    overlay(&mut own, &connector.overrides.producer);
    own
}

fn base_producer_config(
    worker: &WorkerSettings,
    connector: &ConnectorSettings,
    client_id: &str,
) -> Result<ClientConfig> {
    let own = producer_props(worker, connector, client_id);
    let mut config = to_librdkafka(ClientKind::Producer, &servers(&worker.props), &own)?;
    set_default(
        &mut config,
        "queue.buffering.max.kbytes",
        PRODUCER_BUFFER_KBYTES,
    );
    Ok(config)
}

/// Settings of the consumer of a sink task.
pub(crate) struct ConsumerSettings {
    /// What remains for librdkafka, under its names.
    pub config: ClientConfig,
    /// `max.poll.records`: most records of one `put`.
    pub max_records: usize,
    /// `auto.offset.reset`: where to begin without a committed offset.
    pub reset: OffsetReset,
}

/// Settings of the consumer of a sink task.
pub(crate) fn consumer_config(context: &TaskContext) -> Result<ConsumerSettings> {
    let id = &context.id;
    let mut own = fixed(&[
        ("group.id", format!("connect-{}", id.connector)),
        ("client.id", format!("connector-consumer-{id}")),
        ("enable.auto.commit", "false".to_owned()),
        ("auto.offset.reset", "earliest".to_owned()),
    ]);
    overlay(&mut own, &context.worker.clients.consumer);
    overlay(&mut own, &context.connector.overrides.consumer);
    let worker = servers(&context.worker.props);
    let mut config = to_librdkafka(ClientKind::Consumer, &worker, &own)?;
    let text = |key: &str| own.get(key).map(|value| value.trim());
    let max_records = text("max.poll.records").and_then(|count| count.parse().ok());
    let reset = text("auto.offset.reset").and_then(offset_reset);
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
    Ok(ConsumerSettings {
        config,
        max_records: max_records.unwrap_or(500),
        reset: reset.unwrap_or(OffsetReset::Earliest),
    })
}

/// Fails if none of a client's servers has an address; Kafka's clients look when they are made.
///
/// # Errors
/// Kafka's text, with the servers.
pub(crate) async fn check_servers(config: &ClientConfig) -> Result<()> {
    bootstrap::resolve(config.get(SERVERS).unwrap_or_default())
        .await
        .map_err(|error| ConnectError::config(error.to_string()))
}

/// Properties of admin calls on behalf of a connector.
pub(crate) fn connector_admin_props(worker: &WorkerSettings, overrides: &ClientProps) -> Props {
    let elsewhere = overrides
        .admin
        .get(SERVERS)
        .is_some_and(|servers| worker.props.get(SERVERS) != Some(servers));
    let mut props: Props = worker
        .props
        .iter()
        .filter(|(key, _)| {
            let of_others = ["admin.", "producer.", "consumer."];
            !of_others.iter().any(|prefix| key.starts_with(prefix))
        })
        .filter(|(key, _)| !elsewhere || !CREDENTIALS.iter().any(|name| key.starts_with(name)))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    overlay(&mut props, &worker.clients.admin);
    overlay(&mut props, &overrides.admin);
    props
}

/// Properties of the clients of a connector's own offsets topic; with exactly-once only committed
/// offsets are read, without it a connector may ask for others.
pub(crate) fn offset_clients(
    worker: &WorkerSettings,
    overrides: &ClientProps,
    connector: &ConnectorName,
    exactly_once: bool,
) -> LogClients {
    let isolation = ("isolation.level", "read_committed".to_owned());
    let mut consumer = fixed(std::slice::from_ref(&isolation));
    overlay(&mut consumer, &worker.clients.consumer);
    overlay(&mut consumer, &overrides.consumer);
    if exactly_once {
        if consumer.get(isolation.0) != Some(&isolation.1) {
            tracing::warn!(
                %connector,
                "the offsets of an exactly-once connector are read committed, whatever its consumer \
                 settings say"
            );
        }
        consumer.insert(isolation.0.to_owned(), isolation.1);
    }
    let mut producer = worker.clients.producer.clone();
    overlay(&mut producer, &overrides.producer);
    for transactional in ["transactional.id", "enable.idempotence"] {
        producer.shift_remove(transactional);
    }
    LogClients {
        admin: connector_admin_props(worker, overrides),
        base: servers(&worker.props),
        consumer,
        producer,
    }
}

/// Settings of the admin client of a task.
pub(crate) fn admin_config(context: &TaskContext) -> Result<ClientConfig> {
    named_admin_config(context, "connector-adminclient")
}

/// Settings of the admin client that creates the topic of a dead letter queue.
pub(crate) fn dead_letter_admin_config(context: &TaskContext) -> Result<ClientConfig> {
    named_admin_config(context, "connector-dlq-adminclient")
}

fn named_admin_config(context: &TaskContext, name: &str) -> Result<ClientConfig> {
    let mut base = connector_admin_props(&context.worker, &context.connector.overrides);
    base.entry("client.id".to_owned())
        .or_insert_with(|| format!("{name}-{}", context.id));
    to_librdkafka(ClientKind::Admin, &base, &Props::new())
}

#[cfg(test)]
mod tests {
    use sluice_protocol::ConnectorType;

    use super::*;
    use crate::settings::Mode;

    fn props(pairs: &[(&str, &str)]) -> Props {
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    }

    /// A worker that has to prove who it is, and lets connectors' producers go elsewhere.
    fn worker() -> WorkerSettings {
        let login = "org.apache.kafka.common.security.plain.PlainLoginModule required username=w \
                     password=geheim;";
        let props = props(&[
            (SERVERS, "kafka:9093"),
            ("security.protocol", "SASL_PLAINTEXT"),
            ("sasl.mechanism", "PLAIN"),
            ("sasl.jaas.config", login),
            ("ssl.keystore.location", "/geheim.pem"),
            ("linger.ms", "777"),
            ("max.request.size", "2000"),
            ("fetch.max.bytes", "7777"),
            ("producer.bootstrap.servers", "kafka:9092"),
            ("producer.batch.size", "5"),
            ("consumer.max.poll.records", "7"),
            ("admin.retry.backoff.ms", "70"),
            ("key.converter", "k"),
            ("value.converter", "v"),
            ("offset.storage.file.filename", "o"),
        ]);
        WorkerSettings::from_props(props, Mode::Standalone).unwrap()
    }

    #[test]
    fn nothing_without_a_prefix_but_the_servers_reaches_producers_and_consumers() {
        let name = "c".into();
        let clients = offset_clients(&worker(), &ClientProps::default(), &name, true);
        let plain = props(&[("name", "c"), ("connector.class", "X")]);
        let plain = ConnectorSettings::new(&worker(), ConnectorType::Source, plain).unwrap();
        let producer = base_producer_config(&worker(), &plain, "id").unwrap();
        let consumer =
            to_librdkafka(ClientKind::Consumer, &clients.base, &clients.consumer).unwrap();
        let own = to_librdkafka(ClientKind::Producer, &clients.base, &clients.producer).unwrap();
        for config in [&producer, &consumer, &own] {
            assert!(!format!("{config:?}").contains("geheim"));
            assert_eq!(config.get("sasl.password"), None);
            assert_eq!(config.get("security.protocol"), Some("plaintext"));
            assert_eq!(config.get("linger.ms"), None);
            assert_ne!(config.get("message.max.bytes"), Some("2000"));
            assert_eq!(config.get("fetch.max.bytes"), None);
        }
        assert_eq!(producer.get(SERVERS), Some("kafka:9092"));
        assert_eq!(producer.get("batch.size"), Some("5"));
        assert_eq!(consumer.get(SERVERS), Some("kafka:9093"));
    }

    #[test]
    fn an_admin_client_has_the_workers_keys_and_elsewhere_not_its_credentials() {
        let here = connector_admin_props(&worker(), &ClientProps::default());
        assert!(here["sasl.jaas.config"].contains("geheim"));
        assert_eq!(here["retry.backoff.ms"], "70");
        assert_eq!(here.get("batch.size"), None);
        let connector = props(&[
            ("admin.override.bootstrap.servers", "foreign:1"),
            ("admin.override.security.protocol", "PLAINTEXT"),
        ]);
        let connector = ClientProps::of_connector(&connector);
        let elsewhere = connector_admin_props(&worker(), &connector);
        assert!(
            !format!("{elsewhere:?}").contains("geheim"),
            "{elsewhere:?}"
        );
        assert_eq!(elsewhere[SERVERS], "foreign:1");
        let clients = offset_clients(&worker(), &connector, &"c".into(), false);
        assert!(!format!("{clients:?}").contains("geheim"));
    }
}
