//! Source offsets in the offset topic.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use sluice_api::config::Props;
use sluice_protocol::{ConnectorName, JsonObject, offset_topic};
use tokio::sync::OnceCell;

use super::internal_topic::{internal_topic, isolation};
use super::kafka_based_log::{KafkaBasedLog, LogClients, LogRecord, TopicSettings};
use super::{OffsetBackingStore, StorageError};
use crate::settings::DistributedSettings;

/// How long reading to the end may take before a task is told that it failed.
const READ_LIMIT: Duration = Duration::from_secs(90);
/// Far beyond any flush timeout: whoever writes gives up first.
const WRITE_LIMIT: Duration = Duration::from_secs(15 * 60);

/// Offsets by the bytes of their keys, and by connector.
#[derive(Default)]
pub(super) struct OffsetCache {
    values: HashMap<Vec<u8>, Vec<u8>>,
    partitions: HashMap<ConnectorName, BTreeMap<Vec<u8>, JsonObject>>,
}

impl OffsetCache {
    /// Takes a record; whether its key is one of ours.
    pub(super) fn feed(&mut self, key: &[u8], value: Option<&[u8]>) -> bool {
        let parsed = offset_topic::decode_key(key);
        match value {
            Some(value) => {
                self.values.insert(key.to_vec(), value.to_vec());
                if let Ok((connector, partition)) = parsed {
                    self.partitions
                        .entry(connector)
                        .or_default()
                        .insert(key.to_vec(), partition);
                    return true;
                }
                false
            }
            None => {
                self.values.remove(key);
                if let Ok((connector, _)) = &parsed
                    && let Some(partitions) = self.partitions.get_mut(connector)
                {
                    partitions.remove(key);
                }
                parsed.is_ok()
            }
        }
    }

    pub(super) fn get(&self, keys: Vec<Vec<u8>>) -> HashMap<Vec<u8>, Option<Vec<u8>>> {
        keys.into_iter()
            .map(|key| {
                let value = self.values.get(&key).cloned();
                (key, value)
            })
            .collect()
    }

    pub(super) fn partitions(&self, connector: &str) -> Vec<JsonObject> {
        self.partitions
            .get(connector)
            .into_iter()
            .flat_map(BTreeMap::values)
            .cloned()
            .collect()
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = (&Vec<u8>, &Vec<u8>)> {
        self.values.iter()
    }
}

/// An offsets topic of a single connector, and its clients.
pub(crate) struct OwnTopic {
    /// Name of the topic, which is created where it is missing.
    pub topic: String,
    /// Client id of its producer and its reader.
    pub client_id: String,
    /// Properties of its clients.
    pub clients: LogClients,
}

pub(crate) struct KafkaOffsetBackingStore {
    clients: LogClients,
    client_id: String,
    settings: TopicSettings,
    cache: Arc<Mutex<OffsetCache>>,
    log: OnceCell<KafkaBasedLog>,
}

fn offsets_topic(cluster: &DistributedSettings) -> TopicSettings {
    internal_topic(cluster, &cluster.offset_topic, "source connector offsets")
}

impl KafkaOffsetBackingStore {
    /// A store that is not started yet.
    pub(crate) fn new(props: &Props, cluster: &DistributedSettings, client_id_base: &str) -> Self {
        Self {
            clients: LogClients {
                consumer: isolation(cluster),
                ..LogClients::of_worker(props)
            },
            client_id: format!("{client_id_base}offsets"),
            settings: offsets_topic(cluster),
            cache: Arc::default(),
            log: OnceCell::new(),
        }
    }

    /// A store on a connector's own topic, which is created as the worker's would be; not started yet.
    pub(crate) fn own(cluster: &DistributedSettings, own: OwnTopic) -> Self {
        Self {
            clients: own.clients,
            client_id: own.client_id,
            settings: TopicSettings {
                topic: own.topic,
                key: "offsets.storage.topic",
                ..offsets_topic(cluster)
            },
            cache: Arc::default(),
            log: OnceCell::new(),
        }
    }

    /// Ends reading at once.
    pub(crate) fn close(&self) {
        if let Some(log) = self.log.get() {
            log.stop();
        }
    }

    fn log(&self) -> Result<&KafkaBasedLog, StorageError> {
        self.log.get().ok_or_else(|| StorageError::Stopped {
            topic: self.settings.topic.clone(),
        })
    }
}

#[async_trait]
impl OffsetBackingStore for KafkaOffsetBackingStore {
    async fn start(&self) -> Result<(), StorageError> {
        let cache = self.cache.clone();
        let topic = self.settings.topic.clone();
        let handler = Box::new(move |record: LogRecord<'_>| {
            let ours = record
                .key
                .is_some_and(|key| cache.lock().feed(key, record.value));
            if !ours {
                tracing::warn!(
                    topic,
                    partition = record.partition,
                    offset = record.offset,
                    "record of the offset topic has no key of an offset"
                );
            }
        });
        let log =
            KafkaBasedLog::start(&self.clients, &self.client_id, &self.settings, handler).await?;
        let _ = self.log.set(log);
        Ok(())
    }

    async fn stop(&self) {
        if let Some(log) = self.log.get() {
            log.flush(super::CLOSE_LIMIT).await;
            log.stop();
        }
    }

    async fn get(
        &self,
        keys: Vec<Vec<u8>>,
    ) -> Result<HashMap<Vec<u8>, Option<Vec<u8>>>, StorageError> {
        self.log()?.read_to_end(READ_LIMIT).await?;
        Ok(self.cache.lock().get(keys))
    }

    async fn set(&self, values: Vec<(Vec<u8>, Option<Vec<u8>>)>) -> Result<(), StorageError> {
        self.log()?
            .send_all("source offsets", &values, WRITE_LIMIT)
            .await
    }

    async fn connector_partitions(
        &self,
        connector: &ConnectorName,
    ) -> Result<Vec<JsonObject>, StorageError> {
        self.log()?.read_to_end(READ_LIMIT).await?;
        Ok(self.cache.lock().partitions(connector))
    }
}
