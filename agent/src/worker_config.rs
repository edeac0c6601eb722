//! The worker's properties file: the same keys, defaults and checks as `connect-distributed` and
//! `connect-standalone` (Kafka's `WorkerConfig`, `DistributedConfig`, `StandaloneConfig`).
//!
//! Every fault of a file is collected and reported at once. Keys that are not known give a warning,
//! as with the JVM worker; client keys under `producer.`, `consumer.` and `admin.` pass through to
//! the clients.

mod keys;

use std::fmt;
use std::path::Path;
use std::time::Duration;

use sluice_api::config::{ConfigDef, ParsedConfig, Props};
use sluice_api::plugin::Environment;
use sluice_api::reach::{FILE_ROOTS, HOSTS, Reach};
use url::Url;

use crate::config_transformer::ConfigTransformer;
use crate::plugins::Plugins;
use crate::properties::{parse_properties, with_prefix};
use keys::definition;

/// Why a worker cannot run with its configuration.
#[derive(Debug, thiserror::Error)]
pub enum WorkerConfigError {
    /// The file cannot be read.
    #[error("cannot read worker properties {path}")]
    Read {
        /// The file.
        path: String,
        /// What the operating system reported.
        source: std::io::Error,
    },
    /// The file is not in Java's properties format.
    #[error("cannot parse worker properties {path}: {reason}")]
    Syntax {
        /// The file.
        path: String,
        /// Where and why.
        reason: String,
    },
    /// Values are missing or wrong; one text per fault.
    #[error("worker configuration is invalid:\n  {}", .0.join("\n  "))]
    Invalid(Vec<String>),
}

/// Whether workers form a cluster or one runs alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// `connect-distributed`.
    Distributed,
    /// `connect-standalone`.
    Standalone,
}

/// Rebalance protocols a worker offers (`connect.protocol`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConnectProtocol {
    /// Metadata version 0: everything stops in every rebalance.
    Eager,
    /// Version 1: incremental cooperative.
    Compatible,
    /// Version 2: as 1, with signed internal requests.
    Sessioned,
}

/// `exactly.once.source.support` (KIP-618).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExactlyOnceSupport {
    /// Ordinary source tasks.
    Disabled,
    /// The leader writes transactionally, tasks do not yet.
    Preparing,
    /// Source tasks are exactly-once.
    Enabled,
}

/// A worker's configuration: the typed values the worker itself uses, and the raw properties for its clients.
#[derive(Clone)]
pub struct WorkerConfig {
    /// Distributed or standalone.
    pub mode: Mode,
    /// All properties as given, with values for variables.
    pub raw: Props,
    /// The config providers.
    pub transformer: ConfigTransformer,
    /// What configurations of connectors may reach.
    pub reach: Reach,
    parsed: ParsedConfig,
    /// The listeners of the REST server, in order.
    pub listeners: Vec<Listener>,
    /// The listeners of the admin resources: `None` shares the main ones, empty disables them.
    pub admin_listeners: Option<Vec<Listener>>,
}

impl fmt::Debug for WorkerConfig {
    /// Names the mode only: raw values may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkerConfig")
            .field("mode", &self.mode)
            .finish_non_exhaustive()
    }
}

/// One element of `listeners`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// True for https.
    pub tls: bool,
    /// Host to bind, empty for all addresses. IPv6 without brackets.
    pub host: String,
    /// Port to bind; 0 lets the system choose.
    pub port: u16,
}

impl Listener {
    fn parse(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "listener \"{text}\": Listener doesn't have the right format (protocol://hostname:port)."
            )
        };
        let (scheme, rest) = text.split_once("://").ok_or_else(wrong)?;
        let (host, port) = rest.rsplit_once(':').ok_or_else(wrong)?;
        let tls = match scheme.to_ascii_lowercase().as_str() {
            "http" => false,
            "https" => true,
            _ => {
                return Err(format!(
                    "listener \"{text}\": Listener protocol must be either \"http\" or \"https\"."
                ));
            }
        };
        let host = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .unwrap_or(host);
        Ok(Self {
            tls,
            host: host.to_owned(),
            port: port.parse().map_err(|_| wrong())?,
        })
    }
}

impl WorkerConfig {
    /// All keys of a worker, with types, defaults, checks and meanings.
    #[must_use]
    pub fn definition(mode: Mode) -> ConfigDef {
        definition(mode)
    }

