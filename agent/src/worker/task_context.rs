//! What a task loop is given by the worker, and what it tells back.
//!
//! A loop ([`super::source_task::SourceTaskLoop`], [`super::sink_task::SinkTaskLoop`]) is one
//! future that the worker spawns. It ends by itself after [`TaskContext::stopping`] was cancelled,
//! after the target state became STOPPED, or after a failure; it reports each change of state to
//! [`TaskStatusListener`] and never panics: a panic inside a plugin becomes a failure.
//!
//! Stopping: cancel `stopping`, wait up to `task.shutdown.graceful.timeout.ms` for the future to
//! end, then cancel `cancelled`. After that nothing is committed and nothing reported any more, and
//! the future ends at its next step; a plugin that never gives way can still hold its thread, so
//! the worker should not wait for it.

use std::sync::Arc;

use sluice_api::config::Props;
use sluice_api::{ConnectRecord, Converter, HeaderConverter, Result};
use sluice_protocol::{ConnectorTaskId, TargetState};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::errors::Stage;
use super::metrics::TaskMetrics;
use super::transformation_chain::TransformationChain;
use crate::settings::{ConnectorSettings, WorkerSettings};
use crate::status::TaskStatusListener;

/// Hears of the topics that a connector uses (KIP-558).
pub trait TopicTracker: Send + Sync {
    /// A record of the topic was acknowledged (source) or converted (sink). Called about once per
    /// batch and topic, so it must be cheap when the topic is known already.
    fn on_topic_used(&self, id: &ConnectorTaskId, topic: &str);
}

/// A tracker that forgets, for `topic.tracking.enable=false`.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoTopicTracking;

impl TopicTracker for NoTopicTracking {
    fn on_topic_used(&self, _id: &ConnectorTaskId, _topic: &str) {}
}

/// Converters and transformations of one task, configured.
pub struct TaskPlugins {
    /// Between the keys of records and their bytes in Kafka.
    pub key_converter: Box<dyn Converter>,
    /// Class of the converter of keys, for error reports and metrics.
    pub key_converter_class: String,
    /// Between the values of records and their bytes in Kafka.
    pub value_converter: Box<dyn Converter>,
    /// Class of the converter of values.
    pub value_converter_class: String,
    /// Between the headers of records and their bytes in Kafka.
    pub header_converter: Box<dyn HeaderConverter>,
    /// Class of the converter of headers.
    pub header_converter_class: String,
    /// Transformations in order, each with its predicate.
    pub transformations: TransformationChain,
}

impl TaskPlugins {
    /// The converter of a stage, with its class; of any stage but that of keys the one of values.
    pub(super) fn converter(&self, stage: Stage) -> (&dyn Converter, &str) {
        match stage {
            Stage::KeyConverter => (&*self.key_converter, &self.key_converter_class),
            _ => (&*self.value_converter, &self.value_converter_class),
        }
    }

    /// The bytes of a record's key, in `buffer` or in the record.
    pub(super) fn key_bytes<'a>(
        &self,
        record: &'a ConnectRecord,
        buffer: &'a mut Vec<u8>,
    ) -> Result<Option<&'a [u8]>> {
        let (schema, converter) = (record.key_schema.as_ref(), &self.key_converter);
        converter.from_connect_data(&record.topic, schema, &record.key, buffer)
    }

    /// The bytes of a record's value, in `buffer` or in the record.
    pub(super) fn value_bytes<'a>(
        &self,
        record: &'a ConnectRecord,
        buffer: &'a mut Vec<u8>,
    ) -> Result<Option<&'a [u8]>> {
        let (schema, converter) = (record.value_schema.as_ref(), &self.value_converter);
        converter.from_connect_data(&record.topic, schema, &record.value, buffer)
    }
}

/// Everything source and sink loops have in common.
pub struct TaskContext {
    /// Connector and task number.
    pub id: ConnectorTaskId,
    /// Class of the task (`task.class`), for error reports.
    pub task_class: String,
    /// Settings of the connector, with variables resolved.
    pub connector: Arc<ConnectorSettings>,
    /// Configuration of the task with variables resolved, given to the plugin.
    pub task_props: Props,
    /// Settings of the worker.
    pub worker: Arc<WorkerSettings>,
    /// The converters and transformations that its configuration names.
    pub plugins: Arc<TaskPlugins>,
    /// Hears of state changes.
    pub listener: Arc<dyn TaskStatusListener>,
    /// Is given the topics that the task uses (KIP-558).
    pub topics: Arc<dyn TopicTracker>,
    /// Target state of the connector; STOPPED ends the loop.
    pub target_state: watch::Receiver<TargetState>,
    /// Asks for an orderly end.
    pub stopping: CancellationToken,
    /// The time for an orderly end is over.
    pub cancelled: CancellationToken,
    /// Where the loop counts.
    pub metrics: Arc<TaskMetrics>,
}

impl TaskContext {
    /// Whether the target state is PAUSED now.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        *self.target_state.borrow() == TargetState::Paused
    }

    /// Whether the loop is to end.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.stopping.is_cancelled() || *self.target_state.borrow() == TargetState::Stopped
    }
}
