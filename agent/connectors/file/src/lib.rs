//! FileStreamSource and FileStreamSink: lines of a file to a topic, and values of topics to lines of a file.
//!
//! They have the class names, keys, offsets and messages of Kafka's own (`org.apache.kafka.connect.file`).
//! One difference: positions count bytes, where Kafka counts decoded characters and then skips as many bytes
//! on resume; for ASCII both are the same, for other text Kafka repeats or tears lines after a restart and
//! this does not.

mod sink_connector;
mod sink_task;
mod source_connector;
mod source_task;

use sluice_api::plugin::{
    Definition, KAFKA_VERSION, SinkConnectorPlugin, SourceConnectorPlugin, connectors, sink_tasks,
    source_tasks,
};
use sluice_toolkit::sink_connector::SameForEachTask;

pub use source_task::LineSplitter;

/// Key of the file's path; absent or empty is stdin or stdout.
const FILE: &str = "file";

/// `FileStreamSourceConnector`.
#[must_use]
pub fn source() -> SourceConnectorPlugin {
    SourceConnectorPlugin {
        class: "org.apache.kafka.connect.file.FileStreamSourceConnector".into(),
        task_class: "org.apache.kafka.connect.file.FileStreamSourceTask".into(),
        version: KAFKA_VERSION.into(),
        config_def: Definition::at_hand(source_connector::config_def),
        new_connector: connectors(source_connector::FileStreamSourceConnector::default),
        start_task: source_tasks(source_task::FileStreamSourceTask::start),
    }
}

/// `FileStreamSinkConnector`.
#[must_use]
pub fn sink() -> SinkConnectorPlugin {
    SinkConnectorPlugin {
        class: "org.apache.kafka.connect.file.FileStreamSinkConnector".into(),
        task_class: "org.apache.kafka.connect.file.FileStreamSinkTask".into(),
        version: KAFKA_VERSION.into(),
        config_def: Definition::at_hand(sink_connector::config_def),
        new_connector: connectors(SameForEachTask::<sink_connector::SinkFile>::default),
        start_task: sink_tasks(sink_task::FileStreamSinkTask::start),
    }
}

#[cfg(test)]
mod tests;
