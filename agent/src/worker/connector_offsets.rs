//! Which offsets topic a source connector uses: the worker's, or one of its own
//! (`offsets.storage.topic`, KIP-618).
//!
//! With a topic of its own, that topic is the truth and the worker's gets a copy. Reads answer from
//! the own topic alone, as the JVM worker's do, even for partitions that only the worker's topic
//! has; listing partitions joins both.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use async_trait::async_trait;
use sluice_api::config::Props;
use sluice_protocol::{ConnectorName, JsonObject};
use tokio::sync::{Mutex, OnceCell};

use super::client_configs;
use super::offset_writer::{OffsetRecord, storage_error};
use super::transactional_producer::{TransactionalProducer, first_refusal, with_refusal};
use crate::settings::{
    ClientProps, ConnectorSettings, DistributedSettings, ExactlyOnceSupport, WorkerSettings,
};
use crate::storage::kafka_offset::{KafkaOffsetBackingStore, OwnTopic};
use crate::storage::{OffsetBackingStore, StorageError};

/// The offsets of one connector.
#[derive(Clone)]
pub struct ConnectorOffsets {
    connector: ConnectorName,
    topic: String,
    store: Arc<dyn OffsetBackingStore>,
    copy_to: Option<Arc<dyn OffsetBackingStore>>,
}

impl ConnectorOffsets {
    /// Reads offsets; writes them at least once, to the worker's topic as well if the connector has its own.
    #[must_use]
    pub fn store(&self) -> Arc<dyn OffsetBackingStore> {
        self.store.clone()
    }

    /// The topic that is the truth.
    #[must_use]
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// Puts offsets into the open transaction of a producer and commits it; then copies them to the
    /// worker's topic if the connector has its own.
    ///
    /// # Errors
    /// Nothing of the transaction will be seen.
    pub(super) async fn commit_with(
        &self,
        producer: &TransactionalProducer,
        records: Vec<OffsetRecord>,
    ) -> sluice_api::Result<()> {
        if let Some(worker) = &self.copy_to {
            write_tombstones(worker.as_ref(), &records)
                .await
                .map_err(|error| storage_error(&error))?;
        }
        let chunks = producer.send(&self.topic, &records).await?;
        producer.commit().await.map_err(|error| {
            let refused = chunks.iter().find_map(|chunk| first_refusal(chunk, 0));
            with_refusal(error, refused)
        })?;
        if let Some(worker) = &self.copy_to {
            copy_offsets(worker, &self.connector, records);
        }
        Ok(())
    }

    /// Writes offsets in a transaction of their own, with the transactional id of a task, which
    /// fences that task.
    ///
    /// # Errors
    /// Nothing was written.
    pub async fn write_in_transaction(
        &self,
        producer: TransactionalProducer,
        records: Vec<OffsetRecord>,
    ) -> sluice_api::Result<()> {
        producer.initialise().await?;
        let written = self.commit_with(&producer, records).await;
        if written.is_err() {
            producer.abandon().await;
        }
        written
    }
}

/// Deletes offsets from the worker's topic first: a tombstone that is only in the connector's own
/// topic would let an old offset of the worker's reappear.
async fn write_tombstones(
    worker: &dyn OffsetBackingStore,
    records: &[OffsetRecord],
) -> Result<(), StorageError> {
    let tombstones: Vec<OffsetRecord> = records
        .iter()
        .filter(|(_, value)| value.is_none())
        .cloned()
        .collect();
    if tombstones.is_empty() {
        return Ok(());
    }
    worker.set(tombstones).await
}

/// Copies offsets to the worker's topic, without waiting; a failure is only logged.
fn copy_offsets(
    worker: &Arc<dyn OffsetBackingStore>,
    connector: &ConnectorName,
    mut records: Vec<OffsetRecord>,
) {
    records.retain(|(_, value)| value.is_some());
    if records.is_empty() {
        return;
    }
    let (worker, connector) = (worker.clone(), connector.clone());
    tokio::spawn(async move {
        if let Err(error) = worker.set(records).await {
            tracing::warn!(%connector, error = %storage_error(&error), "offsets were not copied to \
                 the worker's topic");
        }
    });
}

/// An own topic with its clients' settings; equal ones share a reader.
type OwnKey = (String, Vec<(String, String)>);

