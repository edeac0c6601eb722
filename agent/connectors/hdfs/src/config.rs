//! Keys and settings. Names, defaults and meanings are those of the Confluent HDFS connector, whose
//! configurations run unchanged; what is not supported is refused by its name.
//!
//! Here are the keys of the connection; [`files`] has those of formats, folders and rotation.

mod files;
mod reach;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sluice_api::config::{ConfigType, ConfigValue, Importance, Validator, validators};
use sluice_api::{ConfigDef, ConfigError, ConfigKey, KeyFault, ParsedConfig, Props, Result};
use sluice_toolkit::files::format::FormatSettings;
use sluice_toolkit::files::partitioner::PartitionerSettings;
use sluice_toolkit::files::rotation::Rotation;

pub(crate) use self::files::{NullValues, SchemaCompatibility};

pub(crate) const HDFS_URL: &str = "hdfs.url";
pub(crate) const TOPICS_DIR: &str = "topics.dir";
const STORE_URL: &str = "store.url";
const CONF_DIR: &str = "hadoop.conf.dir";
const HADOOP_HOME: &str = "hadoop.home";
const LOGS_DIR: &str = "logs.dir";
const STORAGE_CLASS: &str = "storage.class";
const USER: &str = "sluice.hdfs.user";
const TIMEOUT: &str = "sluice.request.timeout.ms";
const KERBEROS: &str = "hdfs.authentication.kerberos";
const PRINCIPAL: &str = "connect.hdfs.principal";
const KEYTAB: &str = "connect.hdfs.keytab";
const NAMENODE_PRINCIPAL: &str = "hdfs.namenode.principal";
const TICKET_RENEWAL: &str = "kerberos.ticket.renew.period.ms";
const HIVE: &str = "hive.integration";
const RETRY_BACKOFF: &str = "retry.backoff.ms";
const SHUTDOWN_TIMEOUT: &str = "shutdown.timeout.ms";
/// Hadoop's own key, which the connector sets unless it is given: tasks have their own retries.
const FAILOVER_ATTEMPTS: &str = "dfs.client.failover.max.attempts";

/// The Confluent connectors' own storage, of HDFS 2 and of HDFS 3.
const STORAGES: [&str; 2] = [
    "io.confluent.connect.hdfs.storage.HdfsStorage",
    "io.confluent.connect.hdfs3.storage.HdfsStorage",
];

/// Keys of the Confluent connectors that have no meaning here; a configuration that sets one is refused.
const UNSUPPORTED: &[&str] = &[
    "format.bytearray.extension",
    "hdfs.proxy.user",
    "keys.format.class",
    "headers.format.class",
    "store.kafka.headers",
    "store.kafka.keys",
    "topic.capture.groups.regex",
];

fn key(name: &str, kind: ConfigType, importance: Importance, documentation: &str) -> ConfigKey {
    ConfigKey::new(name, kind)
        .importance(importance)
        .doc(documentation)
}

/// An `hdfs://` or `viewfs://` URL without path, or nothing.
fn url_validator() -> Validator {
    Arc::new(|name, value| {
        let ConfigValue::String(text) = value else {
            return Ok(());
        };
        let rest = ["hdfs://", "viewfs://"]
            .iter()
            .find_map(|scheme| text.strip_prefix(scheme));
        let why = match rest.map(|rest| rest.trim_end_matches('/')) {
            Some("") => "it names no host",
            Some(host) if host.contains('/') => "it has a path; topics.dir says where files go",
            Some(_) => return Ok(()),
            None => "expected hdfs://HOST:PORT, hdfs://NAMESERVICE or viewfs://CLUSTER",
        };
        Err(ConfigError::invalid(name, text, why))
    })
}

/// A value that has to be this one, in any case, since nothing else can be done.
fn only(value: &'static str, why: &'static str) -> Validator {
    Arc::new(move |name, given| {
        let text = given.display().unwrap_or_default();
        if text.eq_ignore_ascii_case(value) || matches!(given, ConfigValue::Null) {
            return Ok(());
        }
        Err(ConfigError::invalid(name, text, why))
    })
}

fn folder_validator() -> Validator {
    Arc::new(|name, value| {
        let ConfigValue::String(text) = value else {
            return Ok(());
        };
        let why = if text.is_empty() {
            "String must be non-empty"
        } else if text.contains("${") {
            "placeholders are not supported"
        } else if text.split('/').any(|part| matches!(part, "." | "..")) || text.contains(':') {
            "it is no path in HDFS"
        } else {
            return Ok(());
        };
        Err(ConfigError::invalid(name, text, why))
    })
}

