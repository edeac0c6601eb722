//! The worker's properties file: the same keys, defaults and checks as `connect-distributed` and
//! `connect-standalone` (Kafka's `WorkerConfig`, `DistributedConfig`, `StandaloneConfig`).
//!
//! Every fault of a file is collected and reported at once. Keys that are not known give a warning,
//! as with the JVM worker; client keys under `producer.`, `consumer.` and `admin.` pass through to
//! the clients.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sluice_api::config::{ConfigDef, ConfigError, Props};
use sluice_api::plugin::Environment;
use sluice_api::reach::{FILE_ROOTS, HOSTS, Reach};
use url::Url;

use super::keys::worker::definition;
use super::{
    ClientProps, DistributedSettings, ExactlyOnceSupport, PluginChoice, RestSettings, Values,
};
use crate::client_overrides::OverridePolicy;
use crate::config_transformer::ConfigTransformer;
use crate::plugins::Plugins;
use crate::properties::parse_properties;

/// Why a worker cannot run with its configuration.
#[derive(Debug, thiserror::Error)]
pub enum WorkerSettingsError {
    /// The file cannot be read.
    #[error("cannot read worker properties {path}")]
    Read {
        /// Path of the file, as given.
        path: String,
        /// What the operating system reported.
        source: std::io::Error,
    },
    /// The file is not in Java's properties format.
    #[error("cannot parse worker properties {path}: {reason}")]
    Syntax {
        /// Path of the file, as given.
        path: String,
        /// Place and kind of the malformed escape.
        reason: String,
    },
    /// Values are missing or wrong; one text per fault.
    #[error("worker configuration is invalid:\n  {}", .0.join("\n  "))]
    Invalid(Vec<String>),
    /// The settings are those of the other kind of worker: a bug of the caller.
    #[error("these are the settings of {0}")]
    Role(&'static str),
}

impl From<ConfigError> for WorkerSettingsError {
    fn from(error: ConfigError) -> Self {
        Self::Invalid(vec![error.0])
    }
}

/// Whether workers form a cluster or one runs alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// A member of a cluster, as `connect-distributed`.
    Distributed,
    /// A worker of its own, as `connect-standalone`.
    Standalone,
}

/// What a worker is besides: a member of a cluster, or alone.
#[derive(Debug, Clone)]
pub enum Role {
    /// A member of a cluster, as `connect-distributed`.
    Distributed(Arc<DistributedSettings>),
    /// A worker of its own, as `connect-standalone`.
    Standalone {
        /// `offset.storage.file.filename`, which keeps the offsets of source connectors.
        offset_file: String,
    },
}

/// The converters of connectors that name none.
#[derive(Debug, Clone)]
pub struct ConverterSettings {
    /// Of record keys (`key.converter`).
    pub key: PluginChoice,
    /// Of record values (`value.converter`).
    pub value: PluginChoice,
    /// Of headers of records (`header.converter`).
    pub header: PluginChoice,
}

/// Whether the topics that connectors use are recorded (KIP-558).
#[derive(Debug, Clone, Copy)]
pub struct TopicTracking {
    /// Whether they are recorded (`topic.tracking.enable`).
    pub enabled: bool,
    /// Whether REST may forget them (`topic.tracking.allow.reset`).
    pub allow_reset: bool,
}

/// A worker's configuration: what the worker itself uses by type, and all properties for its clients.
#[derive(Clone)]
pub struct WorkerSettings {
    /// Member of a cluster, or alone.
    pub role: Role,
    /// All properties with values for variables, as Kafka's clients and TLS read theirs from them.
    pub props: Arc<Props>,
    /// Brokers to begin with (`bootstrap.servers`), each `host:port`.
    pub bootstrap_servers: Vec<String>,
    /// Gives values for variables in configurations of connectors.
    pub transformer: ConfigTransformer,
    /// What configurations of connectors may reach.
    pub reach: Reach,
    /// The plugins that the worker lets its users have (`sluice.plugins.allow`,
    /// `sluice.plugins.deny`).
    pub plugins: Plugins,
    /// Keys of the worker's clients of one kind.
    pub clients: ClientProps,
    /// Which client settings connectors may override.
    pub(crate) overrides: OverridePolicy,
    /// For connectors that name none.
    pub converters: ConverterSettings,
    /// Time between commits of offsets (`offset.flush.interval.ms`).
    pub offset_flush_interval: Duration,
    /// How long a commit may take (`offset.flush.timeout.ms`).
    pub offset_flush_timeout: Duration,
    /// How long tasks may take to stop, together (`task.shutdown.graceful.timeout.ms`).
    pub task_shutdown_timeout: Duration,
    /// Whether `topic.creation.*` of source connectors is honoured.
    pub topic_creation: bool,
    /// Whether active topics are recorded.
    pub topic_tracking: TopicTracking,
    /// Where the REST server listens, and what it answers with.
    pub rest: RestSettings,
}

