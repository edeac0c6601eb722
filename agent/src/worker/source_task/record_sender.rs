//! From a polled record to the producer: transformations, converters, topic creation. What at-least-once and
//! exactly-once loops do with it afterwards differs; this part is the same (`AbstractWorkerSourceTask`).

use std::sync::Arc;
use std::time::Duration;

use bytestring::ByteString;
use rdkafka::message::{Header as KafkaHeader, OwnedHeaders};
use sluice_api::{ConnectError, ConnectRecord, ErrorKind, RecordOrigin, Result, SourceRecord};
use sluice_protocol::TargetState;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::worker::client_configs;
use crate::worker::errors::{ErrorOperator, FailureSubject, Stage, Tolerated, attempt};
use crate::worker::producer::{AckSignal, OpenChunk, SendError, SharedProducer};
use crate::worker::task_context::{TaskContext, TaskPlugins};
use crate::worker::topic_creation::TopicCreation;

/// Wait before a record is tried again after a retriable error outside the error operator.
pub(super) const SEND_RETRY_DELAY: Duration = Duration::from_millis(100);

/// What an error report says of the record at hand.
pub(super) struct Subject(pub(super) Option<String>);

impl FailureSubject for Subject {
    fn describe(&self) -> String {
        self.0.clone().unwrap_or_default()
    }
}

/// What became of a record.
pub(super) enum Dispatch {
    /// The producer has it; the record as polled, for tasks that follow each.
    Sent(Option<Box<SourceRecord>>),
    /// A transformation or a tolerated error dropped it; it is kept for tasks that follow each.
    Dropped(Option<Box<SourceRecord>>),
    /// The task is stopping and the record was not taken.
    Stopping,
}

/// What became of a record without waiting.
pub(super) enum AtOnce {
    /// The producer has it.
    Sent,
    /// A transformation dropped it.
    Dropped,
    /// The rest is for [`RecordSender::dispatch`].
    Rest(Transformed),
}

/// How far the transformations of a record are.
pub(super) enum Transformed {
    /// They are still to come.
    Not,
    /// The record is what they made of it.
    Done,
    /// One of this class failed, and the record is gone.
    Failed(String, ConnectError),
}

/// Room for the bytes of one record, used again for the next.
#[derive(Default)]
struct Buffers {
    key: Vec<u8>,
    value: Vec<u8>,
}

/// A record as it is sent. Key and value are in the [`Buffers`], or in the record they come from.
struct Converted<'a> {
    key: Option<&'a [u8]>,
    value: Option<&'a [u8]>,
    headers: Option<OwnedHeaders>,
}

impl Converted<'_> {
    fn len(&self) -> u64 {
        (self.key.map_or(0, <[u8]>::len) + self.value.map_or(0, <[u8]>::len)) as u64
    }
}

/// Sends the records of one source task.
pub(super) struct RecordSender {
    plugins: Arc<TaskPlugins>,
    pub(super) errors: ErrorOperator,
    topic_creation: Option<TopicCreation>,
    pub(super) producer: Arc<SharedProducer>,
    pub(super) signal: Arc<AckSignal>,
    /// The task wants each record back with its commit (`SourceTask::wants_record_commits`); known once it is
    /// started.
    pub(super) keep_records: bool,
    /// A topic that this task may not write to: its own offsets topic, with exactly-once.
    refused_topic: Option<String>,
    buffers: Buffers,
    /// Bytes of keys and values since [`RecordSender::take_bytes`].
    bytes: u64,
    stopping: CancellationToken,
    cancelled: CancellationToken,
    target_state: watch::Receiver<TargetState>,
}

impl RecordSender {
    /// A sender for one task. `stopping` is cancelled when its loop has decided to end.
    ///
    /// # Errors
    /// Settings of the admin client are not valid.
    pub(super) fn new(
        context: &TaskContext,
        producer: Arc<SharedProducer>,
        stopping: &CancellationToken,
    ) -> Result<Self> {
        let errors = ErrorOperator::new(
            context.id.clone(),
            context.connector.errors.clone(),
            Arc::clone(&context.metrics.errors),
            stopping.clone(),
            context.cancelled.clone(),
        );
        let rules = context.connector.topic_creation.as_ref();
        let topic_creation = rules
            .map(|rules| {
                let admin = client_configs::admin_config(context)?;
                Ok::<_, ConnectError>(TopicCreation::new(rules.clone(), admin))
            })
            .transpose()?;
        Ok(Self {
            plugins: Arc::clone(&context.plugins),
            errors,
            topic_creation,
            producer,
            signal: Arc::default(),
            keep_records: false,
            refused_topic: None,
            buffers: Buffers::default(),
            bytes: 0,
            stopping: stopping.clone(),
            cancelled: context.cancelled.clone(),
            target_state: context.target_state.clone(),
        })
    }

    /// Makes records for this topic fail the task.
    pub(super) fn refuse_topic(&mut self, topic: String) {
        self.refused_topic = Some(topic);
    }

