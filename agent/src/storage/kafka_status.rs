//! States of connectors and tasks, and active topics, in the status topic.

use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;
use sluice_api::config::Props;
use sluice_protocol::status_topic::StatusRecord;
use tokio::sync::OnceCell;
use tokio::task::JoinHandle;

use super::internal_topic::internal_topic;
use super::kafka_based_log::{KafkaBasedLog, LogClients, LogRecord, TopicSettings};
use super::status_sender::{ATTEMPT_LIMIT, StatusSender};
use super::{StatusBackingStore, StorageError};
use crate::cluster::StatusCache;
use crate::settings::DistributedSettings;

pub(crate) struct KafkaStatusBackingStore {
    worker: Props,
    client_id: String,
    settings: TopicSettings,
    cache: Arc<Mutex<StatusCache>>,
    log: Arc<OnceCell<KafkaBasedLog>>,
    sender: Arc<StatusSender>,
    sending: Mutex<Option<JoinHandle<()>>>,
}

impl KafkaStatusBackingStore {
    /// A store that is not started yet.
    pub(crate) fn new(props: &Props, cluster: &DistributedSettings, client_id_base: &str) -> Self {
        Self {
            worker: props.clone(),
            client_id: format!("{client_id_base}statuses"),
            settings: internal_topic(
                cluster,
                &cluster.status_topic,
                "connector and task statuses",
            ),
            cache: Arc::default(),
            log: Arc::default(),
            sender: Arc::default(),
            sending: Mutex::default(),
        }
    }
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
        // The sender decides what is sent again.
        let limit = ATTEMPT_LIMIT.as_millis().to_string();
        let producer = Props::from_iter([
            ("delivery.timeout.ms".to_owned(), limit.clone()),
            ("request.timeout.ms".to_owned(), limit),
        ]);
        let clients = LogClients {
            producer,
            ..LogClients::of_worker(&self.worker)
        };
        let log = KafkaBasedLog::start(&clients, &self.client_id, &self.settings, handler).await?;
        let _ = self.log.set(log);
        let sender = self.sender.clone();
        let sending = tokio::spawn(sender.run(self.log.clone(), self.cache.clone()));
        *self.sending.lock() = Some(sending);
        Ok(())
    }

    async fn stop(&self) {
        self.flush().await;
        if let Some(sending) = self.sending.lock().take() {
            sending.abort();
        }
        if let Some(log) = self.log.get() {
            log.stop();
        }
    }

    async fn flush(&self) {
        if self.log.get().is_some() {
            self.sender.flush(super::CLOSE_LIMIT).await;
        }
    }

    fn cache(&self) -> &Mutex<StatusCache> {
        &self.cache
    }

    fn put(&self, record: StatusRecord) {
        self.sender.put(record, false, &self.cache);
    }

    fn put_safe(&self, record: StatusRecord) {
        self.sender.put(record, true, &self.cache);
    }
}
