//! The keys a worker knows, with types, defaults and checks: tables after Kafka's `WorkerConfig`,
//! `DistributedConfig` and `StandaloneConfig`, and our own `sluice.*` and `telemetry.*`.

use sluice_api::config::{ConfigDef, ConfigType, Importance};
use sluice_api::reach::{FILE_ROOTS, HOSTS};

#[cfg(test)]
use super::WithoutField;
use super::{Absent, Check, Row};
use crate::settings::Mode;

const SECURITY_PROTOCOLS: &[&str] = &["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"];
const CONVERTER: &str = "converter of connectors that name none; its keys follow under this prefix";

/// The definition of the worker's keys.
pub(crate) fn definition(mode: Mode) -> ConfigDef {
    let mut def = ConfigDef::new();
    let of_mode: &[Row] = match mode {
        Mode::Distributed => DISTRIBUTED,
        Mode::Standalone => STANDALONE,
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

const BOTH_MODES: &[Row] = rows! {
    "key.converter" Class required => CONVERTER;
    "value.converter" Class required => CONVERTER;
    "bootstrap.servers" List required Distinct(false) => "brokers as host:port, comma separated";
    "sluice.plugins.allow" List "" =>
        "connectors that may be used, by class, alias, or the beginning of classes and *; empty for \
         all";
    "sluice.plugins.deny" List "" =>
        "connectors, converters, transformations and predicates that may not be used, written as \
         sluice.plugins.allow";
    FILE_ROOTS List "" =>
        "folders beneath which connectors may read and write files; empty for all that the agent's \
         user may";
    HOSTS List "" =>
        "servers that connectors may be sent to, as host, host:port, *.domain or address/bits; empty \
         for all";
    "header.converter" Class "org.apache.kafka.connect.storage.SimpleHeaderConverter" =>
        "converter of headers";
    "key.converter.plugin.version" String none => "version of the key converter";
    "value.converter.plugin.version" String none => "version of the value converter";
    "header.converter.plugin.version" String none => "version of the header converter";
    "client.dns.lookup" String "use_all_dns_ips" => "how host names of brokers are resolved";
    "task.shutdown.graceful.timeout.ms" Long "5000" AtLeast(0) => "how long tasks may take to stop";
    "offset.flush.interval.ms" Long "60000" AtLeast(0) => "time between offset commits";
    "offset.flush.timeout.ms" Long "5000" AtLeast(0) => "how long an offset commit may take";
    "plugin.path" List none => "Java plugins; native plugins are built in, so it has no effect";
    "plugin.discovery" String "hybrid_warn" => "as plugin.path, without effect";
    "config.providers" List "" =>
        "aliases of config providers; each has config.providers.ALIAS.class and \
         config.providers.ALIAS.param.*";
    "connector.client.config.override.policy" String "All" OverridePolicy =>
        "All, None, Principal or Allowlist, or Kafka's class of one of these";
    "connector.client.config.override.allowlist" List "" => "client keys connectors may override";
    "topic.creation.enable" Boolean "true" => "whether topic.creation.* of source connectors is honoured";
    "topic.tracking.enable" Boolean "true" => "whether active topics are recorded";
    "topic.tracking.allow.reset" Boolean "true" => "whether active topics may be reset";
    "metrics.sample.window.ms" Long "30000" => "window of rates";
    "metrics.num.samples" Int "2" => "windows kept";
    "metrics.recording.level" String "INFO" OneOf(&["INFO", "DEBUG"]) => "INFO or DEBUG";
    "metric.reporters" List "org.apache.kafka.common.metrics.JmxReporter" =>
        "Java reporters, without effect; see /metrics";
    "listeners" List "http://:8083" => "addresses of the REST API, protocol://host:port";
    "admin.listeners" List none => "addresses of /admin/*; empty disables it";
    "rest.advertised.host.name" String none => "host other workers reach this one at";
    "rest.advertised.port" Int none BetweenIfGiven(0, 65535) => "port other workers reach this one at";
    "rest.advertised.listener" String none => "http or https";
    "rest.extension.classes" List "" => "Java extensions of the REST API";
    "access.control.allow.origin" String "" => "origins for CORS, regular expressions";
    "access.control.allow.methods" String "" => "methods for CORS";
    "response.http.headers.config" String "" => "headers added to replies";
    "ssl.client.auth" String "none" => "none, requested or required";
    "ssl.protocol" String "TLSv1.3" => "TLS version";
    "ssl.enabled.protocols" List "TLSv1.2,TLSv1.3" => "TLS versions";
    "ssl.keystore.type" String "JKS" => "PEM is what this worker reads";
    "ssl.truststore.type" String "JKS" => "PEM is what this worker reads";
    "ssl.keystore.location" String none => "own key and certificate";
    "ssl.truststore.location" String none => "trusted certificates";
    "ssl.keystore.password" Password none => "password of the key store";
    "ssl.key.password" Password none => "password of the key";
    "ssl.truststore.password" Password none => "password of the trust store";
    "ssl.keystore.key" Password none => "own key as PEM text";
    "ssl.keystore.certificate.chain" Password none => "own certificates as PEM text";
    "ssl.truststore.certificates" Password none => "trusted certificates as PEM text";
    "ssl.provider" String none => "Java only, without effect";
    "ssl.cipher.suites" List "" => "allowed ciphers";
    "ssl.endpoint.identification.algorithm" String "https" => "https, or empty for no check of host names";
    "ssl.keymanager.algorithm" String "SunX509" => "Java only, without effect";
    "ssl.trustmanager.algorithm" String "PKIX" => "Java only, without effect";
    "ssl.secure.random.implementation" String none => "Java only, without effect";
};

const STANDALONE: &[Row] = rows! {
    "offset.storage.file.filename" String required NonEmpty =>
        "file that keeps the offsets of source connectors";
};

const DISTRIBUTED: &[Row] = rows! {
    "group.id" String required NonEmpty => "name of the Connect cluster";
    "config.storage.topic" String required NonEmpty => "topic of connector configurations";
    "offset.storage.topic" String required NonEmpty => "topic of source offsets";
    "status.storage.topic" String required NonEmpty => "topic of states";
    "config.storage.replication.factor" Short "3" => "copies of the config topic";
    "offset.storage.replication.factor" Short "3" => "copies of the offset topic";
    "status.storage.replication.factor" Short "3" => "copies of the status topic";
    "offset.storage.partitions" Int "25" => "partitions of the offset topic";
    "status.storage.partitions" Int "5" => "partitions of the status topic";
    "client.id" String "" => "prefix of client ids";
    "session.timeout.ms" Int "10000" AtLeast(1) => "a worker silent for this long is dropped";
    "heartbeat.interval.ms" Int "3000" AtLeast(1) =>
        "longest time between heartbeats; agents send one every 250 ms, so that a rebalance is \
         noticed at once";
    "rebalance.timeout.ms" Int "60000" AtLeast(1) => "how long a rebalance waits for a worker";
    "worker.sync.timeout.ms" Int "3000" AtLeast(0) =>
        "how long reading the config topic to its end may take";
    "worker.unsync.backoff.ms" Int "300000" AtLeast(0) => "pause after that failed, eager protocol";
    "connect.protocol" String "sessioned" OneOfIgnoringCase(&["eager","compatible","sessioned"]) =>
        "eager, compatible or sessioned";
    "scheduled.rebalance.max.delay.ms" Int "300000" AtLeast(0) =>
        "how long lost work waits for its worker";
    "inter.worker.key.generation.algorithm" String "HmacSHA256" => "algorithm of session keys";
    "inter.worker.key.ttl.ms" Int "3600000" AtLeast(0) => "life of a session key";
    "inter.worker.signature.algorithm" String "HmacSHA256" => "algorithm of signatures";
    "exactly.once.source.support" String "disabled" OneOfIgnoringCase(&["disabled","preparing","enabled"]) =>
        "disabled, preparing or enabled";
    "metadata.max.age.ms" Long "300000" AtLeast(0) => "age at which cluster metadata is refreshed";
    "metadata.recovery.strategy" String "rebootstrap" OneOfIgnoringCase(&["none", "rebootstrap"]) =>
        "none or rebootstrap";
    "metadata.recovery.rebootstrap.trigger.ms" Long "300000" AtLeast(0) =>
        "when to start from bootstrap.servers again";
    "request.timeout.ms" Int "40000" AtLeast(0) => "how long a broker may take to answer";
    "retry.backoff.ms" Long "100" AtLeast(0) => "first pause before a retry";
    "retry.backoff.max.ms" Long "1000" AtLeast(0) => "longest pause before a retry";
    "reconnect.backoff.ms" Long "50" AtLeast(0) => "first pause before a reconnect";
    "reconnect.backoff.max.ms" Long "1000" AtLeast(0) => "longest pause before a reconnect";
    "socket.connection.setup.timeout.ms" Long "10000" AtLeast(0) => "how long connecting may take";
    "socket.connection.setup.timeout.max.ms" Long "30000" AtLeast(0) => "the same, after failures";
    "connections.max.idle.ms" Long "540000" => "idle connections are closed after this";
    "send.buffer.bytes" Int "131072" AtLeast(-1) => "TCP buffer";
    "receive.buffer.bytes" Int "32768" AtLeast(-1) => "TCP buffer";
    "security.protocol" String "PLAINTEXT" OneOfIgnoringCase(SECURITY_PROTOCOLS) =>
        "PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL";
    "sasl.mechanism" String "GSSAPI" => "PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER";
    "default.api.timeout.ms" Int "60000" AtLeast(0) => "budget of an admin call";
    "telemetry.interval.ms" Int "1000" AtLeast(100) => "time between telemetry records";
    "telemetry.storage.replication.factor" Short "-1" => "copies of the telemetry topic";
    "telemetry.storage.partitions" Int "1" AtLeast(1) => "partitions of the telemetry topic";
    "telemetry.storage.topic" String none => "topic of metrics and events; empty for none";
    "sluice.join" String "capable" OneOfIgnoringCase(&["capable", "always"]) =>
        "capable: do not join a group that has connectors whose classes this agent lacks; always: \
         join all the same";
    "inter.worker.key.size" Int none => "bits of session keys";
    "inter.worker.verification.algorithms" List "HmacSHA256" NonEmptyList =>
        "algorithms accepted in signatures";
};
