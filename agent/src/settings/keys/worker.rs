//! The keys a worker knows, with types, defaults and checks: tables after Kafka's `WorkerConfig`,
//! `DistributedConfig` and `StandaloneConfig`, and our own `sluice.*` and `telemetry.*`.

use sluice_api::config::ConfigDef;
use sluice_api::config::ConfigType::{
    Boolean, Class, Int, List, Long, Password, Short, String as Text,
};
use sluice_api::reach::{FILE_ROOTS, HOSTS};

#[cfg(test)]
use super::WithoutField;
use super::{Check, Row};
use crate::settings::Mode;

const CONVERTER: &str = "converter of connectors that name none; its keys follow under this prefix";

/// The definition of the worker's keys.
pub(crate) fn definition(mode: Mode) -> ConfigDef {
    let mut def = ConfigDef::new();
    let of_mode: &[Row] = match mode {
        Mode::Distributed => &DISTRIBUTED,
        Mode::Standalone => &STANDALONE,
    };
    for row in BOTH_MODES.iter().chain(of_mode) {
        def.add(row.key());
    }
    def
}

/// Keys that are read elsewhere, or have no effect.
#[cfg(test)]
pub(crate) const WITHOUT_FIELD: WithoutField = &[
    (
        &[
            "key.converter.plugin.version",
            "value.converter.plugin.version",
            "header.converter.plugin.version",
        ],
        "a build has one version of each converter",
    ),
    (
        &["plugin.path", "plugin.discovery"],
        "of Java's plugins: those of an agent are built in",
    ),
    (
        &["metrics.", "metric.reporters"],
        "of Java's metrics: /metrics has counters without windows, for Prometheus",
    ),
    (
        &["config.providers"],
        "read by the transformer of configurations, which gives the values of all other keys",
    ),
    (
        &["ssl."],
        "of TLS: read from the properties behind the prefix of each listener and client",
    ),
    (
        &[
            "client.dns.lookup",
            "metadata.",
            "request.timeout.ms",
            "retry.",
            "reconnect.",
            "socket.",
            "connections.max.idle.ms",
            "send.buffer.bytes",
            "receive.buffer.bytes",
            "security.protocol",
            "sasl.mechanism",
        ],
        "of Kafka's clients: read by them from the properties",
    ),
];

