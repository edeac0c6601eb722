//! Where a worker keeps configs, offsets and statuses: three traits, and their implementations on
//! Kafka topics, in memory and in a file.
//!
//! Distributed workers have the first of each row, standalone ones the second:
//!
//! * the trait [`ConfigBackingStore`] by [`kafka_config::KafkaConfigBackingStore`] and
//!   [`memory::MemoryConfigBackingStore`],
//! * [`OffsetBackingStore`] by [`kafka_offset::KafkaOffsetBackingStore`] and
//!   [`file::FileOffsetBackingStore`],
//! * [`StatusBackingStore`] by [`kafka_status::KafkaStatusBackingStore`] and
//!   [`memory::MemoryStatusBackingStore`].
//!
//! Life: `start` creates and checks the topic and reads it to its end; then reads are answered from
//! memory, writes go out and count once they were read back; `stop` flushes and closes. What
//! records mean is decided by two pure machines fed with records
//! ([`ConfigStateMachine`](crate::cluster::ConfigStateMachine),
//! [`StatusCache`]), which the Kafka and the memory implementations
//! share.
//!
//! Records in the topics that are not ours (wrong JSON, unknown keys, anything at all) are logged with topic,
//! partition and offset, and passed over.

mod error;
pub(crate) mod file;
mod internal_topic;
pub(crate) mod kafka_based_log;
pub(crate) mod kafka_config;
pub(crate) mod kafka_offset;
pub(crate) mod kafka_status;
pub(crate) mod log_producer;
pub(crate) mod memory;
#[cfg(test)]
mod send_endings_tests;
mod status_sender;
mod transactional_writer;

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use sluice_protocol::config_topic::{RestartRequest, SessionKey};
use sluice_protocol::offset_topic;
use sluice_protocol::status_topic::{StatusRecord, StatusValue, TopicStatus};
use sluice_protocol::{
    ConfigMap, ConnectorName, ConnectorTaskId, JsonObject, State, TargetState, TopicName,
};

pub use error::StorageError;

use crate::cluster::{ConfigSnapshotSource, ConfigUpdate, StatusCache};

/// How long a store may take to get its last records out when it closes.
const CLOSE_LIMIT: Duration = Duration::from_secs(5);

/// Receives [`ConfigUpdate`]s. Called on the store's own task, in the order of the records: must not block.
pub trait ConfigUpdateListener: Send + Sync {
    /// One update; the store's snapshot already includes it.
    fn on_update(&self, update: ConfigUpdate);
}

impl ConfigUpdateListener for tokio::sync::mpsc::UnboundedSender<ConfigUpdate> {
    fn on_update(&self, update: ConfigUpdate) {
        // A closed channel means that the herder has ended.
        let _ = self.send(update);
    }
}

/// Connector and task configs, target states, and what else workers tell each other through the config topic.
///
/// Every write returns once it was acknowledged and, unless said otherwise, read back: the next
/// snapshot has it.
#[async_trait]
pub trait ConfigBackingStore: ConfigSnapshotSource {
    /// Opens the store and reads everything there is.
    async fn start(&self) -> Result<(), StorageError>;

    /// Writes what is still open, and ends the clients of the store.
    async fn stop(&self);

    /// Reads to the end of the topic, as it is now.
    ///
    /// # Errors
    /// [`StorageError::Timeout`] when that takes longer than `timeout`.
    async fn refresh(&self, timeout: Duration) -> Result<(), StorageError>;

    /// Creates a connector or replaces its config; with a target state both in one batch.
    async fn put_connector_config(
        &self,
        connector: &ConnectorName,
        config: ConfigMap,
        target_state: Option<TargetState>,
    ) -> Result<(), StorageError>;

    /// Deletes a connector and its target state.
    async fn remove_connector_config(&self, connector: &ConnectorName) -> Result<(), StorageError>;

    /// Replaces the task configs of a connector: all of them, index = task number, then the commit.
    async fn put_task_configs(
        &self,
        connector: &ConnectorName,
        configs: Vec<ConfigMap>,
    ) -> Result<(), StorageError>;

