//! Kafka client settings: from the Java keys in worker and connector configs to those of librdkafka.
//!
//! Operators write the keys of Kafka's Java clients. [`librdkafka_config`] turns them into a
//! [`ClientConfig`]: most keys pass as they are, some have another name or unit, some have no meaning outside
//! the JVM and are left out, and security settings (JAAS text, PEM stores) are taken apart by
//! [`crate::wire::security`], which the wire client uses too.
//!
//! Contract: what Kafka's client takes, ours takes, and what it refuses is refused with its text
//! ([`super::keys`]). A number beyond what librdkafka takes becomes the nearest that it does take,
//! where that means the same (`CONVERSIONS`); where librdkafka wants keys to fit each other, the one that
//! waits longer wins. A key that no client has is logged and has no effect; a security setting that can't be
//! honoured always fails, because working with less than was asked for would be worse.

use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use sluice_api::config::{ConfigError, ConfigValue, Props};
use sluice_keystore::pem;
use sluice_keystore::settings::{Fault, Handshake};

use super::keys::{self, ClientKind, OffsetReset};
use crate::wire::bootstrap;
use crate::wire::security::{Sasl, ScramAlgorithm, Security, SecurityError, Verify};
use crate::wire::tls::{TlsError, system_store};

/// Client settings that can't be honoured.
#[derive(Debug, thiserror::Error)]
pub enum ClientConfigError {
    /// A security setting.
    #[error(transparent)]
    Security(#[from] SecurityError),
    /// Certificates to trust.
    #[error(transparent)]
    Trust(#[from] TlsError),
    /// A value that Kafka's client would not take either.
    #[error(transparent)]
    Value(#[from] ConfigError),
}

/// Settings of a librdkafka client from Java client properties.
///
/// `base` are properties of which only client keys are meant (the whole worker file, or `bootstrap.servers`
/// alone); what else is in there is passed over silently, `group.id` and the worker's group timings included.
/// `own` are properties meant for this client (`producer.` keys with the prefix cut, connector overrides,
/// fixed settings); they win over `base`, and keys in there that mean nothing give a warning.
///
/// # Errors
/// A value that Kafka's client would not take, or security settings that can't be honoured.
pub fn librdkafka_config(
    kind: ClientKind,
    base: &Props,
    own: &Props,
) -> Result<ClientConfig, ClientConfigError> {
    let mut config = ClientConfig::new();
    config.set_log_level(RDKafkaLogLevel::Info);
    // Quiet where Java is quiet: no connection-closed messages for idle connections, no metrics pushed to
    // brokers.
    config.set("log.connection.close", "false");
    for (key, value) in defaults(kind) {
        config.set(*key, *value);
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
        if let Some(value) = keys::parse(kind, key, value)? {
            convert(&mut config, key, &value)?;
        }
    }
    for key in unknown_settings(kind, own) {
        tracing::warn!(key, "client setting is not known and has no effect");
    }
    keys::check_relations(kind, &merged)?;
    compression_level(&mut config, &merged);
    fit(kind, &mut config, &merged);
    apply_security(&mut config, &Security::from_props(&merged)?)?;
    Ok(config)
}

/// The keys of `own`, see [`librdkafka_config`], that no Kafka client has.
pub fn unknown_settings(kind: ClientKind, own: &Props) -> Vec<&str> {
    own.iter()
        .filter(|(key, value)| {
            matches!(keys::parse(kind, key, value), Ok(None)) && !is_of_another_client(kind, key)
        })
        .map(|(key, _)| key.as_str())
        .collect()
}

/// Kafka's defaults, where librdkafka has others.
fn defaults(kind: ClientKind) -> &'static [(&'static str, &'static str)] {
    match kind {
        ClientKind::Producer => &[
            ("enable.metrics.push", "false"),
            ("reconnect.backoff.ms", "50"),
            ("reconnect.backoff.max.ms", "1000"),
            ("socket.connection.setup.timeout.ms", "10000"),
            // Keys go where JVM workers put them.
            ("partitioner", "murmur2_random"),
            ("message.max.bytes", "1048576"),
        ],
        ClientKind::Consumer => &[
            ("enable.metrics.push", "false"),
            ("reconnect.backoff.ms", "50"),
            ("reconnect.backoff.max.ms", "1000"),
            ("socket.connection.setup.timeout.ms", "10000"),
            ("isolation.level", "read_uncommitted"),
            ("enable.auto.offset.store", "false"),
            ("auto.offset.reset", "latest"),
            ("check.crcs", "true"),
        ],
        ClientKind::Admin => &[
            ("enable.metrics.push", "false"),
            ("reconnect.backoff.ms", "50"),
            ("reconnect.backoff.max.ms", "1000"),
            ("socket.connection.setup.timeout.ms", "10000"),
        ],
    }
}

fn is_of_another_client(kind: ClientKind, key: &str) -> bool {
    [
        ClientKind::Producer,
        ClientKind::Consumer,
        ClientKind::Admin,
    ]
    .into_iter()
    .any(|other| other != kind && keys::is_known(other, key))
}

/// How a key becomes one of librdkafka's.
enum Conversion {
    /// As it is, texts in lower case.
    Same,
    /// A number, kept between these.
    Number(&'static str, i64, i64),
}

const INT: i64 = 2_147_483_647;

/// Keys of Kafka's clients that librdkafka has too. What is not here has no meaning for it (serializers,
/// interceptors, metrics, waits of Java's calls) or is dealt with by itself: security, compression levels,
/// and [`convert`].
const CONVERSIONS: &[(&str, Conversion)] = {
    use Conversion::{Number, Same};
    &[
        ("acks", Same),
        ("allow.auto.create.topics", Same),
        (
            "auto.commit.interval.ms",
            Number("auto.commit.interval.ms", 0, 86_400_000),
        ),
        ("batch.size", Number("batch.size", 1, INT)),
        ("check.crcs", Same),
        ("client.dns.lookup", Same),
        ("client.id", Same),
        ("client.rack", Same),
        ("compression.type", Same),
        (
            "connections.max.idle.ms",
            Number("connections.max.idle.ms", 0, INT),
        ),
        ("delivery.timeout.ms", Number("delivery.timeout.ms", 1, INT)),
        ("enable.auto.commit", Same),
        ("enable.idempotence", Same),
        ("enable.metrics.push", Same),
        // A message has to fit, see `fit`.
        (
            "fetch.max.bytes",
            Number("fetch.max.bytes", 1000, INT - 512),
        ),
        ("fetch.max.wait.ms", Number("fetch.wait.max.ms", 0, 299_000)),
        ("fetch.min.bytes", Number("fetch.min.bytes", 1, 100_000_000)),
        ("group.id", Same),
        ("group.instance.id", Same),
        ("group.protocol", Same),
        ("group.remote.assignor", Same),
        (
            "heartbeat.interval.ms",
            Number("heartbeat.interval.ms", 1, 3_600_000),
        ),
        ("isolation.level", Same),
        ("linger.ms", Number("linger.ms", 0, 900_000)),
        (
            "max.in.flight.requests.per.connection",
            Number("max.in.flight.requests.per.connection", 1, 1_000_000),
        ),
        (
            "max.partition.fetch.bytes",
            Number("max.partition.fetch.bytes", 1, 1_000_000_000),
        ),
        (
            "max.poll.interval.ms",
            Number("max.poll.interval.ms", 1, 86_400_000),
        ),
        (
            "max.request.size",
            Number("message.max.bytes", 1000, 1_000_000_000),
        ),
        // Java's key says how old metadata may get; here that is the refresh interval.
        (
            "metadata.max.age.ms",
            Number("topic.metadata.refresh.interval.ms", 10, 3_600_000),
        ),
        (
            "metadata.recovery.rebootstrap.trigger.ms",
            Number("metadata.recovery.rebootstrap.trigger.ms", 0, INT),
        ),
        ("metadata.recovery.strategy", Same),
        (
            "receive.buffer.bytes",
            Number("socket.receive.buffer.bytes", 0, 100_000_000),
        ),
        (
            "reconnect.backoff.max.ms",
            Number("reconnect.backoff.max.ms", 0, 3_600_000),
        ),
        (
            "reconnect.backoff.ms",
            Number("reconnect.backoff.ms", 0, 3_600_000),
        ),
        ("retries", Number("retries", 0, INT)),
        (
            "retry.backoff.max.ms",
            Number("retry.backoff.max.ms", 1, 300_000),
        ),
        ("retry.backoff.ms", Number("retry.backoff.ms", 1, 300_000)),
        (
            "send.buffer.bytes",
            Number("socket.send.buffer.bytes", 0, 100_000_000),
        ),
        (
            "session.timeout.ms",
            Number("session.timeout.ms", 1, 3_600_000),
        ),
        (
            "socket.connection.setup.timeout.ms",
            Number("socket.connection.setup.timeout.ms", 1000, INT),
        ),
        (
            "transaction.timeout.ms",
            Number("transaction.timeout.ms", 1000, INT),
        ),
        ("transactional.id", Same),
    ]
};

/// Keys whose text means something to somebody else and keeps its case.
const NAMES: &[&str] = &[
    "client.id",
    "client.rack",
    "group.id",
    "group.instance.id",
    "group.remote.assignor",
    "transactional.id",
];

fn convert(config: &mut ClientConfig, key: &str, value: &ConfigValue) -> Result<(), ConfigError> {
    let shown = value.display().unwrap_or_default();
    let conversion = CONVERSIONS.iter().find(|(name, _)| *name == key);
    match (conversion, value) {
        (Some((name, Conversion::Same)), _) => {
            let text = if NAMES.contains(name) {
                shown
            } else {
                shown.to_lowercase()
            };
            config.set(*name, text);
        }
        (Some((_, Conversion::Number(name, least, most))), _) => {
            // Times of 64 bits may be longer than any of librdkafka's.
            let number = shown.parse::<i64>().unwrap_or(*most);
            config.set(*name, number.clamp(*least, *most).to_string());
        }
        (None, ConfigValue::List(list)) if key == "bootstrap.servers" => {
            let servers = bootstrap::parse(&list.join(","))?;
            let servers: Vec<String> = servers.iter().map(ToString::to_string).collect();
            config.set(key, servers.join(","));
        }
        (None, ConfigValue::List(list)) if key == "partition.assignment.strategy" => {
            config.set(key, assignor(list)?);
        }
        (None, ConfigValue::Long(bytes)) if key == "buffer.memory" => {
            let kib = (bytes / 1024).clamp(1, 2_147_483_647);
            config.set("queue.buffering.max.kbytes", kib.to_string());
        }
        (None, ConfigValue::Int(millis)) if key == "request.timeout.ms" => {
            // Requests for records, and all others.
            config.set(key, millis.clamp(&1, &900_000).to_string());
            config.set("socket.timeout.ms", millis.clamp(&10, &300_000).to_string());
        }
        (None, ConfigValue::String(reset)) if key == "auto.offset.reset" => {
            let reset = match keys::offset_reset(reset) {
                Some(OffsetReset::Earliest) => "earliest",
                Some(OffsetReset::Latest) => "latest",
                // The consumer asks for the offset of the time by itself.
                Some(OffsetReset::None | OffsetReset::ByDuration(_)) | None => "error",
            };
            config.set(key, reset);
        }
        _ => {}
    }
    Ok(())
}

/// Name of the first assignor that librdkafka has too. Java's default offers range and cooperative-sticky at
/// once, which librdkafka can't.
fn assignor(classes: &[String]) -> Result<&'static str, ConfigError> {
    let known = classes.iter().find_map(|class| {
        Some(match class.rsplit('.').next()? {
            "RangeAssignor" | "range" => "range",
            "RoundRobinAssignor" | "roundrobin" => "roundrobin",
            "CooperativeStickyAssignor" | "cooperative-sticky" => "cooperative-sticky",
            _ => return None,
        })
    });
    known.ok_or_else(|| {
        ConfigError::invalid(
            "partition.assignment.strategy",
            classes.join(","),
            "Not supported: one of RangeAssignor, RoundRobinAssignor and CooperativeStickyAssignor has to be \
             among them",
        )
    })
}

/// Java has one level per codec; librdkafka one for the codec in use, up to 12.
fn compression_level(config: &mut ClientConfig, props: &Props) {
    let Some(codec) = config.get("compression.type").map(str::to_owned) else {
        return;
    };
    let level = props
        .get(&format!("compression.{codec}.level"))
        .and_then(|level| level.trim().parse::<i64>().ok());
    if let Some(level) = level {
        config.set("compression.level", level.clamp(-1, 12).to_string());
    }
}

/// Makes keys fit each other as librdkafka demands where Kafka does not.
fn fit(kind: ClientKind, config: &mut ClientConfig, given: &Props) {
    let number = |config: &ClientConfig, key: &str, default: i64| -> i64 {
        config
            .get(key)
            .and_then(|text| text.parse().ok())
            .unwrap_or(default)
    };
    let at_least = |config: &mut ClientConfig, key: &'static str, default: i64, least: i64| {
        if number(config, key, default) < least {
            if given.contains_key(key) {
                tracing::debug!(
                    key,
                    value = least,
                    "raised to fit the client's other settings"
                );
            }
            config.set(key, least.to_string());
        }
    };
    // As Kafka has it (`postProcessReconnectBackoffConfigs`).
    let least = number(config, "reconnect.backoff.ms", 50);
    at_least(config, "reconnect.backoff.max.ms", 1000, least);
    let least = number(config, "retry.backoff.ms", 100);
    let most = number(config, "retry.backoff.max.ms", 1000);
    if least > most {
        config.set("retry.backoff.ms", most.to_string());
    }
    match kind {
        ClientKind::Producer if config.get("transactional.id").is_some() => {
            fit_transaction(config);
        }
        ClientKind::Producer => {
            // As Kafka has it (`KafkaProducer.configureDeliveryTimeout`).
            let linger = number(config, "linger.ms", 5);
            let least = linger.saturating_add(number(config, "request.timeout.ms", 30_000));
            if config.get("delivery.timeout.ms").is_none() {
                let delivery = least.clamp(120_000, INT);
                config.set("delivery.timeout.ms", delivery.to_string());
            }
            // librdkafka wants the one to be larger, Kafka takes equal ones.
            if number(config, "delivery.timeout.ms", 120_000) <= linger {
                config.set("linger.ms", (linger - 1).max(0).to_string());
            }
        }
        ClientKind::Consumer => {
            if config.get("group.protocol") != Some("consumer") {
                let session = number(config, "session.timeout.ms", 45_000);
                at_least(config, "max.poll.interval.ms", 300_000, session);
            }
            let wait = number(config, "fetch.wait.max.ms", 500);
            at_least(config, "socket.timeout.ms", 60_000, wait + 1000);
            let most = number(config, "fetch.max.bytes", 52_428_800);
            config.set("message.max.bytes", most.min(1_000_000).to_string());
        }
        ClientKind::Admin => {}
    }
}

/// Makes the times of a transactional producer fit that of a transaction, which bounds all others in
/// librdkafka.
fn fit_transaction(config: &mut ClientConfig) {
    let number = |config: &ClientConfig, key: &str| {
        config.get(key).and_then(|text| text.parse::<i64>().ok())
    };
    let timeout = number(config, "transaction.timeout.ms").unwrap_or(60_000);
    for (key, most) in [("socket.timeout.ms", timeout), ("linger.ms", timeout / 2)] {
        if number(config, key).is_some_and(|given| given > most) {
            config.set(key, most.to_string());
        }
    }
    config.remove("delivery.timeout.ms");
}

fn apply_security(config: &mut ClientConfig, security: &Security) -> Result<(), ClientConfigError> {
    config.set("security.protocol", security.protocol.librdkafka_name());
    if let Some(tls) = &security.tls {
        let stores = &tls.stores;
        for (key, pem) in [
            ("ssl.ca.pem", &stores.trusted),
            ("ssl.certificate.pem", &stores.chain),
            ("ssl.key.pem", &stores.key),
        ] {
            if let Some(pem) = pem {
                config.set(key, pem);
            }
        }
        if stores.trusted.is_none() {
            // librdkafka would look at a list of places of its own, and not into the environment.
            let trusted = system_store()?;
            let trusted = trusted
                .iter()
                .map(|certificate| pem("CERTIFICATE", certificate));
            config.set("ssl.ca.pem", trusted.collect::<String>());
        }
        if let Some(suites) = openssl_suites(&tls.handshake)? {
            config.set("ssl.cipher.suites", suites);
        }
        let identification = match tls.verify {
            Verify::Everything => "https",
            Verify::AllButName | Verify::Nothing => "none",
        };
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

/// Cipher suites of TLS 1.3, by their names in Java, which librdkafka always offers.
const TLS13_SUITES: [&str; 3] = [
    "TLS_AES_256_GCM_SHA384",
    "TLS_AES_128_GCM_SHA256",
    "TLS_CHACHA20_POLY1305_SHA256",
];

/// The list of cipher suites of TLS 1.2 that OpenSSL is given; `None` leaves the choice to it.
///
/// librdkafka has no key for versions of TLS, and none for the suites of 1.3. So 1.3 cannot be left out, nor
/// can one of its suites; 1.2 is left out by suites that need what no client of ours has, a key agreed
/// beforehand.
fn openssl_suites(handshake: &Handshake) -> Result<Option<String>, SecurityError> {
    const NONE: &str = "PSK";
    let refused = |key: &str, reason: String| {
        let key = key.to_owned();
        Err(SecurityError::Tls(Fault { key, reason }))
    };
    if !handshake.versions.tls13 {
        return refused(
            "ssl.enabled.protocols",
            "clients of brokers cannot be kept from TLSv1.3, add it".to_owned(),
        );
    }
    let Some(ciphers) = &handshake.ciphers else {
        return Ok((!handshake.versions.tls12).then(|| NONE.to_owned()));
    };
    for suite in TLS13_SUITES {
        if !ciphers.iter().any(|named| named == suite) {
            return refused(
                "ssl.cipher.suites",
                format!("clients of brokers cannot be kept from {suite} of TLSv1.3, add it"),
            );
        }
    }
    let older: Vec<String> = ciphers
        .iter()
        .filter(|_| handshake.versions.tls12)
        .filter_map(|suite| openssl_name(suite))
        .collect();
    Ok(Some(if older.is_empty() {
        NONE.to_owned()
    } else {
        older.join(":")
    }))
}

/// OpenSSL's name of a suite of TLS 1.2 with authenticated encryption:
/// `TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256` is `ECDHE-RSA-AES128-GCM-SHA256`.
fn openssl_name(suite: &str) -> Option<String> {
    let (exchange, cipher) = suite.strip_prefix("TLS_")?.split_once("_WITH_")?;
    let cipher = cipher
        .replace("AES_128_", "AES128_")
        .replace("AES_256_", "AES256_")
        .replace("CHACHA20_POLY1305_SHA256", "CHACHA20_POLY1305");
    let modern = cipher.contains("_GCM_") || cipher.contains("POLY1305");
    (modern && exchange.contains("DHE")).then(|| format!("{exchange}-{cipher}").replace('_', "-"))
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
            ("metric.reporters", "a.B,a.B"),
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
    fn versions_and_suites_that_cannot_be_honoured_are_refused() {
        let suites = |enabled: &str, ciphers: &str| {
            let own = props(&[
                ("bootstrap.servers", "127.0.0.1:1"),
                ("security.protocol", "SSL"),
                ("ssl.enabled.protocols", enabled),
                ("ssl.cipher.suites", ciphers),
            ]);
            let config = librdkafka_config(ClientKind::Producer, &Props::new(), &own);
            let config = config.map_err(|error| error.to_string())?;
            let _: BaseProducer = config.create().map_err(|error| error.to_string())?;
            Ok(config.get("ssl.cipher.suites").map(str::to_owned))
        };
        let all = TLS13_SUITES.join(",");
        assert_eq!(suites("", ""), Ok(None));
        assert_eq!(suites("TLSv1.3", ""), Ok(Some("PSK".to_owned())));
        let named = format!("{all},TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256");
        let one = Some("ECDHE-RSA-AES128-GCM-SHA256".to_owned());
        assert_eq!(suites("TLSv1.2,TLSv1.3", &named), Ok(one));
        assert_eq!(suites("TLSv1.3", &named), Ok(Some("PSK".to_owned())));
        let refused: Result<_, String> = suites("TLSv1.2", "");
        assert!(refused.unwrap_err().starts_with("ssl.enabled.protocols: "));
        let refused = suites("", TLS13_SUITES[0]).unwrap_err();
        assert!(refused.contains("TLS_AES_128_GCM_SHA256"), "{refused}");
    }

    #[test]
    fn jaas_text_becomes_user_and_password() {
        let own = props(&[
            ("bootstrap.servers", "127.0.0.1:1"),
            ("security.protocol", "SASL_PLAINTEXT"),
            ("sasl.mechanism", "SCRAM-SHA-512"),
            (
                "sasl.jaas.config",
                "org.apache.kafka.common.security.scram.ScramLoginModule required username=\"alice\" \
                 password=\"a b\\\"c\";",
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
