//! From a polled record to the producer: transformations, converters, topic creation. What at-least-once and
//! exactly-once loops do with it afterwards differs; this part is the same (`AbstractWorkerSourceTask`).

use std::sync::Arc;
use std::time::Duration;

use rdkafka::message::{Header as KafkaHeader, OwnedHeaders};
use sluice_api::{ConnectError, ErrorKind, RecordOrigin, Result, SourceRecord};
use sluice_protocol::TargetState;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::worker::client_configs;
use crate::worker::errors::{
    Attempts, Decision, ErrorOperator, ErrorSettings, FailureSubject, Stage, Tolerated,
};
use crate::worker::producer::{AckSignal, OpenChunk, SendError, SharedProducer};
use crate::worker::task_context::{TaskContext, TaskPlugins};
use crate::worker::topic_creation::{TopicCreation, TopicCreationRules};

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
    /// The producer has it; the record as polled, for tasks that want to hear of each.
    Sent(Option<Box<SourceRecord>>),
    /// A transformation or a tolerated error dropped it; it is kept for tasks that want to hear of each.
    Dropped(Option<Box<SourceRecord>>),
    /// The task is stopping and the record was not taken.
    Stopping,
}

pub(super) struct RecordSender {
    plugins: Arc<TaskPlugins>,
    pub(super) errors: ErrorOperator,
    topic_creation: Option<TopicCreation>,
    pub(super) producer: Arc<SharedProducer>,
    pub(super) signal: Arc<AckSignal>,
    /// The task wants to hear of each record.
    pub(super) keep_records: bool,
    /// A topic that this task may not write to: its own offsets topic, with exactly-once.
    refused_topic: Option<String>,
    key_buffer: Vec<u8>,
    value_buffer: Vec<u8>,
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
    /// Settings of errors, topic creation or the admin client are not valid.
    pub(super) fn new(
        context: &TaskContext,
        producer: Arc<SharedProducer>,
        keep_records: bool,
        stopping: &CancellationToken,
    ) -> Result<Self> {
        let errors = ErrorOperator::new(
            context.id.clone(),
            ErrorSettings::from_props(&context.connector_props)?,
            Arc::clone(&context.metrics.errors),
            stopping.clone(),
            context.cancelled.clone(),
        );
        let rules = if context.settings.topic_creation_enabled {
            TopicCreationRules::from_props(&context.connector_props)?
        } else {
            None
        };
        let topic_creation = rules
            .map(|rules| {
                let admin = client_configs::admin_config(context)?;
                Ok::<_, ConnectError>(TopicCreation::new(rules, admin))
            })
            .transpose()?;
        Ok(Self {
            plugins: Arc::clone(&context.plugins),
            errors,
            topic_creation,
            producer,
            signal: Arc::default(),
            keep_records,
            refused_topic: None,
            key_buffer: Vec::new(),
            value_buffer: Vec::new(),
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

    /// Sends a record that needs nothing but its converters, without the cost of a future. False if it needs more, or if
    /// anything went wrong, which then happens in [`RecordSender::dispatch`] again.
    pub(super) fn dispatch_at_once(
        &mut self,
        open: &mut OpenChunk,
        index: usize,
        source: &SourceRecord,
    ) -> bool {
        let record = &source.record;
        let plugins = &self.plugins;
        if self.keep_records
            || !plugins.transformations.is_empty()
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
        self.key_buffer.clear();
        self.value_buffer.clear();
        let key = plugins.key_converter.from_connect_data(
            &record.topic,
            record.key_schema.as_ref(),
            &record.key,
            &mut self.key_buffer,
        );
        let value = plugins.value_converter.from_connect_data(
            &record.topic,
            record.value_schema.as_ref(),
            &record.value,
            &mut self.value_buffer,
        );
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

    /// Sends one record, or drops it. `source` keeps its partition and offset, and gets the topic that it was sent to.
    ///
    /// # Errors
    /// A failure that is not tolerated.
    pub(super) async fn dispatch(
        &mut self,
        open: &mut OpenChunk,
        index: usize,
        source: &mut SourceRecord,
    ) -> Result<Dispatch> {
        let kept = self.keep_records.then(|| Box::new(source.clone()));
        let subject = Subject(
            self.errors
                .settings()
                .log_messages
                .then(|| format!(", where source record is = {source}")),
        );
        let record = std::mem::take(&mut source.record);
        let record = if self.plugins.transformations.is_empty() {
            record
        } else {
            let origin = RecordOrigin::Source {
                partition: source.source_partition.as_deref(),
                offset: source.source_offset.as_ref(),
            };
            let transformed = self
                .plugins
                .transformations
                .apply(record, &origin, &self.errors, &subject)
                .await;
            match transformed {
                Tolerated::Done(record) => record,
                Tolerated::Skipped => return Ok(Dispatch::Dropped(kept)),
                Tolerated::Fatal(error) => return Err(error),
            }
        };

        let plugins = &self.plugins;
        let mut headers = None;
        if !record.headers.is_empty() {
            let mut converted = OwnedHeaders::new_with_capacity(record.headers.len());
            for header in &record.headers {
                self.value_buffer.clear();
                let mut attempts = Attempts::default();
                let value = loop {
                    let result = plugins.header_converter.from_connect_header(
                        &record.topic,
                        &header.key,
                        header.schema.as_ref(),
                        &header.value,
                        &mut self.value_buffer,
                    );
                    match result {
                        Ok(value) => break value,
                        Err(error) => match self
                            .errors
                            .after_failure(
                                Stage::HeaderConverter,
                                &plugins.header_converter_class,
                                &subject,
                                &mut attempts,
                                error,
                            )
                            .await
                        {
                            Decision::Retry => {}
                            Decision::Skip => return Ok(Dispatch::Dropped(kept)),
                            Decision::Fail(error) => return Err(error),
                        },
                    }
                };
                converted = converted.insert(KafkaHeader {
                    key: &header.key,
                    value,
                });
            }
            headers = Some(converted);
        }
        self.key_buffer.clear();
        self.value_buffer.clear();
        let mut attempts = Attempts::default();
        let key = loop {
            let result = plugins.key_converter.from_connect_data(
                &record.topic,
                record.key_schema.as_ref(),
                &record.key,
                &mut self.key_buffer,
            );
            match result {
                Ok(key) => break key,
                Err(error) => match self
                    .errors
                    .after_conversion(
                        &*plugins.key_converter,
                        Stage::KeyConverter,
                        &plugins.key_converter_class,
                        &subject,
                        &mut attempts,
                        error,
                    )
                    .await
                {
                    Decision::Retry => {}
                    Decision::Skip => return Ok(Dispatch::Dropped(kept)),
                    Decision::Fail(error) => return Err(error),
                },
            }
        };
        let mut attempts = Attempts::default();
        let value = loop {
            let result = plugins.value_converter.from_connect_data(
                &record.topic,
                record.value_schema.as_ref(),
                &record.value,
                &mut self.value_buffer,
            );
            match result {
                Ok(value) => break value,
                Err(error) => match self
                    .errors
                    .after_conversion(
                        &*plugins.value_converter,
                        Stage::ValueConverter,
                        &plugins.value_converter_class,
                        &subject,
                        &mut attempts,
                        error,
                    )
                    .await
                {
                    Decision::Retry => {}
                    Decision::Skip => return Ok(Dispatch::Dropped(kept)),
                    Decision::Fail(error) => return Err(error),
                },
            }
        };
        if self.refused_topic.as_deref() == Some(&*record.topic) {
            return Err(ConnectError::connect(format!(
                "Source tasks may not produce to their own offsets topics when exactly-once support is enabled, but a \
                 record for topic {} was given",
                record.topic
            )));
        }
        self.bytes += (key.map_or(0, <[u8]>::len) + value.map_or(0, <[u8]>::len)) as u64;

        if let Some(creation) = &mut self.topic_creation {
            while !creation.is_known(&record.topic) {
                match creation.ensure(&record.topic).await {
                    Ok(()) => {}
                    Err(error) if error.is_retriable() => {
                        tracing::warn!(
                            task = %self.errors.id(),
                            "will try again: {}",
                            error.trace().trim_end()
                        );
                        tokio::select! {
                            () = tokio::time::sleep(SEND_RETRY_DELAY) => {}
                            () = self.stopping.cancelled() => return Ok(Dispatch::Stopping),
                        }
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        loop {
            let sent = open.send(
                index,
                &record.topic,
                record.kafka_partition,
                record.timestamp,
                key,
                value,
                headers.clone(),
            );
            match sent {
                Ok(()) => break,
                Err(SendError::QueueFull) => {
                    if self.stopping.is_cancelled()
                        || *self.target_state.borrow() == TargetState::Stopped
                    {
                        return Ok(Dispatch::Stopping);
                    }
                    tokio::select! {
                        () = self.producer.space() => {}
                        () = self.stopping.cancelled() => {}
                        () = self.cancelled.cancelled() => return Ok(Dispatch::Stopping),
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
        source.record.topic = record.topic;
        Ok(Dispatch::Sent(kept))
    }
}
