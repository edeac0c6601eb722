//! The keys a worker knows, with types, defaults and checks: tables after Kafka's `WorkerConfig`,
//! `DistributedConfig` and `StandaloneConfig`, and our own `telemetry.*`.

use sluice_api::config::validators::{
    at_least, between, distinct_list, non_empty, one_of_ignoring_case,
};
use sluice_api::config::{ConfigDef, ConfigError, ConfigKey, ConfigType, ConfigValue, Importance};

use sluice_api::reach::{FILE_ROOTS, HOSTS};

use super::Mode;
use crate::client_overrides::policy_name;

const NULL: Option<&str> = None;

/// The definition of the worker's keys.
pub(super) fn definition(mode: Mode) -> ConfigDef {
    let mut def = ConfigDef::new();
    both_modes(&mut def);
    match mode {
        Mode::Standalone => def.add(
            ConfigKey::new("offset.storage.file.filename", ConfigType::String)
                .validator(non_empty())
                .importance(Importance::High)
                .doc("file that keeps the offsets of source connectors"),
        ),
        Mode::Distributed => distributed(&mut def),
    }
    def
}

fn key(name: &str, kind: ConfigType, default: Option<&str>, doc: &str) -> ConfigKey {
    let key = ConfigKey::new(name, kind)
        .importance(Importance::Low)
        .doc(doc);
    match default {
        Some(text) => key.default(text),
        None => key.optional(),
    }
}

