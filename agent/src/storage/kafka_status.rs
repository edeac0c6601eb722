//! States of connectors and tasks, and active topics, in the status topic.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use sluice_api::config::Props;
use sluice_protocol::status_topic::{StatusRecord, StatusValue, TopicStatus};
use sluice_protocol::{ConnectorName, ConnectorTaskId, State, TopicName};
use tokio::sync::OnceCell;

use super::kafka_based_log::{KafkaBasedLog, LogRecord, TopicSettings};
use super::status_cache::StatusCache;
use super::{StatusBackingStore, StorageError};
use crate::worker_config::WorkerConfig;

/// See the module.
pub struct KafkaStatusBackingStore {
    worker: Props,
    client_id: String,
    settings: TopicSettings,
    cache: Arc<Mutex<StatusCache>>,
    log: Arc<OnceCell<KafkaBasedLog>>,
}

impl KafkaStatusBackingStore {
    /// A store that is not started yet.
    pub fn new(config: &WorkerConfig, client_id_base: &str) -> Self {
        Self {
            worker: config.raw.clone(),
            client_id: format!("{client_id_base}statuses"),
            settings: super::internal_topic(
                config,
                "status.storage",
                "connector and task statuses",
            ),
            cache: Arc::default(),
            log: Arc::default(),
        }
    }

    /// Queues a record. librdkafka sends it again by itself for as long as it takes.
    fn send(&self, record: &StatusRecord) {
        let Some(log) = self.log.get() else {
            tracing::warn!(key = %record.key(), "status before the status store was started, it is lost");
            return;
        };
        let encoded = record.encode();
        let sent = log.send(&encoded.key, encoded.value.as_deref());
        match sent {
            Ok(_acknowledgement) => {}
            Err(KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull)) => {
                let (log, key) = (self.log.clone(), record.key());
                tokio::spawn(async move {
                    let records = [(encoded.key, encoded.value)];
                    let Some(log) = log.get() else { return };
                    if let Err(error) = log.send_all("status", &records, super::CLOSE_LIMIT).await {
                        tracing::warn!(%key, %error, "status is lost");
                    }
                });
            }
            Err(error) => tracing::warn!(key = %record.key(), %error, "status is lost"),
        }
    }
}

/// The record's status; DESTROYED is a tombstone.
fn stored(status: StatusValue) -> Option<StatusValue> {
    (status.state != State::Destroyed).then_some(status)
}

#[async_trait]
impl StatusBackingStore for KafkaStatusBackingStore {
    async fn start(&self) -> Result<(), StorageError> {
        let cache = self.cache.clone();
        let topic = self.settings.topic.clone();
        let handler = Box::new(move |record: LogRecord<'_>| {
            match StatusRecord::decode(record.key, record.value) {
                Ok(Some(status)) => cache.lock().feed(status),
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(
                        topic,
                        partition = record.partition,
                        offset = record.offset,
                        %error,
                        "record of the status topic passed over"
                    );
                }
            }
        });
        let log = KafkaBasedLog::start(
            &self.worker,
            &self.client_id,
            &Props::new(),
            &self.settings,
            handler,
        )
        .await?;
        let _ = self.log.set(log);
        Ok(())
    }

    async fn stop(&self) {
        self.flush().await;
        if let Some(log) = self.log.get() {
            log.stop();
        }
    }

    async fn flush(&self) {
        if let Some(log) = self.log.get() {
            log.flush(Duration::from_secs(5)).await;
        }
    }

    fn put_connector(&self, connector: &ConnectorName, status: StatusValue) {
        self.send(&StatusRecord::Connector {
            connector: connector.clone(),
            status: stored(status),
        });
    }

    fn put_connector_safe(&self, connector: &ConnectorName, status: StatusValue) {
        let allowed = StatusCache::allows(self.cache.lock().connector(connector), &status);
        if allowed {
            self.put_connector(connector, status);
        }
    }

    fn put_task(&self, id: &ConnectorTaskId, status: StatusValue) {
        self.send(&StatusRecord::Task {
            id: id.clone(),
            status: stored(status),
        });
    }

    fn put_task_safe(&self, id: &ConnectorTaskId, status: StatusValue) {
        let allowed = StatusCache::allows(self.cache.lock().task(id), &status);
        if allowed {
            self.put_task(id, status);
        }
    }

    fn put_topic(&self, status: TopicStatus) {
        self.send(&StatusRecord::Topic {
            topic: status.name.clone(),
            connector: status.connector.clone(),
            status: Some(status),
        });
    }

    fn delete_topic(&self, connector: &ConnectorName, topic: &TopicName) {
        self.send(&StatusRecord::Topic {
            topic: topic.clone(),
            connector: connector.clone(),
            status: None,
        });
    }

    fn connector(&self, connector: &str) -> Option<StatusValue> {
        self.cache.lock().connector(connector).cloned()
    }

    fn task(&self, id: &ConnectorTaskId) -> Option<StatusValue> {
        self.cache.lock().task(id).cloned()
    }

    fn tasks(&self, connector: &str) -> Vec<(u32, StatusValue)> {
        self.cache.lock().tasks(connector)
    }

    fn topic(&self, connector: &str, topic: &str) -> Option<TopicStatus> {
        self.cache.lock().topic(connector, topic).cloned()
    }

    fn topics(&self, connector: &str) -> Vec<TopicStatus> {
        self.cache.lock().topics(connector)
    }

    fn connectors(&self) -> Vec<ConnectorName> {
        self.cache.lock().connectors()
    }
}