impl fmt::Debug for WorkerSettings {
    /// Names the role only: properties may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkerSettings")
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}

impl WorkerSettings {
    /// All keys of a worker, with types, defaults, checks and meanings.
    #[must_use]
    pub fn definition(mode: Mode) -> ConfigDef {
        definition(mode)
    }

    /// Checks properties, without an environment.
    ///
    /// # Errors
    /// All faults at once.
    pub fn from_props(props: Props, mode: Mode) -> Result<Self, WorkerSettingsError> {
        Self::with_environment(props, mode, &Environment::new())
    }

    /// Checks properties. Config providers may look into the environment.
    ///
    /// # Errors
    /// All faults at once.
    pub fn with_environment(
        props: Props,
        mode: Mode,
        environment: &Environment,
    ) -> Result<Self, WorkerSettingsError> {
        let transformer =
            ConfigTransformer::from_props(&props, &Plugins::config_providers(), environment)
                .map_err(WorkerSettingsError::Invalid)?;
        let resolved = transformer
            .resolve(&props)
            .map_err(|error| WorkerSettingsError::Invalid(vec![error.to_string()]))?;
        let (mut values, faults) = Values::validated(&definition(mode), &resolved.props);
        let props = Arc::new(if resolved.is_plain() {
            props
        } else {
            resolved.props.clone()
        });
        Self::take(&mut values, faults, props, mode, transformer).map_err(|error| match error {
            WorkerSettingsError::Invalid(faults) => WorkerSettingsError::Invalid(
                faults.iter().map(|fault| resolved.hide(fault)).collect(),
            ),
            other => other,
        })
    }

    /// Takes all keys, if none is at fault by itself, and checks what several say together.
    fn take(
        values: &mut Values,
        mut faults: Vec<String>,
        props: Arc<Props>,
        mode: Mode,
        transformer: ConfigTransformer,
    ) -> Result<Self, WorkerSettingsError> {
        let rest = RestSettings::take(values, &mut faults)?;
        none(&mut faults)?;
        let (roots, hosts): (Vec<String>, Vec<String>) =
            (values.take(FILE_ROOTS)?, values.take(HOSTS)?);
        let reach = Reach::new(&roots, &hosts).map_err(|faults| {
            WorkerSettingsError::Invalid(faults.into_iter().map(|fault| fault.0).collect())
        })?;
        let role = match mode {
            Mode::Distributed => {
                let settings = DistributedSettings::take(values, &props, &mut faults)?;
                Role::Distributed(Arc::new(settings))
            }
            Mode::Standalone => Role::Standalone {
                offset_file: values.take("offset.storage.file.filename")?,
            },
        };
        let extensions: Vec<String> = values.take("rest.extension.classes")?;
        faults.extend(extensions.iter().map(|class| {
            format!("rest.extension.classes: {class} is not available in this version")
        }));
        none(&mut faults)?;
        let plugins =
            |allow: Vec<String>, deny: Vec<String>| Plugins::built_in().restricted(&allow, &deny);
        let policy: String = values.take("connector.client.config.override.policy")?;
        let allowlist: Vec<String> = values.take("connector.client.config.override.allowlist")?;
        Ok(Self {
            role,
            bootstrap_servers: values.take("bootstrap.servers")?,
            transformer: transformer.within(reach.clone()),
            reach,
            plugins: plugins(
                values.take("sluice.plugins.allow")?,
                values.take("sluice.plugins.deny")?,
            ),
            overrides: OverridePolicy::new(&policy, &allowlist),
            converters: ConverterSettings {
                key: PluginChoice::take(values, &props, "key.converter")?,
                value: PluginChoice::take(values, &props, "value.converter")?,
                header: PluginChoice::take(values, &props, "header.converter")?,
            },
            offset_flush_interval: values.take("offset.flush.interval.ms")?,
            offset_flush_timeout: values.take("offset.flush.timeout.ms")?,
            task_shutdown_timeout: values.take("task.shutdown.graceful.timeout.ms")?,
            topic_creation: values.take("topic.creation.enable")?,
            topic_tracking: TopicTracking {
                enabled: values.take("topic.tracking.enable")?,
                allow_reset: values.take("topic.tracking.allow.reset")?,
            },
            rest,
            clients: ClientProps::of_worker(&props),
            props,
        })
    }

