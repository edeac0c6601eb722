//! The producer of a topic of the worker's own: each record that was sent has an acknowledgement, for who wants to wait.

use std::ops::Deref;

use rdkafka::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::message::{DeliveryResult, Message as _};
use rdkafka::producer::{BaseProducer, BaseRecord, ProducerContext};
use sluice_kafka::polled_producer::PolledProducer;
use tokio::sync::oneshot;

use crate::kafka_client::TracingContext;

/// Offset of a record that was written, or why it was not.
pub(crate) type Acknowledgement = oneshot::Receiver<KafkaResult<i64>>;

/// Logs like every client of the worker, and hands acknowledgements to who waits for them.
pub(crate) struct Acknowledging(TracingContext);

impl ClientContext for Acknowledging {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.0.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.0.error(error, reason);
    }
}

impl ProducerContext for Acknowledging {
    type DeliveryOpaque = Box<oneshot::Sender<KafkaResult<i64>>>;

    fn delivery(&self, result: &DeliveryResult<'_>, sender: Self::DeliveryOpaque) {
        // Who does not wait any more does not mind.
        let _ = sender.send(match result {
            Ok(message) => Ok(message.offset()),
            Err((error, _)) => Err(error.clone()),
        });
    }
}

/// See the module.
#[derive(Clone)]
pub(crate) struct LogProducer(PolledProducer<Acknowledging>);

impl LogProducer {
    /// A producer of these settings; `client_id` names it in the log.
    pub(crate) fn new(config: &ClientConfig, client_id: &str) -> KafkaResult<Self> {
        PolledProducer::new(config, Acknowledging(TracingContext::new(client_id))).map(Self)
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
}

impl Deref for LogProducer {
    type Target = BaseProducer<Acknowledging>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}