    /// Bytes of keys and values handed to the producer since the last call.
    pub(super) fn take_bytes(&mut self) -> u64 {
        std::mem::take(&mut self.bytes)
    }

    /// Transforms and sends a record without the cost of a future, as far as nothing is to be waited for
    /// and nothing goes wrong.
    pub(super) fn dispatch_at_once(
        &mut self,
        open: &mut OpenChunk,
        index: usize,
        source: &mut SourceRecord,
    ) -> AtOnce {
        match self.transform_at_once(source) {
            None => AtOnce::Dropped,
            Some(Transformed::Done) if self.send_at_once(open, index, &source.record) => {
                AtOnce::Sent
            }
            Some(transformed) => AtOnce::Rest(transformed),
        }
    }

    /// Transforms a record in its place, unless a failure would need the record as it was; `None` if a
    /// transformation dropped it.
    fn transform_at_once(&self, source: &mut SourceRecord) -> Option<Transformed> {
        let transformations = &self.plugins.transformations;
        if transformations.is_empty() {
            return Some(Transformed::Done);
        }
        if self.keep_records || self.errors.retries() || self.errors.settings().log_messages {
            return Some(Transformed::Not);
        }
        let record = std::mem::take(&mut source.record);
        match transformations.apply_at_once(record, &origin(source)) {
            Ok(Some(record)) => {
                source.record = record;
                Some(Transformed::Done)
            }
            Ok(None) => None,
            Err((class, error)) => Some(Transformed::Failed(class.to_owned(), error)),
        }
    }

    /// Converts and sends a record that needs nothing else. False if it does, or if anything went wrong,
    /// which then happens in [`RecordSender::dispatch`] again.
    fn send_at_once(&mut self, open: &mut OpenChunk, index: usize, record: &ConnectRecord) -> bool {
        let plugins = &self.plugins;
        if self.keep_records
            || !record.headers.is_empty()
            || self.refused_topic.as_deref() == Some(&*record.topic)
        {
            return false;
        }
        if let Some(creation) = &mut self.topic_creation
            && !creation.is_known(&record.topic)
        {
            return false;
        }
        let Buffers { key, value } = &mut self.buffers;
        key.clear();
        value.clear();
        let key = plugins.key_bytes(record, key);
        let value = plugins.value_bytes(record, value);
        let (Ok(key), Ok(value)) = (key, value) else {
            return false;
        };
        let sent = open.send(
            index,
            &record.topic,
            record.kafka_partition,
            record.timestamp,
            key,
            value,
            None,
        );
        if sent.is_err() {
            return false;
        }
        self.bytes += (key.map_or(0, <[u8]>::len) + value.map_or(0, <[u8]>::len)) as u64;
        true
    }

    /// Sends one record, or drops it, from where [`RecordSender::dispatch_at_once`] left it. `source`
    /// keeps its partition and offset, and gets the topic that it was sent to.
    ///
    /// # Errors
    /// A failure that is not tolerated.
    pub(super) async fn dispatch(
        &mut self,
        open: &mut OpenChunk,
        index: usize,
        source: &mut SourceRecord,
        transformed: Transformed,
    ) -> Result<Dispatch> {
        // Taken out, so that what they hold may be borrowed while topics are made and records sent.
        let mut buffers = std::mem::take(&mut self.buffers);
        let dispatched = self
            .dispatch_by(&mut buffers, open, index, source, transformed)
            .await;
        self.buffers = buffers;
        dispatched
    }

    async fn dispatch_by(
        &mut self,
        buffers: &mut Buffers,
        open: &mut OpenChunk,
        index: usize,
        source: &mut SourceRecord,
        transformed: Transformed,
    ) -> Result<Dispatch> {
        let kept = self.keep_records.then(|| Box::new(source.clone()));
        let subject = Subject(
            self.errors
                .settings()
                .log_messages
                .then(|| format!(", where source record is = {source}")),
        );
        let Some(record) = self.transform(source, transformed, &subject).await? else {
            return Ok(Dispatch::Dropped(kept));
        };
        let headers = self.headers(&record, &mut buffers.value, &subject).await?;
        let Some(headers) = headers else {
            return Ok(Dispatch::Dropped(kept));
        };
        buffers.key.clear();
        buffers.value.clear();
        let (plugins, errors) = (&self.plugins, &self.errors);
        let key = attempt!(
            plugins.key_bytes(&record, &mut buffers.key),
            |attempts, error| {
                let stage = Stage::KeyConverter;
                errors
                    .after_conversion(plugins, stage, &subject, &mut attempts, error)
                    .await
            }
        );
        let Some(key) = key? else {
            return Ok(Dispatch::Dropped(kept));
        };
        let value = attempt!(
            plugins.value_bytes(&record, &mut buffers.value),
            |attempts, error| {
                let stage = Stage::ValueConverter;
                errors
                    .after_conversion(plugins, stage, &subject, &mut attempts, error)
                    .await
            }
        );
        let Some(value) = value? else {
            return Ok(Dispatch::Dropped(kept));
        };
        let converted = Converted {
            key,
            value,
            headers,
        };
        self.refuse(&record.topic)?;
        self.bytes += converted.len();
        if !self.ensure_topic(&record.topic).await?
            || !self.send(open, index, &record, &converted).await?
        {
            return Ok(Dispatch::Stopping);
        }
        source.record.topic = record.topic;
        Ok(Dispatch::Sent(kept))
    }