    /// The settings of a worker of a cluster; `None` of one that is alone.
    pub fn distributed(&self) -> Option<&Arc<DistributedSettings>> {
        match &self.role {
            Role::Distributed(settings) => Some(settings),
            Role::Standalone { .. } => None,
        }
    }

    /// `exactly.once.source.support`; always disabled for a standalone worker.
    pub fn exactly_once(&self) -> ExactlyOnceSupport {
        self.distributed()
            .map_or(ExactlyOnceSupport::Disabled, |settings| {
                settings.exactly_once
            })
    }
}

/// Fails with all faults if there are any.
fn none(faults: &mut Vec<String>) -> Result<(), WorkerSettingsError> {
    if faults.is_empty() {
        return Ok(());
    }
    Err(WorkerSettingsError::Invalid(std::mem::take(faults)))
}

/// Keys of a file that neither a worker nor a client of it knows, for the warning at start.
pub(crate) fn unknown_keys(props: &Props, mode: Mode) -> Vec<&str> {
    const PREFIXES: [&str; 16] = [
        "producer.",
        "consumer.",
        "admin.",
        "key.converter.",
        "value.converter.",
        "header.converter.",
        "config.storage.",
        "offset.storage.",
        "status.storage.",
        "telemetry.storage.",
        "config.providers.",
        "listeners.https.",
        "admin.listeners.https.",
        "metrics.context.",
        "sasl.",
        "ssl.",
    ];
    // Of the worker's own connections, which a standalone worker has as well.
    const CONNECTIONS: [&str; 10] = [
        "security.protocol",
        "client.dns.lookup",
        "connections.max.idle.ms",
        "default.api.timeout.ms",
        "metadata.max.age.ms",
        "reconnect.backoff.max.ms",
        "reconnect.backoff.ms",
        "request.timeout.ms",
        "retry.backoff.max.ms",
        "retry.backoff.ms",
    ];
    let def = definition(mode);
    props
        .keys()
        .map(String::as_str)
        .filter(|key| {
            !def.contains(key)
                && !CONNECTIONS.contains(key)
                && !PREFIXES.iter().any(|prefix| key.starts_with(prefix))
        })
        .collect()
}

/// Keys of a file that name Java classes or jars, none of which is loaded here, for the warning at
/// start.
pub(crate) fn keys_without_effect(props: &Props) -> Vec<&str> {
    let set = props.iter().filter(|(_, value)| !value.trim().is_empty());
    set.map(|(key, _)| key.as_str())
        .filter(|key| {
            matches!(*key, "plugin.path" | "metric.reporters")
                || key.ends_with("interceptor.classes")
                || key.ends_with(".metric.reporters")
        })
        .collect()
}

/// Host and port of an advertised URL: the worker's id.
pub fn worker_id(advertised_url: &str) -> String {
    match Url::parse(advertised_url) {
        Ok(url) => format!(
            "{}:{}",
            url.host_str().unwrap_or_default(),
            url.port_or_known_default().unwrap_or_default()
        ),
        Err(_) => advertised_url.to_owned(),
    }
}

/// Reads a file in Java's properties format, in the order of the file.
///
/// # Errors
/// If the file cannot be read or has a malformed escape.
pub fn read_properties(path: &Path) -> Result<Props, WorkerSettingsError> {
    let shown = path.display().to_string();
    let bytes = std::fs::read(path).map_err(|source| WorkerSettingsError::Read {
        path: shown.clone(),
        source,
    })?;
    parse_properties(&bytes).map_err(|reason| WorkerSettingsError::Syntax {
        path: shown,
        reason,
    })
}

#[cfg(test)]
mod tests {
    use super::super::keys::worker::WITHOUT_FIELD;
    use super::super::{ConnectProtocol, JoinPolicy, Listener};
    use super::*;

    fn minimal() -> Props {
        parse_properties(
            b"bootstrap.servers=localhost:9092\ngroup.id=c\nkey.converter=a\nvalue.converter=b\n\
              config.storage.topic=cc\noffset.storage.topic=co\nstatus.storage.topic=cs\n",
        )
        .unwrap()
    }

    #[test]
    fn keys_without_effect_are_named_and_those_of_connections_are_not() {
        let mut props = minimal();
        for (key, value) in [
            ("plugin.path", "/opt/plugins"),
            ("consumer.interceptor.classes", "com.example.Watch"),
            ("metric.reporters", ""),
            ("security.protocol", "PLAINTEXT"),
            ("topcis", "a"),
        ] {
            props.insert(key.to_owned(), value.to_owned());
        }
        let file = "/tmp/offsets".to_owned();
        props.insert("offset.storage.file.filename".to_owned(), file);
        assert!(WorkerSettings::from_props(props.clone(), Mode::Standalone).is_ok());
        assert_eq!(
            keys_without_effect(&props),
            ["plugin.path", "consumer.interceptor.classes"]
        );
        let unknown = unknown_keys(&props, Mode::Standalone);
        assert!(unknown.contains(&"topcis") && !unknown.contains(&"security.protocol"));
    }