/// Keys of the connector.
pub(crate) fn sink_def() -> ConfigDef {
    use ConfigType::{Boolean, Int, Long, String};
    let def = ConfigDef::new()
        .define(
            key(
                HDFS_URL,
                String,
                Importance::High,
                "Where HDFS is: hdfs://namenode:8020, or hdfs://NAMESERVICE of the files in hadoop.conf.dir. \
                 Without it store.url is taken, and then fs.defaultFS of those files.",
            )
            .optional()
            .validator(url_validator()),
        )
        .define(
            key(STORE_URL, String, Importance::High, "Another name for hdfs.url.")
                .optional()
                .validator(url_validator()),
        )
        .define(
            key(
                CONF_DIR,
                String,
                Importance::High,
                "Folder of core-site.xml and hdfs-site.xml, which tell of name nodes and how to reach them. \
                 Keys that begin with dfs., fs. or hadoop.security. in the connector's configuration count \
                 before the files.",
            )
            .default("")
            .names_file(),
        )
        .define(
            key(
                HADOOP_HOME,
                String,
                Importance::Low,
                "Folder of a Hadoop installation; its etc/hadoop is taken where hadoop.conf.dir is not \
                 given.",
            )
            .default("")
            .names_file(),
        )
        .define(
            key(
                TOPICS_DIR,
                String,
                Importance::High,
                "Folder under which each topic has one. A path that does not begin with / is below the root, \
                 as in the Confluent connector.",
            )
            .default("topics")
            .validator(folder_validator()),
        )
        .define(
            key(
                LOGS_DIR,
                String,
                Importance::Low,
                "Accepted for compatibility: nothing is written there, since the names of files say how far \
                 a task has got.",
            )
            .default("logs"),
        )
        .define(
            key(STORAGE_CLASS, String, Importance::Low, "Accepted for compatibility: the Confluent \
                                                         connector's own.")
                .default("io.confluent.connect.hdfs.storage.HdfsStorage")
                .validator(Arc::new(|name, value| match value {
                    ConfigValue::String(text) | ConfigValue::Class(text) if !STORAGES.contains(&text.as_str()) => {
                        let why = format!("only {} is supported", STORAGES[0]);
                        Err(ConfigError::invalid(name, text, why))
                    }
                    _ => Ok(()),
                })),
        )
        .define(
            key(
                USER,
                String,
                Importance::Medium,
                "User to write as, where the cluster does not ask for Kerberos. Without it HADOOP_USER_NAME \
                 counts, and then the user of the agent's process. An addition to the Confluent connector.",
            )
            .default(""),
        )
        .define(
            key(
                KERBEROS,
                Boolean,
                Importance::High,
                "Whether the cluster asks for Kerberos. Needs a build with the feature kerberos.",
            )
            .default("false"),
        )
        .define(
            key(PRINCIPAL, String, Importance::High, "Principal to log in as with Kerberos.").default(""),
        )
        .define(
            key(KEYTAB, String, Importance::High, "Path of the keytab of connect.hdfs.principal.")
                .default("")
                .names_file(),
        )
        .define(
            key(
                NAMENODE_PRINCIPAL,
                String,
                Importance::Low,
                "Accepted for compatibility: the principal of name nodes is hdfs/HOST of the realm, as \
                 libgssapi finds it.",
            )
            .default(""),
        )
        .define(
            key(
                TICKET_RENEWAL,
                Long,
                Importance::Low,
                "Accepted for compatibility: libgssapi gets new tickets by the keytab when it needs them.",
            )
            .default("3600000"),
        )
        .define(
            key(HIVE, Boolean, Importance::High, "Whether Hive is told of tables and partitions; not \
                                                  supported.")
                .default("false")
                .validator(only("false", "Hive is not supported; set hive.integration=false")),
        )
        .define(
            key(
                RETRY_BACKOFF,
                Long,
                Importance::Low,
                "Milliseconds until a task tries again after a fault that may pass. It does so as long as \
                 the fault lasts.",
            )
            .default("5000")
            .validator(validators::at_least(0)),
        )
        .define(
            key(
                SHUTDOWN_TIMEOUT,
                Long,
                Importance::Medium,
                "Milliseconds that a task which ends may take to delete its temporary files.",
            )
            .default("3000")
            .validator(validators::at_least(0)),
        )
        .define(
            key(
                TIMEOUT,
                Int,
                Importance::Low,
                "Milliseconds that one call of HDFS may take. An addition to the Confluent connector.",
            )
            .default("60000")
            .validator(validators::at_least(1)),
        );
    files::define(def).bounded_by(reach::out_of_reach)
}

/// How to log in with Kerberos.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Kerberos {
    pub(crate) principal: String,
    pub(crate) keytab: String,
}

/// How to reach HDFS.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct ConnectionSettings {
    pub(crate) url: String,
    pub(crate) conf_dir: Option<PathBuf>,
    /// Hadoop's own keys.
    pub(crate) hadoop: Vec<(String, String)>,
    pub(crate) user: Option<String>,
    pub(crate) kerberos: Option<Kerberos>,
    pub(crate) timeout: Duration,
}