fn both_modes(def: &mut ConfigDef) {
    use ConfigType::{Boolean, Class, Int, List, Long, Password, String};
    for required in ["key.converter", "value.converter"] {
        def.add(
            ConfigKey::new(required, Class)
                .importance(Importance::High)
                .doc("converter of connectors that name none; its keys follow under this prefix"),
        );
    }
    def.add(
        ConfigKey::new("bootstrap.servers", List)
            .distinct(false)
            .importance(Importance::High)
            .doc("brokers as host:port, comma separated"),
    );
    def.add(key(
        "sluice.plugins.allow",
        List,
        Some(""),
        "connectors that may be used, by class, alias, or the beginning of classes and *; empty for all",
    ));
    def.add(key(
        "sluice.plugins.deny",
        List,
        Some(""),
        "connectors, converters, transformations and predicates that may not be used, written as \
         sluice.plugins.allow",
    ));
    def.add(key(
        FILE_ROOTS,
        List,
        Some(""),
        "folders beneath which connectors may read and write files; empty for all that the agent's user may",
    ));
    def.add(key(
        HOSTS,
        List,
        Some(""),
        "servers that connectors may be sent to, as host, host:port, *.domain or address/bits; empty for all",
    ));
    let keys: [(&str, ConfigType, Option<&str>, &str); 48] = [
        (
            "header.converter",
            Class,
            Some("org.apache.kafka.connect.storage.SimpleHeaderConverter"),
            "converter of headers",
        ),
        (
            "key.converter.plugin.version",
            String,
            NULL,
            "version of the key converter",
        ),
        (
            "value.converter.plugin.version",
            String,
            NULL,
            "version of the value converter",
        ),
        (
            "header.converter.plugin.version",
            String,
            NULL,
            "version of the header converter",
        ),
        (
            "client.dns.lookup",
            String,
            Some("use_all_dns_ips"),
            "how host names of brokers are resolved",
        ),
        (
            "task.shutdown.graceful.timeout.ms",
            Long,
            Some("5000"),
            "how long tasks may take to stop",
        ),
        (
            "offset.flush.interval.ms",
            Long,
            Some("60000"),
            "time between offset commits",
        ),
        (
            "offset.flush.timeout.ms",
            Long,
            Some("5000"),
            "how long an offset commit may take",
        ),
        (
            "plugin.path",
            List,
            NULL,
            "Java plugins; native plugins are built in, so it has no effect",
        ),
        (
            "plugin.discovery",
            String,
            Some("hybrid_warn"),
            "as plugin.path, without effect",
        ),
        (
            "config.providers",
            List,
            Some(""),
            "aliases of config providers; each has config.providers.ALIAS.class and \
             config.providers.ALIAS.param.*",
        ),
        (
            "connector.client.config.override.policy",
            String,
            Some("All"),
            "All, None, Principal or Allowlist, or Kafka's class of one of these",
        ),
        (
            "connector.client.config.override.allowlist",
            List,
            Some(""),
            "client keys connectors may override",
        ),
        (
            "topic.creation.enable",
            Boolean,
            Some("true"),
            "whether topic.creation.* of source connectors is honoured",
        ),
        (
            "topic.tracking.enable",
            Boolean,
            Some("true"),
            "whether active topics are recorded",
        ),
        (
            "topic.tracking.allow.reset",
            Boolean,
            Some("true"),
            "whether active topics may be reset",
        ),
        (
            "metrics.sample.window.ms",
            Long,
            Some("30000"),
            "window of rates",
        ),
        ("metrics.num.samples", Int, Some("2"), "windows kept"),
        (
            "metrics.recording.level",
            String,
            Some("INFO"),
            "INFO or DEBUG",
        ),
        (
            "metric.reporters",
            List,
            Some("org.apache.kafka.common.metrics.JmxReporter"),
            "Java reporters, without effect; see /metrics",
        ),
        (
            "listeners",
            List,
            Some("http://:8083"),
            "addresses of the REST API, protocol://host:port",
        ),
        (
            "admin.listeners",
            List,
            NULL,
            "addresses of /admin/*; empty disables it",
        ),
        (
            "rest.advertised.host.name",
            String,
            NULL,
            "host other workers reach this one at",
        ),
        (
            "rest.advertised.port",
            Int,
            NULL,
            "port other workers reach this one at",
        ),
        ("rest.advertised.listener", String, NULL, "http or https"),
        (
            "rest.extension.classes",
            List,
            Some(""),
            "Java extensions of the REST API",
        ),
        (
            "access.control.allow.origin",
            String,
            Some(""),
            "origins for CORS, regular expressions",
        ),
        (
            "access.control.allow.methods",
            String,
            Some(""),
            "methods for CORS",
        ),
        (
            "response.http.headers.config",
            String,
            Some(""),
            "headers added to replies",
        ),
        (
            "ssl.client.auth",
            String,
            Some("none"),
            "none, requested or required",
        ),
        ("ssl.protocol", String, Some("TLSv1.3"), "TLS version"),
        (
            "ssl.enabled.protocols",
            List,
            Some("TLSv1.2,TLSv1.3"),
            "TLS versions",
        ),
        (
            "ssl.keystore.type",
            String,
            Some("JKS"),
            "PEM is what this worker reads",
        ),
        (
            "ssl.truststore.type",
            String,
            Some("JKS"),
            "PEM is what this worker reads",
        ),
        (
            "ssl.keystore.location",
            String,
            NULL,
            "own key and certificate",
        ),
        (
            "ssl.truststore.location",
            String,
            NULL,
            "trusted certificates",
        ),
        (
            "ssl.keystore.password",
            Password,
            NULL,
            "password of the key store",
        ),
        ("ssl.key.password", Password, NULL, "password of the key"),
        (
            "ssl.truststore.password",
            Password,
            NULL,
            "password of the trust store",
        ),
        ("ssl.keystore.key", Password, NULL, "own key as PEM text"),
        (
            "ssl.keystore.certificate.chain",
            Password,
            NULL,
            "own certificates as PEM text",
        ),
        (
            "ssl.truststore.certificates",
            Password,
            NULL,
            "trusted certificates as PEM text",
        ),
        ("ssl.provider", String, NULL, "Java only, without effect"),
        ("ssl.cipher.suites", List, Some(""), "allowed ciphers"),
        (
            "ssl.endpoint.identification.algorithm",
            String,
            Some("https"),
            "https, or empty for no check of host names",
        ),
        (
            "ssl.keymanager.algorithm",
            String,
            Some("SunX509"),
            "Java only, without effect",
        ),
        (
            "ssl.trustmanager.algorithm",
            String,
            Some("PKIX"),
            "Java only, without effect",
        ),
        (
            "ssl.secure.random.implementation",
            String,
            NULL,
            "Java only, without effect",
        ),
    ];
    for (name, kind, default, doc) in keys {
        let mut built = key(name, kind, default, doc);
        match name {
            "rest.advertised.port" => {
                built = built.validator(std::sync::Arc::new(|name, value| match value {
                    sluice_api::config::ConfigValue::Null => Ok(()),
                    _ => between(0, 65535)(name, value),
                }));
            }
            "task.shutdown.graceful.timeout.ms"
            | "offset.flush.interval.ms"
            | "offset.flush.timeout.ms" => {
                built = built.validator(at_least(0));
            }
            "metrics.recording.level" => {
                built = built.validator(sluice_api::config::validators::one_of(&["INFO", "DEBUG"]));
            }
            "connector.client.config.override.policy" => {
                built = built.validator(std::sync::Arc::new(|name, value| match value {
                    ConfigValue::String(given) if policy_name(given).is_none() => {
                        Err(ConfigError::invalid(
                            name,
                            given,
                            format!("Class {given} could not be found."),
                        ))
                    }
                    _ => Ok(()),
                }));
            }
            _ => {}
        }
        def.add(built);
    }
}

