//! The dead letter queue of a sink connector (`DeadLetterQueueReporter`): records
//! that failed, as they were consumed, in a topic of their own.
//!
//! Sending does not wait; [`ErrorReporter::settle`] does, before offsets are committed, so that a record is
//! never passed over without being in the queue. A send that fails is logged and counted, and the task fails
//! before it commits another offset. The JVM worker does so for records that a task reports, and goes on
//! without those that could not be converted or transformed.

use std::fmt::Display;
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use bytestring::ByteString;
use parking_lot::Mutex;
use rdkafka::message::{Header, OwnedHeaders};
use sluice_api::{ConnectError, ErrorKind, RawRecord, Result};
use sluice_protocol::ConnectorTaskId;
use tokio_util::sync::CancellationToken;

use super::client_configs;
use super::errors::{ErrorReporter, Stage};
use super::metrics::ErrorMetrics;
use super::producer::{AckChunk, AckSignal, ProducerPool, SendError, SharedProducer};
use super::task_context::TaskContext;
use super::topic_creation::TopicCreation;
use crate::settings::{ErrorSettings, TopicCreationRules};

/// Partitions of the topic when it is created.
const PARTITIONS: i32 = 1;
/// In front of the names of context headers.
const HEADER_PREFIX: &str = "__connect.errors.";

pub(crate) struct DeadLetterQueue {
    id: ConnectorTaskId,
    topic: ByteString,
    context_headers: bool,
    producer: Arc<SharedProducer>,
    signal: Arc<AckSignal>,
    /// Sends that were not answered when last looked at.
    outstanding: Mutex<Vec<Arc<AckChunk>>>,
    /// The first record that could not be written.
    failed: OnceLock<ConnectError>,
    metrics: Arc<ErrorMetrics>,
    cancelled: CancellationToken,
}

impl DeadLetterQueue {
    /// The queue of a task, whose topic is created if it is missing; `None` if the connector names no topic.
    ///
    /// # Errors
    /// The topic can't be created, or a client setting is not valid.
    pub(crate) async fn open(
        context: &TaskContext,
        settings: &ErrorSettings,
        producers: &ProducerPool,
    ) -> Result<Option<Self>> {
        let Some(topic) = &settings.dead_letter_topic else {
            return Ok(None);
        };
        let rules = TopicCreationRules::fixed(PARTITIONS, settings.dead_letter_replication);
        TopicCreation::new(rules, client_configs::dead_letter_admin_config(context)?)
            .ensure(&topic.as_str().into())
            .await
            .map_err(|error| {
                ConnectError::connect(format!(
                    "Could not initialize dead letter queue with topic={topic}"
                ))
                .caused_by(error)
            })?;
        let producer = producers.get(&client_configs::dead_letter_producer_config(context)?)?;
        Ok(Some(Self::writing(context, settings, topic, producer)))
    }

    /// A queue in a topic that exists.
    pub(crate) fn writing(
        context: &TaskContext,
        settings: &ErrorSettings,
        topic: &str,
        producer: Arc<SharedProducer>,
    ) -> Self {
        Self {
            id: context.id.clone(),
            topic: topic.into(),
            context_headers: settings.dead_letter_headers,
            producer,
            signal: Arc::default(),
            outstanding: Mutex::default(),
            failed: OnceLock::new(),
            metrics: Arc::clone(&context.metrics.errors),
            cancelled: context.cancelled.clone(),
        }
    }

    /// Fails if a record could not be written.
    ///
    /// # Errors
    /// The first failure.
    pub(crate) fn check(&self) -> Result<()> {
        if self.signal.take_failed() {
            self.look();
        }
        self.failed.get().cloned().map_or(Ok(()), Err)
    }

    /// Drops what was answered, reports failures, and counts what is still under way.
    fn look(&self) -> usize {
        let mut outstanding = self.outstanding.lock();
        outstanding.retain(|chunk| {
            for (_, error) in chunk.take_failures() {
                self.send_failed(&error);
            }
            !chunk.is_complete()
        });
        outstanding.len()
    }

    fn send_failed(&self, error: &dyn Display) {
        self.metrics.dlq_failures.add(1);
        self.failed.get_or_init(|| {
            ConnectError::connect(format!(
                "Could not produce message to dead letter queue. topic={}",
                self.topic
            ))
            .caused_by(ConnectError::new(ErrorKind::Kafka, error.to_string()))
        });
        tracing::error!(
            task = %self.id,
            topic = &*self.topic,
            %error,
            "could not produce message to dead letter queue"
        );
    }

    fn headers(
        &self,
        stage: Stage,
        class: &str,
        consumed: &RawRecord,
        error: &ConnectError,
    ) -> OwnedHeaders {
        let mut headers = OwnedHeaders::new_with_capacity(consumed.headers.len() + 10);
        for (key, value) in &consumed.headers {
            headers = headers.insert(Header {
                key,
                value: value.as_deref(),
            });
        }
        if !self.context_headers {
            return headers;
        }
        let context: [(&str, &dyn Display); 10] = [
            ("topic", &consumed.topic),
            ("partition", &consumed.partition),
            ("offset", &consumed.offset),
            ("connector.name", &self.id.connector),
            ("task.id", &self.id.task),
            ("stage", &stage.as_str()),
            ("class.name", &class),
            ("exception.class.name", &error.class_name()),
            ("exception.message", &error.message()),
            ("exception.stacktrace", &error.trace()),
        ];
        for (name, value) in context {
            headers = headers.insert(Header {
                key: &format!("{HEADER_PREFIX}{name}"),
                value: Some(&value.to_string()),
            });
        }
        headers
    }
}

#[async_trait]
impl ErrorReporter for DeadLetterQueue {
    async fn report(&self, stage: Stage, class: &str, consumed: &RawRecord, error: &ConnectError) {
        if self.signal.take_failed() {
            self.look();
        }
        self.metrics.dlq_requests.add(1);
        let headers = self.headers(stage, class, consumed, error);
        let mut open = self.producer.open_chunk(1, &self.signal, false);
        let timestamp = (consumed.timestamp >= 0).then_some(consumed.timestamp);
        loop {
            let sent = open.send(
                0,
                &self.topic,
                None,
                timestamp,
                consumed.key.as_deref(),
                consumed.value.as_deref(),
                Some(headers.clone()),
            );
            match sent {
                Ok(()) => break,
                Err(SendError::Kafka(error)) => return self.send_failed(&error),
                Err(SendError::QueueFull) => tokio::select! {
                    () = self.producer.space() => {}
                    () = self.cancelled.cancelled() => return,
                },
            }
        }
        self.outstanding.lock().push(Arc::clone(open.chunk()));
    }
    /// Fails if any record of the queue, now or before, was not written: no offset may be committed any more.
    async fn settle(&self) -> Result<()> {
        loop {
            let answered = self.signal.notify.notified();
            if self.look() == 0 {
                // The signal wakes one of those that wait.
                self.signal.notify.notify_waiters();
                return self.check();
            }
            tokio::select! {
                () = answered => {}
                () = self.cancelled.cancelled() => {
                    return Err(ConnectError::connect("the task was cancelled"));
                }
            }
        }
    }
}
