//! The internal topics, from the keys of the worker's file.

use sluice_api::config::Props;

use super::kafka_based_log::TopicSettings;
use crate::settings::{DistributedSettings, ExactlyOnceSupport, InternalTopic};

/// How an internal topic is created and checked.
pub(super) fn internal_topic(
    cluster: &DistributedSettings,
    topic: &InternalTopic,
    holds: &'static str,
) -> TopicSettings {
    TopicSettings {
        topic: topic.name.clone(),
        key: topic.key,
        holds,
        partitions: topic.partitions,
        replication: topic.replication,
        settings: topic.settings.clone(),
        compacted: true,
        limit: cluster.api_timeout,
    }
}

/// What readers of the config and offset topics are set to: with exactly-once, only committed records count.
pub(super) fn isolation(cluster: &DistributedSettings) -> Props {
    let mut props = Props::new();
    if cluster.exactly_once == ExactlyOnceSupport::Enabled {
        props.insert("isolation.level".to_owned(), "read_committed".to_owned());
    }
    props
}