    /// Takes the record out of `source` and applies the transformations, unless they are; `None` if it
    /// is dropped.
    async fn transform(
        &self,
        source: &mut SourceRecord,
        transformed: Transformed,
        subject: &Subject,
    ) -> Result<Option<ConnectRecord>> {
        let record = std::mem::take(&mut source.record);
        let outcome = match transformed {
            Transformed::Done => return Ok(Some(record)),
            Transformed::Failed(class, error) => {
                let stage = Stage::Transformation;
                self.errors.failed(stage, &class, subject, error).await
            }
            Transformed::Not => {
                let transformations = &self.plugins.transformations;
                transformations
                    .apply(record, &origin(source), &self.errors, subject)
                    .await
            }
        };
        match outcome {
            Tolerated::Done(record) => Ok(Some(record)),
            Tolerated::Skipped => Ok(None),
            Tolerated::Fatal(error) => Err(error),
        }
    }

    /// Fails for a topic that this task may not write to.
    fn refuse(&self, topic: &str) -> Result<()> {
        if self.refused_topic.as_deref() != Some(topic) {
            return Ok(());
        }
        Err(ConnectError::connect(format!(
            "Source tasks may not produce to their own offsets topics when exactly-once support is enabled, \
             but a record for topic {topic} was given"
        )))
    }

    /// The headers of a record as they are sent, if it has any; `None` if it is dropped.
    async fn headers(
        &self,
        record: &ConnectRecord,
        buffer: &mut Vec<u8>,
        subject: &Subject,
    ) -> Result<Option<Option<OwnedHeaders>>> {
        if record.headers.is_empty() {
            return Ok(Some(None));
        }
        let plugins = &self.plugins;
        let mut converted = OwnedHeaders::new_with_capacity(record.headers.len());
        for header in &record.headers {
            buffer.clear();
            let value = attempt!(
                plugins.header_converter.from_connect_header(
                    &record.topic,
                    &header.key,
                    header.schema.as_ref(),
                    &header.value,
                    &mut *buffer,
                ),
                |attempts, error| {
                    let class = &plugins.header_converter_class;
                    self.errors
                        .after_failure(Stage::HeaderConverter, class, subject, &mut attempts, error)
                        .await
                }
            );
            let Some(value) = value? else {
                return Ok(None);
            };
            converted = converted.insert(KafkaHeader {
                key: &header.key,
                value,
            });
        }
        Ok(Some(Some(converted)))
    }

    /// Creates the topic if the connector has rules for that (KIP-158) and it does not exist; false
    /// if the task stops.
    async fn ensure_topic(&mut self, topic: &ByteString) -> Result<bool> {
        let Some(creation) = &mut self.topic_creation else {
            return Ok(true);
        };
        while !creation.is_known(topic) {
            match creation.ensure(topic).await {
                Ok(()) => {}
                Err(error) if error.is_retriable() => {
                    tracing::warn!(
                        task = %self.errors.id(),
                        "will try again: {}",
                        error.trace().trim_end()
                    );
                    tokio::select! {
                        () = tokio::time::sleep(SEND_RETRY_DELAY) => {}
                        () = self.stopping.cancelled() => return Ok(false),
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Gives the record to the producer, waiting for room; false if the task stops meanwhile.
    async fn send(
        &self,
        open: &mut OpenChunk,
        index: usize,
        record: &ConnectRecord,
        converted: &Converted<'_>,
    ) -> Result<bool> {
        loop {
            let sent = open.send(
                index,
                &record.topic,
                record.kafka_partition,
                record.timestamp,
                converted.key,
                converted.value,
                converted.headers.clone(),
            );
            match sent {
                Ok(()) => return Ok(true),
                Err(SendError::QueueFull) => {
                    if self.stopping.is_cancelled()
                        || *self.target_state.borrow() == TargetState::Stopped
                    {
                        return Ok(false);
                    }
                    tokio::select! {
                        () = self.producer.space() => {}
                        () = self.stopping.cancelled() => {}
                        () = self.cancelled.cancelled() => return Ok(false),
                    }
                }
                Err(SendError::Kafka(error)) => {
                    return Err(
                        ConnectError::connect("Unrecoverable exception trying to send")
                            .caused_by(ConnectError::new(ErrorKind::Kafka, error.to_string())),
                    );
                }
            }
        }
    }
}

/// What transformations are told of where a record comes from.
fn origin(source: &SourceRecord) -> RecordOrigin<'_> {
    RecordOrigin::Source {
        partition: source.source_partition.as_deref(),
        offset: source.source_offset.as_ref(),
    }
}