const BOTH_MODES: [Row; 55] = [
    Row::required("key.converter", Class, CONVERTER),
    Row::required("value.converter", Class, CONVERTER),
    Row::required(
        "bootstrap.servers",
        List,
        "brokers as host:port, comma separated",
    )
    .check(Check::Distinct(false)),
    Row::with(
        "sluice.plugins.allow",
        List,
        "",
        "connectors that may be used, by class, alias, or the beginning of classes and *; empty for all",
    ),
    Row::with(
        "sluice.plugins.deny",
        List,
        "",
        "connectors, converters, transformations and predicates that may not be used, written as \
         sluice.plugins.allow",
    ),
    Row::with(
        FILE_ROOTS,
        List,
        "",
        "folders beneath which connectors may read and write files; empty for all that the agent's user may",
    ),
    Row::with(
        HOSTS,
        List,
        "",
        "servers that connectors may be sent to, as host, host:port, *.domain or address/bits; empty for all",
    ),
    Row::with(
        "header.converter",
        Class,
        "org.apache.kafka.connect.storage.SimpleHeaderConverter",
        "converter of headers",
    ),
    Row::optional(
        "key.converter.plugin.version",
        Text,
        "version of the key converter",
    ),
    Row::optional(
        "value.converter.plugin.version",
        Text,
        "version of the value converter",
    ),
    Row::optional(
        "header.converter.plugin.version",
        Text,
        "version of the header converter",
    ),
    Row::with(
        "client.dns.lookup",
        Text,
        "use_all_dns_ips",
        "how host names of brokers are resolved",
    ),
    Row::with(
        "task.shutdown.graceful.timeout.ms",
        Long,
        "5000",
        "how long tasks may take to stop",
    )
    .check(Check::AtLeast(0)),
    Row::with(
        "offset.flush.interval.ms",
        Long,
        "60000",
        "time between offset commits",
    )
    .check(Check::AtLeast(0)),
    Row::with(
        "offset.flush.timeout.ms",
        Long,
        "5000",
        "how long an offset commit may take",
    )
    .check(Check::AtLeast(0)),
    Row::optional(
        "plugin.path",
        List,
        "Java plugins; native plugins are built in, so it has no effect",
    ),
    Row::with(
        "plugin.discovery",
        Text,
        "hybrid_warn",
        "as plugin.path, without effect",
    ),
    Row::with(
        "config.providers",
        List,
        "",
        "aliases of config providers; each has config.providers.ALIAS.class and \
             config.providers.ALIAS.param.*",
    ),
    Row::with(
        "connector.client.config.override.policy",
        Text,
        "All",
        "All, None, Principal or Allowlist, or Kafka's class of one of these",
    )
    .check(Check::OverridePolicy),
    Row::with(
        "connector.client.config.override.allowlist",
        List,
        "",
        "client keys connectors may override",
    ),
    Row::with(
        "topic.creation.enable",
        Boolean,
        "true",
        "whether topic.creation.* of source connectors is honoured",
    ),
    Row::with(
        "topic.tracking.enable",
        Boolean,
        "true",
        "whether active topics are recorded",
    ),
    Row::with(
        "topic.tracking.allow.reset",
        Boolean,
        "true",
        "whether active topics may be reset",
    ),
    Row::with("metrics.sample.window.ms", Long, "30000", "window of rates"),
    Row::with("metrics.num.samples", Int, "2", "windows kept"),
    Row::with("metrics.recording.level", Text, "INFO", "INFO or DEBUG")
        .check(Check::OneOf(&["INFO", "DEBUG"])),
    Row::with(
        "metric.reporters",
        List,
        "org.apache.kafka.common.metrics.JmxReporter",
        "Java reporters, without effect; see /metrics",
    ),
    Row::with(
        "listeners",
        List,
        "http://:8083",
        "addresses of the REST API, protocol://host:port",
    ),
    Row::optional(
        "admin.listeners",
        List,
        "addresses of /admin/*; empty disables it",
    ),
    Row::optional(
        "rest.advertised.host.name",
        Text,
        "host other workers reach this one at",
    ),
    Row::optional(
        "rest.advertised.port",
        Int,
        "port other workers reach this one at",
    )
    .check(Check::BetweenIfGiven(0, 65535)),
    Row::optional("rest.advertised.listener", Text, "http or https"),
    Row::with(
        "rest.extension.classes",
        List,
        "",
        "Java extensions of the REST API",
    ),
    Row::with(
        "access.control.allow.origin",
        Text,
        "",
        "origins for CORS, regular expressions",
    ),
    Row::with("access.control.allow.methods", Text, "", "methods for CORS"),
    Row::with(
        "response.http.headers.config",
        Text,
        "",
        "headers added to replies",
    ),
    Row::with(
        "ssl.client.auth",
        Text,
        "none",
        "none, requested or required",
    ),
    Row::with("ssl.protocol", Text, "TLSv1.3", "TLS version"),
    Row::with(
        "ssl.enabled.protocols",
        List,
        "TLSv1.2,TLSv1.3",
        "TLS versions",
    ),
    Row::with(
        "ssl.keystore.type",
        Text,
        "JKS",
        "PEM is what this worker reads",
    ),
    Row::with(
        "ssl.truststore.type",
        Text,
        "JKS",
        "PEM is what this worker reads",
    ),
    Row::optional("ssl.keystore.location", Text, "own key and certificate"),
    Row::optional("ssl.truststore.location", Text, "trusted certificates"),
    Row::optional(
        "ssl.keystore.password",
        Password,
        "password of the key store",
    ),
    Row::optional("ssl.key.password", Password, "password of the key"),
    Row::optional(
        "ssl.truststore.password",
        Password,
        "password of the trust store",
    ),
    Row::optional("ssl.keystore.key", Password, "own key as PEM text"),
    Row::optional(
        "ssl.keystore.certificate.chain",
        Password,
        "own certificates as PEM text",
    ),
    Row::optional(
        "ssl.truststore.certificates",
        Password,
        "trusted certificates as PEM text",
    ),
    Row::optional("ssl.provider", Text, "Java only, without effect"),
    Row::with("ssl.cipher.suites", List, "", "allowed ciphers"),
    Row::with(
        "ssl.endpoint.identification.algorithm",
        Text,
        "https",
        "https, or empty for no check of host names",
    ),
    Row::with(
        "ssl.keymanager.algorithm",
        Text,
        "SunX509",
        "Java only, without effect",
    ),
    Row::with(
        "ssl.trustmanager.algorithm",
        Text,
        "PKIX",
        "Java only, without effect",
    ),
    Row::optional(
        "ssl.secure.random.implementation",
        Text,
        "Java only, without effect",
    ),
];