/// The offsets topics that connectors of this worker use.
pub struct OffsetStores {
    config: Arc<WorkerSettings>,
    worker: Arc<dyn OffsetBackingStore>,
    own: Mutex<HashMap<OwnKey, Weak<OwnStore>>>,
}

/// A started store that stops when nobody uses it any more.
struct OwnStore(KafkaOffsetBackingStore);

impl Drop for OwnStore {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl OffsetStores {
    /// Stores of a worker whose own one is `worker`.
    #[must_use]
    pub fn new(config: Arc<WorkerSettings>, worker: Arc<dyn OffsetBackingStore>) -> Self {
        Self {
            config,
            worker,
            own: Mutex::default(),
        }
    }

    /// The worker's own store.
    #[must_use]
    pub fn worker(&self) -> &Arc<dyn OffsetBackingStore> {
        &self.worker
    }

    /// The offsets of a connector; an own topic is created if it is missing, and read to its end.
    ///
    /// # Errors
    /// The own topic can't be created or read, or a client setting is not valid.
    pub async fn of_connector(
        &self,
        connector: &ConnectorName,
        settings: &ConnectorSettings,
    ) -> Result<ConnectorOffsets, StorageError> {
        let Some(cluster) = self.config.distributed() else {
            // Its offsets are in a file.
            return Ok(self.workers(connector, String::new()));
        };
        let worker_topic = cluster.offset_topic.name.as_str();
        let exactly_once = cluster.exactly_once == ExactlyOnceSupport::Enabled;
        let named = settings.offsets_topic.as_deref();
        let same_cluster = producer_servers(&self.config, &settings.overrides)
            == producer_servers(&self.config, &ClientProps::default());
        let topic = match named {
            Some(named) if named == worker_topic && same_cluster => None,
            Some(named) => Some(named),
            None if exactly_once && !same_cluster => Some(worker_topic),
            None => None,
        };
        let Some(topic) = topic else {
            return Ok(self.workers(connector, worker_topic.to_owned()));
        };
        let overrides = &settings.overrides;
        let own = self.open(cluster, connector, topic, overrides).await?;
        let store = OwnAndWorker {
            connector: connector.clone(),
            own,
            worker: self.worker.clone(),
        };
        Ok(ConnectorOffsets {
            connector: connector.clone(),
            topic: topic.to_owned(),
            store: Arc::new(store),
            copy_to: Some(self.worker.clone()),
        })
    }

    /// The offsets of a connector, opened when they are first asked for.
    #[must_use]
    pub fn lazily(
        self: &Arc<Self>,
        connector: &ConnectorName,
        settings: &Arc<ConnectorSettings>,
    ) -> Arc<dyn OffsetBackingStore> {
        Arc::new(Lazy {
            stores: self.clone(),
            connector: connector.clone(),
            settings: settings.clone(),
            opened: OnceCell::new(),
        })
    }

    fn workers(&self, connector: &ConnectorName, topic: String) -> ConnectorOffsets {
        ConnectorOffsets {
            connector: connector.clone(),
            topic,
            store: self.worker.clone(),
            copy_to: None,
        }
    }

    async fn open(
        &self,
        cluster: &DistributedSettings,
        connector: &ConnectorName,
        topic: &str,
        overrides: &ClientProps,
    ) -> Result<Arc<OwnStore>, StorageError> {
        let exactly_once = cluster.exactly_once == ExactlyOnceSupport::Enabled;
        let clients =
            client_configs::offset_clients(&self.config, overrides, connector, exactly_once);
        let key: OwnKey = (
            topic.to_owned(),
            [
                &clients.admin,
                &clients.base,
                &clients.consumer,
                &clients.producer,
            ]
            .into_iter()
            .flatten()
            .filter(|(name, _)| *name != "client.id")
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect(),
        );
        let mut own = self.own.lock().await;
        if let Some(open) = own.get(&key).and_then(Weak::upgrade) {
            return Ok(open);
        }
        let store = KafkaOffsetBackingStore::own(
            cluster,
            OwnTopic {
                topic: topic.to_owned(),
                client_id: format!("connector-consumer-{connector}"),
                clients,
            },
        );
        store.start().await?;
        let store = Arc::new(OwnStore(store));
        own.retain(|_, known| known.strong_count() > 0);
        own.insert(key, Arc::downgrade(&store));
        Ok(store)
    }
}

/// The set of servers that the connector's producer, or else the worker's, connects to.
fn producer_servers(worker: &WorkerSettings, overrides: &ClientProps) -> Vec<String> {
    let named = |producer: &Props| producer.get("bootstrap.servers").cloned();
    let servers = named(&overrides.producer)
        .or_else(|| named(&worker.clients.producer))
        .unwrap_or_else(|| worker.bootstrap_servers.join(","));
    let mut servers: Vec<String> = servers
        .split(',')
        .map(str::trim)
        .filter(|server| !server.is_empty())
        .map(str::to_owned)
        .collect();
    servers.sort_unstable();
    servers.dedup();
    servers
}

/// A connector's own topic, copied to the worker's (`ConnectorOffsetBackingStore`).
struct OwnAndWorker {
    connector: ConnectorName,
    own: Arc<OwnStore>,
    worker: Arc<dyn OffsetBackingStore>,
}

#[async_trait]
impl OffsetBackingStore for OwnAndWorker {
    async fn start(&self) -> Result<(), StorageError> {
        Ok(())
    }