    #[test]
    fn a_minimal_file_has_kafkas_defaults() {
        let config = WorkerSettings::from_props(minimal(), Mode::Distributed).unwrap();
        let cluster = config.distributed().unwrap();
        assert_eq!(cluster.session_timeout, Duration::from_secs(10));
        assert_eq!(cluster.protocol, ConnectProtocol::Sessioned);
        assert_eq!(cluster.telemetry.as_ref().unwrap().topic, "cs-telemetry");
        assert_eq!(cluster.session_key_bytes, 32);
        let topics = [
            &cluster.config_topic,
            &cluster.offset_topic,
            &cluster.status_topic,
        ];
        assert_eq!(topics.map(|topic| topic.partitions), [1, 25, 5]);
        assert_eq!(
            config.rest.listeners,
            [Listener {
                tls: false,
                host: String::new(),
                port: 8083
            }]
        );
    }

    #[test]
    fn every_fault_is_reported_at_once() {
        let mut props = minimal();
        props.shift_remove("group.id");
        props.insert("session.timeout.ms".into(), "soon".into());
        props.insert("listeners".into(), "ftp://x:1,http://nowhere".into());
        let Err(WorkerSettingsError::Invalid(faults)) =
            WorkerSettings::from_props(props, Mode::Distributed)
        else {
            panic!("faults expected")
        };
        for part in [
            "\"group.id\"",
            "session.timeout.ms: Not a number",
            "ftp://x:1",
            "http://nowhere",
        ] {
            assert!(
                faults.iter().any(|fault| fault.contains(part)),
                "{part} in {faults:?}"
            );
        }
    }

    #[test]
    fn unknown_keys_are_named_and_client_keys_are_known() {
        let mut props = minimal();
        props.insert("gruop.id".into(), "x".into());
        props.insert("producer.linger.ms".into(), "5".into());
        assert_eq!(unknown_keys(&props, Mode::Distributed), ["gruop.id"]);
    }

    #[test]
    fn the_advertised_url_prefers_explicit_keys_over_the_listener() {
        let mut props = minimal();
        props.insert("listeners".into(), "http://127.0.0.1:0".into());
        let config = WorkerSettings::from_props(props.clone(), Mode::Distributed).unwrap();
        let bound = vec![(config.rest.listeners[0].clone(), 4711)];
        assert_eq!(config.rest.advertised_url(&bound), "http://127.0.0.1:4711/");
        assert_eq!(
            worker_id(&config.rest.advertised_url(&bound)),
            "127.0.0.1:4711"
        );
        props.insert("rest.advertised.host.name".into(), "h".into());
        props.insert("rest.advertised.port".into(), "9".into());
        let config = WorkerSettings::from_props(props, Mode::Distributed).unwrap();
        assert_eq!(config.rest.advertised_url(&bound), "http://h:9/");
    }

    #[test]
    fn every_key_of_the_tables_has_a_field_or_a_reason() {
        for mode in [Mode::Distributed, Mode::Standalone] {
            let mut props = minimal();
            props.insert("offset.storage.file.filename".into(), "o".into());
            let def = definition(mode);
            let (mut values, faults) = Values::validated(&def, &props);
            let transformer = ConfigTransformer::default();
            WorkerSettings::take(&mut values, faults, Arc::new(props), mode, transformer).unwrap();
            assert_eq!(values.unaccounted(&def, WITHOUT_FIELD), [""; 0], "{mode:?}");
        }
    }

    #[test]
    fn words_hold_in_any_case_as_validation_takes_them() {
        let mut props = minimal();
        for (key, value) in [
            ("sluice.join", "Capable"),
            ("connect.protocol", "EAGER"),
            ("exactly.once.source.support", "Enabled"),
            ("telemetry.storage.topic", ""),
            ("inter.worker.key.size", "7"),
        ] {
            props.insert(key.to_owned(), value.to_owned());
        }
        let config = WorkerSettings::from_props(props, Mode::Distributed).unwrap();
        let cluster = config.distributed().unwrap();
        assert_eq!(cluster.join, JoinPolicy::Capable);
        assert_eq!(cluster.protocol, ConnectProtocol::Eager);
        assert_eq!(config.exactly_once(), ExactlyOnceSupport::Enabled);
        assert!(cluster.telemetry.is_none());
        assert_eq!(cluster.session_key_bytes, 32);
    }
}
