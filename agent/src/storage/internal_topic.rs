//! The internal topics, from the keys of the worker's file.

use sluice_api::config::Props;

use super::kafka_based_log::TopicSettings;
use crate::properties::with_prefix;
use crate::worker_config::{ExactlyOnceSupport, WorkerConfig};

/// The settings of an internal topic, from the worker keys `PREFIX.topic`, `PREFIX.partitions`,
/// `PREFIX.replication.factor` and `PREFIX.ANYTHING` for other topic settings (KIP-605).
pub(super) fn internal_topic(
    config: &WorkerConfig,
    prefix: &'static str,
    holds: &'static str,
) -> TopicSettings {
    let number = |key: &str, fallback: i32| {
        let text = config.raw.get(&format!("{prefix}.{key}"));
        text.and_then(|text| text.trim().parse().ok())
            .unwrap_or(fallback)
    };
    let mut settings = with_prefix(&config.raw, &format!("{prefix}."));
    settings.retain(|key, _| {
        !matches!(
            key.as_str(),
            "topic" | "partitions" | "replication.factor" | "cleanup.policy" | "file.filename"
        )
    });
    let (key, partitions) = match prefix {
        "config.storage" => ("config.storage.topic", 1),
        "offset.storage" => ("offset.storage.topic", 25),
        _ => ("status.storage.topic", 5),
    };
    TopicSettings {
        topic: config.string(key).to_owned(),
        key,
        holds,
        partitions: number("partitions", partitions),
        replication: number("replication.factor", 3),
        settings,
        compacted: true,
        limit: config.millis("default.api.timeout.ms"),
    }
}

/// What readers of the config and offset topics are set to: with exactly-once, only committed records count.
pub(super) fn isolation(config: &WorkerConfig) -> Props {
    let mut props = Props::new();
    if config.exactly_once() == ExactlyOnceSupport::Enabled {
        props.insert("isolation.level".to_owned(), "read_committed".to_owned());
    }
    props
}