const STANDALONE: [Row; 1] = [Row::required(
    "offset.storage.file.filename",
    Text,
    "file that keeps the offsets of source connectors",
)
.check(Check::NonEmpty)];

const DISTRIBUTED: [Row; 44] = [
    Row::required("group.id", Text, "name of the Connect cluster").check(Check::NonEmpty),
    Row::required(
        "config.storage.topic",
        Text,
        "topic of connector configurations",
    )
    .check(Check::NonEmpty),
    Row::required("offset.storage.topic", Text, "topic of source offsets").check(Check::NonEmpty),
    Row::required("status.storage.topic", Text, "topic of states").check(Check::NonEmpty),
    Row::with(
        "config.storage.replication.factor",
        Short,
        "3",
        "copies of the config topic",
    ),
    Row::with(
        "offset.storage.replication.factor",
        Short,
        "3",
        "copies of the offset topic",
    ),
    Row::with(
        "status.storage.replication.factor",
        Short,
        "3",
        "copies of the status topic",
    ),
    Row::with(
        "offset.storage.partitions",
        Int,
        "25",
        "partitions of the offset topic",
    ),
    Row::with(
        "status.storage.partitions",
        Int,
        "5",
        "partitions of the status topic",
    ),
    Row::with("client.id", Text, "", "prefix of client ids"),
    Row::with(
        "session.timeout.ms",
        Int,
        "10000",
        "a worker silent for this long is dropped",
    )
    .check(Check::AtLeast(1)),
    Row::with(
        "heartbeat.interval.ms",
        Int,
        "3000",
        "longest time between heartbeats; agents send one every 250 ms, so that a rebalance is \
             noticed at once",
    )
    .check(Check::AtLeast(1)),
    Row::with(
        "rebalance.timeout.ms",
        Int,
        "60000",
        "how long a rebalance waits for a worker",
    )
    .check(Check::AtLeast(1)),
    Row::with(
        "worker.sync.timeout.ms",
        Int,
        "3000",
        "how long reading the config topic to its end may take",
    )
    .check(Check::AtLeast(0)),
    Row::with(
        "worker.unsync.backoff.ms",
        Int,
        "300000",
        "pause after that failed, eager protocol",
    )
    .check(Check::AtLeast(0)),
    Row::with(
        "connect.protocol",
        Text,
        "sessioned",
        "eager, compatible or sessioned",
    )
    .check(Check::OneOfIgnoringCase(&[
        "eager",
        "compatible",
        "sessioned",
    ])),
    Row::with(
        "scheduled.rebalance.max.delay.ms",
        Int,
        "300000",
        "how long lost work waits for its worker",
    )
    .check(Check::AtLeast(0)),
    Row::with(
        "inter.worker.key.generation.algorithm",
        Text,
        "HmacSHA256",
        "algorithm of session keys",
    ),
    Row::with(
        "inter.worker.key.ttl.ms",
        Int,
        "3600000",
        "life of a session key",
    )
    .check(Check::AtLeast(0)),
    Row::with(
        "inter.worker.signature.algorithm",
        Text,
        "HmacSHA256",
        "algorithm of signatures",
    ),
    Row::with(
        "exactly.once.source.support",
        Text,
        "disabled",
        "disabled, preparing or enabled",
    )
    .check(Check::OneOfIgnoringCase(&[
        "disabled",
        "preparing",
        "enabled",
    ])),
    Row::with(
        "metadata.max.age.ms",
        Long,
        "300000",
        "age at which cluster metadata is refreshed",
    )
    .check(Check::AtLeast(0)),
    Row::with(
        "metadata.recovery.strategy",
        Text,
        "rebootstrap",
        "none or rebootstrap",
    )
    .check(Check::OneOfIgnoringCase(&["none", "rebootstrap"])),
    Row::with(
        "metadata.recovery.rebootstrap.trigger.ms",
        Long,
        "300000",
        "when to start from bootstrap.servers again",
    )
    .check(Check::AtLeast(0)),
    Row::with(
        "request.timeout.ms",
        Int,
        "40000",
        "how long a broker may take to answer",
    )
    .check(Check::AtLeast(0)),
    Row::with(
        "retry.backoff.ms",
        Long,
        "100",
        "first pause before a retry",
    )
    .check(Check::AtLeast(0)),
    Row::with(
        "retry.backoff.max.ms",
        Long,
        "1000",
        "longest pause before a retry",
    )
    .check(Check::AtLeast(0)),
    Row::with(
        "reconnect.backoff.ms",
        Long,
        "50",
        "first pause before a reconnect",
    )
    .check(Check::AtLeast(0)),
    Row::with(
        "reconnect.backoff.max.ms",
        Long,
        "1000",
        "longest pause before a reconnect",
    )
    .check(Check::AtLeast(0)),
    Row::with(
        "socket.connection.setup.timeout.ms",
        Long,
        "10000",
        "how long connecting may take",
    )
    .check(Check::AtLeast(0)),
    Row::with(
        "socket.connection.setup.timeout.max.ms",
        Long,
        "30000",
        "the same, after failures",
    )
    .check(Check::AtLeast(0)),
    Row::with(
        "connections.max.idle.ms",
        Long,
        "540000",
        "idle connections are closed after this",
    ),
    Row::with("send.buffer.bytes", Int, "131072", "TCP buffer").check(Check::AtLeast(-1)),
    Row::with("receive.buffer.bytes", Int, "32768", "TCP buffer").check(Check::AtLeast(-1)),
    Row::with(
        "security.protocol",
        Text,
        "PLAINTEXT",
        "PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL",
    )
    .check(Check::OneOfIgnoringCase(&[
        "PLAINTEXT",
        "SSL",
        "SASL_PLAINTEXT",
        "SASL_SSL",
    ])),
    Row::with(
        "sasl.mechanism",
        Text,
        "GSSAPI",
        "PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER",
    ),
    Row::with(
        "default.api.timeout.ms",
        Int,
        "60000",
        "budget of an admin call",
    )
    .check(Check::AtLeast(0)),
    Row::with(
        "telemetry.interval.ms",
        Int,
        "1000",
        "time between telemetry records",
    )
    .check(Check::AtLeast(100)),
    Row::with(
        "telemetry.storage.replication.factor",
        Short,
        "-1",
        "copies of the telemetry topic",
    ),
    Row::with(
        "telemetry.storage.partitions",
        Int,
        "1",
        "partitions of the telemetry topic",
    )
    .check(Check::AtLeast(1)),
    Row::optional(
        "telemetry.storage.topic",
        Text,
        "topic of metrics and events; empty for none",
    ),
    Row::with(
        "sluice.join",
        Text,
        "capable",
        "capable: do not join a group that has connectors whose classes this agent lacks; \
             always: join all the same",
    )
    .check(Check::OneOfIgnoringCase(&["capable", "always"])),
    Row::optional("inter.worker.key.size", Int, "bits of session keys"),
    Row::with(
        "inter.worker.verification.algorithms",
        List,
        "HmacSHA256",
        "algorithms accepted in signatures",
    )
    .check(Check::NonEmptyList),
];