impl ConnectionSettings {
    fn of(config: &ParsedConfig, props: &Props) -> Self {
        let text = |key: &str| {
            config
                .optional_string(key)
                .filter(|text| !text.is_empty())
                .map(str::to_owned)
        };
        let mut hadoop: Vec<(String, String)> = props
            .iter()
            .filter(|(key, _)| is_hadoops(key))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        if !props.contains_key(FAILOVER_ATTEMPTS) {
            hadoop.push((FAILOVER_ATTEMPTS.to_owned(), "4".to_owned()));
        }
        let kerberos = config.boolean(KERBEROS).then(|| Kerberos {
            principal: text(PRINCIPAL).unwrap_or_default(),
            keytab: text(KEYTAB).unwrap_or_default(),
        });
        if kerberos.is_some() {
            hadoop.push((
                "hadoop.security.authentication".to_owned(),
                "kerberos".to_owned(),
            ));
        }
        let home = text(HADOOP_HOME).map(|home| PathBuf::from(home).join("etc/hadoop"));
        // Without a host the client takes that of fs.defaultFS.
        let url = text(HDFS_URL)
            .or_else(|| text(STORE_URL))
            .unwrap_or_else(|| "hdfs:///".to_owned());
        Self {
            url: url.trim_end_matches('/').to_owned(),
            conf_dir: text(CONF_DIR).map(PathBuf::from).or(home),
            hadoop,
            user: text(USER),
            kerberos,
            timeout: millis(config.int(TIMEOUT).into()),
        }
    }
}

/// Whether a key is one of Hadoop's, which are passed on to the client.
fn is_hadoops(key: &str) -> bool {
    ["dfs.", "fs.", "hadoop.security."]
        .iter()
        .any(|prefix| key.starts_with(prefix))
}

/// Settings of the connector and its tasks.
#[derive(Debug, Clone)]
pub(crate) struct SinkSettings {
    pub(crate) connector: String,
    pub(crate) connection: ConnectionSettings,
    /// Begins with `/`, does not end with it.
    pub(crate) topics_dir: String,
    pub(crate) retry_backoff: Duration,
    pub(crate) shutdown_timeout: Duration,
    pub(crate) format: FormatSettings,
    pub(crate) partitioner: PartitionerSettings,
    pub(crate) rotation: Rotation,
    pub(crate) compatibility: SchemaCompatibility,
    pub(crate) null_values: NullValues,
    pub(crate) offset_width: usize,
    pub(crate) max_open_files: usize,
}

impl SinkSettings {
    /// Parses the configuration of a connector or a task.
    pub(crate) fn parse(props: &Props) -> Result<Self> {
        let config = sink_def().parse(props)?;
        Ok(Self {
            connector: props.get("name").cloned().unwrap_or_default(),
            connection: ConnectionSettings::of(&config, props),
            topics_dir: format!("/{}", config.string(TOPICS_DIR).trim_matches('/')),
            retry_backoff: millis(config.long(RETRY_BACKOFF)),
            shutdown_timeout: millis(config.long(SHUTDOWN_TIMEOUT)),
            format: files::format(&config),
            partitioner: files::partitioner(&config)?,
            rotation: files::rotation(&config)?,
            compatibility: files::compatibility(&config),
            null_values: files::null_values(&config),
            offset_width: files::offset_width(&config),
            max_open_files: files::max_open_files(&config),
        })
    }

    /// Faults that concern several keys, or keys that the definition does not know.
    pub(crate) fn faults(&self, props: &Props) -> Vec<KeyFault> {
        let def = sink_def();
        let mut faults: Vec<KeyFault> = props
            .keys()
            .filter(|key| {
                UNSUPPORTED.contains(&key.as_str())
                    || (is_foreign(key) && !def.contains(key) && !is_hadoops(key))
            })
            .map(|key| KeyFault {
                key: key.clone(),
                message: format!("{key} is not supported by this connector; remove it"),
            })
            .collect();
        let mut fault = |key: &str, message: &str| {
            faults.push(KeyFault {
                key: key.to_owned(),
                message: message.to_owned(),
            });
        };
        if let Some(kerberos) = &self.connection.kerberos {
            if !cfg!(feature = "kerberos") {
                fault(
                    KERBEROS,
                    "this build has no Kerberos; build it with the feature kerberos of sluice-connector-hdfs",
                );
            }
            if kerberos.principal.is_empty() {
                fault(
                    PRINCIPAL,
                    "Kerberos needs a principal: set connect.hdfs.principal",
                );
            }
            if kerberos.keytab.is_empty() {
                fault(KEYTAB, "Kerberos needs a keytab: set connect.hdfs.keytab");
            }
        }
        let has_url = [HDFS_URL, STORE_URL, CONF_DIR, HADOOP_HOME, "fs.defaultFS"]
            .iter()
            .any(|key| props.get(*key).is_some_and(|value| !value.is_empty()));
        if !has_url {
            fault(HDFS_URL, "set hdfs.url, such as hdfs://namenode:8020");
        }
        files::check(props, &mut fault);
        faults
    }
}

/// Whether a key is of a family of the Confluent connector's.
fn is_foreign(key: &str) -> bool {
    [
        "hdfs.",
        "hadoop.",
        "partition.",
        "rotate.",
        "parquet.",
        "avro.",
    ]
    .iter()
    .any(|prefix| key.starts_with(prefix))
}

fn millis(value: i64) -> Duration {
    Duration::from_millis(u64::try_from(value).unwrap_or(0))
}

#[cfg(test)]
mod tests;
