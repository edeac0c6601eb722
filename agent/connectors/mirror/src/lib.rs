//! MirrorMaker 2: topics of one Kafka cluster to another, with their configs, and the positions of consumer
//! groups.
//!
//! The three connectors have the class names, keys, topics, formats and stored offsets of Kafka's own
//! (`org.apache.kafka.connect.mirror`, version 4.3), so that one takes over from the other:
//!
//! * `MirrorSourceConnector` copies records, makes topics and keeps their configs and ACLs up to date, and
//!   notes which offset of the source is which of the target (offset syncs);
//! * `MirrorCheckpointConnector` translates the offsets of consumer groups by these notes, and on demand
//!   commits them on the target;
//! * `MirrorHeartbeatConnector` writes a heartbeat now and then.
//!
//! Inside: `keys` and `config` hold what can be configured; `policy`, `filter`, `format`, `offset_sync_store`
//! and `offset_sync_writer` the rules, compared with Kafka's own classes in `tests/golden`; the rest are
//! connectors and tasks.
//!
//! The framework writes to the target, so the worker belongs beside the target cluster, as the JVM's does.
//!
//! Left out: classes of one's own (`topic.filter.class` and so on take Kafka's default classes only, which is
//! an error otherwise), MirrorMaker's own metrics, and the driver `connect-mirror-maker` with its file of
//! many flows.

mod checkpoint_connector;
mod checkpoint_task;
mod checkpoints;
mod client_keys;
mod clients;
mod config;
mod filter;
mod format;
mod heartbeat;
mod keys;
mod offset_sync_store;
mod offset_sync_writer;
mod offsets;
mod policy;
mod schedule;
mod source_connector;
mod source_task;
mod topic_reader;

use sluice_api::plugin::{
    Definition, KAFKA_VERSION, SourceConnectorPlugin, connectors, source_tasks,
};

/// `MirrorSourceConnector`.
#[must_use]
pub fn source() -> SourceConnectorPlugin {
    SourceConnectorPlugin {
        class: "org.apache.kafka.connect.mirror.MirrorSourceConnector".into(),
        task_class: "org.apache.kafka.connect.mirror.MirrorSourceTask".into(),
        version: KAFKA_VERSION.into(),
        config_def: Definition::at_hand(keys::source_def),
        new_connector: connectors(source_connector::MirrorSourceConnector::default),
        start_task: source_tasks(source_task::MirrorSourceTask::start),
    }
}

/// `MirrorCheckpointConnector`.
#[must_use]
pub fn checkpoint() -> SourceConnectorPlugin {
    SourceConnectorPlugin {
        class: "org.apache.kafka.connect.mirror.MirrorCheckpointConnector".into(),
        task_class: "org.apache.kafka.connect.mirror.MirrorCheckpointTask".into(),
        version: KAFKA_VERSION.into(),
        config_def: Definition::at_hand(keys::checkpoint_def),
        new_connector: connectors(checkpoint_connector::MirrorCheckpointConnector::default),
        start_task: source_tasks(checkpoint_task::MirrorCheckpointTask::start),
    }
}

/// `MirrorHeartbeatConnector`.
#[must_use]
pub fn heartbeat() -> SourceConnectorPlugin {
    SourceConnectorPlugin {
        class: "org.apache.kafka.connect.mirror.MirrorHeartbeatConnector".into(),
        task_class: "org.apache.kafka.connect.mirror.MirrorHeartbeatTask".into(),
        version: KAFKA_VERSION.into(),
        config_def: Definition::at_hand(keys::heartbeat_def),
        new_connector: connectors(heartbeat::MirrorHeartbeatConnector::default),
        start_task: source_tasks(heartbeat::MirrorHeartbeatTask::start),
    }
}

/// All of them.
#[must_use]
pub fn plugins() -> [SourceConnectorPlugin; 3] {
    [source(), checkpoint(), heartbeat()]
}

#[cfg(test)]
mod golden_tests;