    /// Checks properties, without an environment.
    ///
    /// # Errors
    /// All faults at once.
    pub fn from_props(raw: Props, mode: Mode) -> Result<Self, WorkerConfigError> {
        Self::with_environment(raw, mode, &Environment::new())
    }

    /// Checks properties. Config providers may look into the environment.
    ///
    /// # Errors
    /// All faults at once.
    pub fn with_environment(
        raw: Props,
        mode: Mode,
        environment: &Environment,
    ) -> Result<Self, WorkerConfigError> {
        let transformer =
            ConfigTransformer::from_props(&raw, &Plugins::config_providers(), environment)
                .map_err(WorkerConfigError::Invalid)?;
        let resolved = transformer
            .resolve(&raw)
            .map_err(|error| WorkerConfigError::Invalid(vec![error.to_string()]))?;
        let props = if resolved.is_plain() {
            raw
        } else {
            resolved.props.clone()
        };
        Self::checked(props, mode, transformer).map_err(|error| match error {
            WorkerConfigError::Invalid(faults) => WorkerConfigError::Invalid(
                faults.iter().map(|fault| resolved.hide(fault)).collect(),
            ),
            other => other,
        })
    }

    fn checked(
        raw: Props,
        mode: Mode,
        transformer: ConfigTransformer,
    ) -> Result<Self, WorkerConfigError> {
        let def = definition(mode);
        let mut faults: Vec<String> = def
            .validate(&raw)
            .into_iter()
            .flat_map(|key| key.errors)
            .collect();
        let mut listeners = |name: &str, fallback: Option<&str>| -> Option<Vec<Listener>> {
            let text = raw.get(name).map(String::as_str).or(fallback)?;
            if text.trim().is_empty() {
                return Some(Vec::new());
            }
            Some(
                text.split(',')
                    .filter_map(|one| {
                        Listener::parse(one.trim())
                            .map_err(|fault| faults.push(format!("{name}: {fault}")))
                            .ok()
                    })
                    .collect(),
            )
        };
        let main = listeners("listeners", Some("http://:8083")).unwrap_or_default();
        let admin_listeners = listeners("admin.listeners", None);
        if main.is_empty() && faults.is_empty() {
            faults.push("listeners: at least one listener is needed".to_owned());
        }
        let parsed = match def.parse(&raw) {
            Ok(parsed) if faults.is_empty() => parsed,
            Ok(_) => return Err(WorkerConfigError::Invalid(faults)),
            Err(error) => {
                if faults.is_empty() {
                    faults.push(error.to_string());
                }
                return Err(WorkerConfigError::Invalid(faults));
            }
        };
        let reach = Reach::new(parsed.list(FILE_ROOTS), parsed.list(HOSTS)).map_err(|faults| {
            WorkerConfigError::Invalid(faults.into_iter().map(|fault| fault.0).collect())
        })?;
        let config = Self {
            mode,
            raw,
            transformer: transformer.within(reach.clone()),
            reach,
            parsed,
            listeners: main,
            admin_listeners,
        };
        config.check_relations()?;
        Ok(config)
    }

    fn check_relations(&self) -> Result<(), WorkerConfigError> {
        let mut faults = Vec::new();
        if self.mode == Mode::Distributed {
            let algorithm = self.string("inter.worker.signature.algorithm");
            if !self
                .list("inter.worker.verification.algorithms")
                .iter()
                .any(|one| one == algorithm)
            {
                faults.push(format!(
                    "inter.worker.signature.algorithm: {algorithm} must be in the list \
                     inter.worker.verification.algorithms"
                ));
            }
            for name in [
                "inter.worker.key.generation.algorithm",
                "inter.worker.signature.algorithm",
            ] {
                if self.string(name) != "HmacSHA256" {
                    faults.push(format!(
                        "{name}: {} is not available, this worker has HmacSHA256",
                        self.string(name)
                    ));
                }
            }
            if self.long("heartbeat.interval.ms") >= self.long("session.timeout.ms") {
                faults.push(format!(
                    "heartbeat.interval.ms: {} must be lower than session.timeout.ms, {}",
                    self.long("heartbeat.interval.ms"),
                    self.long("session.timeout.ms")
                ));
            }
        }
        for class in self.list("rest.extension.classes") {
            faults.push(format!(
                "rest.extension.classes: {class} is not available in this version"
            ));
        }
        if faults.is_empty() {
            Ok(())
        } else {
            Err(WorkerConfigError::Invalid(faults))
        }
    }

