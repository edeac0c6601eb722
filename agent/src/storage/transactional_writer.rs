//! Writes of the leader in transactions (KIP-618): a leader that was replaced can write no more.

use std::time::Duration;

use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseProducer, Producer as _};
use sluice_api::config::Props;
use sluice_kafka::client::config::librdkafka_config;
use sluice_kafka::client::keys::ClientKind;
use sluice_protocol::config_topic::ConfigRecord;

use super::StorageError;
use super::log_producer::{Acknowledging, LogProducer};

pub(super) struct TransactionalWriter {
    producer: LogProducer,
    topic: String,
}

impl TransactionalWriter {
    /// A writer that has to be initialised.
    pub(super) fn new(
        worker: &Props,
        client_id: &str,
        transactional_id: &str,
        topic: &str,
    ) -> Result<Self, StorageError> {
        let own: Props = [
            ("client.id", client_id),
            ("acks", "all"),
            ("enable.idempotence", "true"),
            ("transactional.id", transactional_id),
            ("linger.ms", "0"),
        ]
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect();
        let config = librdkafka_config(ClientKind::Producer, worker, &own)?;
        let producer =
            LogProducer::new(&config, client_id).map_err(|source| StorageError::Kafka {
                topic: topic.to_owned(),
                doing: "cannot make a transactional producer",
                source,
            })?;
        Ok(Self {
            producer,
            topic: topic.to_owned(),
        })
    }

    /// Fences earlier writers with the same transactional id.
    pub(super) async fn initialise(&self, limit: Duration) -> Result<(), StorageError> {
        self.blocking("a claim of write privileges", move |producer| {
            producer.init_transactions(limit)
        })
        .await
    }

    /// Writes records in one transaction; answers the offset of the last one.
    pub(super) async fn write(
        &self,
        what: &'static str,
        records: &[ConfigRecord],
        limit: Duration,
    ) -> Result<i64, StorageError> {
        self.blocking(what, |producer| producer.begin_transaction())
            .await?;
        let mut sent = Vec::with_capacity(records.len());
        for record in records {
            let encoded = record.encode();
            sent.push(
                self.producer
                    .send(&self.topic, encoded.key.as_ref(), encoded.value.as_deref())
                    .map_err(|error| self.failed(what, &error))?,
            );
        }
        self.blocking(what, move |producer| producer.commit_transaction(limit))
            .await?;
        let mut last = -1;
        for delivery in sent {
            match delivery.await {
                Ok(Ok(offset)) => last = last.max(offset),
                Ok(Err(error)) => return Err(self.failed(what, &error)),
                Err(_) => return Err(self.failed(what, &KafkaError::Canceled)),
            }
        }
        Ok(last)
    }

    async fn blocking(
        &self,
        what: &'static str,
        call: impl FnOnce(&BaseProducer<Acknowledging>) -> Result<(), KafkaError> + Send + 'static,
    ) -> Result<(), StorageError> {
        let producer = self.producer.clone();
        match tokio::task::spawn_blocking(move || call(&producer)).await {
            Ok(result) => result.map_err(|error| self.failed(what, &error)),
            Err(error) => Err(StorageError::PrivilegedWrite {
                what,
                topic: self.topic.clone(),
                reason: error.to_string(),
            }),
        }
    }

    fn failed(&self, what: &'static str, error: &KafkaError) -> StorageError {
        StorageError::PrivilegedWrite {
            what,
            topic: self.topic.clone(),
            reason: error.to_string(),
        }
    }
}
