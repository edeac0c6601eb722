//! Kafka client settings: from the Java keys in worker and connector configs to those of librdkafka.
//!
//! Operators write the keys of Kafka's Java clients. [`librdkafka_config`] turns them into a [`ClientConfig`]: most
//! keys pass as they are, some have another name or unit, some have no meaning outside the JVM and are left out, and
//! security settings (JAAS text, PEM stores) are taken apart by [`crate::security`], which the wire client uses too.
//!
//! Contract: a key that is not understood never makes a client fail; a security setting that can't be honoured always
//! does, because working with less than was asked for would be worse.

use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rdkafka::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use sluice_api::config::Props;

use crate::security::{PemSource, Sasl, ScramAlgorithm, Security, SecurityError};

/// What kind of client settings are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientKind {
    /// A producer; gets Java's partitioner, so that keys go where JVM workers put them.
    Producer,
    /// A consumer; gets Java's defaults for isolation and offset storing.
    Consumer,
    /// An admin client.
    Admin,
}

/// Client settings that can't be honoured.
#[derive(Debug, thiserror::Error)]
pub enum ClientConfigError {
    /// A security setting.
    #[error(transparent)]
    Security(#[from] SecurityError),
}

/// Settings of a librdkafka client from Java client properties.
///
/// `base` are properties of which only client keys are meant (the whole worker file, or `bootstrap.servers` alone);
/// what else is in there is passed over silently, `group.id` and the worker's group timings included. `own` are
/// properties meant for this client (`producer.` keys with the prefix cut, connector overrides, fixed settings); they
/// win over `base`, and keys in there that mean nothing give a warning.
///
/// # Errors
/// Security settings that can't be honoured: JKS stores, unknown mechanisms, JAAS text that does not parse.
pub fn librdkafka_config(
    kind: ClientKind,
    base: &Props,
    own: &Props,
) -> Result<ClientConfig, ClientConfigError> {
    let mut config = ClientConfig::new();
    config.set_log_level(RDKafkaLogLevel::Info);
    // Quiet where Java is quiet: no connection-closed messages for idle connections, no metrics pushed to brokers.
    config.set("log.connection.close", "false");
    config.set("enable.metrics.push", "false");
    // Java's defaults: a broker that comes back is noticed within a second, not within ten.
    config.set("reconnect.backoff.ms", "50");
    config.set("reconnect.backoff.max.ms", "1000");
    match kind {
        ClientKind::Producer => {
            config.set("partitioner", "murmur2_random");
        }
        ClientKind::Consumer => {
            config.set("isolation.level", "read_uncommitted");
            config.set("enable.auto.offset.store", "false");
            config.set("auto.offset.reset", "latest");
        }
        ClientKind::Admin => {}
    }
    let mut merged = Props::new();
    for (key, value) in base {
        if !matches!(
            key.as_str(),
            "group.id" | "session.timeout.ms" | "heartbeat.interval.ms"
        ) {
            merged.insert(key.clone(), value.clone());
        }
    }
    for (key, value) in own {
        merged.insert(key.clone(), value.clone());
    }
    for (key, value) in &merged {
        match translate(kind, key, value) {
            Translation::Set(name, value) => {
                config.set(name, value);
            }
            Translation::Drop => {}
            Translation::Unknown => {
                if own.contains_key(key) {
                    tracing::warn!(key, "client setting is not known and has no effect");
                }
            }
        }
    }
    compression_level(&mut config, &merged);
    apply_security(&mut config, &Security::from_props(&merged)?)?;
    Ok(config)
}

enum Translation {
    Set(&'static str, String),
    Drop,
    Unknown,
}

/// Keys with the same name, meaning and unit on both sides, per kind of client.
const SAME: &[&str] = &[
    "bootstrap.servers",
    "client.id",
    "client.dns.lookup",
    "client.rack",
    "metadata.recovery.strategy",
    "metadata.recovery.rebootstrap.trigger.ms",
    "connections.max.idle.ms",
    "reconnect.backoff.ms",
    "reconnect.backoff.max.ms",
    "retry.backoff.ms",
    "retry.backoff.max.ms",
    "enable.metrics.push",
];

const SAME_PRODUCER: &[&str] = &[
    "acks",
    "batch.size",
    "compression.type",
    "delivery.timeout.ms",
    "enable.idempotence",
    "linger.ms",
    "max.in.flight.requests.per.connection",
    "retries",
    "transaction.timeout.ms",
    "transactional.id",
];

const SAME_CONSUMER: &[&str] = &[
    "allow.auto.create.topics",
    "auto.commit.interval.ms",
    "check.crcs",
    "enable.auto.commit",
    "fetch.max.bytes",
    "fetch.min.bytes",
    "group.id",
    "group.instance.id",
    "group.protocol",
    "group.remote.assignor",
    "heartbeat.interval.ms",
    "isolation.level",
    "max.partition.fetch.bytes",
    "max.poll.interval.ms",
    "session.timeout.ms",
];

/// Java client keys that have no counterpart here, or that are handled elsewhere (security).
const DROPPED: &[&str] = &[
    "auto.include.jmx.reporter",
    "config.providers",
    "default.api.timeout.ms",
    "exclude.internal.topics",
    "interceptor.classes",
    "internal.auto.downgrade.txn.commit",
    "internal.leave.group.on.close",
    "internal.throw.on.fetch.stable.offset.unsupported",
    "key.deserializer",
    "key.serializer",
    "max.block.ms",
    "max.poll.records",
    "metadata.max.idle.ms",
    "metric.reporters",
    "partitioner.adaptive.partitioning.enable",
    "partitioner.availability.timeout.ms",
    "partitioner.class",
    "partitioner.ignore.keys",
    "security.protocol",
    "security.providers",
    "share.acknowledgement.mode",
    "transaction.two.phase.commit.enable",
    "value.deserializer",
    "value.serializer",
    "compression.gzip.level",
    "compression.lz4.level",
    "compression.zstd.level",
];

fn translate(kind: ClientKind, key: &str, value: &str) -> Translation {
    use Translation::{Drop, Set, Unknown};
    let value = value.trim();
    let find = |names: &'static [&'static str]| names.iter().find(|name| **name == key).copied();
    let for_kind = |wanted: ClientKind, name: &'static str, value: String| {
        if kind == wanted {
            Set(name, value)
        } else {
            Drop
        }
    };
    if let Some(name) = find(SAME) {
        return Set(name, capped(name, value));
    }
    if let Some(name) = find(SAME_PRODUCER) {
        return for_kind(ClientKind::Producer, name, capped(name, value));
    }
    if let Some(name) = find(SAME_CONSUMER) {
        return for_kind(ClientKind::Consumer, name, capped(name, value));
    }
    if find(DROPPED).is_some()
        || ["metrics.", "sasl.", "ssl.", "log."]
            .iter()
            .any(|prefix| key.starts_with(prefix))
    {
        return Drop;
    }
    match key {
        "auto.offset.reset" => {
            let reset = match value {
                "none" => "error",
                "earliest" | "latest" => value,
                _ => return Unknown,
            };
            for_kind(ClientKind::Consumer, "auto.offset.reset", reset.to_owned())
        }
        "buffer.memory" => {
            let kib = value.parse::<u64>().map_or(32_768, |bytes| bytes / 1024);
            let kib = kib.clamp(1, 2_147_483_647);
            for_kind(
                ClientKind::Producer,
                "queue.buffering.max.kbytes",
                kib.to_string(),
            )
        }
        "fetch.max.wait.ms" => for_kind(
            ClientKind::Consumer,
            "fetch.wait.max.ms",
            capped("fetch.wait.max.ms", value),
        ),
        "max.request.size" => Set("message.max.bytes", capped("message.max.bytes", value)),
        "metadata.max.age.ms" => {
            // Java's key says how old metadata may get; here that is the refresh interval.
            Set(
                "topic.metadata.refresh.interval.ms",
                capped("topic.metadata.refresh.interval.ms", value),
            )
        }
        "partition.assignment.strategy" => match assignors(value) {
            Some(names) => for_kind(ClientKind::Consumer, "partition.assignment.strategy", names),
            None => Unknown,
        },
        "receive.buffer.bytes" => Set("socket.receive.buffer.bytes", buffer(value)),
        "send.buffer.bytes" => Set("socket.send.buffer.bytes", buffer(value)),
        "request.timeout.ms" => match kind {
            ClientKind::Producer => Set("request.timeout.ms", capped("request.timeout.ms", value)),
            _ => Set("socket.timeout.ms", capped("socket.timeout.ms", value)),
        },
        "socket.connection.setup.timeout.ms" => Set(
            "socket.connection.setup.timeout.ms",
            capped("socket.connection.setup.timeout.ms", value),
        ),
        "socket.connection.setup.timeout.max.ms" => Drop,
        _ => Unknown,
    }
}