    /// Sets the target state of a connector. Sent without waiting for the read back; any worker may do it.
    async fn put_target_state(
        &self,
        connector: &ConnectorName,
        state: TargetState,
    ) -> Result<(), StorageError>;

    /// Publishes a session key.
    async fn put_session_key(&self, key: SessionKey) -> Result<(), StorageError>;

    /// Publishes a restart request.
    async fn put_restart_request(&self, request: RestartRequest) -> Result<(), StorageError>;

    /// Whether privileged writes are to be made in transactions but
    /// [`ConfigBackingStore::claim_write_privileges`] has not been called, or a write has failed
    /// since.
    fn lacks_write_privileges(&self) -> bool {
        false
    }

    /// Fences earlier leaders, so that this one may write; for leaders that write in transactions (KIP-618).
    async fn claim_write_privileges(&self) -> Result<(), StorageError> {
        Ok(())
    }

    /// Publishes how many transactional ids of a connector may be in use (KIP-618).
    async fn put_task_count_record(
        &self,
        connector: &ConnectorName,
        task_count: u32,
    ) -> Result<(), StorageError>;

    /// Publishes a log level for all workers. Sent without waiting for the read back; any worker may do it.
    async fn put_logger_level(&self, namespace: &str, level: &str) -> Result<(), StorageError>;
}

/// Source offsets, by the bytes of their keys.
#[async_trait]
pub trait OffsetBackingStore: Send + Sync {
    /// Opens the store and reads everything there is.
    async fn start(&self) -> Result<(), StorageError>;

    /// Writes what is still open, and ends the clients of the store.
    async fn stop(&self);

    /// Reads to the end of the topic, then answers every key asked for; `None` where nothing is stored.
    async fn get(
        &self,
        keys: Vec<Vec<u8>>,
    ) -> Result<HashMap<Vec<u8>, Option<Vec<u8>>>, StorageError>;

    /// Writes values, `None` deletes; returns once all were acknowledged. The order given is the
    /// order written.
    async fn set(&self, values: Vec<(Vec<u8>, Option<Vec<u8>>)>) -> Result<(), StorageError>;

    /// Reads to the end of the topic, then lists the source partitions of a connector that have an
    /// offset, in the form in which they are stored.
    async fn connector_partitions(
        &self,
        connector: &ConnectorName,
    ) -> Result<Vec<JsonObject>, StorageError>;

    /// The offsets of source partitions, in the order asked for; `None` where nothing (readable) is stored.
    async fn offsets(
        &self,
        connector: &ConnectorName,
        partitions: &[JsonObject],
    ) -> Result<Vec<Option<JsonObject>>, StorageError> {
        let keys: Vec<_> = partitions
            .iter()
            .map(|partition| offset_topic::encode_key(connector, partition))
            .collect();
        let mut found = self.get(keys.clone()).await?;
        Ok(keys
            .iter()
            .map(|key| {
                let value = found.remove(key).flatten()?;
                offset_topic::decode_value(&value)
                    .inspect_err(|error| {
                        tracing::warn!(%connector, %error, "stored offset is not readable, it counts \
                             as none");
                    })
                    .ok()
                    .flatten()
            })
            .collect())
    }

    /// Writes the offsets of source partitions, `None` deletes.
    async fn set_offsets(
        &self,
        connector: &ConnectorName,
        offsets: &[(JsonObject, Option<JsonObject>)],
    ) -> Result<(), StorageError> {
        let values = offsets
            .iter()
            .map(|(partition, offset)| offset_record(connector, partition, offset.as_ref()))
            .collect();
        self.set(values).await
    }
}

/// Key and value of the offset of a source partition; `None` deletes.
pub fn offset_record(
    connector: &ConnectorName,
    partition: &JsonObject,
    offset: Option<&JsonObject>,
) -> (Vec<u8>, Option<Vec<u8>>) {
    (
        offset_topic::encode_key(connector, partition),
        offset.map(offset_topic::encode_value),
    )
}

