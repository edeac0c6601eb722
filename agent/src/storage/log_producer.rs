//! The producer of a topic of the worker's own: each record that was sent has an acknowledgement,
//! for who wants to wait.

use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Message as _};
use rdkafka::producer::{BaseProducer, BaseRecord, ProducerContext};
use sluice_kafka::producer::polled::PolledProducer;
use tokio::sync::oneshot;

use sluice_kafka::client::logs::TracingContext;

/// Offset of a record that was written, or why it was not.
pub(crate) type Acknowledgement = oneshot::Receiver<KafkaResult<i64>>;

/// Logs like every client of the worker, and hands acknowledgements to who waits for them.
pub(crate) struct Acknowledging {
    tracing: TracingContext,
    /// Records that were not written and that nobody waited for.
    lost: AtomicU64,
}

impl Acknowledging {
    fn new(client_id: &str) -> Self {
        Self {
            tracing: TracingContext::new(client_id),
            lost: AtomicU64::new(0),
        }
    }

    /// Logs the first record that was lost without a waiter, and then each time their number has doubled.
    fn unheard(&self, error: &KafkaError) {
        let lost = self.lost.fetch_add(1, Ordering::Relaxed) + 1;
        if lost.is_power_of_two() {
            tracing::warn!(client = self.tracing.client(), %error, lost, "records were not written");
        }
    }
}

impl ClientContext for Acknowledging {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.tracing.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.tracing.error(error, reason);
    }
}

impl ProducerContext for Acknowledging {
    type DeliveryOpaque = Box<oneshot::Sender<KafkaResult<i64>>>;

    fn delivery(&self, result: &DeliveryResult<'_>, sender: Self::DeliveryOpaque) {
        let written = match result {
            Ok(message) => Ok(message.offset()),
            Err((error, _)) => Err(error.clone()),
        };
        if let Err(Err(error)) = sender.send(written) {
            self.unheard(&error);
        }
    }
}

#[derive(Clone)]
pub(crate) struct LogProducer(PolledProducer<Acknowledging>);

impl LogProducer {
    /// A producer of these settings; `client_id` names it in the log.
    pub(crate) fn new(config: &ClientConfig, client_id: &str) -> KafkaResult<Self> {
        PolledProducer::new(config, Acknowledging::new(client_id)).map(Self)
    }

    /// Queues a record.
    ///
    /// # Errors
    /// If the queue is full or the record too large.
    pub(crate) fn send(
        &self,
        topic: &str,
        key: &[u8],
        value: Option<&[u8]>,
    ) -> KafkaResult<Acknowledgement> {
        let (sender, acknowledgement) = oneshot::channel();
        let mut record =
            BaseRecord::<[u8], [u8], _>::with_opaque_to(topic, Box::new(sender)).key(key);
        if let Some(value) = value {
            record = record.payload(value);
        }
        match self.0.send(record) {
            Ok(()) => Ok(acknowledgement),
            Err((error, _)) => Err(error),
        }
    }

    /// Sends records in order, waiting for room where there is none, and waits until all are acknowledged.
    ///
    /// # Errors
    /// Why the first of them that failed was not written.
    pub(crate) async fn send_all<K: AsRef<[u8]>, V: AsRef<[u8]>>(
        &self,
        topic: &str,
        records: &[(K, Option<V>)],
    ) -> KafkaResult<()> {
        let mut waiting = Vec::with_capacity(records.len());
        for (key, value) in records {
            let value = value.as_ref().map(AsRef::as_ref);
            let sent = loop {
                match self.send(topic, key.as_ref(), value) {
                    Err(KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull)) => {
                        tokio::time::sleep(Duration::from_millis(10)).await;
                    }
                    sent => break sent?,
                }
            };
            waiting.push(sent);
        }
        for sent in waiting {
            sent.await.unwrap_or(Err(KafkaError::Canceled))?;
        }
        Ok(())
    }
}

impl Deref for LogProducer {
    type Target = BaseProducer<Acknowledging>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}