    /// Keys that neither this worker nor a client of it knows, for the warning at start.
    pub fn unknown_keys(&self) -> Vec<&str> {
        unknown_keys(&self.raw, self.mode)
    }

    /// Keys of this file that name Java classes or jars, none of which is loaded here, for the
    /// warning at start.
    pub fn keys_without_effect(&self) -> Vec<&str> {
        keys_without_effect(&self.raw)
    }

    /// A text of the definition.
    pub fn string(&self, name: &str) -> &str {
        self.parsed.optional_string(name).unwrap_or_default()
    }

    /// A text of the definition that may be absent.
    pub fn optional_string(&self, name: &str) -> Option<&str> {
        self.parsed.optional_string(name)
    }

    /// A class name of the definition that may be absent.
    pub fn optional_class(&self, name: &str) -> Option<&str> {
        self.parsed.optional_class(name)
    }

    /// An integer of the definition, whatever its width.
    pub fn long(&self, name: &str) -> i64 {
        use sluice_api::config::ConfigValue as V;
        match self.parsed.value(name) {
            V::Long(value) => *value,
            V::Int(value) => i64::from(*value),
            V::Short(value) => i64::from(*value),
            _ => 0,
        }
    }

    /// A duration given in milliseconds; negative counts as zero.
    pub fn millis(&self, name: &str) -> Duration {
        Duration::from_millis(u64::try_from(self.long(name)).unwrap_or(0))
    }

    /// A boolean of the definition.
    pub fn boolean(&self, name: &str) -> bool {
        self.parsed.boolean(name)
    }

    /// A list of the definition, empty if absent.
    pub fn list(&self, name: &str) -> &[String] {
        self.parsed.optional_list(name).unwrap_or_default()
    }

    /// `group.id`, the name of the cluster.
    pub fn group_id(&self) -> &str {
        self.string("group.id")
    }

    /// `connect.protocol`.
    pub fn connect_protocol(&self) -> ConnectProtocol {
        match self
            .string("connect.protocol")
            .to_ascii_lowercase()
            .as_str()
        {
            "eager" => ConnectProtocol::Eager,
            "compatible" => ConnectProtocol::Compatible,
            _ => ConnectProtocol::Sessioned,
        }
    }

    /// `exactly.once.source.support`; always disabled for a standalone worker.
    pub fn exactly_once(&self) -> ExactlyOnceSupport {
        if self.mode == Mode::Standalone {
            return ExactlyOnceSupport::Disabled;
        }
        match self
            .string("exactly.once.source.support")
            .to_ascii_lowercase()
            .as_str()
        {
            "preparing" => ExactlyOnceSupport::Preparing,
            "enabled" => ExactlyOnceSupport::Enabled,
            _ => ExactlyOnceSupport::Disabled,
        }
    }

    /// `telemetry.storage.topic`, or the status topic's name with `-telemetry` behind it; `None`
    /// when the key is given without a value, and for a standalone worker.
    pub fn telemetry_topic(&self) -> Option<String> {
        if self.mode == Mode::Standalone {
            return None;
        }
        match self.optional_string("telemetry.storage.topic") {
            Some("") => None,
            Some(topic) => Some(topic.to_owned()),
            None => Some(format!("{}-telemetry", self.string("status.storage.topic"))),
        }
    }

    /// The properties below a prefix, without it.
    pub fn with_prefix(&self, prefix: &str) -> Props {
        with_prefix(&self.raw, prefix)
    }

    /// The plugins that the worker lets its users have (`sluice.plugins.allow`, `sluice.plugins.deny`).
    pub fn plugins(&self) -> Plugins {
        Plugins::built_in().restricted(
            self.list("sluice.plugins.allow"),
            self.list("sluice.plugins.deny"),
        )
    }