/// Keeps a number inside the range librdkafka takes, where that is narrower than Java's.
fn capped(name: &str, value: &str) -> String {
    let (least, most): (i64, i64) = match name {
        "reconnect.backoff.ms" | "reconnect.backoff.max.ms" => (0, 3_600_000),
        "retry.backoff.ms" | "retry.backoff.max.ms" => (1, 300_000),
        "request.timeout.ms" => (1, 900_000),
        "socket.timeout.ms" => (10, 300_000),
        "socket.connection.setup.timeout.ms" => (1000, 2_147_483_647),
        "topic.metadata.refresh.interval.ms" => (-1, 3_600_000),
        "connections.max.idle.ms" => (0, 2_147_483_647),
        "linger.ms" => (0, 900_000),
        "max.poll.interval.ms" => (1, 86_400_000),
        "session.timeout.ms" | "heartbeat.interval.ms" => (1, 3_600_000),
        "fetch.wait.max.ms" => (0, 300_000),
        "message.max.bytes" => (1000, 1_000_000_000),
        "batch.size" => (1, 2_147_483_647),
        _ => return value.to_owned(),
    };
    match value.parse::<i64>() {
        Ok(number) => number.clamp(least, most).to_string(),
        Err(_) => value.to_owned(),
    }
}

/// Socket buffer sizes: -1 (system default) is 0 here.
fn buffer(value: &str) -> String {
    match value.parse::<i64>() {
        Ok(number) => number.clamp(0, 100_000_000).to_string(),
        Err(_) => "0".to_owned(),
    }
}