/// The record's status; DESTROYED is a tombstone.
fn stored(status: StatusValue) -> Option<StatusValue> {
    (status.state != State::Destroyed).then_some(status)
}

fn connector_record(connector: &ConnectorName, status: StatusValue) -> StatusRecord {
    StatusRecord::Connector {
        connector: connector.clone(),
        status: stored(status),
    }
}

fn task_record(id: &ConnectorTaskId, status: StatusValue) -> StatusRecord {
    StatusRecord::Task {
        id: id.clone(),
        status: stored(status),
    }
}

/// States of connectors and tasks, and the topics connectors use.
///
/// `put_*` send at once and return: the store sends again by itself while the broker can't be
/// reached. `put_*_safe` are skipped when another worker reported something newer (see
/// [`StatusCache`]). Reads are answered from what was read back, so a
/// put shows a moment later.
#[async_trait]
pub(crate) trait StatusBackingStore: Send + Sync {
    /// Opens the store and reads everything there is.
    async fn start(&self) -> Result<(), StorageError>;

    /// Writes what is still open, and ends the clients of the store.
    async fn stop(&self);

    /// Waits until everything put so far was acknowledged or given up.
    async fn flush(&self);

    /// What was read back.
    fn cache(&self) -> &Mutex<StatusCache>;

    /// Sends a record without waiting for its acknowledgement.
    fn put(&self, record: StatusRecord);

    /// Sends a record unless another worker reported with a later generation.
    fn put_safe(&self, record: StatusRecord);

    /// Reports the state of a connector; DESTROYED deletes its entry.
    fn put_connector(&self, connector: &ConnectorName, status: StatusValue) {
        self.put(connector_record(connector, status));
    }

    /// The same, unless another worker reported with a later generation.
    fn put_connector_safe(&self, connector: &ConnectorName, status: StatusValue) {
        self.put_safe(connector_record(connector, status));
    }

    /// Reports the state of a task; DESTROYED deletes its entry.
    fn put_task(&self, id: &ConnectorTaskId, status: StatusValue) {
        self.put(task_record(id, status));
    }

    /// The same, unless another worker reported with a later generation.
    fn put_task_safe(&self, id: &ConnectorTaskId, status: StatusValue) {
        self.put_safe(task_record(id, status));
    }

    /// Reports that a connector uses a topic.
    fn put_topic(&self, status: TopicStatus) {
        self.put(StatusRecord::Topic {
            topic: status.name.clone(),
            connector: status.connector.clone(),
            status: Some(status),
        });
    }

    /// Forgets that a connector uses a topic.
    fn delete_topic(&self, connector: &ConnectorName, topic: &TopicName) {
        self.put(StatusRecord::Topic {
            topic: topic.clone(),
            connector: connector.clone(),
            status: None,
        });
    }

    /// The last state read of a connector.
    fn connector(&self, connector: &str) -> Option<StatusValue> {
        self.cache().lock().connector(connector).cloned()
    }

    /// The last state read of a task.
    fn task(&self, id: &ConnectorTaskId) -> Option<StatusValue> {
        self.cache().lock().task(id).cloned()
    }

    /// The last states read of all tasks of a connector, sorted by number; stale ones too.
    fn tasks(&self, connector: &str) -> Vec<(u32, StatusValue)> {
        self.cache().lock().tasks(connector)
    }

    /// The entry for a topic a connector uses.
    fn topic(&self, connector: &str, topic: &str) -> Option<TopicStatus> {
        self.cache().lock().topic(connector, topic).cloned()
    }

    /// All topics a connector uses, sorted by name.
    fn topics(&self, connector: &str) -> Vec<TopicStatus> {
        self.cache().lock().topics(connector)
    }

    /// Names of all connectors that have a state, sorted.
    fn connectors(&self) -> Vec<ConnectorName> {
        self.cache().lock().connectors()
    }
}