    /// The URL other workers reach this one at, with a trailing slash, once the REST server is
    /// bound to `bound` (scheme, host, port by the rules of `RestServer.advertisedUrl`:
    /// `rest.advertised.*`, else the first listener of that scheme).
    pub fn advertised_url(&self, bound: &[(Listener, u16)]) -> String {
        let scheme = match self.optional_string("rest.advertised.listener") {
            Some(scheme) if !scheme.is_empty() => scheme.to_ascii_lowercase(),
            _ if self.listeners.iter().any(|listener| !listener.tls) => "http".to_owned(),
            _ => "https".to_owned(),
        };
        let listener = bound
            .iter()
            .find(|(listener, _)| listener.tls == (scheme == "https"));
        let host = self
            .optional_string("rest.advertised.host.name")
            .filter(|host| !host.is_empty())
            .map(str::to_owned)
            .or_else(|| {
                listener
                    .map(|(listener, _)| listener.host.clone())
                    .filter(|host| !host.is_empty())
            })
            .unwrap_or_else(local_host);
        let port = match self.parsed.optional_int("rest.advertised.port") {
            Some(port) => i64::from(port),
            None => listener.map_or(8083, |(_, port)| i64::from(*port)),
        };
        let host = if host.contains(':') {
            format!("[{host}]")
        } else {
            host
        };
        format!("{scheme}://{host}:{port}/")
    }
}

/// See [`WorkerConfig::unknown_keys`]; also for files that no worker starts with.
pub(crate) fn unknown_keys(raw: &Props, mode: Mode) -> Vec<&str> {
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
    raw.keys()
        .map(String::as_str)
        .filter(|key| {
            !def.contains(key)
                && !CONNECTIONS.contains(key)
                && !PREFIXES.iter().any(|prefix| key.starts_with(prefix))
        })
        .collect()
}

/// See [`WorkerConfig::keys_without_effect`].
pub(crate) fn keys_without_effect(raw: &Props) -> Vec<&str> {
    let set = raw.iter().filter(|(_, value)| !value.trim().is_empty());
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

fn local_host() -> String {
    // Connecting a datagram socket sends nothing; it only asks the system which address it would use.
    std::net::UdpSocket::bind("0.0.0.0:0")
        .and_then(|socket| {
            socket.connect("192.0.2.1:9")?;
            socket.local_addr()
        })
        .map_or_else(
            |_| "127.0.0.1".to_owned(),
            |address| address.ip().to_string(),
        )
}

/// Reads a file in Java's properties format, in the order of the file.
///
/// # Errors
/// If the file cannot be read or has a malformed escape.
pub fn read_properties(path: &Path) -> Result<Props, WorkerConfigError> {
    let shown = path.display().to_string();
    let bytes = std::fs::read(path).map_err(|source| WorkerConfigError::Read {
        path: shown.clone(),
        source,
    })?;
    parse_properties(&bytes).map_err(|reason| WorkerConfigError::Syntax {
        path: shown,
        reason,
    })
}

#[cfg(test)]
mod tests {
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
        let config = WorkerConfig::from_props(props, Mode::Standalone).unwrap();
        assert_eq!(
            config.keys_without_effect(),
            ["plugin.path", "consumer.interceptor.classes"]
        );
        let unknown = config.unknown_keys();
        assert!(unknown.contains(&"topcis") && !unknown.contains(&"security.protocol"));
    }

    #[test]
    fn a_minimal_file_has_kafkas_defaults() {
        let config = WorkerConfig::from_props(minimal(), Mode::Distributed).unwrap();
        assert_eq!(config.millis("session.timeout.ms"), Duration::from_secs(10));
        assert_eq!(config.connect_protocol(), ConnectProtocol::Sessioned);
        assert_eq!(config.telemetry_topic().unwrap(), "cs-telemetry");
        assert_eq!(
            config.listeners,
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
        let Err(WorkerConfigError::Invalid(faults)) =
            WorkerConfig::from_props(props, Mode::Distributed)
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
        let config = WorkerConfig::from_props(props, Mode::Distributed).unwrap();
        assert_eq!(config.unknown_keys(), ["gruop.id"]);
    }

    #[test]
    fn the_advertised_url_prefers_explicit_keys_over_the_listener() {
        let mut props = minimal();
        props.insert("listeners".into(), "http://127.0.0.1:0".into());
        let config = WorkerConfig::from_props(props.clone(), Mode::Distributed).unwrap();
        let bound = vec![(config.listeners[0].clone(), 4711)];
        assert_eq!(config.advertised_url(&bound), "http://127.0.0.1:4711/");
        assert_eq!(worker_id(&config.advertised_url(&bound)), "127.0.0.1:4711");
        props.insert("rest.advertised.host.name".into(), "h".into());
        props.insert("rest.advertised.port".into(), "9".into());
        let config = WorkerConfig::from_props(props, Mode::Distributed).unwrap();
        assert_eq!(config.advertised_url(&bound), "http://h:9/");
    }
}