/// Assignor names for Java's class names; `None` when one of them is not known.
///
/// Java's default offers range and cooperative-sticky at once, which librdkafka can't; the first named one counts.
fn assignors(value: &str) -> Option<String> {
    let first = value.split(',').next()?.trim();
    let name = first.rsplit('.').next()?;
    Some(
        match name {
            "RangeAssignor" | "range" => "range",
            "RoundRobinAssignor" | "roundrobin" => "roundrobin",
            "CooperativeStickyAssignor" | "cooperative-sticky" => "cooperative-sticky",
            _ => return None,
        }
        .to_owned(),
    )
}

/// Java has one level per codec; librdkafka one for the codec in use.
fn compression_level(config: &mut ClientConfig, props: &Props) {
    let Some(codec) = config.get("compression.type").map(str::to_owned) else {
        return;
    };
    if let Some(level) = props.get(&format!("compression.{codec}.level")) {
        config.set("compression.level", level.trim());
    }
}

fn apply_security(config: &mut ClientConfig, security: &Security) -> Result<(), SecurityError> {
    config.set("security.protocol", security.protocol.librdkafka_name());
    if let Some(tls) = &security.tls {
        let mut set = |file: &str, text: &str, source: &PemSource| {
            match source {
                PemSource::File(path) => config.set(file, path.to_string_lossy()),
                PemSource::Text(pem) => config.set(text, pem.expose()),
            };
        };
        if let Some(source) = &tls.trusted {
            set("ssl.ca.location", "ssl.ca.pem", source);
        }
        if let Some(source) = &tls.certificate {
            set("ssl.certificate.location", "ssl.certificate.pem", source);
        }
        if let Some(source) = &tls.key {
            set("ssl.key.location", "ssl.key.pem", source);
        }
        if let Some(password) = &tls.key_password {
            config.set("ssl.key.password", password.expose());
        }
        let identification = if tls.verify_host { "https" } else { "none" };
        config.set("ssl.endpoint.identification.algorithm", identification);
    }
    match &security.sasl {
        None => {}
        Some(Sasl::Plain { username, password }) => {
            config.set("sasl.mechanism", "PLAIN");
            config.set("sasl.username", username);
            config.set("sasl.password", password.expose());
        }
        Some(Sasl::Scram {
            algorithm,
            username,
            password,
        }) => {
            config.set(
                "sasl.mechanism",
                match algorithm {
                    ScramAlgorithm::Sha256 => "SCRAM-SHA-256",
                    ScramAlgorithm::Sha512 => "SCRAM-SHA-512",
                },
            );
            config.set("sasl.username", username);
            config.set("sasl.password", password.expose());
        }
        Some(Sasl::UnsecuredToken { principal, scope }) => {
            config.set("sasl.mechanism", "OAUTHBEARER");
            config.set("enable.sasl.oauthbearer.unsecure.jwt", "true");
            let scope = scope
                .as_ref()
                .map(|scope| format!(" scope={}", scope.replace(' ', ",")))
                .unwrap_or_default();
            config.set(
                "sasl.oauthbearer.config",
                format!("principal={principal}{scope}"),
            );
        }
    }
    Ok(())
}

