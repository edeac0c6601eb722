//! The configuration of topics: known keys, their types and defaults, and what the broker does by them.
//!
//! Keys, types and defaults are those of `org.apache.kafka.storage.internals.log.LogConfig`. Keys about
//! replicas, segments and flushing are kept and shown, since clients set them, but have no effect here.

use std::collections::BTreeMap;

/// Type of a value, with its number in `DescribeConfigs` (`ConfigResponse.ConfigType`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i8)]
pub(crate) enum ConfigType {
    Boolean = 1,
    String = 2,
    Int = 3,
    Long = 5,
    Double = 6,
    List = 7,
}

/// A key that a topic may have.
#[derive(Debug)]
pub(crate) struct ConfigKey {
    pub(crate) name: &'static str,
    pub(crate) kind: ConfigType,
    pub(crate) default: &'static str,
    /// Values a text may have; empty for any.
    values: &'static [&'static str],
}

const fn key(name: &'static str, kind: ConfigType, default: &'static str) -> ConfigKey {
    ConfigKey {
        name,
        kind,
        default,
        values: &[],
    }
}

const fn one_of(
    name: &'static str,
    kind: ConfigType,
    default: &'static str,
    values: &'static [&'static str],
) -> ConfigKey {
    ConfigKey {
        name,
        kind,
        default,
        values,
    }
}

/// All keys a topic may have.
pub(crate) const KEYS: &[ConfigKey] = &[
    one_of(
        "cleanup.policy",
        ConfigType::List,
        "delete",
        &["delete", "compact"],
    ),
    one_of(
        "compression.type",
        ConfigType::String,
        "producer",
        &["producer", "uncompressed", "gzip", "snappy", "lz4", "zstd"],
    ),
    key("compression.gzip.level", ConfigType::Int, "-1"),
    key("compression.lz4.level", ConfigType::Int, "9"),
    key("compression.zstd.level", ConfigType::Int, "3"),
    key("delete.retention.ms", ConfigType::Long, "86400000"),
    key("file.delete.delay.ms", ConfigType::Long, "60000"),
    key("flush.messages", ConfigType::Long, "9223372036854775807"),
    key("flush.ms", ConfigType::Long, "9223372036854775807"),
    key(
        "follower.replication.throttled.replicas",
        ConfigType::List,
        "",
    ),
    key("index.interval.bytes", ConfigType::Int, "4096"),
    key(
        "leader.replication.throttled.replicas",
        ConfigType::List,
        "",
    ),
    key("local.retention.bytes", ConfigType::Long, "-2"),
    key("local.retention.ms", ConfigType::Long, "-2"),
    key(
        "max.compaction.lag.ms",
        ConfigType::Long,
        "9223372036854775807",
    ),
    key("max.message.bytes", ConfigType::Int, "1048588"),
    key(
        "message.timestamp.after.max.ms",
        ConfigType::Long,
        "3600000",
    ),
    key(
        "message.timestamp.before.max.ms",
        ConfigType::Long,
        "9223372036854775807",
    ),
    one_of(
        "message.timestamp.type",
        ConfigType::String,
        "CreateTime",
        &["CreateTime", "LogAppendTime"],
    ),
    key("min.cleanable.dirty.ratio", ConfigType::Double, "0.5"),
    key("min.compaction.lag.ms", ConfigType::Long, "0"),
    key("min.insync.replicas", ConfigType::Int, "1"),
    key("preallocate", ConfigType::Boolean, "false"),
    key("remote.log.copy.disable", ConfigType::Boolean, "false"),
    key("remote.log.delete.on.disable", ConfigType::Boolean, "false"),
    key("remote.storage.enable", ConfigType::Boolean, "false"),
    key("retention.bytes", ConfigType::Long, "-1"),
    key("retention.ms", ConfigType::Long, "604800000"),
    key("segment.bytes", ConfigType::Int, "1073741824"),
    key("segment.index.bytes", ConfigType::Int, "10485760"),
    key("segment.jitter.ms", ConfigType::Long, "0"),
    key("segment.ms", ConfigType::Long, "604800000"),
    key(
        "unclean.leader.election.enable",
        ConfigType::Boolean,
        "false",
    ),
];

/// The key with this name.
pub(crate) fn find(name: &str) -> Option<&'static ConfigKey> {
    KEYS.iter().find(|key| key.name == name)
}

/// Checks one value.
///
/// # Errors
/// What is wrong, in Kafka's words.
pub(crate) fn check(name: &str, value: &str) -> Result<(), String> {
    let Some(key) = find(name) else {
        return Err(format!("Unknown topic config name: {name}"));
    };
    let wrong = |kind: &str| {
        Err(format!(
            "Invalid value {value} for configuration {name}: Not a number of type {kind}"
        ))
    };
    match key.kind {
        ConfigType::Boolean if !matches!(value, "true" | "false") => Err(format!(
            "Invalid value {value} for configuration {name}: Expected value to be either true or false"
        )),
        ConfigType::Int if value.parse::<i32>().is_err() => wrong("INT"),
        ConfigType::Long if value.parse::<i64>().is_err() => wrong("LONG"),
        ConfigType::Double if value.parse::<f64>().is_err() => wrong("DOUBLE"),
        ConfigType::String | ConfigType::List if !key.values.is_empty() => {
            let known = |part: &str| key.values.contains(&part.trim());
            let fine = if key.kind == ConfigType::List {
                value.split(',').all(known)
            } else {
                known(value)
            };
            if fine {
                Ok(())
            } else {
                Err(format!(
                    "Invalid value {value} for configuration {name}: String must be one of: {}",
                    key.values.join(", ")
                ))
            }
        }
        _ => Ok(()),
    }
}

/// What the broker does by the configuration of a topic.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TopicSettings {
    pub(crate) compact: bool,
    pub(crate) delete: bool,
    /// In milliseconds; `None` keeps records forever.
    pub(crate) retention_ms: Option<i64>,
    pub(crate) retention_bytes: Option<u64>,
    pub(crate) max_message_bytes: usize,
    pub(crate) log_append_time: bool,
    pub(crate) delete_retention_ms: i64,
    pub(crate) min_cleanable_ratio: f64,
    pub(crate) min_compaction_lag_ms: i64,
}

impl TopicSettings {
    /// Reads checked values; `batch_bytes` is the broker's default for `max.message.bytes`.
    pub(crate) fn new(configs: &BTreeMap<String, String>, batch_bytes: usize) -> Self {
        let text = |name: &str| {
            configs
                .get(name)
                .map(String::as_str)
                .or_else(|| find(name).map(|key| key.default))
                .unwrap_or_default()
        };
        let long = |name: &str| text(name).parse::<i64>().unwrap_or(-1);
        let policy = text("cleanup.policy");
        Self {
            compact: policy.contains("compact"),
            delete: policy.contains("delete"),
            retention_ms: Some(long("retention.ms")).filter(|ms| *ms >= 0),
            retention_bytes: u64::try_from(long("retention.bytes")).ok(),
            max_message_bytes: configs
                .get("max.message.bytes")
                .and_then(|value| value.parse().ok())
                .unwrap_or(batch_bytes),
            log_append_time: text("message.timestamp.type") == "LogAppendTime",
            delete_retention_ms: long("delete.retention.ms"),
            min_cleanable_ratio: text("min.cleanable.dirty.ratio").parse().unwrap_or(0.5),
            min_compaction_lag_ms: long("min.compaction.lag.ms"),
        }
    }
}