    async fn stop(&self) {}

    async fn get(
        &self,
        keys: Vec<Vec<u8>>,
    ) -> Result<HashMap<Vec<u8>, Option<Vec<u8>>>, StorageError> {
        self.own.0.get(keys).await
    }

    async fn set(&self, values: Vec<OffsetRecord>) -> Result<(), StorageError> {
        write_tombstones(self.worker.as_ref(), &values).await?;
        self.own.0.set(values.clone()).await?;
        copy_offsets(&self.worker, &self.connector, values);
        Ok(())
    }

    async fn connector_partitions(
        &self,
        connector: &ConnectorName,
    ) -> Result<Vec<JsonObject>, StorageError> {
        let mut partitions = self.worker.connector_partitions(connector).await?;
        for partition in self.own.0.connector_partitions(connector).await? {
            if !partitions.contains(&partition) {
                partitions.push(partition);
            }
        }
        Ok(partitions)
    }
}

/// A store that is opened at its first use, see [`OffsetStores::lazily`].
struct Lazy {
    stores: Arc<OffsetStores>,
    connector: ConnectorName,
    settings: Arc<ConnectorSettings>,
    opened: OnceCell<Arc<dyn OffsetBackingStore>>,
}

impl Lazy {
    async fn open(&self) -> Result<&Arc<dyn OffsetBackingStore>, StorageError> {
        self.opened
            .get_or_try_init(|| async {
                let offsets = self.stores.of_connector(&self.connector, &self.settings);
                Ok(offsets.await?.store())
            })
            .await
    }
}

#[async_trait]
impl OffsetBackingStore for Lazy {
    async fn start(&self) -> Result<(), StorageError> {
        self.open().await.map(|_| ())
    }

    async fn stop(&self) {}

    async fn get(
        &self,
        keys: Vec<Vec<u8>>,
    ) -> Result<HashMap<Vec<u8>, Option<Vec<u8>>>, StorageError> {
        self.open().await?.get(keys).await
    }

    async fn set(&self, values: Vec<OffsetRecord>) -> Result<(), StorageError> {
        self.open().await?.set(values).await
    }

    async fn connector_partitions(
        &self,
        connector: &ConnectorName,
    ) -> Result<Vec<JsonObject>, StorageError> {
        self.open().await?.connector_partitions(connector).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Mode;

    fn props(pairs: &[(&str, &str)]) -> Props {
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn clusters_are_the_same_if_their_servers_are_in_any_order() {
        let worker = props(&[
            ("bootstrap.servers", "a:1, b:2"),
            ("key.converter", "k"),
            ("value.converter", "v"),
            ("offset.storage.file.filename", "o"),
        ]);
        let worker = WorkerSettings::from_props(worker, Mode::Standalone).unwrap();
        let servers = |own: &[(&str, &str)]| {
            producer_servers(&worker, &ClientProps::of_connector(&props(own)))
        };
        let own = servers(&[]);
        assert_eq!(own, ["a:1", "b:2"]);
        assert_eq!(
            servers(&[("producer.override.bootstrap.servers", "b:2,a:1")]),
            own
        );
        assert_ne!(
            servers(&[("producer.override.bootstrap.servers", "c:3")]),
            own
        );
    }
}