/// Client context that sends what librdkafka says to `tracing`, under the target `librdkafka`.
///
/// Lost connections are reported by librdkafka at every attempt to connect, and twice: as a log line and as an event.
/// Here each of them is passed on at most every ten seconds, what comes between at level debug.
#[derive(Debug, Default)]
pub struct TracingContext {
    /// Name put before each message, usually the client id.
    client: String,
    logged: Reports,
    told: Reports,
}

/// Reports of one kind that are due again only after a pause.
#[derive(Debug, Default)]
struct Reports {
    last: Mutex<Option<Instant>>,
}

impl Reports {
    /// Whether the next one is due; then it counts as made.
    fn due(&self) -> bool {
        let mut last = self.last.lock();
        let due = last.is_none_or(|at| at.elapsed() > REPORT_PAUSE);
        if due {
            *last = Some(Instant::now());
        }
        due
    }
}

/// How often a client may report that it can't reach brokers.
const REPORT_PAUSE: Duration = Duration::from_secs(10);

impl TracingContext {
    /// A context for the client of this name.
    pub fn new(client: impl Into<String>) -> Self {
        Self {
            client: client.into(),
            ..Self::default()
        }
    }

    /// Name of the client, as in its messages.
    pub fn client(&self) -> &str {
        &self.client
    }
}

impl ClientContext for TracingContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        // `FAIL` is a connection that could not be made or broke, `ERROR` the event below once more.
        let connection = matches!(facility, "FAIL" | "ERROR");
        let level = if connection && !self.logged.due() {
            RDKafkaLogLevel::Debug
        } else {
            level
        };
        log_librdkafka(&self.client, level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        // Whoever asked for these gets them from the consumer; they are no errors.
        if matches!(error, KafkaError::Global(RDKafkaErrorCode::PartitionEOF)) {
            return;
        }
        let lost = matches!(
            error.rdkafka_error_code(),
            Some(
                RDKafkaErrorCode::AllBrokersDown
                    | RDKafkaErrorCode::BrokerTransportFailure
                    | RDKafkaErrorCode::Resolve
                    | RDKafkaErrorCode::OperationTimedOut
            )
        );
        if lost && !self.told.due() {
            tracing::debug!(target: "librdkafka", client = %self.client, %error, "{reason}");
        } else {
            tracing::warn!(target: "librdkafka", client = %self.client, %error, "{reason}");
        }
    }
}

impl ConsumerContext for TracingContext {}

