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

use sluice_api::plugin::{KAFKA_VERSION, SourceConnectorPlugin};

/// `MirrorSourceConnector`.
pub const SOURCE: SourceConnectorPlugin = SourceConnectorPlugin {
    class: "org.apache.kafka.connect.mirror.MirrorSourceConnector",
    task_class: "org.apache.kafka.connect.mirror.MirrorSourceTask",
    version: KAFKA_VERSION,
    config_def: keys::source_def,
    new_connector: || Box::<source_connector::MirrorSourceConnector>::default(),
    new_task: || Box::<source_task::MirrorSourceTask>::default(),
};

/// `MirrorCheckpointConnector`.
pub const CHECKPOINT: SourceConnectorPlugin = SourceConnectorPlugin {
    class: "org.apache.kafka.connect.mirror.MirrorCheckpointConnector",
    task_class: "org.apache.kafka.connect.mirror.MirrorCheckpointTask",
    version: KAFKA_VERSION,
    config_def: keys::checkpoint_def,
    new_connector: || Box::<checkpoint_connector::MirrorCheckpointConnector>::default(),
    new_task: || Box::<checkpoint_task::MirrorCheckpointTask>::default(),
};

/// `MirrorHeartbeatConnector`.
pub const HEARTBEAT: SourceConnectorPlugin = SourceConnectorPlugin {
    class: "org.apache.kafka.connect.mirror.MirrorHeartbeatConnector",
    task_class: "org.apache.kafka.connect.mirror.MirrorHeartbeatTask",
    version: KAFKA_VERSION,
    config_def: keys::heartbeat_def,
    new_connector: || Box::<heartbeat::MirrorHeartbeatConnector>::default(),
    new_task: || Box::<heartbeat::MirrorHeartbeatTask>::default(),
};

/// All of them.
pub const PLUGINS: [SourceConnectorPlugin; 3] = [SOURCE, CHECKPOINT, HEARTBEAT];

#[cfg(test)]
mod golden_tests;
