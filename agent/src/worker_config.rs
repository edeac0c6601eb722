//! The worker's properties file: the same keys, defaults and checks as `connect-distributed` and
//! `connect-standalone` (Kafka's `WorkerConfig`, `DistributedConfig`, `StandaloneConfig`).
//!
//! Every fault of a file is collected and reported at once. Keys that are not known give a warning, as with the
//! JVM worker; client keys under `producer.`, `consumer.` and `admin.` pass through to the clients.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use sluice_api::config::validators::{
    at_least, between, distinct_list, non_empty, one_of_ignoring_case,
};
use sluice_api::config::{ConfigDef, ConfigKey, ConfigType, Importance, ParsedConfig, Props};
use sluice_api::plugin::Environment;
use url::Url;

use crate::config_transformer::ConfigTransformer;
use crate::plugins::Plugins;

/// Why a worker cannot run with its configuration.
#[derive(Debug, thiserror::Error)]
pub enum WorkerConfigError {
    /// The file cannot be read.
    #[error("cannot read worker properties {path}")]
    Read {
        /// The file.
        path: String,
        /// Why.
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
    /// Reads and checks a properties file. Config providers may look into the environment.
    ///
    /// # Errors
    /// All faults of the file at once.
    pub fn load(
        path: &Path,
        mode: Mode,
        environment: &Environment,
    ) -> Result<Self, WorkerConfigError> {
        Self::with_environment(read_properties(path)?, mode, environment)
    }

    /// Checks properties, without an environment.
    ///
    /// # Errors
    /// All faults at once.
    pub fn from_props(raw: Props, mode: Mode) -> Result<Self, WorkerConfigError> {
        Self::with_environment(raw, mode, &Environment::new())
    }

    fn with_environment(
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
        let config = Self {
            mode,
            raw,
            transformer,
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
                    "inter.worker.signature.algorithm: {algorithm} must be in the list inter.worker.verification.algorithms"
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
            if self.exactly_once() != ExactlyOnceSupport::Disabled {
                faults.push(
                    "exactly.once.source.support: this version supports only disabled".to_owned(),
                );
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
        let def = definition(self.mode);
        self.raw
            .keys()
            .map(String::as_str)
            .filter(|key| {
                !def.contains(key) && !PREFIXES.iter().any(|prefix| key.starts_with(prefix))
            })
            .collect()
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

    /// `telemetry.storage.topic`, or the status topic's name with `-telemetry` behind it; `None` when the key is
    /// given without a value, and for a standalone worker.
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

    /// The URL other workers reach this one at, with a trailing slash, once the REST server is bound to `bound`
    /// (scheme, host, port by the rules of `RestServer.advertisedUrl`: `rest.advertised.*`, else the first listener of that scheme).
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

/// Parses Java's properties format, which is ISO 8859-1 with `\\uXXXX` escapes for everything else.
///
/// # Errors
/// The place and kind of a malformed escape.
pub fn parse_properties(bytes: &[u8]) -> Result<Props, String> {
    let mut props = Props::new();
    java_properties::PropertiesIter::new(bytes)
        .read_into(|key, value| {
            props.insert(key, value);
        })
        .map_err(|error| error.to_string())?;
    Ok(props)
}

/// The entries of `props` below `prefix`, without it.
pub fn with_prefix(props: &Props, prefix: &str) -> Props {
    props
        .iter()
        .filter_map(|(key, value)| Some((key.strip_prefix(prefix)?.to_owned(), value.clone())))
        .collect()
}

const NULL: Option<&str> = None;

/// The definition of the worker's keys.
pub fn definition(mode: Mode) -> ConfigDef {
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
            .validator(distinct_list(false, false))
            .importance(Importance::High)
            .doc("brokers as host:port, comma separated"),
    );
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
            "aliases of config providers; each has config.providers.ALIAS.class and config.providers.ALIAS.param.*",
        ),
        (
            "connector.client.config.override.policy",
            String,
            Some("All"),
            "All, None, Principal or Allowlist",
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
                built = built.validator(one_of_ignoring_case(&[
                    "All",
                    "None",
                    "Principal",
                    "Allowlist",
                ]));
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
            "time between heartbeats",
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