/// Passes a message of librdkafka on to `tracing`.
pub fn log_librdkafka(client: &str, level: RDKafkaLogLevel, facility: &str, message: &str) {
    match level {
        RDKafkaLogLevel::Emerg
        | RDKafkaLogLevel::Alert
        | RDKafkaLogLevel::Critical
        | RDKafkaLogLevel::Error => {
            tracing::error!(target: "librdkafka", client, facility, "{message}");
        }
        RDKafkaLogLevel::Warning => {
            tracing::warn!(target: "librdkafka", client, facility, "{message}");
        }
        RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info => {
            tracing::info!(target: "librdkafka", client, facility, "{message}");
        }
        RDKafkaLogLevel::Debug => {
            tracing::debug!(target: "librdkafka", client, facility, "{message}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rdkafka::consumer::BaseConsumer;
    use rdkafka::producer::BaseProducer;

    fn props(pairs: &[(&str, &str)]) -> Props {
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn a_whole_worker_file_makes_working_clients() {
        let worker = props(&[
            ("bootstrap.servers", "127.0.0.1:1"),
            ("group.id", "connect"),
            ("session.timeout.ms", "6000"),
            (
                "key.converter",
                "org.apache.kafka.connect.json.JsonConverter",
            ),
            ("offset.storage.topic", "o"),
            ("listeners", "http://:8083"),
            ("reconnect.backoff.max.ms", "99999999"),
            ("send.buffer.bytes", "-1"),
            ("metadata.max.age.ms", "300000"),
            ("request.timeout.ms", "40000"),
        ]);
        let own = props(&[
            ("acks", "all"),
            ("max.in.flight.requests.per.connection", "1"),
            ("delivery.timeout.ms", "2147483647"),
            ("enable.idempotence", "false"),
            ("max.block.ms", "9223372036854775807"),
            (
                "key.serializer",
                "org.apache.kafka.common.serialization.ByteArraySerializer",
            ),
            ("buffer.memory", "33554432"),
            ("compression.type", "gzip"),
            ("compression.gzip.level", "3"),
            ("no.such.key", "x"),
        ]);
        let config = librdkafka_config(ClientKind::Producer, &worker, &own).unwrap();
        assert_eq!(config.get("partitioner"), Some("murmur2_random"));
        assert_eq!(config.get("queue.buffering.max.kbytes"), Some("32768"));
        assert_eq!(config.get("compression.level"), Some("3"));
        assert_eq!(config.get("group.id"), None);
        assert_eq!(config.get("reconnect.backoff.max.ms"), Some("3600000"));
        let _: BaseProducer = config.create().unwrap();

        let own = props(&[
            ("group.id", "connect-x"),
            ("auto.offset.reset", "none"),
            ("max.poll.records", "100"),
            ("fetch.max.wait.ms", "100"),
            (
                "partition.assignment.strategy",
                "org.apache.kafka.clients.consumer.RoundRobinAssignor",
            ),
            ("acks", "all"),
        ]);
        let config = librdkafka_config(ClientKind::Consumer, &worker, &own).unwrap();
        assert_eq!(config.get("auto.offset.reset"), Some("error"));
        assert_eq!(config.get("isolation.level"), Some("read_uncommitted"));
        assert_eq!(config.get("acks"), None);
        let _: BaseConsumer = config.create().unwrap();
    }

    #[test]
    fn a_client_that_reaches_no_broker_says_so_now_and_then_and_not_at_every_attempt() {
        let context = TracingContext::new("c");
        let lost = || KafkaError::Global(RDKafkaErrorCode::AllBrokersDown);
        let written = capture(|| {
            for _ in 0..100 {
                context.log(RDKafkaLogLevel::Error, "FAIL", "connection refused");
                context.error(lost(), "all brokers are down");
            }
            context.log(RDKafkaLogLevel::Error, "PROTOERR", "not about connections");
        });
        let lines: Vec<&str> = written.lines().collect();
        assert_eq!(lines.len(), 3, "{written}");
        assert!(lines[2].contains("not about connections"), "{written}");
    }

    /// What is logged from level info on while `work` runs.
    fn capture(work: impl FnOnce()) -> String {
        #[derive(Clone, Default)]
        struct Written(std::sync::Arc<Mutex<Vec<u8>>>);
        impl std::io::Write for Written {
            fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
                self.0.lock().extend_from_slice(bytes);
                Ok(bytes.len())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let written = Written::default();
        let writer = written.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_max_level(tracing::Level::INFO)
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, work);
        let bytes = written.0.lock().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn jaas_text_becomes_user_and_password() {
        let own = props(&[
            ("bootstrap.servers", "127.0.0.1:1"),
            ("security.protocol", "SASL_PLAINTEXT"),
            ("sasl.mechanism", "SCRAM-SHA-512"),
            (
                "sasl.jaas.config",
                "org.apache.kafka.common.security.scram.ScramLoginModule required username=\"alice\" password=\"a b\\\"c\";",
            ),
        ]);
        let config = librdkafka_config(ClientKind::Admin, &Props::new(), &own).unwrap();
        assert_eq!(config.get("security.protocol"), Some("sasl_plaintext"));
        assert_eq!(config.get("sasl.mechanism"), Some("SCRAM-SHA-512"));
        assert_eq!(config.get("sasl.username"), Some("alice"));
        assert_eq!(config.get("sasl.password"), Some("a b\"c"));
        let _: BaseConsumer = config.create().unwrap();
    }
}