fn distributed(def: &mut ConfigDef) {
    use ConfigType::{Int, List, Long, Short, String};
    for (name, doc) in [
        ("group.id", "name of the Connect cluster"),
        ("config.storage.topic", "topic of connector configurations"),
        ("offset.storage.topic", "topic of source offsets"),
        ("status.storage.topic", "topic of states"),
    ] {
        def.add(
            ConfigKey::new(name, String)
                .validator(non_empty())
                .importance(Importance::High)
                .doc(doc),
        );
    }
    let keys: [(&str, ConfigType, &str, Option<i32>, &str); 36] = [
        (
            "config.storage.replication.factor",
            Short,
            "3",
            None,
            "copies of the config topic",
        ),
        (
            "offset.storage.replication.factor",
            Short,
            "3",
            None,
            "copies of the offset topic",
        ),
        (
            "status.storage.replication.factor",
            Short,
            "3",
            None,
            "copies of the status topic",
        ),
        (
            "offset.storage.partitions",
            Int,
            "25",
            None,
            "partitions of the offset topic",
        ),
        (
            "status.storage.partitions",
            Int,
            "5",
            None,
            "partitions of the status topic",
        ),
        ("client.id", String, "", None, "prefix of client ids"),
        (
            "session.timeout.ms",
            Int,
            "10000",
            Some(1),
            "a worker silent for this long is dropped",
        ),
        (
            "heartbeat.interval.ms",
            Int,
            "3000",
            Some(1),
            "longest time between heartbeats; agents send one every 250 ms, so that a rebalance is \
             noticed at once",
        ),
        (
            "rebalance.timeout.ms",
            Int,
            "60000",
            Some(1),
            "how long a rebalance waits for a worker",
        ),
        (
            "worker.sync.timeout.ms",
            Int,
            "3000",
            Some(0),
            "how long reading the config topic to its end may take",
        ),
        (
            "worker.unsync.backoff.ms",
            Int,
            "300000",
            Some(0),
            "pause after that failed, eager protocol",
        ),
        (
            "connect.protocol",
            String,
            "sessioned",
            None,
            "eager, compatible or sessioned",
        ),
        (
            "scheduled.rebalance.max.delay.ms",
            Int,
            "300000",
            Some(0),
            "how long lost work waits for its worker",
        ),
        (
            "inter.worker.key.generation.algorithm",
            String,
            "HmacSHA256",
            None,
            "algorithm of session keys",
        ),
        (
            "inter.worker.key.ttl.ms",
            Int,
            "3600000",
            Some(0),
            "life of a session key",
        ),
        (
            "inter.worker.signature.algorithm",
            String,
            "HmacSHA256",
            None,
            "algorithm of signatures",
        ),
        (
            "exactly.once.source.support",
            String,
            "disabled",
            None,
            "disabled, preparing or enabled",
        ),
        (
            "metadata.max.age.ms",
            Long,
            "300000",
            Some(0),
            "age at which cluster metadata is refreshed",
        ),
        (
            "metadata.recovery.strategy",
            String,
            "rebootstrap",
            None,
            "none or rebootstrap",
        ),
        (
            "metadata.recovery.rebootstrap.trigger.ms",
            Long,
            "300000",
            Some(0),
            "when to start from bootstrap.servers again",
        ),
        (
            "request.timeout.ms",
            Int,
            "40000",
            Some(0),
            "how long a broker may take to answer",
        ),
        (
            "retry.backoff.ms",
            Long,
            "100",
            Some(0),
            "first pause before a retry",
        ),
        (
            "retry.backoff.max.ms",
            Long,
            "1000",
            Some(0),
            "longest pause before a retry",
        ),
        (
            "reconnect.backoff.ms",
            Long,
            "50",
            Some(0),
            "first pause before a reconnect",
        ),
        (
            "reconnect.backoff.max.ms",
            Long,
            "1000",
            Some(0),
            "longest pause before a reconnect",
        ),
        (
            "socket.connection.setup.timeout.ms",
            Long,
            "10000",
            Some(0),
            "how long connecting may take",
        ),
        (
            "socket.connection.setup.timeout.max.ms",
            Long,
            "30000",
            Some(0),
            "the same, after failures",
        ),
        (
            "connections.max.idle.ms",
            Long,
            "540000",
            None,
            "idle connections are closed after this",
        ),
        ("send.buffer.bytes", Int, "131072", Some(-1), "TCP buffer"),
        ("receive.buffer.bytes", Int, "32768", Some(-1), "TCP buffer"),
        (
            "security.protocol",
            String,
            "PLAINTEXT",
            None,
            "PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL",
        ),
        (
            "sasl.mechanism",
            String,
            "GSSAPI",
            None,
            "PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER",
        ),
        (
            "default.api.timeout.ms",
            Int,
            "60000",
            Some(0),
            "budget of an admin call",
        ),
        (
            "telemetry.interval.ms",
            Int,
            "1000",
            Some(100),
            "time between telemetry records",
        ),
        (
            "telemetry.storage.replication.factor",
            Short,
            "-1",
            None,
            "copies of the telemetry topic",
        ),
        (
            "telemetry.storage.partitions",
            Int,
            "1",
            Some(1),
            "partitions of the telemetry topic",
        ),
    ];
    for (name, kind, default, least, doc) in keys {
        let mut built = key(name, kind, Some(default), doc);
        if let Some(least) = least {
            built = built.validator(at_least(least));
        }
        match name {
            "connect.protocol" => {
                built =
                    built.validator(one_of_ignoring_case(&["eager", "compatible", "sessioned"]));
            }
            "exactly.once.source.support" => {
                built =
                    built.validator(one_of_ignoring_case(&["disabled", "preparing", "enabled"]));
            }
            "metadata.recovery.strategy" => {
                built = built.validator(one_of_ignoring_case(&["none", "rebootstrap"]));
            }
            "security.protocol" => {
                built = built.validator(one_of_ignoring_case(&[
                    "PLAINTEXT",
                    "SSL",
                    "SASL_PLAINTEXT",
                    "SASL_SSL",
                ]));
            }
            _ => {}
        }
        def.add(built);
    }
    def.add(key(
        "telemetry.storage.topic",
        String,
        NULL,
        "topic of metrics and events; empty for none",
    ));
    def.add(
        key(
            "sluice.join",
            String,
            Some("capable"),
            "capable: do not join a group that has connectors whose classes this agent lacks; \
             always: join all the same",
        )
        .validator(one_of_ignoring_case(&["capable", "always"])),
    );
    def.add(key(
        "inter.worker.key.size",
        Int,
        NULL,
        "bits of session keys",
    ));
    def.add(
        key(
            "inter.worker.verification.algorithms",
            List,
            Some("HmacSHA256"),
            "algorithms accepted in signatures",
        )
        .validator(distinct_list(false, false)),
    );
}
